"""Compare finished runs on the pictures that all of them were judged on: paired differences, cost, settings."""

import csv
import io
import json
import math
import struct
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from imgkit import commands
from imgkit.errors import UsageError
from imgkit.escaping import spreadsheet_text
from imgkit.files import read_file
from imgkit.models.intervals import Interval, macro_f1, paired_difference, wilson
from imgkit.models.model_folder import WEIGHTS_FILE
from imgkit.models.report.page import SUMMARY
from imgkit.train.results import PROBE_NAME
from imgkit.train.run_folder import FINISHED

OF_THE_RUN: Final = ("name", "resume", "runs", "cache")  # settings that say nothing about the model
OUT_OF_FOLD: Final = "out-of-fold probe"


@dataclass(frozen=True, slots=True)
class Answer:
    """What a model said of a picture that it had not learned from: its label and the model's answer."""

    label: str
    called: str
    probability: float

    @property
    def right(self) -> bool:
        """Whether the answer is the label."""
        return self.called == self.label


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedRun:
    """A finished run, or the report of an evaluation, as it is compared.

    ``answers`` and ``groups`` are by the name of the file below ``root``. ``parameters`` and ``bytes`` are of the
    model, ``seconds`` of the training; None where that is not known.
    """

    path: Path
    name: str
    root: Path
    picked: str
    backbone: str
    parameters: int | None
    bytes: int | None
    seconds: float | None
    settings: Mapping[str, object]
    answers: Mapping[str, Answer]
    groups: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunScores:
    """The scores of one run on the shared pictures, 0 to 1, and how many of them only this run gets right."""

    name: str
    accuracy: Interval
    macro_f1: float
    only_right: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PairedScores:
    """How much better ``second`` is than ``first`` on the shared pictures (-1 to 1), how often one is right alone."""

    first: str
    second: str
    difference: Interval
    first_only: int
    second_only: int

    @property
    def differs(self) -> bool:
        """Whether the interval excludes no difference."""
        return self.difference.low > 0 or self.difference.high < 0


@dataclass(frozen=True, slots=True, kw_only=True)
class RunComparison:
    """Runs side by side on the ``shared`` pictures that all of them were judged on with one and the same label.

    ``relabelled`` are the labels of pictures whose label is not the same in all runs, ``settings`` those that differ;
    both have one value for each run, None for none. ``left_out`` are unfinished runs.
    """

    runs: tuple[JudgedRun, ...]
    shared: tuple[str, ...]
    groups: int
    scores: tuple[RunScores, ...]
    pairs: tuple[PairedScores, ...]
    settings: Mapping[str, tuple[object, ...]]
    relabelled: Mapping[str, tuple[str | None, ...]]
    left_out: tuple[Path, ...]

    def differing(self) -> list[str]:
        """Return the shared pictures on which some runs are right and some wrong."""
        return [name for name in self.shared if len({run.answers[name].right for run in self.runs}) > 1]

    def as_json(self) -> dict[str, object]:
        """Return the comparison as JSON-ready values, without the single answers."""
        return {
            "runs": [
                {
                    **asdict(scores),
                    "path": str(run.path),
                    "picked": run.picked,
                    "backbone": run.backbone,
                    "parameters": run.parameters,
                    "bytes": run.bytes,
                    "seconds": run.seconds,
                    "judged": len(run.answers),
                }
                for run, scores in zip(self.runs, self.scores, strict=True)
            ],
            "shared": len(self.shared),
            "groups": self.groups,
            "pairs": [{**asdict(pair), "differs": pair.differs} for pair in self.pairs],
            "settings": {name: list(values) for name, values in self.settings.items()},
            "relabelled": {name: list(labels) for name, labels in self.relabelled.items()},
            "left_out": [str(path) for path in self.left_out],
        }


def compare(paths: Sequence[Path]) -> RunComparison:
    """Compare runs on the same pictures.

    A picture counts where every run was judged on it without having learned from it: on the test pictures, and for a
    linear probe out-of-fold too. Pictures are the same where their names below the data folder are.

    Args:
        paths: folders of runs, of reports that ``evaluate --report`` wrote, or folders of such folders.

    Raises:
        UsageError: there are fewer than two finished runs, one cannot be read, or no picture is shared.
    """
    folders, left_out = _folders(paths)
    if len(folders) < 2:
        unfinished = f"; not finished: {', '.join(map(str, left_out))}" if left_out else ""
        raise UsageError(
            f"finished runs in {', '.join(map(str, paths))}: {len(folders)}{unfinished}. "
            f"Nothing was compared. Give two runs, or a folder of runs: {commands.command('compare', 'RUNS')}"
        )
    runs = tuple(_read(folder, name) for folder, name in zip(folders, _names(folders), strict=True))
    named = set.intersection(*(set(run.answers) for run in runs))
    relabelled = {
        name: labels
        for name in sorted(set.union(*(set(run.answers) for run in runs)))
        if len({*(labels := tuple(_label(run, name) for run in runs))} - {None}) > 1
    }
    shared = tuple(sorted(named - set(relabelled)))
    if not shared:
        judged = ", ".join(f"{run.name} {len(run.answers)}" for run in runs)
        raise UsageError(
            f"no picture was judged by all runs (pictures judged: {judged}). Nothing was compared. Train them on one "
            f"folder with one split: {commands.command('train', 'FOLDER', '--split', runs[0].path / 'split.csv')}"
        )
    right = np.array([[run.answers[name].right for name in shared] for run in runs])
    groups = _group_numbers(runs, shared)
    return RunComparison(
        runs=runs,
        shared=shared,
        groups=len(np.unique(groups)),
        scores=tuple(_scores(run, shared, right, place, groups) for place, run in enumerate(runs)),
        pairs=tuple(_pairs(runs, right, groups)),
        settings=_differing_settings(runs),
        relabelled=relabelled,
        left_out=left_out,
    )


def _folders(paths: Sequence[Path]) -> tuple[list[Path], tuple[Path, ...]]:
    """Return the folders of finished runs and reports, each once, and those of runs that are not finished."""
    finished: dict[Path, None] = {}
    unfinished: dict[Path, None] = {}
    for path in paths:
        if not path.is_dir():
            raise UsageError(f"{path} is no folder. Nothing was compared. Give folders such as runs/a and runs/b.")
        candidates = [path] if _is_finished(path) or (path / "config.json").is_file() else sorted(path.iterdir())
        for each in candidates:
            if _is_finished(each):
                finished[each] = None
            elif (each / "config.json").is_file() and (each / "classes.json").is_file():
                unfinished[each] = None
    return list(finished), tuple(unfinished)


def _is_finished(path: Path) -> bool:
    tested = (path / "predictions.csv").is_file()
    return tested and ((path / FINISHED).is_file() or (path / SUMMARY).is_file())


def _names(folders: Sequence[Path]) -> list[str]:
    """Return the names of the folders, with as much of the path before them as tells them apart."""
    parts = [folder.absolute().parts for folder in folders]
    length = 1
    while len({each[-length:] for each in parts}) < len(parts) and length < max(map(len, parts)):
        length += 1
    return ["/".join(each[-length:]) for each in parts]


def _read(folder: Path, name: str) -> JudgedRun:
    try:
        return _read_run(folder, name) if (folder / FINISHED).is_file() else _read_evaluation(folder, name)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError, struct.error) as error:
        raise UsageError(
            f"{folder} is not what imgkit writes ({type(error).__name__}: {error}). Nothing was compared. Leave it out."
        ) from error


def _read_run(folder: Path, name: str) -> JudgedRun:
    report, settings = _json(folder / FINISHED), _json(folder / "config.json")
    judges = {"test", OUT_OF_FOLD} if report["picked"] == PROBE_NAME else {"test"}
    data = Path(str(report["data"]))
    parameters, size = _size_of(folder / "model" / WEIGHTS_FILE)
    return JudgedRun(
        path=folder,
        name=name,
        root=data if data.is_dir() else data.parent,
        picked=str(report["picked"]),
        backbone=str(report["plan"]["machine"]["backbone"]),
        parameters=parameters,
        bytes=size,
        seconds=float(sum(report["seconds"].values())),
        settings=settings,
        answers=_answers(folder, judges),
        groups={row["file_name"]: row["group"] for row in _rows(folder / "split.csv")},
    )


def _read_evaluation(folder: Path, name: str) -> JudgedRun:
    summary = _json(folder / SUMMARY)
    data, model = Path(str(summary["data"])), Path(str(summary["model"]))
    weights = next((path for path in (model / WEIGHTS_FILE, model / "model" / WEIGHTS_FILE) if path.is_file()), None)
    parameters, size = _size_of(weights) if weights else (None, None)
    return JudgedRun(
        path=folder,
        name=name,
        root=data if data.is_dir() else data.parent,
        picked=f"evaluated: {model}",
        backbone="",
        parameters=parameters,
        bytes=size,
        seconds=None,
        settings={"model": str(model), "data": str(data)},
        answers=_answers(folder, {"evaluate"}),
        groups={},
    )


def _json(path: Path) -> dict[str, Any]:
    value = json.loads(read_file(path))
    if not isinstance(value, dict):
        raise TypeError(f"{path.name} holds no object")
    return value


def _rows(path: Path) -> list[dict[str, str]]:
    text = read_file(path).decode("utf-8", "surrogateescape")
    return list(csv.DictReader(io.StringIO(text, newline="")))


def _answers(folder: Path, judges: set[str]) -> dict[str, Answer]:
    return {
        row["file_name"]: Answer(row["label"], row["label_1"], float(row["probability_1"]))
        for row in _rows(folder / "predictions.csv")
        if row["judged_by"] in judges
    }


def _size_of(weights: Path) -> tuple[int, int]:
    """Return how many numbers a file of weights holds, and its bytes; only its header is read."""
    with weights.open("rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(min(length, 100_000_000)))
    shapes = [each["shape"] for name, each in header.items() if name != "__metadata__"]
    return sum(math.prod(shape) for shape in shapes), weights.stat().st_size


def _label(run: JudgedRun, name: str) -> str | None:
    answer = run.answers.get(name)
    return answer.label if answer else None


def _group_numbers(runs: Sequence[JudgedRun], shared: Sequence[str]) -> NDArray[np.int64]:
    """Return (N,) numbers that are equal for pictures which one of the runs holds for copies."""
    names = [next((run.groups[name] for run in runs if name in run.groups), name) for name in shared]
    return np.unique(np.array(names), return_inverse=True)[1].astype(np.int64)


def _scores(
    run: JudgedRun, shared: Sequence[str], right: NDArray[np.bool_], place: int, groups: NDArray[np.int64]
) -> RunScores:
    answers = [run.answers[name] for name in shared]
    labels = sorted({each.label for each in answers} | {each.called for each in answers})
    targets = np.array([labels.index(each.label) for each in answers])
    called = np.array([labels.index(each.called) for each in answers])
    return RunScores(
        name=run.name,
        accuracy=wilson(float(right[place].mean()), len(np.unique(groups))),
        macro_f1=macro_f1(targets, called, len(labels)),
        only_right=int((right[place] & (right.sum(axis=0) == 1)).sum()),
    )


def _pairs(runs: Sequence[JudgedRun], right: NDArray[np.bool_], groups: NDArray[np.int64]) -> list[PairedScores]:
    return [
        PairedScores(
            first=runs[first].name,
            second=runs[second].name,
            difference=paired_difference(right[second], right[first], groups),
            first_only=int((right[first] & ~right[second]).sum()),
            second_only=int((right[second] & ~right[first]).sum()),
        )
        for first in range(len(runs))
        for second in range(first + 1, len(runs))
    ]


def _differing_settings(runs: Sequence[JudgedRun]) -> dict[str, tuple[object, ...]]:
    names = Counter(name for run in runs for name in run.settings if name not in OF_THE_RUN)
    values = {name: tuple(run.settings.get(name) for run in runs) for name in names}
    return {name: each for name, each in sorted(values.items()) if len({json.dumps(one) for one in each}) > 1}


def file_of(run: JudgedRun, name: str) -> Path:
    """Return where the picture lies that a run calls ``name``."""
    return run.root / spreadsheet_text(name)
