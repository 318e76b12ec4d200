"""What labels mean: their display names and any columns, such as genus or countries, from a table of labels."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from imgkit.arrays import Float64Array, Int64Array
from imgkit.errors import UsageError
from imgkit.manifest.labels import slug
from imgkit.models.intervals import Interval
from imgkit.models.metrics import LabelledPredictions, share
from imgkit.vision.imagetable import FILE_COLUMNS, LABEL_COLUMNS
from imgkit.vision.tablefile import TableFile, read_cells

FILE_NAME: Final = "labels.csv"
NAME_COLUMNS: Final = ("display_name", "display", "name", "title", "common_name", "english_name")
SEPARATORS: Final = re.compile(r"[;|,]")  # between several values of one cell
OUTSIDE: Final = 0.01
"""The weight of a label whose cell does not hold the given value, where 1 is that of a label whose cell does."""
SHOWN: Final = 8  # names in a sentence


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelTable:
    """What is known of labels besides the pictures.

    ``names`` are the display names by label; ``columns`` are the other columns in the order of the table; ``values``
    are, by label, the values of its cell in each column, () where it is empty. A label without a row is in neither.
    """

    columns: tuple[str, ...]
    names: Mapping[str, str]
    values: Mapping[str, Mapping[str, tuple[str, ...]]]

    def name(self, label: str) -> str:
        """Return the display name of a label; the label itself where it has none."""
        return self.names.get(label, label)

    def cell(self, label: str, column: str) -> tuple[str, ...]:
        """Return the values of a label in a column, () where nothing is said."""
        return self.values.get(label, {}).get(column, ())

    def values_of(self, column: str, labels: Sequence[str]) -> tuple[str, ...]:
        """Return the different values that ``labels`` have in a column, sorted."""
        return tuple(sorted({value for label in labels for value in self.cell(label, column)}))

    def rollup_columns(self, labels: Sequence[str]) -> tuple[str, ...]:
        """Return the columns that put ``labels`` into groups, the finest first.

        Such a column has one value at most in each cell, two different values at least, and one that labels share.
        """
        found = []
        for column in self.columns:
            cells = [self.cell(label, column) for label in labels]
            given = [cell for cell in cells if cell]
            if all(len(cell) <= 1 for cell in cells) and 1 < len(set(given)) < len(given):
                found.append((len(set(given)), column))
        return tuple(column for _, column in sorted(found, key=lambda each: -each[0]))

    def membership(self, column: str, labels: Sequence[str]) -> tuple[tuple[str, ...], Float64Array]:
        """Return the values of a column and (K, V): 1 where a label has a value, so that P @ it sums probabilities."""
        values = self.values_of(column, labels)
        matrix = np.array([[float(value in self.cell(label, column)) for value in values] for label in labels])
        return values, matrix.reshape(len(labels), len(values))

    def log_weights(self, given: Sequence[str], labels: Sequence[str]) -> Float64Array:
        """Return (K,) what is added to the logits when ``given``, such as "countries=Kenya", holds.

        A label whose cell lacks the value gets a hundredth of its weight; one whose cell is empty keeps it.

        Raises:
            UsageError: no such column, or no label has the value; the sentence names those that are there.
        """
        weights = np.zeros(len(labels))
        for each in given:
            column, found = self._asked(each, labels)
            for place, label in enumerate(labels):
                cell = [value.casefold() for value in self.cell(label, column)]
                weights[place] += np.log(OUTSIDE) if cell and found not in cell else 0.0
        return weights

    def _asked(self, given: str, labels: Sequence[str]) -> tuple[str, str]:
        column, _, value = (part.strip() for part in given.partition("="))
        known = {name.casefold(): name for name in self.columns}
        if not value or column.casefold() not in known:
            raise UsageError(
                f"--given {given} names no column of the table of labels. Nothing was predicted. Write column=value; "
                f"its columns are {_some(self.columns)}."
            )
        column = known[column.casefold()]
        values = self.values_of(column, labels)
        if value.casefold() not in [each.casefold() for each in values]:
            raise UsageError(
                f"--given {given}: no label of the model has {value} under {column}. Nothing was predicted. Its values "
                f"are {_some(values)}."
            )
        return column, value.casefold()

    def as_json(self) -> dict[str, object]:
        """Return the table as JSON-ready values."""
        return {
            "columns": list(self.columns),
            "names": dict(self.names),
            "values": {
                label: {name: list(cell) for name, cell in cells.items()} for label, cells in self.values.items()
            },
        }

    @classmethod
    def from_json(cls, stored: Mapping[str, object]) -> "LabelTable":
        """Return the table that ``as_json`` gave.

        Raises:
            KeyError, TypeError, ValueError: it is none.
        """
        columns, names, values = stored["columns"], stored["names"], stored["values"]
        if not (isinstance(columns, list) and isinstance(names, dict) and isinstance(values, dict)):
            raise TypeError("a table of labels that imgkit does not write")
        return cls(
            columns=tuple(map(str, columns)),
            names={str(label): str(name) for label, name in names.items()},
            values={
                str(label): {str(name): tuple(map(str, cell)) for name, cell in cells.items()}
                for label, cells in values.items()
            },
        )


def find_label_table(data: Path, asked: Path | None, labels: Sequence[str]) -> tuple[LabelTable | None, list[str]]:
    """Return the table of ``labels``, None where there is none, and notes about it in words.

    Args:
        data: the folder or table of pictures; a ``labels.csv`` in it that is no table of pictures is taken.
        asked: the table that was asked for.
        labels: those of the pictures.

    Raises:
        UsageError: ``asked`` is no such table, or names none of the labels; or a label has two rows.
        ResourceError: it cannot be read.
    """
    if asked is not None:
        table = asked_label_table(asked, labels)
        return table, _notes(asked, table, labels)
    beside = (data if data.is_dir() else data.parent) / FILE_NAME
    if not beside.is_file() or beside.absolute() == data.absolute() or _names_pictures(_cells(beside)):
        return None, []
    found = read_label_table(beside, labels)
    return found, _notes(beside, found, labels) if found is not None else []


def asked_label_table(path: Path, labels: Sequence[str]) -> LabelTable:
    """Return what the table that was asked for says of ``labels``.

    Raises:
        UsageError: it does not exist, is no table or names none of the labels; or a label has two rows.
        ResourceError: it cannot be read.
    """
    if not path.is_file():
        raise UsageError(f"--label-table {path} does not exist. Nothing was changed. Give a table with a column label.")
    table = read_label_table(path, labels)
    if table is None:
        raise UsageError(
            f"{path} names none of the labels {_some(labels)}. Nothing was changed. Give a table with a row for each "
            "label and a column label."
        )
    return table


def _notes(path: Path, table: LabelTable, labels: Sequence[str]) -> list[str]:
    said = [f"what labels mean is read from {path.name}: {_some(table.columns) or 'display names'}"]
    without = [label for label in labels if label not in table.values]
    return [*said, f"{path.name} has no row for {_some(without)}"] if without else said


def read_label_table(path: Path, labels: Sequence[str]) -> LabelTable | None:
    """Return what a table says of ``labels``; None where no column names any of them.

    The column of labels is the first that is called so, or else the first, and that names one of them, as it is
    written or as the name of a folder. Several values of one cell are parted by ``;``, ``|`` or a comma.

    Raises:
        UsageError: it is no table, or a label has two rows.
        ResourceError: it cannot be read.
    """
    file = _cells(path)
    by_slug = {slug(label): label for label in labels if slug(label)}
    known = {label: label for label in labels}

    def label_of(cell: str) -> str | None:
        return known.get(cell.strip()) or by_slug.get(slug(cell.strip()))

    order = sorted(file.columns, key=lambda name: _plain(name) not in LABEL_COLUMNS)
    key = next((name for name in order if any(label_of(cells.get(name, "")) for _, cells in file.rows)), None)
    if key is None:
        return None
    shown = next((name for plain in NAME_COLUMNS for name in file.columns if _plain(name) == plain and name != key), "")
    columns = tuple(name for name in file.columns if name not in (key, shown))
    lines: dict[str, int] = {}
    names, values = {}, {}
    for line, cells in file.rows:
        label = label_of(cells.get(key, ""))
        if label is None:
            continue
        if label in lines:
            raise UsageError(
                f"{path} has two rows for the label {label}, in lines {lines[label]} and {line}. Nothing was changed. "
                "Leave one of them."
            )
        lines[label] = line
        if name := cells.get(shown, "").strip():
            names[label] = name
        values[label] = {column: _values(cells.get(column, "")) for column in columns}
    return LabelTable(columns=columns, names=names, values=values)


def _cells(path: Path) -> TableFile:
    return read_cells(path, known=lambda name: _plain(name) in LABEL_COLUMNS, is_file=lambda _: False)


def _names_pictures(file: TableFile) -> bool:
    also_of_labels = {"name", "id"}
    return any(_plain(name) in FILE_COLUMNS and _plain(name) not in also_of_labels for name in file.columns)


def _values(cell: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(part.strip() for part in SEPARATORS.split(cell) if part.strip()))


def _plain(name: str) -> str:
    return re.sub(r"[\s\-_]+", "_", name.strip().lower()).strip("_")


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:SHOWN]) + (f" and {len(names) - SHOWN} more" if len(names) > SHOWN else "")


@dataclass(frozen=True, slots=True, kw_only=True)
class RollUp:
    """The most probable value of a column for one picture; its probability, 0 to 1, sums those of its labels."""

    column: str
    value: str
    probability: float


def roll_up(table: LabelTable | None, labels: Sequence[str], probabilities: Float64Array) -> tuple[RollUp, ...]:
    """Return the most probable value of each column that groups labels, for (K,) probabilities; the finest first."""
    if table is None:
        return ()
    found = []
    for column in table.rollup_columns(labels):
        values, members = table.membership(column, labels)
        summed = probabilities @ members
        best = int(summed.argmax())
        found.append(RollUp(column=column, value=values[best], probability=float(summed[best])))
    return tuple(found)


@dataclass(frozen=True, slots=True, kw_only=True)
class RollUpScore:
    """How often the most probable value of a column is right; ``values`` counts its values, ``count`` the pictures.

    Pictures whose label has no value there do not count.
    """

    column: str
    values: int
    count: int
    accuracy: Interval

    def sentence(self) -> str:
        """Return the score in one sentence, without a full stop."""
        share = self.accuracy
        return (
            f"{self.column} is right for {100 * share.value:.1f} % of {self.count:,} pictures "
            f"({100 * share.low:.1f} to {100 * share.high:.1f} %), summed over labels, {self.values} values"
        )


def score_rollups(
    table: LabelTable | None, labels: Sequence[str], predictions: LabelledPredictions
) -> tuple[RollUpScore, ...]:
    """Return the score of each column that groups labels, the finest first; those without a picture are left out."""
    scores = []
    for column in table.rollup_columns(labels) if table else ():
        values, members = table.membership(column, labels) if table else ((), np.zeros((0, 0)))
        has = np.asarray(members.any(axis=1), bool)[predictions.targets]
        if not has.any():
            continue
        true: Int64Array = members[predictions.targets[has]].argmax(axis=1)
        right = np.asarray((predictions.probabilities[has] @ members).argmax(axis=1) == true)
        accuracy = share(right, predictions.groups[has])
        scores.append(RollUpScore(column=column, values=len(values), count=int(has.sum()), accuracy=accuracy))
    return tuple(scores)
