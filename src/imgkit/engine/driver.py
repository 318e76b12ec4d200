"""The scheduling thread of a cluster engine: it assigns calls to machines and sets the results of their futures."""

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
from imgkit.engine.dispatch import Call, Dispatch, NodeLoad
from imgkit.engine.nodes import Node, Nodes, NodeWorkerHandle
from imgkit.engine.protocol import WorkerFailure
from imgkit.errors import ResourceError

REFRESH_S: Final = 5.0
"""Seconds between two queries for the machines of the cluster."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class PickledCall:
    """One pickled call and its future. It runs in a process after ``init``, or in a thread with ``make_state``."""

    function: bytes
    argument: bytes
    future: "Future[Any]"
    init: bytes = b""
    make_state: bytes = b""


@dataclass(frozen=True, slots=True)
class _CallReply:
    """The result of a call from a node worker, or the exception that Ray raised for it."""

    worker: str
    call: Call[PickledCall]
    outcome: object = field(repr=False)


@dataclass(frozen=True, slots=True)
class _VersionReply:
    """The version of imgkit on a node worker, or the exception that it failed to start with."""

    worker: NodeWorkerHandle
    outcome: object


class Driver(threading.Thread):
    """Sends calls to node workers until it is stopped; all scheduling decisions are made in this thread.

    Args:
        nodes: the machines of the cluster.
        events: queue of new calls, and of replies of node workers.
        node_timeout_s: seconds without a usable machine before calls fail, and before a missing one is dropped.
        refresh_s: seconds between two queries for the machines of the cluster.
        clock: seconds, monotonic.

    ``known`` are the machines that were alive at the last query; ``lost`` is the error that ended the cluster, or None.
    """

    def __init__(
        self,
        nodes: Nodes,
        events: "queue.SimpleQueue[object]",
        node_timeout_s: float,
        *,
        refresh_s: float = REFRESH_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(name="imgkit-cluster", daemon=True)
        self._nodes = nodes
        self._events = events
        self._node_timeout_s = node_timeout_s
        self._refresh_s = refresh_s
        self._clock = clock
        self._dispatch: Dispatch[PickledCall] = Dispatch()
        self._workers: dict[str, NodeWorkerHandle] = {}
        self._futures: set[Future[Any]] = set()
        self._last_problem = ""
        self._usable_at = dict.fromkeys((False, True), clock())  # by whether calls ask for graphics processors
        self._seen_at: dict[str, float] = {}  # by station: when its machine was there
        self.known: list[Node] = nodes.alive()
        self.lost: ResourceError | None = None

    def run(self) -> None:
        """Run until ``stop``; at the end every future has a result or an exception."""
        try:
            self._serve()
        except Exception as error:  # Ray itself: its head is gone, or something that nobody has seen yet
            logger.exception("the cluster cannot be worked with any more")
            self._last_problem = _last_line(error)
            self.lost = self._lost_error()
        finally:
            self._finish_futures()

    def _serve(self) -> None:
        refreshed = float("-inf")
        while True:
            if time.monotonic() - refreshed >= self._refresh_s:
                self._refresh_nodes()
                refreshed = time.monotonic()
            with contextlib.suppress(queue.Empty):
                event = self._events.get(timeout=self._refresh_s / 10)
                if event is None:
                    return
                self._handle(event)
            self._send_calls()

    def _finish_futures(self) -> None:
        """Set a result or an exception on every future that has none, and end the node workers."""
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
        self._nodes.kill_workers(self._workers.values())

    def stop(self) -> None:
        """End all node workers and this thread."""
        self._events.put(None)
        if threading.current_thread() is not self:
            self.join()

    def _refresh_nodes(self) -> None:
        """Start workers on new machines and drop missing ones; fail calls after ``node_timeout_s`` without any."""
        alive = self._nodes.alive()
        self.known = alive or self.known
        with_worker = {worker.node.name for worker in self._workers.values()}
        for node in alive:
            if node.name not in with_worker and (worker := self._nodes.start_worker(node)):
                self._workers[worker.name] = worker
                self._post_when_done(worker.version(), lambda outcome, worker=worker: _VersionReply(worker, outcome))  # type: ignore[misc]
        now = self._clock()
        self._drop_missing_workers({node.name for node in alive}, now)
        for gpus in (False, True):
            if not self._dispatch.is_stuck(gpus=gpus):
                self._usable_at[gpus] = now
            elif now - self._usable_at[gpus] > self._node_timeout_s:
                self._fail_waiting(gpus=gpus)

    def _drop_missing_workers(self, alive: set[str], now: float) -> None:
        """Drop workers whose machine has been missing for ``node_timeout_s``: Ray may never answer for them."""
        for name, worker in list(self._workers.items()):
            if worker.node.name in alive:
                self._seen_at[name] = now
            elif now - self._seen_at.setdefault(name, now) > self._node_timeout_s:
                logger.warning("a machine of the cluster is gone: %s", worker.node.address)
                self._drop_worker(name)

    def _post_when_done(self, answer: "Future[Any]", event: Callable[[object], object]) -> None:
        """Put an event into the queue when a future of Ray is done; Ray calls back in a thread of its own."""
        answer.add_done_callback(lambda done: self._events.put(event(done.exception() or done.result())))

    def _handle(self, event: object) -> None:
        match event:
            case Call():
                if event.work.future.set_running_or_notify_cancel():
                    self._futures.add(event.work.future)
                    self._dispatch.add(event)
            case _VersionReply(worker, outcome):
                self._version_received(worker, outcome)
            case _CallReply(name, call, outcome):
                self._call_finished(name, call, outcome)

    def _version_received(self, worker: NodeWorkerHandle, outcome: object) -> None:
        node = worker.node
        if outcome == imgkit.__version__:
            self._dispatch.add_node(NodeLoad(worker.name, node.slots, node.gpus))
            return
        self._last_problem = (
            f"{node.address} has imgkit {outcome}, this machine has {imgkit.__version__}"
            if isinstance(outcome, str)
            else f"{node.address}: {_last_line(outcome)}"
        )
        logger.warning("a machine of the cluster cannot be used: %s", self._last_problem)
        self._drop_worker(worker.name)

    def _call_finished(self, name: str, call: Call[PickledCall], outcome: object) -> None:
        if isinstance(outcome, WorkerFailure) and outcome.kind in ("killed", "start"):
            if self._dispatch.worker_died(name, call) == "report":
                self._set_result(call, outcome)
        elif not isinstance(outcome, BaseException):
            self._dispatch.finished(name, call)
            self._set_result(call, outcome)
        elif self._nodes.is_loss(outcome):
            if name in self._workers:  # else it is known, by another call that was there
                logger.warning("a machine of the cluster was lost: %s", _last_line(outcome))
                self._drop_worker(name)
        else:
            self._dispatch.finished(name, call)
            self._set_result(call, WorkerFailure("error", _last_line(outcome)))

    def _drop_worker(self, name: str) -> None:
        if worker := self._workers.pop(name, None):
            self._nodes.kill_workers([worker])
        self._seen_at.pop(name, None)
        for call in self._dispatch.lost(name):
            self._set_result(call, WorkerFailure("killed", "the machine that worked on it was lost, three times"))

    def _send_calls(self) -> None:
        for load, call in self._dispatch.assign():
            worker, work = self._workers[load.name], call.work
            answer = (
                worker.run_with_state(work.make_state, work.function, work.argument)
                if work.make_state
                else worker.run(work.function, work.init, work.argument)
            )
            self._post_when_done(answer, lambda outcome, name=load.name, call=call: _CallReply(name, call, outcome))  # type: ignore[misc]

    def _set_result(self, call: Call[PickledCall], outcome: object) -> None:
        self._futures.discard(call.work.future)
        with contextlib.suppress(InvalidStateError):  # nobody waits for it any more
            call.work.future.set_result(outcome)

    def _fail_waiting(self, *, gpus: bool) -> None:
        for call in self._dispatch.withdraw(gpus=gpus):
            self._futures.discard(call.work.future)
            with contextlib.suppress(InvalidStateError):
                call.work.future.set_exception(self._lost_error(gpus=gpus))

    def _lost_error(self, *, gpus: bool = False) -> ResourceError:
        what = "graphics processor" if gpus else "machine"
        return ResourceError(
            f"no {what} of the cluster has worked for {self._clock() - self._usable_at[gpus]:.0f} s"
            f"{f' ({self._last_problem})' if self._last_problem else ''}. What was finished is saved. Look at `ray "
            "status`, then run the same command again to go on.",
            code="ray.lost",
        )


def _last_line(error: object) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines[-1] if lines else type(error).__name__)[:300]
