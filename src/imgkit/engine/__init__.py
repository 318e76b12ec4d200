"""The one seam for parallel work: functions run in other processes, under limits, and a crash is a value.

    with LocalEngine(4, timeout_s=20, memory_bytes=2**30) as engine:
        for number, outcome in engine.map(fingerprint, chunks):
            ...  # outcome is what fingerprint(chunks[number]) returned, or a WorkerFailure

``ClusterEngine`` is the same over the machines of a Ray cluster.

A function that is to run elsewhere is importable by name, takes and returns what pickle can carry, and never touches
the manifest: only the process that drives the engine writes.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from imgkit.engine.cluster import ClusterEngine
from imgkit.engine.inline import InlineEngine
from imgkit.engine.local import LocalEngine
from imgkit.engine.protocol import Engine, WorkerFailure
from imgkit.errors import UsageError

__all__ = [
    "ENGINES",
    "ClusterEngine",
    "Engine",
    "InlineEngine",
    "LocalEngine",
    "WorkerFailure",
    "make_engine",
    "open_engine",
]


ENGINES: Final = ("local", "ray")


@contextmanager
def open_engine(
    name: str,
    *,
    ray_address: str = "",
    timeout_s: float | None = None,
    memory_bytes: int | None = None,
    guarded: bool = False,
) -> Iterator[Engine | None]:
    """Give the engine that a person chose by name for a while: None for ``local``, where each stage has its own.

    Raises:
        UsageError: there is no such engine, or Ray is not installed.
        ResourceError: no cluster answers.
    """
    if name not in ENGINES:
        raise UsageError(f"--engine {name} is not known. Nothing was changed. Choose one of {', '.join(ENGINES)}.")
    if name == "local":
        if ray_address:
            raise UsageError("--ray-address belongs to --engine ray. Nothing was changed. Add --engine ray.")
        yield None
        return
    with ClusterEngine(ray_address, timeout_s=timeout_s, memory_bytes=memory_bytes, guarded=guarded) as engine:
        yield engine


def make_engine(
    workers: int,
    *,
    timeout_s: float | None = None,
    memory_bytes: int | None = None,
    recycle_after: int = 1000,
) -> InlineEngine | LocalEngine:
    """Return an engine of ``workers`` processes, or one that works inline for 0 (arguments as for LocalEngine)."""
    if workers == 0:
        return InlineEngine()
    return LocalEngine(workers, timeout_s=timeout_s, memory_bytes=memory_bytes, recycle_after=recycle_after)
