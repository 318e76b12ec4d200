"""The folder of one run: its name, its files, and the machine it ran on."""

import csv
import io
import json
import os
import platform
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from importlib import metadata
from pathlib import Path

import torch

import imgkit
from imgkit.errors import UsageError
from imgkit.files import resource_error, write_text
from imgkit.train.config import TrainConfig
from imgkit.vision.device import cpu_count

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

    def write_text(self, name: str, text: str) -> None:
        """Write ``text`` as it is."""
        write_text(self.path / name, text)

    def write_json(self, name: str, value: object) -> None:
        """Write ``value`` as indented JSON."""
        write_text(self.path / name, json.dumps(value, indent=2, ensure_ascii=False, default=str) + "\n")

    def write_csv(self, name: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
        """Write a table with a header."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(rows)
        write_text(self.path / name, text.getvalue())

    def log(self, event: str, **facts: object) -> None:
        """Append one line to log.jsonl."""
        line = json.dumps({"event": event, **facts}, ensure_ascii=False, default=str)
        try:
            with (self.path / "log.jsonl").open("a", encoding="utf-8") as file:
                file.write(line + "\n")
        except OSError as error:
            raise resource_error(error, self.path / "log.jsonl") from error


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
        raise UsageError(
            f"there is already a run in {path}. Nothing was changed. Give another --name, or leave it out."
        ) from error
    except OSError as error:
        raise resource_error(error, path) from error
    return RunFolder(path)


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
