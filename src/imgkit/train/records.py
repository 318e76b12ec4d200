"""Write the tables of a run: what was said about each picture, which labels are doubted, how each label fares."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np

from imgkit.train.config import TrainConfig
from imgkit.train.folder import Scan
from imgkit.train.metrics import Answers, Scores
from imgkit.train.picture import Picture
from imgkit.train.probing import LabelIssue
from imgkit.train.recipe import Recipe
from imgkit.train.runfolder import RunFolder, environment
from imgkit.train.settings import FILE, settings_text
from imgkit.train.split import SplitSet, data_digest

NAMED = 3  # labels in predictions.csv


def write_start(folder: RunFolder, config: TrainConfig, found: Scan, splits: SplitSet, recipe: Recipe | None) -> None:
    """Write what is known before anything is learned; the settings come last, so a folder with them can be resumed."""
    folder.write_json("env.json", environment())
    folder.write_json("classes.json", list(found.labels))
    folder.write_text("split.csv", splits.as_csv(found.root))
    folder.write_csv(
        "quarantine.csv",
        ("file_name", "label", "reason", "detail"),
        ((each.name_in(found.root), each.label, each.reason, each.detail) for each in found.quarantine),
    )
    folder.write_json(
        "data.json", {"digest": data_digest(splits.pictures, found.root), "pictures": len(splits.pictures)}
    )
    folder.write_json("recipe.json", asdict(recipe) if recipe else None)
    folder.write_text(
        FILE, settings_text(config, note=f"imgkit train --config {folder.path / FILE} trains the same again")
    )
    folder.write_json("config.json", config.as_json())
    folder.log("start", data=str(config.data), pictures=len(splits.pictures))


def write_predictions(
    folder: RunFolder,
    root: Path,
    labels: Sequence[str],
    judged: Sequence[tuple[str, Sequence[Picture], Answers]],
) -> None:
    """Write predictions.csv: one row for each picture and judge (``test`` or ``out-of-fold probe``)."""
    places = range(1, min(NAMED, len(labels)) + 1)
    guesses = [name for place in places for name in (f"label_{place}", f"probability_{place}")]
    folder.write_csv(
        "predictions.csv",
        ["file_name", "label", "split", "judged_by", "right", "loss", *guesses],
        (row for judge, pictures, answers in judged for row in _rows(judge, pictures, answers, root, labels)),
    )


def write_label_issues(folder: RunFolder, root: Path, issues: Sequence[LabelIssue]) -> None:
    """Write label_issues.csv, the surest doubts first."""
    folder.write_csv(
        "label_issues.csv",
        ["file_name", "label", "suggestion", "probability_of_label", "probability_of_suggestion", "split", "sha256"],
        (
            (
                issue.picture.name_in(root),
                issue.picture.label,
                issue.suggestion,
                f"{issue.given:.6f}",
                f"{issue.suggested:.6f}",
                issue.picture.split,
                issue.picture.sha256,
            )
            for issue in issues
        ),
    )


def write_scores(folder: RunFolder, scores: Scores) -> None:
    """Write per_label.csv and confusion.csv of the test pictures."""
    folder.write_csv(
        "per_label.csv",
        [
            "label",
            "pictures",
            "predicted",
            "f1",
            *(f"{name}{part}" for name in ("precision", "recall") for part in ("", "_low", "_high")),
        ],
        (
            (
                each.label,
                each.support,
                each.predicted,
                f"{each.f1:.6f}",
                *(
                    f"{value:.6f}"
                    for part in (each.precision, each.recall)
                    for value in (part.value, part.low, part.high)
                ),
            )
            for each in scores.per_label
        ),
    )
    names = [each.label for each in scores.per_label]
    folder.write_csv(
        "confusion.csv",
        ["label \\ predicted", *names],
        ((name, *row) for name, row in zip(names, scores.confusion, strict=True)),
    )


def _rows(
    judge: str, pictures: Sequence[Picture], answers: Answers, root: Path, labels: Sequence[str]
) -> Iterator[Sequence[object]]:
    losses, right = answers.losses, answers.right
    for row, picture in enumerate(pictures):
        order = np.argsort(-answers.probabilities[row], kind="stable")[:NAMED].tolist()
        guesses = [cell for place in order for cell in (labels[place], f"{answers.probabilities[row, place]:.6f}")]
        facts = [picture.name_in(root), picture.label, picture.split, judge, "yes" if right[row] else "no"]
        yield [*facts, f"{losses[row]:.6f}", *guesses]
