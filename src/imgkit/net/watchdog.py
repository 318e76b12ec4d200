"""Break the connection of a fetch that outlives its time; a time-out of each read is no limit of the whole."""

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

TICK_SECONDS = 0.1


class Watch:
    """The time limits of one fetch.

    ``broken`` is the reason code once its connection was broken, "" before; ``stage`` the reason code of the phase
    that it is in.
    """

    def __init__(self, deadline: float, reason: str) -> None:
        self.broken = ""
        self.stage = ""
        self._deadline = (deadline, reason)
        self._limit = (deadline, reason)
        self._lifeline: socket.socket | None = None
        self._lock = threading.Lock()

    @property
    def left(self) -> float:
        """Seconds until the deadline, never negative."""
        return max(0.0, self._deadline[0] - time.monotonic())

    def phase(self, seconds: float, reason: str) -> None:
        """Begin a phase that may take ``seconds``, within the deadline; ``reason`` is why it is broken off."""
        self.stage = reason
        self._limit = min(self._deadline, (time.monotonic() + seconds, reason))

    def hold(self, lifeline: socket.socket | None) -> None:
        """Take a socket to break. It stays the caller's to close, after ``hold(None)``."""
        with self._lock:
            self._lifeline = lifeline
            if self.broken and lifeline is not None:
                _break(lifeline)

    def look(self, now: float) -> None:
        """Break the connection if the time is up."""
        limit, reason = self._limit
        if now >= limit and not self.broken:
            self.break_off(reason)

    def break_off(self, reason: str) -> None:
        """Break the connection now."""
        with self._lock:
            self.broken = reason
            if self._lifeline is not None:
                _break(self._lifeline)


def _break(lifeline: socket.socket) -> None:
    with contextlib.suppress(OSError):  # the other side may have been faster
        lifeline.shutdown(socket.SHUT_RDWR)


class Watchdog:
    """One thread that looks after every fetch under way; it sleeps while there is none."""

    def __init__(self) -> None:
        self._watches: set[Watch] = set()
        self._lock = threading.Lock()
        self._some = threading.Event()
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="imgkit-watchdog", daemon=True)
        self._thread.start()

    @contextmanager
    def watch(self, seconds: float, reason: str) -> Iterator[Watch]:
        """Watch the fetch inside the block: after ``seconds`` its connection is broken for ``reason``."""
        watch = Watch(time.monotonic() + seconds, reason)
        with self._lock:
            self._watches.add(watch)
            self._some.set()
        try:
            yield watch
        finally:
            watch.hold(None)
            with self._lock:
                self._watches.discard(watch)
                if not self._watches:
                    self._some.clear()

    def break_off(self) -> None:
        """Break every connection that is watched."""
        with self._lock:
            watches = list(self._watches)
        for watch in watches:
            watch.break_off("net.deadline")

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
                watch.look(now)
