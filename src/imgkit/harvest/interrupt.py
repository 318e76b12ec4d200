"""Let Ctrl-C and SIGTERM end a loop at a calm place instead of in the middle of a write."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM)


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
