"""Keep a tracker beside training: in a thread of its own, so that a slow or failing one never holds a run up."""

import queue
import threading
from collections.abc import Callable, Mapping
from pathlib import Path

from imgkit.train.fitted import EpochRow
from imgkit.train.judge import Judgement
from imgkit.train.metrics import Scores
from imgkit.train.trackers import Settings, Tracker, find_program, open_tracker

SECONDS_TO_FINISH = 20.0
Figures = Mapping[str, float]


class Tracking:
    """Passes figures on to a tracker. The first failure is told once, then nothing more is sent.

    Args:
        name: of the tracker, for the sentence that is told.
        open: opens the run; called in the thread.
        say: is told once, from the thread that calls ``log`` or ``finish``.
        patience: seconds that ``finish`` waits for what is still on the way.
    """

    def __init__(
        self,
        name: str,
        open: Callable[[], Tracker],
        *,
        say: Callable[[str], None],
        patience: float = SECONDS_TO_FINISH,
    ) -> None:
        self._name, self._open, self._say, self._patience = name, open, say, patience
        self._waiting: queue.SimpleQueue[tuple[int, Figures] | None] = queue.SimpleQueue()
        self._failure, self._told = "", False
        self._thread = threading.Thread(target=self._work, name=f"imgkit {name}", daemon=True)
        self._thread.start()

    def log(self, step: int, figures: Figures) -> None:
        """Pass figures on; returns at once."""
        self._tell()
        self._waiting.put((step, dict(figures)))

    def finish(self) -> None:
        """Wait for what is on the way, but not for ever."""
        self._waiting.put(None)
        self._thread.join(self._patience)
        if self._thread.is_alive():
            self._failure = self._failure or f"it did not finish within {self._patience:g} s"
        self._tell()

    def _work(self) -> None:
        try:
            tracker = self._open()
            while (ready := self._waiting.get()) is not None:
                tracker.log(*ready)
            tracker.finish()
        except BaseException as error:  # whatever another program does, SystemExit too, this run goes on
            self._failure = f"{type(error).__name__}: {error}".splitlines()[0]

    def _tell(self) -> None:
        if self._failure and not self._told:
            self._told = True
            self._say(
                f"note    --track {self._name} failed ({self._failure}): training goes on, and every figure is in "
                "log.jsonl and report.json"
            )


class NoTracking:
    """The default: nothing is passed on."""

    def log(self, step: int, figures: Figures) -> None:
        """Do nothing."""

    def finish(self) -> None:
        """Do nothing."""


def start_tracking(
    name: str | None, run: Path, settings: Settings, *, say: Callable[[str], None]
) -> Tracking | NoTracking:
    """Open the run in the tracker called ``name``; None is none.

    Raises:
        UsageError: there is no such tracker, or it is not installed.
    """
    if name is None:
        return NoTracking()
    program = find_program(name)
    return Tracking(name, lambda: open_tracker(program, run, settings), say=say)


def epoch_figures(row: EpochRow) -> dict[str, float]:
    """Return the figures of one epoch by name."""
    return {
        "train/loss": row.train_loss,
        "train/accuracy": row.train_accuracy,
        "train/learning_rate": row.lr,
        "train/gradient_norm": row.gradient_norm,
        "train/images_per_second": row.images_per_second,
        **judgement_figures(row.validation, "validation"),
        **judgement_figures(row.average, "validation_average"),
    }


def judgement_figures(judgement: Judgement, group: str) -> dict[str, float]:
    """Return the scores of some weights by name."""
    return {
        f"{group}/macro_f1": judgement.macro_f1,
        f"{group}/accuracy": judgement.accuracy,
        f"{group}/loss": judgement.nll,
    }


def score_figures(scores: Scores, group: str) -> dict[str, float]:
    """Return scores with the ends of their intervals by name."""
    return {
        f"{group}/{name}{end}": getattr(interval, part)
        for name, interval in (("accuracy", scores.accuracy), ("macro_f1", scores.macro_f1))
        for end, part in (("", "value"), ("_low", "low"), ("_high", "high"))
    }
