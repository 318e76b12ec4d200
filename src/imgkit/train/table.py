"""Read tables of pictures: metadata.csv, a CSV instead of folders, a split file; column names as people write them."""

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from imgkit.errors import UsageError
from imgkit.train.picture import AnySplit, Split

FILE_COLUMNS = ("file_name", "path", "file", "filename", "image")
LABEL_COLUMNS = ("label", "class", "category")
SPLIT_COLUMNS = ("split", "set", "subset", "source_split")
SPLIT_NAMES: dict[str, Split] = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "dev": "val",
    "test": "test",
    "testing": "test",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One row of a table of pictures; "" where the table has no such column or the cell is empty."""

    file: str
    label: str = ""
    split: AnySplit = ""
    group: str = ""
    page_url: str = ""


def read_table(path: Path) -> list[Row]:
    """Return the rows of a CSV with a file column.

    Raises:
        UsageError: it cannot be read, has no column of file names, or names a split that is none.
    """
    try:
        reader = csv.DictReader(io.StringIO(path.read_text("utf-8-sig"), newline=""), strict=True)
        rows = list(reader)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UsageError(f"cannot read the table {path}: {error}. Nothing was changed.") from error
    columns = {name.strip().lower(): name for name in reader.fieldnames or () if name}
    if not any(name in columns for name in FILE_COLUMNS):
        raise UsageError(
            f"{path} has no column of file names. Nothing was changed. Call the column file_name; the others that "
            "are understood are label, split (train, val or test) and group."
        )
    return [_row(row, columns, f"{path}, line {number}") for number, row in enumerate(rows, start=2)]


def _row(cells: Mapping[str, str | None], columns: Mapping[str, str], where: str) -> Row:
    def cell(names: Sequence[str]) -> str:
        found = next((columns[name] for name in names if name in columns), None)
        return (cells[found] or "").strip() if found else ""

    split = cell(SPLIT_COLUMNS)
    if split and split.lower() not in SPLIT_NAMES:
        raise UsageError(f"{where}: the split is {split!r}. Nothing was changed. Write train, val or test.")
    return Row(
        file=cell(FILE_COLUMNS).replace("\\", "/"),
        label=cell(LABEL_COLUMNS),
        split=SPLIT_NAMES[split.lower()] if split else "",
        group=cell(("group",)),
        page_url=cell(("page_url",)),
    )
