"""The engine of many machines: Ray carries calls to them, and on each the local engine runs them under its limits."""

import contextlib
import pickle
import queue
import weakref
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from types import TracebackType
from typing import Any, Final, Self, TypeVar

from imgkit.engine.dispatch import AHEAD, Call
from imgkit.engine.driver import Driver, Work
from imgkit.engine.nodes import Nodes
from imgkit.engine.protocol import Limits, WorkerFailure
from imgkit.engine.session import joined
from imgkit.engine.window import windowed

PATIENCE_S: Final = 60.0
"""Without any machine that works, before the calls are given up."""

C = TypeVar("C")
R = TypeVar("R")
K = TypeVar("K")


class ClusterEngine:
    """The processors of a Ray cluster.

    Each machine runs calls as ``LocalEngine`` does, with the same limits. A call whose machine is lost, or whose worker
    died twice, is tried on another one. Machines that join are used; without any, calls fail after a minute.

    Args:
        address: host and port of the cluster's head; "" for RAY_ADDRESS, or the cluster that this machine is in.
        timeout_s, memory_bytes, recycle_after: limits of each call, as for ``LocalEngine``.
        patience_s: seconds without a working machine before the calls are given up.

    Raises:
        UsageError: Ray is not installed, or the address cannot be used.
        ResourceError: no cluster answers.
    """

    shares_files = False

    def __init__(
        self,
        address: str = "",
        *,
        timeout_s: float | None = None,
        memory_bytes: int | None = None,
        recycle_after: int = 1000,
        patience_s: float = PATIENCE_S,
    ) -> None:
        self._session = contextlib.ExitStack()
        ray = self._session.enter_context(joined(address))
        self._nodes = Nodes(ray, Limits(timeout_s, memory_bytes, recycle_after))
        self._events: queue.SimpleQueue[object] = queue.SimpleQueue()
        self._driver = Driver(self._nodes, self._events, patience_s)
        self._driver.start()
        self._shut = weakref.finalize(self, _shut, self._driver, self._session)

    @property
    def machines(self) -> int:
        """How many machines work, or are about to."""
        return max(1, len({node.machine for node in self._driver.known if not node.gpus}))

    @property
    def workers(self) -> int:
        """How many calls can run at once."""
        return max(1, sum(node.slots for node in self._driver.known if not node.gpus))

    @property
    def gpus(self) -> int:
        """Graphics processors in the cluster."""
        return sum(node.gpus for node in self._driver.known)

    def submit(self, function: Callable[[C], R], argument: C) -> Future[R | WorkerFailure]:
        """Run ``function(argument)`` in a process of some machine (see :class:`Engine`)."""
        return self._start(Work(pickle.dumps(function), pickle.dumps(argument, protocol=5), Future()))

    def visit(
        self, make: Callable[[Any], K], function: Callable[[K, C], R], argument: C, *, home: str
    ) -> Future[R | WorkerFailure]:
        """Run ``function(kept, argument)`` in a thread of the machine that ``home`` belongs to.

        ``kept`` is what ``make(engine)`` built once on that machine, ``engine`` being the local engine there. One home
        is on one machine at a time; it moves only when that machine is lost, or when one joins.
        """
        work = Work(
            pickle.dumps(function), pickle.dumps(argument, protocol=5), Future(), make=pickle.dumps(make, protocol=5)
        )
        return self._start(work, home=home, cpus=0)

    def map(
        self,
        function: Callable[..., R],
        chunks: Iterable[C],
        *,
        init: Callable[[], object] | None = None,
        cpus: int = 1,
        gpus: int = 0,
        max_in_flight: int | None = None,
    ) -> Iterator[tuple[int, R | WorkerFailure]]:
        """Yield (number of the chunk, outcome) as they come (see :class:`Engine`)."""
        call, start = pickle.dumps(function), pickle.dumps(init, protocol=5) if init else b""
        if gpus > self.gpus:
            raise ValueError(f"calls that need {gpus} graphics processors, in a cluster that has {self.gpus}")

        def submit(chunk: C) -> Future[R | WorkerFailure]:
            work = Work(call, pickle.dumps(chunk, protocol=5), Future(), init=start)
            return self._start(work, cpus=max(1, cpus), gpus=gpus)

        return windowed(
            submit, chunks, ahead=lambda: max_in_flight or max(1, AHEAD * (self.gpus if gpus else self.workers))
        )

    def close(self) -> None:
        """Leave the cluster and end what runs there; what was not finished is cancelled."""
        self._shut()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _start(self, work: Work, *, home: str = "", cpus: int = 1, gpus: int = 0) -> "Future[Any]":
        if not self._shut.alive:
            raise RuntimeError("the engine is closed")
        if self._driver.lost is not None:
            raise self._driver.lost
        self._events.put(Call(work, home=home, cpus=cpus, gpus=gpus))
        return work.future


def _shut(driver: "Driver", session: contextlib.ExitStack) -> None:
    driver.stop()
    session.close()
