"""Fill the sample file of a competition: its rows in its order, its columns under its names."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from imgkit.errors import UsageError
from imgkit.models.predict import Prediction
from imgkit.tables import read_table

KNOWN = ("id", "image", "image_id", "file", "filename", "file_name", "label", "target", "class")

EVERY_LABEL = 1_000_000  # more guesses for a picture than there are labels


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """A filled sample: ``text`` is the CSV, ``filled`` counts rows with an answer of the model.

    ``unreadable`` are the values of the first column whose file is no picture: their rows are as in the sample.
    """

    text: str
    filled: int
    unreadable: tuple[str, ...]

    def as_json(self) -> dict[str, object]:
        """Return the counts as JSON-ready values."""
        return {"filled": self.filled, "unreadable": list(self.unreadable)}

    def sentence(self) -> str:
        """Return the counts in a sentence or two."""
        left = f" Left as in the sample, being no pictures: {', '.join(self.unreadable)}." if self.unreadable else ""
        return f"{self.filled:,} rows filled.{left}"


def fill_sample(sample: Path, predictions: Sequence[Prediction]) -> Submission:
    """Return ``sample`` with the answers of the model.

    The first column names a picture by its file, with or without folder and suffix. One further column gets the most
    probable label; several get the probabilities of the labels that they are named after.

    Args:
        sample: the sample file: CSV, TSV or another table that imgkit reads.
        predictions: for probabilities, with a guess for every label.

    Raises:
        UsageError: the sample is no such table, a column is no label, or a row has no picture or several ones.
        ResourceError: the sample cannot be read.
    """
    table = read_table(sample, KNOWN)
    header = table.header or table.columns
    if table.problems or len(header) < 2 or not table.rows:
        said = table.problems[0] if table.problems else "it needs a column of pictures, a column to fill, and a row"
        raise UsageError(f"{sample} cannot be filled: {said}. Nothing was written. Give the competition's sample file.")
    _, *columns = table.columns
    labels = _labels_of(sample, header[1:], predictions) if len(columns) > 1 else ()
    by_name = _by_name(predictions)
    missing: list[str] = []
    unreadable: list[str] = []
    rows: list[list[str]] = []
    for row in table.rows:
        asked = row.cells[table.columns[0]]
        found = by_name.get(asked, [])
        if len(found) != 1:
            missing.append(f"{asked} ({len(found)} pictures)")
        elif found[0].reason:
            unreadable.append(asked)
            rows.append([asked, *(row.cells[column] for column in columns)])
        else:
            rows.append([asked, *_answer(found[0], labels)])
    if missing:
        raise UsageError(
            f"{len(missing)} of {len(table.rows)} rows of {sample} do not name one of the pictures given: "
            f"{', '.join(missing[:3])}. Nothing was written. Give the folder of all its pictures."
        )
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerows([header, *rows])
    return Submission(text=text.getvalue(), filled=len(rows) - len(unreadable), unreadable=tuple(unreadable))


def _answer(prediction: Prediction, labels: Sequence[str]) -> list[str]:
    if not labels:
        return [prediction.guesses[0].label]
    probabilities = {guess.label: guess.probability for guess in prediction.guesses}
    return [f"{probabilities[label]:.6f}" for label in labels]


def _labels_of(sample: Path, columns: Sequence[str], predictions: Sequence[Prediction]) -> list[str]:
    """Return the label of each column: the same name, or the same but for case, spaces and ``_``."""
    known = {guess.label for each in predictions for guess in each.guesses}
    loose = {_loose(label): label for label in known}
    foreign = [column for column in columns if column not in known and _loose(column) not in loose]
    if foreign and known:
        raise UsageError(
            f"{sample} has the column {foreign[0]!r}, which is no label of the model. Nothing was written. Columns "
            "after the first are one for the label, or one for each label by its name."
        )
    return [column if column in known else loose.get(_loose(column), column) for column in columns]


def _loose(name: str) -> str:
    return name.casefold().replace(" ", "_").replace("-", "_")


def _by_name(predictions: Sequence[Prediction]) -> dict[str, list[Prediction]]:
    """Return the predictions by the ways to name a picture: path, path in its folder, file, file without suffix."""
    found: dict[str, list[Prediction]] = {}
    for each in predictions:
        beside = f"{each.path.parent.name}/{each.path.name}"
        for name in dict.fromkeys([str(each.path), beside, each.path.name, each.path.stem]):
            found.setdefault(name, []).append(each)
    return found
