"""The one thread of a cluster engine: it knows what goes where, and what became of it."""

import contextlib
import logging
import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, InvalidStateError
from dataclasses import dataclass, field
from typing import Any, Final

import imgkit
from imgkit.engine.dispatch import Call, Dispatch, Post
from imgkit.engine.nodes import Node, Nodes, Station
from imgkit.engine.protocol import WorkerFailure
from imgkit.errors import ResourceError

LOOK_S: Final = 5.0
"""Between two looks for machines that have come or gone."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Work:
    """One pickled call, and who waits for it: in a process after ``init``, or, with ``make``, a visit."""

    function: bytes
    argument: bytes
    future: "Future[Any]"
    init: bytes = b""
    make: bytes = b""


@dataclass(frozen=True, slots=True)
class _Answer:
    """What a machine, or Ray in its place, said to a call."""

    station: str
    call: Call[Work]
    outcome: object = field(repr=False)


@dataclass(frozen=True, slots=True)
class _Greeting:
    """A station says its version, or why it cannot work."""

    station: Station
    outcome: object


class Driver(threading.Thread):
    """Gives calls to stations until it is stopped; all decisions are made in this thread.

    Args:
        nodes: the machines of the cluster.
        events: calls to make; answers come by it too.
        patience_s: seconds without a machine that works before calls are given up.
        look_s: seconds between two looks for machines that have come or gone.

    ``known`` are the machines that were there at the last look; ``lost`` is why nothing can be done any more.
    """

    def __init__(
        self, nodes: Nodes, events: "queue.SimpleQueue[object]", patience_s: float, *, look_s: float = LOOK_S
    ) -> None:
        super().__init__(name="imgkit-cluster", daemon=True)
        self._nodes = nodes
        self._events = events
        self._patience_s = patience_s
        self._look_s = look_s
        self._dispatch: Dispatch[Work] = Dispatch()
        self._stations: dict[str, Station] = {}
        self._futures: set[Future[Any]] = set()
        self._problem = ""
        self._working_at = time.monotonic()
        self.known: list[Node] = nodes.look()
        self.lost: ResourceError | None = None

    def run(self) -> None:
        """Work until ``stop``; whatever happens, no future is left waiting."""
        try:
            self._serve()
        except Exception as error:  # Ray itself: its head is gone, or something that nobody has seen yet
            logger.exception("the cluster cannot be worked with any more")
            self._problem = _last_line(error)
            self.lost = self._loss()
        finally:
            self._end()

    def _serve(self) -> None:
        looked = float("-inf")
        while True:
            if time.monotonic() - looked >= self._look_s:
                self._look()
                looked = time.monotonic()
            with contextlib.suppress(queue.Empty):
                event = self._events.get(timeout=self._look_s / 10)
                if event is None:
                    return
                self._handle(event)
            self._send()

    def _end(self) -> None:
        """Let nobody wait for what will not come."""
        with contextlib.suppress(queue.Empty):
            while True:
                if isinstance(event := self._events.get_nowait(), Call):
                    self._futures.add(event.work.future)
        for future in self._futures:
            with contextlib.suppress(InvalidStateError):
                if self.lost is not None:
                    future.set_exception(self.lost)
                else:
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

    def _answered(self, name: str, call: Call[Work], outcome: object) -> None:
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

    def _settle(self, call: Call[Work], outcome: object) -> None:
        self._futures.discard(call.work.future)
        with contextlib.suppress(InvalidStateError):  # nobody waits for it any more
            call.work.future.set_result(outcome)

    def _give_up(self) -> None:
        for call in self._dispatch.withdraw():
            self._futures.discard(call.work.future)
            with contextlib.suppress(InvalidStateError):
                call.work.future.set_exception(self._loss())

    def _loss(self) -> ResourceError:
        return ResourceError(
            f"no machine of the cluster has worked for {time.monotonic() - self._working_at:.0f} s"
            f"{f' ({self._problem})' if self._problem else ''}. What was finished is saved. Look at `ray status`, then "
            "run the same command again to go on.",
            code="ray.lost",
        )


def _last_line(error: object) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines[-1] if lines else type(error).__name__)[:300]
