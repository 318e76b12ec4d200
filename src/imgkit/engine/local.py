"""The engine of one machine: a pool of processes with limits of time and memory."""

import contextlib
import json
import os
import pickle
import queue
import re
import signal
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from types import TracebackType
from typing import Any, BinaryIO, Final, Self, TypeVar, cast

from imgkit.engine import worker
from imgkit.engine.protocol import ATTEMPTS, CallLimits, WorkerFailure
from imgkit.engine.window import windowed
from imgkit.errors import ResourceError

C = TypeVar("C")
R = TypeVar("R")

_START_SECONDS: Final = 120.0  # for a child to import what its function needs, on a busy machine
_TICK_SECONDS: Final = 0.1  # how late a time limit may be noticed
_BOOT: Final = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); from imgkit.engine import worker; worker.main()"
)
_MAX_REPLY_BYTES: Final = 1024**3
KEPT_VARIABLES: Final = re.compile(
    r"(PATH|HOME|USER|LOGNAME|TMPDIR|TMP|TEMP|TZ|LANG|LANGUAGE|LC_\w+|LD_\w+|DYLD_\w+|PYTHON\w*|VIRTUAL_ENV|CONDA_PREFIX"
    r"|SYSTEMROOT|WINDIR|USERPROFILE|COVERAGE_\w+)",
    re.IGNORECASE,
)
"""Names of the variables that a guarded process gets: what it needs to start, and no key, token or address."""

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
        guarded: for calls that work on untrusted bytes. Functions then return bytes, which is all that is read of an
            answer: no pickle, and no more than ``memory_bytes`` (1 GiB without them). Processes get only those
            variables of the environment that ``KEPT_VARIABLES`` names, and cannot write files (but on Windows).
        attempts: how often a call is tried whose process dies or takes too long.
    """

    shares_files = True

    def __init__(
        self,
        workers: int,
        *,
        timeout_s: float | None = None,
        memory_bytes: int | None = None,
        recycle_after: int = 1000,
        guarded: bool = False,
        attempts: int = ATTEMPTS,
    ) -> None:
        if workers < 1:
            raise ValueError(f"an engine needs a worker, not {workers}")
        self._limits = CallLimits(timeout_s, memory_bytes, recycle_after, guarded, attempts)
        self._max_workers = workers
        self._lock = threading.Lock()
        self._unfinished = 0
        self._tasks: queue.SimpleQueue[_Task | None] = queue.SimpleQueue()
        self._threads: list[_WorkerThread] = []
        self._closed = threading.Event()
        # also when nobody closes the engine: once, at its end or at the end of the process
        self._shut_down = weakref.finalize(self, _shut_down, self._tasks, self._threads, self._closed)

    @property
    def workers(self) -> int:
        """How many calls can run at once."""
        return self._max_workers

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
        function_bytes, init_bytes = pickle.dumps(function), pickle.dumps(init) if init else b""
        limit = max(1, self._max_workers // cpus)
        ahead = max_in_flight or 2 * limit
        return windowed(
            lambda chunk: self.submit_pickled(function_bytes, init_bytes, pickle.dumps(chunk, protocol=5)),
            chunks,
            ahead=lambda: ahead if cpus == 1 else min(ahead, limit),
        )

    def submit_pickled(self, function: bytes, init: bytes, argument: bytes) -> "Future[Any]":
        """Run what was pickled elsewhere, without looking at it; ``init`` is empty for none (see :class:`Engine`)."""
        return self._submit(_Task(function, init, argument, Future()))

    def close(self) -> None:
        """Kill all workers and cancel what they had not finished."""
        self._shut_down()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _submit(self, task: "_Task") -> Future[Any]:
        task.future.add_done_callback(self._count_finished)
        with self._lock:
            if not self._shut_down.alive:
                raise RuntimeError("the engine is closed")
            self._unfinished += 1
            if len(self._threads) < min(self._max_workers, self._unfinished):
                if not self._threads:
                    threading.Thread(
                        target=_enforce_time_limits, args=(self._threads, self._closed), daemon=True
                    ).start()
                self._threads.append(_WorkerThread(self._tasks, self._limits))
                self._threads[-1].start()
            self._tasks.put(task)
        return task.future

    def _count_finished(self, _: object) -> None:
        with self._lock:
            self._unfinished -= 1


def kept_variables(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the variables whose names match ``KEPT_VARIABLES``."""
    return {name: value for name, value in environ.items() if KEPT_VARIABLES.fullmatch(name)}


def _enforce_time_limits(threads: "list[_WorkerThread]", closed: threading.Event) -> None:
    """Kill processes that exceed their time limit; one thread checks all, since a timer for each call costs more."""
    while not closed.wait(_TICK_SECONDS):
        now = time.monotonic()
        for thread in list(threads):
            thread.check_time_limit(now)


def _shut_down(
    tasks: "queue.SimpleQueue[_Task | None]", threads: "list[_WorkerThread]", closed: threading.Event
) -> None:
    closed.set()
    with contextlib.suppress(queue.Empty):
        while True:
            if (waiting := tasks.get_nowait()) is not None:
                waiting.future.cancel()
    for thread in threads:
        thread.stop()
        tasks.put(None)
    for thread in threads:
        thread.join()


@dataclass(frozen=True, slots=True)
class _Task:
    function: bytes
    init: bytes
    argument: bytes
    future: "Future[Any]"


class _WorkerThread(threading.Thread):
    """Runs tasks from the queue in a worker process, one after the other; at most one process at a time."""

    def __init__(self, tasks: "queue.SimpleQueue[_Task | None]", limits: CallLimits) -> None:
        super().__init__(name="imgkit-engine", daemon=True)
        self._tasks, self._limits = tasks, limits
        self._lock = threading.Lock()
        self._process: _WorkerProcess | None = None
        self._stopping = False

    def run(self) -> None:
        while not self._stopping and (task := self._tasks.get()) is not None:
            if task.future.set_running_or_notify_cancel():
                try:
                    task.future.set_result(self._attempt(task))
                except OSError as error:  # of starting a process
                    task.future.set_exception(_no_process(error))
                except BaseException as error:  # no memory for the request: nobody may wait in vain
                    task.future.set_exception(error)
        self._end_process()

    def stop(self) -> None:
        """End what is running; the thread ends with the next task it takes."""
        with self._lock:
            self._stopping = True
            if self._process is not None:
                self._process.kill()

    def check_time_limit(self, now: float) -> None:
        """End the child if what it is doing takes too long; its call then fails."""
        with self._lock:
            if self._process is not None:
                self._process.check_time_limit(now)

    def _attempt(self, task: _Task) -> object:
        limits = self._limits
        request = worker.CallRequest(task.function, task.init, task.argument, limits.memory_bytes, limits.guarded)
        outcome: object = WorkerFailure("killed", "the engine was closed")
        for _ in range(limits.attempts):
            with self._lock:
                if self._stopping:
                    break
                process = self._process = self._process or _WorkerProcess(limits)
            outcome, reusable = process.call(request)
            if not reusable or process.calls >= limits.recycle_after:
                self._end_process()
            if not isinstance(outcome, WorkerFailure) or outcome.kind == "error":
                break
        return outcome

    def _end_process(self) -> None:
        with self._lock:
            process, self._process = self._process, None
        if process is not None:
            process.end()


def _no_process(error: OSError) -> ResourceError:
    return ResourceError(
        f"cannot start a process: {error.strerror or error}. What was finished is safe. Look at limits (ulimit -n and "
        "-u) and memory, and run the same command again.",
        code="fs.error",
    )


class _WorkerProcess:
    """One process that answers requests; it dies when its pipe closes, however this process ends."""

    def __init__(self, limits: CallLimits) -> None:
        self._limits = limits
        environ = kept_variables(os.environ) if limits.guarded else os.environ
        self._process = subprocess.Popen(
            [sys.executable, "-c", _BOOT, json.dumps(sys.path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,  # C libraries write remarks on broken pictures there
            env={**environ, **_ONE_THREAD},
        )
        self._requests, self._replies = cast(BinaryIO, self._process.stdin), cast(BinaryIO, self._process.stdout)
        self._kill_reason = ""
        self._limit: tuple[float, str] | None = None
        self._loaded: set[tuple[bytes, bytes]] = set()
        self.calls = 0

    def call(self, request: worker.CallRequest) -> tuple[object, bool]:
        """Return the outcome of a request, and whether the process can take another one."""
        self.calls += 1
        loaded = (request.function, request.init)
        try:
            worker.write_frame(self._requests, pickle.dumps(request, protocol=5))
            reply: bytes | None = worker.STARTED
            if loaded not in self._loaded:
                with self._time_limit(_START_SECONDS, "loading its function"):
                    reply = self._read()
            if reply == worker.STARTED:
                self._loaded.add(loaded)
                with self._time_limit(self._limits.timeout_s, "running"):
                    reply = self._read()
        except OSError:  # the child is gone
            reply = None
        outcome: object
        if reply is None or self._kill_reason:
            outcome, reusable = self._failure_of_ended(), False
        else:
            outcome, reusable = self._result(reply[:1], reply[1:])
        if isinstance(outcome, WorkerFailure) and loaded not in self._loaded:
            return WorkerFailure("start", outcome.detail), False
        return outcome, reusable

    def _read(self) -> bytes | None:
        max_bytes = (self._limits.memory_bytes or _MAX_REPLY_BYTES) if self._limits.guarded else None
        return worker.read_frame(self._replies, max_bytes=max_bytes)

    def _result(self, kind: bytes, value: bytes) -> tuple[object, bool]:
        if kind == worker.ReplyKind.BYTES:
            return value, True
        if kind == worker.ReplyKind.PICKLE and not self._limits.guarded:
            return pickle.loads(value), True
        if kind == worker.ReplyKind.MEMORY:
            return WorkerFailure("killed", "the worker ran out of memory"), False
        if kind == worker.ReplyKind.ERROR:
            return WorkerFailure("error", value.decode("utf-8", "replace")), True
        return WorkerFailure("killed", "the worker answered with something else than bytes"), False

    def kill(self) -> None:
        self._process.kill()

    def end(self) -> None:
        self._process.kill()
        self._process.communicate()  # closes the pipes and reaps the process

    @contextlib.contextmanager
    def _time_limit(self, seconds: float | None, activity: str) -> Iterator[None]:
        if seconds is not None:
            self._limit = (time.monotonic() + seconds, f"{activity} took more than {seconds:g} s")
        try:
            yield
        finally:
            self._limit = None

    def check_time_limit(self, now: float) -> None:
        """Kill the process if what it is doing takes too long."""
        limit = self._limit
        if limit is not None and now >= limit[0]:
            self._kill_reason = limit[1]
            self.kill()

    def _failure_of_ended(self) -> WorkerFailure:
        if self._kill_reason:
            return WorkerFailure("timeout", self._kill_reason)
        if self._limits.guarded:
            self.kill()  # it may live, having announced more than is read
        code = self._process.wait()
        if code < 0:
            name = signal.Signals(-code).name if -code in set(signal.Signals) else f"signal {-code}"
            return WorkerFailure("killed", f"the worker was ended by {name}")
        return WorkerFailure("killed", f"the worker ended with exit code {code}")
