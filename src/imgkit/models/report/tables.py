"""Write the tables of tested pictures: predictions.csv, per_label.csv and confusion.csv."""

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

import numpy as np

from imgkit.dataset.picture import LabelledPicture
from imgkit.escaping import spreadsheet_safe
from imgkit.files import write_text
from imgkit.models.metrics import LabelledPredictions, Scores

NAMED: Final = 3  # labels in predictions.csv


def write_csv(target: Path, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Write a table with a header, with nothing in it that a spreadsheet takes for a formula.

    Raises:
        ResourceError: the disk is full or not writable.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(spreadsheet_safe(columns))
    writer.writerows(spreadsheet_safe(row) for row in rows)
    write_text(target, text.getvalue())


def write_predictions(
    folder: Path,
    root: Path,
    labels: Sequence[str],
    judged: Sequence[tuple[str, Sequence[LabelledPicture], LabelledPredictions]],
) -> None:
    """Write predictions.csv: one row for each picture and judge (``test`` or ``out-of-fold probe``)."""
    places = range(1, min(NAMED, len(labels)) + 1)
    guesses = [name for place in places for name in (f"label_{place}", f"probability_{place}")]
    write_csv(
        folder / "predictions.csv",
        ["file_name", "label", "split", "judged_by", "right", "loss", *guesses],
        (row for judge, pictures, predictions in judged for row in _rows(judge, pictures, predictions, root, labels)),
    )


def write_scores(folder: Path, scores: Scores) -> None:
    """Write per_label.csv and confusion.csv of the test pictures."""
    write_csv(
        folder / "per_label.csv",
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
    write_csv(
        folder / "confusion.csv",
        ["label \\ predicted", *names],
        ((name, *row) for name, row in zip(names, scores.confusion, strict=True)),
    )


def _rows(
    judge: str, pictures: Sequence[LabelledPicture], predictions: LabelledPredictions, root: Path, labels: Sequence[str]
) -> Iterator[Sequence[object]]:
    losses, right = predictions.losses, predictions.right
    for row, picture in enumerate(pictures):
        order = np.argsort(-predictions.probabilities[row], kind="stable")[:NAMED].tolist()
        guesses = [cell for place in order for cell in (labels[place], f"{predictions.probabilities[row, place]:.6f}")]
        facts = [picture.name_in(root), picture.label, picture.split, judge, "yes" if right[row] else "no"]
        yield [*facts, f"{losses[row]:.6f}", *guesses]
