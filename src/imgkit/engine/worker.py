"""The child's side of the engine: answer requests on a pipe until it closes."""

import os
import pickle
import queue
import signal
import struct
import sys
import threading
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final, Literal

STARTED: Final = b"started"
_HEADER: Final = struct.Struct(">Q")


@dataclass(frozen=True, slots=True)
class Request:
    """One call: pickled function, builder of its state (empty for none) and argument, and the limit of memory."""

    function: bytes
    init: bytes
    argument: bytes
    memory_bytes: int | None


@dataclass(frozen=True, slots=True)
class Reply:
    """What became of a call: its result, or the words for an exception or for memory that ran out."""

    kind: Literal["result", "error", "memory"]
    value: object


def write_frame(pipe: BinaryIO, data: bytes) -> None:
    """Write ``data`` with its length in front.

    Raises:
        OSError: the other side is gone.
    """
    pipe.write(_HEADER.pack(len(data)))
    pipe.write(data)
    pipe.flush()


def read_frame(pipe: BinaryIO) -> bytes | None:
    """Return the next frame, or None when the other side has closed or died in the middle of one."""
    header = pipe.read(_HEADER.size)
    if len(header) < _HEADER.size:
        return None
    (length,) = _HEADER.unpack(header)
    data = pipe.read(length)
    return data if len(data) == length else None


def describe(error: BaseException) -> str:
    """Return where an exception came from and, at the end, what it says."""
    return "".join(traceback.format_exception(error)[-4:]).strip()


def main() -> None:
    """Serve the process that started this one, through standard input and output."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole terminal; the parent decides
    requests, replies = _claim_pipes()
    waiting: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(requests, waiting), daemon=True).start()
    desk = _Desk()
    while True:
        reply = desk.answer(waiting.get(), lambda: write_frame(replies, STARTED))
        write_frame(replies, reply)


def _claim_pipes() -> tuple[BinaryIO, BinaryIO]:
    """Take the pipes for ourselves, so that a stray ``print`` or a library cannot write into them."""
    requests, replies = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nowhere = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1):
        os.dup2(nowhere, descriptor)
    os.close(nowhere)
    return requests, replies


def _listen(requests: BinaryIO, waiting: "queue.SimpleQueue[bytes]") -> None:
    """Take requests in a thread of its own, so that the end of the parent is noticed while a call runs."""
    while (frame := read_frame(requests)) is not None:
        waiting.put(frame)
    os._exit(0)


class _Desk:
    """Runs calls, remembering functions and what their ``init`` built."""

    def __init__(self) -> None:
        self._functions: dict[bytes, Callable[..., object]] = {}
        self._states: dict[bytes, tuple[object, ...]] = {b"": ()}
        self._limited = False

    def answer(self, frame: bytes, started: Callable[[], None]) -> bytes:
        """Return the pickled reply to a request; ``started`` is called when what was not there yet is loaded."""
        try:
            request: Request = pickle.loads(frame)
            known = request.function in self._functions and request.init in self._states
            if request.function not in self._functions:
                self._functions[request.function] = pickle.loads(request.function)
            if request.init not in self._states:
                self._states[request.init] = (pickle.loads(request.init)(),)
            argument = pickle.loads(request.argument)
            if request.memory_bytes is not None and not self._limited:
                limit_memory(request.memory_bytes)
                self._limited = True
            if not known:
                started()
            result = self._functions[request.function](*self._states[request.init], argument)
            return pickle.dumps(Reply("result", result), protocol=5)
        except MemoryError:
            return pickle.dumps(Reply("memory", "the worker ran out of memory"))
        except Exception as error:
            return pickle.dumps(Reply("error", describe(error)))


def limit_memory(more_bytes: int) -> None:
    """Let this process take ``more_bytes`` of address space beyond what it has. Does nothing outside Linux."""
    if sys.platform != "linux":
        return
    import resource

    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * os.sysconf("SC_PAGE_SIZE") + more_bytes
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    if hard == resource.RLIM_INFINITY or limit < hard:
        resource.setrlimit(resource.RLIMIT_AS, (limit, hard))
