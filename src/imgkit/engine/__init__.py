"""The one seam for parallel work: functions run in other processes, under limits, and a crash is a value.

    with LocalEngine(4, timeout_s=20, memory_bytes=2**30) as engine:
        for number, outcome in engine.map(fingerprint, chunks):
            ...  # outcome is what fingerprint(chunks[number]) returned, or a WorkerFailure

A function that is to run elsewhere is importable by name, takes and returns what pickle can carry, and never touches
the manifest: only the process that drives the engine writes.
"""

from imgkit.engine.inline import InlineEngine
from imgkit.engine.local import LocalEngine
from imgkit.engine.protocol import Engine, WorkerFailure

__all__ = ["Engine", "InlineEngine", "LocalEngine", "WorkerFailure", "make_engine"]


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
