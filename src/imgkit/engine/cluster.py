"""The engine of many machines: Ray carries calls to them, and on each the local engine runs them under its limits."""

import contextlib
import pickle
import queue
import weakref
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from types import TracebackType
from typing import Any, Final, Self, TypeVar

from imgkit.engine.dispatch import CALLS_PER_CPU, Call
from imgkit.engine.driver import Driver, PickledCall
from imgkit.engine.nodes import Nodes
from imgkit.engine.protocol import CallLimits, WorkerFailure
from imgkit.engine.ray_session import joined_cluster
from imgkit.engine.window import windowed

NODE_TIMEOUT_S: Final = 60.0
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
        timeout_s, memory_bytes, recycle_after, guarded: as for ``LocalEngine``, on each machine.
        node_timeout_s: seconds without a working machine before the calls are given up.

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
        guarded: bool = False,
        node_timeout_s: float = NODE_TIMEOUT_S,
    ) -> None:
        self._session = contextlib.ExitStack()
        ray = self._session.enter_context(joined_cluster(address))
        self._nodes = Nodes(ray, CallLimits(timeout_s, memory_bytes, recycle_after, guarded))
        self._events: queue.SimpleQueue[object] = queue.SimpleQueue()
        self._driver = Driver(self._nodes, self._events, node_timeout_s)
        self._driver.start()
        self._shut_down = weakref.finalize(self, _shut_down, self._driver, self._session)

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
        return self._start(PickledCall(pickle.dumps(function), pickle.dumps(argument, protocol=5), Future()))

    def run_with_state(
        self, make_state: Callable[[Any], K], function: Callable[[K, C], R], argument: C, *, affinity: str
    ) -> Future[R | WorkerFailure]:
        """Run ``function(state, argument)`` in a thread of the machine that the key ``affinity`` is assigned to.

        ``state`` is what ``make_state(engine)`` built once on that machine, ``engine`` being the local engine there. A
        key is assigned to one machine at a time; it moves only when that machine is lost, or when one joins.
        """
        call = PickledCall(
            pickle.dumps(function),
            pickle.dumps(argument, protocol=5),
            Future(),
            make_state=pickle.dumps(make_state, protocol=5),
        )
        return self._start(call, affinity=affinity, cpus=0)

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
        function_bytes, init_bytes = pickle.dumps(function), pickle.dumps(init, protocol=5) if init else b""
        if gpus > self.gpus:
            raise ValueError(f"calls that need {gpus} graphics processors, in a cluster that has {self.gpus}")

        def submit(chunk: C) -> Future[R | WorkerFailure]:
            call = PickledCall(function_bytes, pickle.dumps(chunk, protocol=5), Future(), init=init_bytes)
            return self._start(call, cpus=max(1, cpus), gpus=gpus)

        return windowed(
            submit, chunks, ahead=lambda: max_in_flight or max(1, CALLS_PER_CPU * (self.gpus if gpus else self.workers))
        )

    def close(self) -> None:
        """Leave the cluster and end what runs there; what was not finished is cancelled."""
        self._shut_down()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _start(self, call: PickledCall, *, affinity: str = "", cpus: int = 1, gpus: int = 0) -> "Future[Any]":
        if not self._shut_down.alive:
            raise RuntimeError("the engine is closed")
        if self._driver.lost is not None:
            raise self._driver.lost
        self._events.put(Call(call, affinity=affinity, cpus=cpus, gpus=gpus))
        return call.future


def _shut_down(driver: "Driver", session: contextlib.ExitStack) -> None:
    driver.stop()
    session.close()
