"""The engine of one machine: a pool of processes with limits of time and memory."""

import contextlib
import json
import os
import pickle
import queue
import signal
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from types import TracebackType
from typing import Any, BinaryIO, Final, Self, TypeVar, cast

from imgkit.engine import worker
from imgkit.engine.protocol import WorkerFailure
from imgkit.engine.window import windowed

C = TypeVar("C")
R = TypeVar("R")

_START_SECONDS: Final = 120.0  # for a child to import what its function needs, on a busy machine
_ATTEMPTS: Final = 2
_TICK_SECONDS: Final = 0.1  # how late a time limit may be noticed
_BOOT: Final = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); from imgkit.engine import worker; worker.main()"
)
# every worker is one of many: libraries that start a thread per core would fight each other
_ONE_THREAD: Final = {f"{library}_NUM_THREADS": "1" for library in ("OMP", "OPENBLAS", "MKL")}


class LocalEngine:
    """Processes of this machine, started when there is work and ended with ``close`` or with this process.

    Args:
        workers: processes at most.
        timeout_s: seconds that one call may run; its process is then killed. None for no limit.
        memory_bytes: address space that calls may take beyond what a worker has after its imports, where the
            system can limit it (Linux). None for no limit.
        recycle_after: calls after which a process is replaced, so that what libraries leak stays small.
    """

    shares_files = True

    def __init__(
        self,
        workers: int,
        *,
        timeout_s: float | None = None,
        memory_bytes: int | None = None,
        recycle_after: int = 1000,
    ) -> None:
        if workers < 1:
            raise ValueError(f"an engine needs a worker, not {workers}")
        self._limits = _Limits(timeout_s, memory_bytes, recycle_after)
        self._most = workers
        self._lock = threading.Lock()
        self._unfinished = 0
        self._tasks: queue.SimpleQueue[_Task | None] = queue.SimpleQueue()
        self._minders: list[_Minder] = []
        self._closed = threading.Event()
        # also when nobody closes the engine: once, at its end or at the end of the process
        self._shut = weakref.finalize(self, _shut, self._tasks, self._minders, self._closed)

    @property
    def workers(self) -> int:
        """How many calls can run at once."""
        return self._most

    def submit(self, function: Callable[[C], R], argument: C) -> Future[R | WorkerFailure]:
        """Run ``function(argument)`` in a worker (see :class:`Engine`)."""
        return self.submit_pickled(pickle.dumps(function), b"", pickle.dumps(argument, protocol=5))

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
        call, start = pickle.dumps(function), pickle.dumps(init) if init else b""
        most = max(1, self._most // cpus)
        ahead = max_in_flight or 2 * most
        return windowed(
            lambda chunk: self.submit_pickled(call, start, pickle.dumps(chunk, protocol=5)),
            chunks,
            ahead=lambda: ahead if cpus == 1 else min(ahead, most),
        )

    def submit_pickled(self, function: bytes, init: bytes, argument: bytes) -> "Future[Any]":
        """Run what was pickled elsewhere, without looking at it; ``init`` is empty for none (see :class:`Engine`)."""
        return self._submit(_Task(function, init, argument, Future()))

    def close(self) -> None:
        """Kill all workers and cancel what they had not finished."""
        self._shut()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _submit(self, task: "_Task") -> Future[Any]:
        task.future.add_done_callback(self._count_finished)
        with self._lock:
            if not self._shut.alive:
                raise RuntimeError("the engine is closed")
            self._unfinished += 1
            if len(self._minders) < min(self._most, self._unfinished):
                if not self._minders:
                    threading.Thread(target=_keep_time, args=(self._minders, self._closed), daemon=True).start()
                self._minders.append(_Minder(self._tasks, self._limits))
                self._minders[-1].start()
            self._tasks.put(task)
        return task.future

    def _count_finished(self, _: object) -> None:
        with self._lock:
            self._unfinished -= 1


def _keep_time(minders: "list[_Minder]", closed: threading.Event) -> None:
    """End children that outlive their time; one thread looks at all of them, since a timer for each call costs more."""
    while not closed.wait(_TICK_SECONDS):
        now = time.monotonic()
        for minder in list(minders):
            minder.look(now)


def _shut(tasks: "queue.SimpleQueue[_Task | None]", minders: "list[_Minder]", closed: threading.Event) -> None:
    closed.set()
    with contextlib.suppress(queue.Empty):
        while True:
            if (waiting := tasks.get_nowait()) is not None:
                waiting.future.cancel()
    for minder in minders:
        minder.stop()
        tasks.put(None)
    for minder in minders:
        minder.join()


@dataclass(frozen=True, slots=True)
class _Limits:
    timeout_s: float | None
    memory_bytes: int | None
    recycle_after: int


@dataclass(frozen=True, slots=True)
class _Task:
    function: bytes
    init: bytes
    argument: bytes
    future: "Future[Any]"


class _Minder(threading.Thread):
    """Feeds one child after the other: at most one lives at a time."""

    def __init__(self, tasks: "queue.SimpleQueue[_Task | None]", limits: _Limits) -> None:
        super().__init__(name="imgkit-engine", daemon=True)
        self._tasks, self._limits = tasks, limits
        self._lock = threading.Lock()
        self._child: _Child | None = None
        self._stopping = False

    def run(self) -> None:
        while not self._stopping and (task := self._tasks.get()) is not None:
            if task.future.set_running_or_notify_cancel():
                task.future.set_result(self._attempt(task))
        self._end_child()

    def stop(self) -> None:
        """End what is running; the thread ends with the next task it takes."""
        with self._lock:
            self._stopping = True
            if self._child is not None:
                self._child.kill()

    def look(self, now: float) -> None:
        """End the child if what it is doing takes too long; its call then fails."""
        with self._lock:
            if self._child is not None:
                self._child.look(now)

    def _attempt(self, task: _Task) -> object:
        request = worker.Request(task.function, task.init, task.argument, self._limits.memory_bytes)
        outcome: object = WorkerFailure("killed", "the engine was closed")
        for _ in range(_ATTEMPTS):
            with self._lock:
                if self._stopping:
                    break
                child = self._child = self._child or _Child()
            outcome, reusable = child.call(request, self._limits.timeout_s)
            if not reusable or child.calls >= self._limits.recycle_after:
                self._end_child()
            if not isinstance(outcome, WorkerFailure) or outcome.kind == "error":
                break
        return outcome

    def _end_child(self) -> None:
        with self._lock:
            child, self._child = self._child, None
        if child is not None:
            child.end()


class _Child:
    """One process that answers requests; it dies when its pipe closes, however this process ends."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", _BOOT, json.dumps(sys.path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,  # C libraries write remarks on broken pictures there
            env={**os.environ, **_ONE_THREAD},
        )
        self._requests, self._replies = cast(BinaryIO, self._process.stdin), cast(BinaryIO, self._process.stdout)
        self._killed_for = ""
        self._limit: tuple[float, str] | None = None
        self._loaded: set[tuple[bytes, bytes]] = set()
        self.calls = 0

    def call(self, request: worker.Request, timeout_s: float | None) -> tuple[object, bool]:
        """Return the outcome of a request, and whether the process can take another one."""
        self.calls += 1
        try:
            worker.write_frame(self._requests, pickle.dumps(request, protocol=5))
            answer: bytes | None = worker.STARTED
            if (loaded := (request.function, request.init)) not in self._loaded:
                with self._time_limit(_START_SECONDS, "loading its function"):
                    answer = worker.read_frame(self._replies)
            if answer == worker.STARTED:
                self._loaded.add(loaded)
                with self._time_limit(timeout_s, "running"):
                    answer = worker.read_frame(self._replies)
        except OSError:  # the child is gone
            answer = None
        if answer is None or self._killed_for:
            return self._post_mortem(), False
        reply: worker.Reply = pickle.loads(answer)
        if reply.kind == "result":
            return reply.value, True
        return WorkerFailure("killed" if reply.kind == "memory" else "error", str(reply.value)), reply.kind == "error"

    def kill(self) -> None:
        self._process.kill()

    def end(self) -> None:
        self._process.kill()
        self._process.communicate()  # closes the pipes and reaps the process

    @contextlib.contextmanager
    def _time_limit(self, seconds: float | None, doing: str) -> Iterator[None]:
        if seconds is not None:
            self._limit = (time.monotonic() + seconds, f"{doing} took more than {seconds:g} s")
        try:
            yield
        finally:
            self._limit = None

    def look(self, now: float) -> None:
        """Kill the process if what it is doing takes too long."""
        limit = self._limit
        if limit is not None and now >= limit[0]:
            self._killed_for = limit[1]
            self.kill()

    def _post_mortem(self) -> WorkerFailure:
        if self._killed_for:
            return WorkerFailure("timeout", self._killed_for)
        code = self._process.wait()
        if code < 0:
            name = signal.Signals(-code).name if -code in set(signal.Signals) else f"signal {-code}"
            return WorkerFailure("killed", f"the worker was ended by {name}")
        return WorkerFailure("killed", f"the worker ended with exit code {code}")
