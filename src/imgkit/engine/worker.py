"""The worker process of the local engine: answers requests on a pipe until it closes."""

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
from typing import BinaryIO, Final

STARTED: Final = b"started"
_HEADER: Final = struct.Struct(">Q")


@dataclass(frozen=True, slots=True)
class CallRequest:
    """One call: pickled function, builder of its state (empty for none) and argument, and the limit of memory.

    ``guarded`` takes the right to write files from the process, once its function is loaded.
    """

    function: bytes
    init: bytes
    argument: bytes
    memory_bytes: int | None
    guarded: bool = False


class ReplyKind:
    """The first byte of a reply: a pickled result follows, a result that is bytes, or the words for a failure."""

    PICKLE: Final = b"p"
    BYTES: Final = b"b"
    ERROR: Final = b"e"
    MEMORY: Final = b"m"


def write_frame(pipe: BinaryIO, data: bytes) -> None:
    """Write ``data`` with its length in front.

    Raises:
        OSError: the other side is gone.
    """
    pipe.write(_HEADER.pack(len(data)))
    pipe.write(data)
    pipe.flush()


def read_frame(pipe: BinaryIO, *, max_bytes: int | None = None) -> bytes | None:
    """Return the next frame; None when the other side closed, died in the middle of one, or sends over ``max_bytes``.

    A length above ``max_bytes`` bytes is not read: the sender is not trusted.
    """
    header = pipe.read(_HEADER.size)
    if len(header) < _HEADER.size:
        return None
    (length,) = _HEADER.unpack(header)
    if max_bytes is not None and length > max_bytes:
        return None
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
    threading.Thread(target=_receive_requests, args=(requests, waiting), daemon=True).start()
    runner = _CallRunner()
    while True:
        reply = runner.reply_to(waiting.get(), lambda: write_frame(replies, STARTED))
        write_frame(replies, reply)


def _claim_pipes() -> tuple[BinaryIO, BinaryIO]:
    """Take the pipes for ourselves, so that a stray ``print`` or a library cannot write into them."""
    requests, replies = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    devnull = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1):
        os.dup2(devnull, descriptor)
    os.close(devnull)
    return requests, replies


def _receive_requests(requests: BinaryIO, waiting: "queue.SimpleQueue[bytes]") -> None:
    """Take requests in a thread of its own, so that the end of the parent is noticed while a call runs."""
    while (frame := read_frame(requests)) is not None:
        waiting.put(frame)
    os._exit(0)


class _CallRunner:
    """Runs calls, remembering functions and what their ``init`` built."""

    def __init__(self) -> None:
        self._functions: dict[bytes, Callable[..., object]] = {}
        self._states: dict[bytes, tuple[object, ...]] = {b"": ()}
        self._limited = False

    def reply_to(self, frame: bytes, started: Callable[[], None]) -> bytes:
        """Return the reply to a request; ``started`` is called when what was not there yet is loaded."""
        try:
            request: CallRequest = pickle.loads(frame)
            known = request.function in self._functions and request.init in self._states
            if request.function not in self._functions:
                self._functions[request.function] = pickle.loads(request.function)
            if request.init not in self._states:
                self._states[request.init] = (pickle.loads(request.init)(),)
            argument = pickle.loads(request.argument)
            if not self._limited:
                self._limited = True
                _limit(request)
            if not known:
                started()
            result = self._functions[request.function](*self._states[request.init], argument)
            if isinstance(result, bytes):
                return ReplyKind.BYTES + result
            return ReplyKind.PICKLE + pickle.dumps(result, protocol=5)
        except MemoryError:
            return ReplyKind.MEMORY + b"the worker ran out of memory"
        except Exception as error:
            return ReplyKind.ERROR + describe(error).encode("utf-8", "replace")


def _limit(request: CallRequest) -> None:
    if request.guarded:
        forbid_files()
    if request.memory_bytes is not None:
        limit_memory(request.memory_bytes)


def forbid_files() -> None:
    """Let this process write into no file and leave no memory dump. Does nothing on Windows."""
    if sys.platform == "win32":
        return
    import resource

    for kind in (resource.RLIMIT_FSIZE, resource.RLIMIT_CORE):
        resource.setrlimit(kind, (0, 0))


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
