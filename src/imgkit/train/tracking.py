"""Experiment trackers: TensorBoard, Weights & Biases, MLflow; each is imported only when it is used.

A tracker runs in a thread of its own, so that a slow or failing one does not delay training."""

import importlib
import importlib.util
import math
import queue
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol

from imgkit.errors import UsageError
from imgkit.models.metrics import Scores
from imgkit.train.finetune.history import EpochRow
from imgkit.train.finetune.validator import ValidationScore

PROJECT = "imgkit"
Settings = Mapping[str, object]
Import = Callable[[str], ModuleType]


class Tracker(Protocol):
    """Receives metrics. Any call may be slow or fail."""

    def log(self, step: int, figures: Mapping[str, float]) -> None:
        """Take figures by name, after ``step`` optimiser steps."""

    def finish(self) -> None:
        """Flush buffered metrics and close the run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """A tracker: the module to import, the extra that installs it, and how a run is opened."""

    module: str
    extra: str
    open: Callable[[Any, Path, Settings], Tracker]


class TensorBoard:
    """Writes event files into the run's folder; ``tensorboard --logdir runs`` shows them."""

    def __init__(self, module: Any, run: Path, settings: Settings) -> None:  # noqa: ANN401  (a module)
        self._writer = module.SummaryWriter(log_dir=str(run / "tensorboard"))
        self._writer.add_text("settings", "\n".join(f"    {name}: {value}" for name, value in settings.items()))

    def log(self, step: int, figures: Mapping[str, float]) -> None:
        """Write the figures."""
        for name, value in figures.items():
            self._writer.add_scalar(name, value, step)
        self._writer.flush()

    def finish(self) -> None:
        """Close the file."""
        self._writer.close()


class Wandb:
    """Sends figures to Weights & Biases; without a key they stay in the run's folder for ``wandb sync``."""

    def __init__(self, module: Any, run: Path, settings: Settings) -> None:  # noqa: ANN401  (a module)
        mode = None if module.api.api_key else "offline"  # else it would stop and ask for one
        self._run = module.init(project=PROJECT, name=run.name, dir=str(run), config=dict(settings), mode=mode)

    def log(self, step: int, figures: Mapping[str, float]) -> None:
        """Queue the figures for sending."""
        self._run.log(dict(figures), step=step)

    def finish(self) -> None:
        """Wait until they are sent."""
        self._run.finish()


class MLflow:
    """Sends figures to where ``MLFLOW_TRACKING_URI`` says, else to MLflow's own default."""

    def __init__(self, module: Any, run: Path, settings: Settings) -> None:  # noqa: ANN401  (a module)
        self._module = module
        module.set_experiment(PROJECT)
        module.start_run(run_name=run.name)
        module.log_params({name: str(value) for name, value in settings.items()})

    def log(self, step: int, figures: Mapping[str, float]) -> None:
        """Send the figures."""
        self._module.log_metrics({name: value for name, value in figures.items() if math.isfinite(value)}, step=step)

    def finish(self) -> None:
        """Mark the run as finished."""
        self._module.end_run()


PROGRAMS: dict[str, Program] = {
    "tensorboard": Program(module="torch.utils.tensorboard", extra="tensorboard", open=TensorBoard),
    "wandb": Program(module="wandb", extra="wandb", open=Wandb),
    "mlflow": Program(module="mlflow", extra="mlflow", open=MLflow),
}


def find_program(name: str) -> Program:
    """Return the tracker called ``name``; nothing is imported.

    Raises:
        UsageError: there is no such tracker, or it is not installed.
    """
    program = PROGRAMS.get(name)
    if program is None:
        raise UsageError(f"--track {name} is not known. Nothing was changed. Choose {', '.join(PROGRAMS)}.")
    if importlib.util.find_spec(program.extra) is None:
        raise UsageError(
            f"--track {name} needs the package {program.extra}. Nothing was changed. Install it: "
            f"pip install 'imgkit-datasets[{program.extra}]'"
        )
    return program


def open_tracker(program: Program, run: Path, settings: Settings, *, load: Import = importlib.import_module) -> Tracker:
    """Import the tracker and open a run in it."""
    return program.open(load(program.module), run, settings)


SECONDS_TO_FINISH = 20.0
Figures = Mapping[str, float]


class Tracking:
    """Passes figures on to a tracker. The first failure is told once, then nothing more is sent.

    Args:
        name: of the tracker, for the sentence that is told.
        open: opens the run; called in the thread.
        say: is told once, from the thread that calls ``log`` or ``finish``.
        timeout_s: seconds that ``finish`` waits for queued figures.
    """

    def __init__(
        self,
        name: str,
        open: Callable[[], Tracker],
        *,
        say: Callable[[str], None],
        timeout_s: float = SECONDS_TO_FINISH,
    ) -> None:
        self._name, self._open, self._say, self._timeout_s = name, open, say, timeout_s
        self._waiting: queue.SimpleQueue[tuple[int, Figures] | None] = queue.SimpleQueue()
        self._failure, self._told = "", False
        self._thread = threading.Thread(target=self._work, name=f"imgkit {name}", daemon=True)
        self._thread.start()

    def log(self, step: int, figures: Figures) -> None:
        """Pass figures on; returns at once."""
        self._tell()
        self._waiting.put((step, dict(figures)))

    def finish(self) -> None:
        """Wait for queued figures, at most ``timeout_s`` seconds."""
        self._waiting.put(None)
        self._thread.join(self._timeout_s)
        if self._thread.is_alive():
            self._failure = self._failure or f"it did not finish within {self._timeout_s:g} s"
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


def judgement_figures(judgement: ValidationScore, group: str) -> dict[str, float]:
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
