"""The worker on one machine of a cluster: a local engine with its limits, and the state that calls keep there."""

import asyncio
import pickle
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import imgkit
from imgkit.engine.local import LocalEngine
from imgkit.engine.protocol import CallLimits, WorkerFailure
from imgkit.engine.worker import describe
from imgkit.errors import ResourceError

THREADS: Final = 128
"""Calls that a machine can let wait for others at once: addresses that are being fetched."""


class NodeWorker:
    """One machine at work. The cluster makes one on each, calls it, and ends it with the machine or the engine.

    Args:
        slots: processes at most.
        limits: of each call.
        import_paths: where the driver finds its modules; those that are missing here are looked through last.
    """

    def __init__(self, slots: int, limits: CallLimits, import_paths: Sequence[str]) -> None:
        sys.path += [path for path in import_paths if path not in sys.path]
        self._engine = LocalEngine(
            slots,
            timeout_s=limits.timeout_s,
            memory_bytes=limits.memory_bytes,
            recycle_after=limits.recycle_after,
            guarded=limits.guarded,
        )
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="imgkit-node")
        self._states: dict[bytes, asyncio.Future[object]] = {}

    async def version(self) -> str:
        """Return the version of imgkit on this machine."""
        return imgkit.__version__

    async def run(self, function: bytes, init: bytes, argument: bytes) -> object:
        """Run a pickled call in a process of this machine; return its outcome."""
        try:
            return await asyncio.wrap_future(self._engine.submit_pickled(function, init, argument))
        except ResourceError as error:  # no process could be started
            return WorkerFailure("start", str(error))

    async def run_with_state(self, make_state: bytes, function: bytes, argument: bytes) -> object:
        """Run ``function(state, argument)`` in a thread; ``state`` is what ``make_state(engine)`` built here once.

        For calls that mostly wait for the network and keep connections; they submit heavy work to the engine.
        """
        loop = asyncio.get_running_loop()
        try:
            if make_state not in self._states:
                self._states[make_state] = asyncio.ensure_future(
                    loop.run_in_executor(self._threads, lambda: pickle.loads(make_state)(self._engine))
                )
            state: Any = await asyncio.shield(self._states[make_state])
            call: Callable[[Any, Any], object] = pickle.loads(function)
            return await loop.run_in_executor(self._threads, lambda: call(state, pickle.loads(argument)))
        except Exception as error:
            return WorkerFailure("error", describe(error))
