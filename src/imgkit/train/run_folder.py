"""The folder of one run: its name, its files, and the machine it ran on."""

import json
import os
import platform
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import torch

import imgkit
from imgkit.cores import cpu_count
from imgkit.errors import UsageError
from imgkit.files import TEMPORARY_PREFIX, read_file, resource_error, write_text
from imgkit.manifest.folder import DataFolder
from imgkit.models.report.tables import write_csv
from imgkit.train.config import TrainConfig
from imgkit.train.config_file import OF_ONE_RUN, settings
from imgkit.train.finetune.recipe import Recipe

FINISHED = "report.json"  # the last file but the page: a run with it is complete
BEFORE_SETTINGS = ("env.json", "classes.json", "split.csv", "quarantine.csv", "data.json", "recipe.json", "run.yaml")
"""What a run writes before config.json: a folder with no more than these never began."""
PACKAGES = ("torch", "timm", "numpy", "pillow", "scipy")


@dataclass(frozen=True, slots=True)
class RunFolder:
    """Where the files of a run lie. Every file is written whole or not at all."""

    path: Path

    @property
    def model(self) -> Path:
        """The model folder."""
        return self.path / "model"

    @property
    def checkpoints(self) -> Path:
        """The state of a fine-tuning that is not finished."""
        return self.path / "checkpoints"

    @property
    def report(self) -> Path:
        """The page to read."""
        return self.path / "report.html"

    @property
    def split(self) -> Path:
        """Which picture is in which split."""
        return self.path / "split.csv"

    def labels(self) -> tuple[str, ...]:
        """Return the labels that the run was started with."""
        stored = self._read("classes.json")
        if not isinstance(stored, list) or not all(isinstance(label, str) for label in stored):
            raise self._strange("classes.json")
        return tuple(stored)

    def data_digest(self) -> str:
        """Return the digest of the pictures that the run was started with."""
        stored = self._read("data.json")
        if not isinstance(stored, dict) or "digest" not in stored:
            raise self._strange("data.json")
        return str(stored["digest"])

    def recipe(self) -> Recipe | None:
        """Return the recipe that the run was started with, None where nothing is fine-tuned."""
        stored = self._read("recipe.json")
        try:
            return Recipe.from_json(stored) if stored else None
        except (TypeError, AttributeError) as error:
            raise self._strange("recipe.json") from error

    def _strange(self, name: str) -> UsageError:
        return UsageError(
            f"{self.path / name} is not what imgkit writes there. Nothing was changed. Start a new run.",
            code="run.strange",
        )

    def _read(self, name: str) -> Any:  # noqa: ANN401  (JSON)
        try:
            return json.loads(read_file(self.path / name))
        except (OSError, ValueError, RecursionError) as error:
            raise UsageError(
                f"{self.path / name} cannot be read ({error}). Nothing was changed. Start a new run."
            ) from error

    def write_text(self, name: str, text: str) -> None:
        """Write ``text`` as it is."""
        write_text(self.path / name, text)

    def write_json(self, name: str, value: object) -> None:
        """Write ``value`` as indented JSON."""
        write_text(self.path / name, json.dumps(value, indent=2, ensure_ascii=False, default=str) + "\n")

    def write_csv(self, name: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
        """Write a table with a header."""
        write_csv(self.path / name, columns, rows)

    def log(self, event: str, **facts: object) -> None:
        """Append one line to log.jsonl."""
        line = json.dumps({"event": event, **facts}, ensure_ascii=False, default=str)
        try:
            with (self.path / "log.jsonl").open("a", encoding="utf-8", errors="backslashreplace") as file:
                file.write(line + "\n")
        except OSError as error:
            raise resource_error(error, self.path / "log.jsonl") from error


def cache_folder(config: TrainConfig) -> Path:
    """Return the folder for what can be computed again: that of the data folder where there is one."""
    if config.cache is not None:
        return config.cache
    around = DataFolder(config.data.absolute().parent)
    return around.cache if around.manifest.exists() else config.runs / "cache"


def create(config: TrainConfig, *, now: datetime) -> RunFolder:
    """Make the folder of a new run, named by ``config.name`` or after the data and the time.

    Raises:
        UsageError: the name is taken, or is no name for a folder.
        ResourceError: it cannot be made.
    """
    name = config.name or f"{config.data.absolute().stem or 'pictures'}-{now:%Y%m%d-%H%M%S}"
    if name in (".", "..") or "/" in name or "\\" in name:
        raise UsageError(f"{name!r} is no name for a folder. Nothing was changed. Give one word with --name.")
    path = config.runs / name
    try:
        path.mkdir(parents=True)
    except FileExistsError as error:
        if not _never_began(path):
            raise UsageError(
                f"there is already a run in {path}. Nothing was changed. Give another --name, or leave it out."
            ) from error
    except OSError as error:
        raise resource_error(error, path) from error
    return RunFolder(path)


def _never_began(path: Path) -> bool:
    """Return whether a folder holds no more than what a run writes before its settings: it was killed at its start."""
    return path.is_dir() and all(
        each.name in BEFORE_SETTINGS or each.name.startswith(TEMPORARY_PREFIX) for each in path.iterdir()
    )


def reopen(config: TrainConfig) -> tuple[RunFolder, TrainConfig]:
    """Return the unfinished run called ``config.name``, or the newest one, with the settings that it was started with.

    Raises:
        UsageError: there is none, or it is finished.
    """
    started = sorted(config.runs.glob("*/config.json"), key=lambda path: path.stat().st_mtime, reverse=True)
    folders = [path.parent for path in started if config.name in (None, path.parent.name)]
    unfinished = [folder for folder in folders if not (folder / FINISHED).exists()]
    if not unfinished:
        where = config.runs / config.name if config.name else config.runs
        what = "is finished, its report is report.html" if config.name and folders else "holds no unfinished run"
        raise UsageError(f"cannot resume: {where} {what}. Nothing was changed. Start a new run without --resume.")
    try:
        stored = json.loads(read_file(unfinished[0] / "config.json"))
        if not isinstance(stored, dict):
            raise TypeError("no settings")
    except (OSError, ValueError, TypeError, RecursionError) as error:
        raise UsageError(
            f"{unfinished[0] / 'config.json'} cannot be read ({error}). Nothing was changed. Start a new run."
        ) from error
    source = str(unfinished[0] / "config.json")
    known = settings({name: value for name, value in stored.items() if name not in OF_ONE_RUN}, where=source)
    if "data" not in known or not isinstance(stored.get("name"), str | None):
        raise UsageError(f"{source} is not what imgkit writes there. Nothing was changed. Start a new run.")
    return RunFolder(unfinished[0]), TrainConfig(**known, name=stored.get("name"), resume=True)


def environment() -> dict[str, object]:
    """Return the versions and the machine that made a run's numbers."""
    return {
        "imgkit": imgkit.__version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cpus": cpu_count(),
        "threads": torch.get_num_threads(),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS"),
        "packages": {name: metadata.version(name) for name in PACKAGES},
    }
