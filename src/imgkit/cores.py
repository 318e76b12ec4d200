"""How much of the machine is ours."""

import contextlib
import os
from pathlib import Path


def cpu_count(quota: Path = Path("/sys/fs/cgroup/cpu.max")) -> int:
    """Return how many CPUs this process may use, which can be fewer than the machine has.

    Args:
        quota: where Linux says how much time a container gets: "microseconds period", or "max period".
    """
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    with contextlib.suppress(OSError, ValueError):
        allowed, period = quota.read_text(encoding="ascii").split()
        if allowed != "max":
            count = min(count, round(int(allowed) / int(period)))
    return max(1, count)
