"""A fine-tuning that gets a signal at one of its steps: python killed.py FOLDER STEP SIGNAL."""

import os
import sys
from pathlib import Path

from training import small_fit

from imgkit import signals
from imgkit.progress import Silent


class SignalAt(Silent):
    """Progress that sends this process a signal once so many steps are done."""

    def __init__(self, step: int, number: int) -> None:
        self._left, self._number = step, number

    def advance(self, steps: int = 1, note: str = "") -> None:
        self._left -= steps
        if steps and self._left == 0:
            os.kill(os.getpid(), self._number)


fit = small_fit(Path(sys.argv[1]), checkpoint_seconds=0.0)
with signals.listen() as stop:
    fit.run(stop=stop, progress=SignalAt(int(sys.argv[2]), int(sys.argv[3])), log=lambda row: None)
