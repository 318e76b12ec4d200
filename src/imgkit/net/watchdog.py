"""Shut down the connection of a fetch that exceeds its deadline; socket timeouts limit single reads, not the whole."""

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

TICK_SECONDS = 0.1


class Watch:
    """The time limits of one fetch.

    ``broken`` is the reason code once its connection was shut down, "" before; ``stage`` is the reason code of the
    current phase.
    """

    def __init__(self, deadline: float, reason: str) -> None:
        self.broken = ""
        self.stage = ""
        self._deadline = (deadline, reason)
        self._limit = (deadline, reason)
        self._break_handle: socket.socket | None = None
        self._lock = threading.Lock()

    @property
    def left(self) -> float:
        """Seconds until the deadline, never negative."""
        return max(0.0, self._deadline[0] - time.monotonic())

    def phase(self, seconds: float, reason: str) -> None:
        """Begin a phase that may take ``seconds`` before the deadline; after them its reason is ``reason``."""
        self.stage = reason
        self._limit = min(self._deadline, (time.monotonic() + seconds, reason))

    def set_socket(self, break_handle: socket.socket | None) -> None:
        """Set the socket that is shut down at the limit; the caller closes it, after ``set_socket(None)``."""
        with self._lock:
            self._break_handle = break_handle
            if self.broken and break_handle is not None:
                _break(break_handle)

    def check(self, now: float) -> None:
        """Shut the connection down if a limit has passed. ``now`` is of ``time.monotonic()``."""
        limit, reason = self._limit
        if now >= limit and not self.broken:
            self.abort(reason)

    def abort(self, reason: str) -> None:
        """Shut the connection down now, for this reason code."""
        with self._lock:
            self.broken = reason
            if self._break_handle is not None:
                _break(self._break_handle)


def _break(break_handle: socket.socket) -> None:
    with contextlib.suppress(OSError):  # the peer may have closed it already
        break_handle.shutdown(socket.SHUT_RDWR)


class Watchdog:
    """One thread that checks the time limits of every fetch in progress; it sleeps while there is none."""

    def __init__(self) -> None:
        self._watches: set[Watch] = set()
        self._lock = threading.Lock()
        self._some = threading.Event()
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="imgkit-watchdog", daemon=True)
        self._thread.start()

    @contextmanager
    def watch(self, seconds: float, reason: str) -> Iterator[Watch]:
        """Limit the fetch inside the block: after ``seconds`` its connection is shut down for ``reason``."""
        watch = Watch(time.monotonic() + seconds, reason)
        with self._lock:
            self._watches.add(watch)
            self._some.set()
        try:
            yield watch
        finally:
            watch.set_socket(None)
            with self._lock:
                self._watches.discard(watch)
                if not self._watches:
                    self._some.clear()

    def abort(self) -> None:
        """Shut down the connections of all fetches in progress."""
        with self._lock:
            watches = list(self._watches)
        for watch in watches:
            watch.abort("net.deadline")

    def close(self) -> None:
        """End the thread."""
        self._closed.set()
        self._some.set()
        self._thread.join()

    def _run(self) -> None:
        while self._some.wait() and not self._closed.wait(TICK_SECONDS):
            with self._lock:
                watches = list(self._watches)
            now = time.monotonic()
            for watch in watches:
                watch.check(now)
