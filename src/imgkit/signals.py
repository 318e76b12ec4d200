"""Handlers for Ctrl-C and SIGTERM: postpone the signal to the end of a block, or set a flag that long work polls."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class StoppedError(Exception):
    """Raised by ``StopFlag.check`` after a stop was requested, where the state can be saved."""


class StopFlag:
    """Whether a stop was requested."""

    def __init__(self) -> None:
        self._number: int | None = None

    def __bool__(self) -> bool:
        return self._number is not None

    def ask(self, number: int = signal.SIGINT) -> None:
        """Request a stop, as the signal ``number`` would."""
        self._number = number

    def check(self) -> None:
        """Raise if a stop was requested.

        Raises:
            StoppedError: the work in hand is consistent and can be saved.
        """
        if self:
            raise StoppedError

    def pass_on(self) -> None:
        """Raise the received signal again for the previous handler, then KeyboardInterrupt if that handler returned."""
        if self._number is not None and threading.current_thread() is threading.main_thread():
            signal.raise_signal(self._number)
        raise KeyboardInterrupt


@contextmanager
def listen() -> Iterator[StopFlag]:
    """Turn the first Ctrl-C or SIGTERM into a flag; a second one acts at once, as it did before.

    Outside the main thread nothing is caught: signals arrive there only.
    """
    stop = StopFlag()
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


@contextmanager
def postponed(stop: Callable[[], None]) -> Iterator[None]:
    """Call ``stop`` on the first signal inside the block, and deliver the signal when the block has ended.

    A second signal is delivered at once. Outside the main thread, where no signal arrives, nothing is changed.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in SIGNALS}
    caught: list[int] = []

    def take(number: int, frame: FrameType | None) -> None:
        if caught:
            _restore(before)
            signal.raise_signal(number)
            return
        caught.append(number)
        stop()

    for number in SIGNALS:
        signal.signal(number, take)
    try:
        yield
    finally:
        _restore(before)
        if caught:
            signal.raise_signal(caught[0])


def _restore(before: "dict[signal.Signals, Callable[[int, FrameType | None], object] | int | None]") -> None:
    for number, handler in before.items():
        signal.signal(number, signal.SIG_DFL if handler is None else handler)
