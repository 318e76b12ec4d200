"""What runs on one machine of a cluster: the local engine there, with its limits, and what calls keep there."""

import asyncio
import pickle
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import imgkit
from imgkit.engine.local import LocalEngine
from imgkit.engine.protocol import Limits, WorkerFailure
from imgkit.engine.worker import describe

THREADS: Final = 128
"""Calls that a machine can let wait for others at once: addresses that are being fetched."""


class Station:
    """One machine at work. The cluster makes one on each, calls it, and ends it with the machine or the engine.

    Args:
        slots: processes at most.
        limits: of each call.
        places: where the driver finds its modules; those that are missing here are looked through last.
    """

    def __init__(self, slots: int, limits: Limits, places: Sequence[str]) -> None:
        sys.path += [place for place in places if place not in sys.path]
        self._engine = LocalEngine(
            slots, timeout_s=limits.timeout_s, memory_bytes=limits.memory_bytes, recycle_after=limits.recycle_after
        )
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="imgkit-station")
        self._kept: dict[bytes, asyncio.Future[object]] = {}

    async def version(self) -> str:
        """Return the version of imgkit on this machine."""
        return imgkit.__version__

    async def run(self, function: bytes, init: bytes, argument: bytes) -> object:
        """Run a pickled call in a process of this machine; return its outcome."""
        return await asyncio.wrap_future(self._engine.submit_pickled(function, init, argument))

    async def visit(self, make: bytes, function: bytes, argument: bytes) -> object:
        """Run ``function(kept, argument)`` in a thread; ``kept`` is what ``make(engine)`` built here once.

        For calls that wait for others most of the time and keep connections; what they must not do themselves, they
        give to the engine.
        """
        loop = asyncio.get_running_loop()
        try:
            if make not in self._kept:
                self._kept[make] = asyncio.ensure_future(
                    loop.run_in_executor(self._threads, lambda: pickle.loads(make)(self._engine))
                )
            kept: Any = await asyncio.shield(self._kept[make])
            call: Callable[[Any, Any], object] = pickle.loads(function)
            return await loop.run_in_executor(self._threads, lambda: call(kept, pickle.loads(argument)))
        except Exception as error:
            return WorkerFailure("error", describe(error))
