"""The engine of many machines: Ray carries calls to them, and on each the local engine runs them under its limits."""

import contextlib
import logging
import pickle
import queue
import threading
import time
import weakref
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, InvalidStateError
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Final, Self, TypeVar

import imgkit
from imgkit.engine.dispatch import AHEAD, Call, Dispatch, Post
from imgkit.engine.nodes import Node, Nodes, Station
from imgkit.engine.protocol import Limits, WorkerFailure
from imgkit.engine.session import joined
from imgkit.engine.window import windowed
from imgkit.errors import ResourceError

C = TypeVar("C")
R = TypeVar("R")
K = TypeVar("K")

LOOK_S: Final = 5.0
"""Between two looks for machines that have come or gone."""

PATIENCE_S: Final = 60.0
"""Without any machine that works, before the calls are given up."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Work:
    """One pickled call: ``make`` is empty for a process, and builds what a visit finds."""

    function: bytes
    argument: bytes
    future: "Future[Any]"
    init: bytes = b""
    make: bytes = b""


@dataclass(frozen=True, slots=True)
class _Answer:
    """What a machine, or Ray in its place, said to a call."""

    station: str
    call: Call[_Work]
    outcome: object = field(repr=False)


@dataclass(frozen=True, slots=True)
class _Greeting:
    """A station says its version, or why it cannot work."""

    station: Station
    outcome: object


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
        self._driver = _Driver(self._nodes, self._events, patience_s)
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
        return self._start(_Work(pickle.dumps(function), pickle.dumps(argument, protocol=5), Future()))

    def visit(
        self, make: Callable[[Any], K], function: Callable[[K, C], R], argument: C, *, home: str
    ) -> Future[R | WorkerFailure]:
        """Run ``function(kept, argument)`` in a thread of the machine that ``home`` belongs to.

        ``kept`` is what ``make(engine)`` built once on that machine, ``engine`` being the local engine there. One home
        is on one machine at a time; it moves only when that machine is lost, or when one joins.
        """
        work = _Work(
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
            work = _Work(call, pickle.dumps(chunk, protocol=5), Future(), init=start)
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

    def _start(self, work: _Work, *, home: str = "", cpus: int = 1, gpus: int = 0) -> "Future[Any]":
        if not self._shut.alive:
            raise RuntimeError("the engine is closed")
        self._events.put(Call(work, home=home, cpus=cpus, gpus=gpus))
        return work.future


def _shut(driver: "_Driver", session: contextlib.ExitStack) -> None:
    driver.stop()
    session.close()


class _Driver(threading.Thread):
    """The one thread that knows what goes where."""

    def __init__(self, nodes: Nodes, events: "queue.SimpleQueue[object]", patience_s: float) -> None:
        super().__init__(name="imgkit-cluster", daemon=True)
        self._nodes = nodes
        self._events = events
        self._patience_s = patience_s
        self._dispatch: Dispatch[_Work] = Dispatch()
        self._stations: dict[str, Station] = {}
        self._futures: set[Future[Any]] = set()
        self._problem = ""
        self._working_at = time.monotonic()
        self.known: list[Node] = nodes.look()

    def run(self) -> None:
        looked = float("-inf")
        while True:
            if time.monotonic() - looked >= LOOK_S:
                self._look()
                looked = time.monotonic()
            with contextlib.suppress(queue.Empty):
                event = self._events.get(timeout=LOOK_S / 10)
                if event is None:
                    break
                self._handle(event)
            self._send()
        for future in list(self._futures):
            with contextlib.suppress(InvalidStateError):
                future.set_result(WorkerFailure("killed", "the engine was closed"))
        self._nodes.end(self._stations.values())

    def stop(self) -> None:
        """End all that runs, and this thread."""
        self._events.put(None)
        if threading.current_thread() is not self:
            self.join()

    def _look(self) -> None:
        """Begin work on machines that have come; without any for long, give up."""
        self.known = self._nodes.look() or self.known
        at_work = {station.node.name for station in self._stations.values()}
        for node in self.known:
            if node.name not in at_work and (station := self._nodes.begin(node)):
                self._stations[station.name] = station
                self._tell(station.version(), lambda outcome, station=station: _Greeting(station, outcome))  # type: ignore[misc]
        now = time.monotonic()
        if self._dispatch.posts or not self._dispatch.waiting:
            self._working_at = now
        elif now - self._working_at > self._patience_s:
            self._give_up()

    def _tell(self, answer: "Future[Any]", event: Callable[[object], object]) -> None:
        """Let an answer of Ray, which comes in a thread of its own, be an event."""
        answer.add_done_callback(lambda done: self._events.put(event(done.exception() or done.result())))

    def _handle(self, event: object) -> None:
        match event:
            case Call():
                if event.work.future.set_running_or_notify_cancel():
                    self._futures.add(event.work.future)
                    self._dispatch.add(event)
            case _Greeting(station, outcome):
                self._greeted(station, outcome)
            case _Answer(name, call, outcome):
                self._answered(name, call, outcome)

    def _greeted(self, station: Station, outcome: object) -> None:
        node = station.node
        if outcome == imgkit.__version__:
            self._dispatch.add_post(Post(station.name, node.slots, node.gpus))
            return
        self._problem = (
            f"{node.address} has imgkit {outcome}, this machine has {imgkit.__version__}"
            if isinstance(outcome, str)
            else f"{node.address}: {_last_line(outcome)}"
        )
        logger.warning("a machine of the cluster cannot be used: %s", self._problem)
        self._lose(station.name)

    def _answered(self, name: str, call: Call[_Work], outcome: object) -> None:
        if isinstance(outcome, WorkerFailure) and outcome.kind == "killed":
            if self._dispatch.died_with(name, call) == "report":
                self._settle(call, outcome)
        elif not isinstance(outcome, BaseException):
            self._dispatch.finished(name, call)
            self._settle(call, outcome)
        elif self._nodes.is_loss(outcome):
            if name in self._stations:  # else it is known, by another call that was there
                logger.warning("a machine of the cluster was lost: %s", _last_line(outcome))
                self._lose(name)
        else:
            self._dispatch.finished(name, call)
            self._settle(call, WorkerFailure("error", _last_line(outcome)))

    def _lose(self, name: str) -> None:
        if station := self._stations.pop(name, None):
            self._nodes.end([station])
        for call in self._dispatch.lost(name):
            self._settle(call, WorkerFailure("killed", "the machine that worked on it was lost, three times"))

    def _send(self) -> None:
        for post, call in self._dispatch.assign():
            station, work = self._stations[post.name], call.work
            answer = (
                station.visit(work.make, work.function, work.argument)
                if work.make
                else station.run(work.function, work.init, work.argument)
            )
            self._tell(answer, lambda outcome, name=post.name, call=call: _Answer(name, call, outcome))  # type: ignore[misc]

    def _settle(self, call: Call[_Work], outcome: object) -> None:
        self._futures.discard(call.work.future)
        with contextlib.suppress(InvalidStateError):  # nobody waits for it any more
            call.work.future.set_result(outcome)

    def _give_up(self) -> None:
        for call in self._dispatch.withdraw():
            self._futures.discard(call.work.future)
            with contextlib.suppress(InvalidStateError):
                call.work.future.set_exception(
                    ResourceError(
                        f"no machine of the cluster has worked for {self._patience_s:.0f} s"
                        f"{f' ({self._problem})' if self._problem else ''}. What was finished is saved. Look at "
                        "`ray status`, then run the same command again to go on.",
                        code="ray.lost",
                    )
                )


def _last_line(error: object) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines[-1] if lines else type(error).__name__)[:300]
