"""The number of CPUs that this process may use."""

import contextlib
import os
from collections.abc import MutableMapping
from pathlib import Path

SCARCE_ADDRESS_SPACE = 2 * 2**30  # bytes; OpenBLAS reserves tens of millions for each of its threads


def address_space() -> int | None:
    """Return how many bytes of addresses this process may have (``ulimit -v``), None where there is no limit."""
    try:
        import resource
    except ImportError:  # Windows
        return None
    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    return None if limit == resource.RLIM_INFINITY else limit


def spare_address_space(environment: MutableMapping[str, str], limit: int | None) -> None:
    """Let OpenBLAS start one thread only where addresses are scarce; a number that is set already stays.

    It reserves memory for all its threads while numpy is imported, and ends the process, with a message of its own,
    where that fails. This must come before numpy is imported for the first time.
    """
    if limit is not None and limit < SCARCE_ADDRESS_SPACE:
        environment.setdefault("OPENBLAS_NUM_THREADS", "1")


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
