"""Programs that draw the figures of many runs beside each other: one table, each imported only when it is asked for."""

import importlib
import importlib.util
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol

from imgkit.errors import UsageError

PROJECT = "imgkit"
Settings = Mapping[str, object]
Import = Callable[[str], ModuleType]


class Tracker(Protocol):
    """Where figures go. Any call may be slow or fail."""

    def log(self, step: int, figures: Mapping[str, float]) -> None:
        """Take figures by name, after ``step`` optimiser steps."""

    def finish(self) -> None:
        """Send what is still held back."""


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
        """Hand the figures over."""
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
