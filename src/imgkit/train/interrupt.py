"""Ctrl-C and SIGTERM as a flag that long work looks at, so that it can save before it stops."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class StoppedError(Exception):
    """Raised at the next point where it is safe, after somebody asked to stop."""


class Stop:
    """Whether somebody asked us to stop."""

    def __init__(self) -> None:
        self._number: int | None = None

    def __bool__(self) -> bool:
        return self._number is not None

    def ask(self, number: int = signal.SIGINT) -> None:
        """Ask to stop, as the signal ``number`` would."""
        self._number = number

    def check(self) -> None:
        """Raise where somebody asked to stop.

        Raises:
            StoppedError: the work in hand is consistent and can be saved.
        """
        if self:
            raise StoppedError

    def pass_on(self) -> None:
        """Hand the signal that came to whoever handled it before us; returns only where that one ignores it."""
        if self._number is not None and threading.current_thread() is threading.main_thread():
            signal.raise_signal(self._number)
        raise KeyboardInterrupt


@contextmanager
def listen() -> Iterator[Stop]:
    """Turn the first Ctrl-C or SIGTERM into a flag; a second one acts at once, as it did before.

    Outside the main thread nothing is caught: signals arrive there only.
    """
    stop = Stop()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    before = {number: signal.getsignal(number) for number in SIGNALS}

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    def ask(number: int, frame: FrameType | None) -> None:
        stop.ask(number)
        restore()

    for number in SIGNALS:
        signal.signal(number, ask)
    try:
        yield stop
    finally:
        restore()
