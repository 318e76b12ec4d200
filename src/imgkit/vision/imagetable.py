"""Understand tables of pictures: which column names files, labels, splits and groups, whoever wrote them."""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

from imgkit.errors import UsageError
from imgkit.escaping import spreadsheet_text
from imgkit.vision.tablefile import IsFile, TableFile, read_cells

GivenSplit = Literal["train", "val", "test"]
AnySplit = GivenSplit | Literal[""]
"""A split, or "" while it is undecided."""

FILE_COLUMNS: Final = (
    *("file_name", "path", "file", "filename", "image", "filepath", "file_path", "filepaths", "image_path", "img_path"),
    *(
        "imagepath",
        "image_name",
        "imagename",
        "image_file",
        "img",
        "images",
        "picture",
        "photo",
        "fname",
        "fn",
        "files",
    ),
    *("image_id", "img_id", "name", "id"),
)
"""In the order in which they are looked for; of several, the first counts that names files."""
LABEL_COLUMNS: Final = (
    *("label", "class", "category", "target", "labels", "class_name", "classname", "label_name", "category_name"),
    *("target_name", "classes", "species", "breed", "tag", "y", "class_id", "label_id", "category_id"),
)
SPLIT_COLUMNS: Final = ("split", "set", "subset", "source_split", "data_set", "dataset", "partition", "phase", "usage")
GROUP_COLUMNS: Final = ("group", "group_id", "groups")
PAGE_COLUMN: Final = "page_url"
MARKS: Final[dict[str, tuple[GivenSplit, GivenSplit]]] = {
    **dict.fromkeys(("is_valid", "is_val", "is_validation", "valid"), ("val", "train")),
    "is_test": ("test", "train"),
    **dict.fromkeys(("is_train", "is_training", "is_training_img", "is_training_image"), ("train", "test")),
}
"""Columns that mark pictures of one split, such as fastai's is_valid; they count where no column of splits is there."""
SPLIT_NAMES: Final[dict[str, GivenSplit]] = {
    **dict.fromkeys(("train", "training", "trn"), "train"),
    **dict.fromkeys(("val", "valid", "validation", "validate", "dev"), "val"),
    **dict.fromkeys(("test", "testing", "tst"), "test"),
}
FILLERS: Final = frozenset(
    {
        "set",
        "sets",
        "split",
        "data",
        "dataset",
        "image",
        "images",
        "img",
        "imgs",
        "picture",
        "pictures",
        "photos",
        "part",
    }
)
YES: Final = frozenset({"true", "1", "yes", "y", "t", "1.0"})
NO: Final = frozenset({"false", "0", "no", "n", "f", "0.0"})
PICTURE_SUFFIXES: Final = frozenset(
    {
        *(
            ".jpg",
            ".jpeg",
            ".jpe",
            ".jfif",
            ".png",
            ".gif",
            ".webp",
            ".bmp",
            ".tif",
            ".tiff",
            ".heic",
            ".heif",
            ".avif",
        ),
        *(".ppm", ".pgm", ".jp2", ".jxl", ".ico"),
    }
)
SAMPLE: Final = 50  # cells of a column that are looked at to know what it is


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One row of a table of pictures; "" where the table has no such column or the cell is empty.

    ``file`` is as it is written, ``line`` counts from 1 with the header, ``several`` are the labels of a row that marks
    more than one, and ``cells`` are all named columns.
    """

    file: str
    label: str = ""
    split: AnySplit = ""
    group: str = ""
    page_url: str = ""
    line: int = 0
    several: tuple[str, ...] = ()
    cells: Mapping[str, str] = field(default_factory=dict)

    def names(self) -> tuple[str, ...]:
        """Return what ``file`` may mean, see :func:`names_of`."""
        return names_of(self.file)


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureTable:
    """The rows of a table; ``labelled`` says that it says labels, ``columns`` are its columns as they are written.

    ``notes`` say in words what was found out rather than read; ``guessed`` says that no column is called like a column
    of labels, so that labels which are known otherwise count for more.
    """

    path: Path
    rows: tuple[Row, ...]
    labelled: bool
    guessed: bool = False
    columns: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def names_of(cell: str) -> tuple[str, ...]:
    """Return what a cell may mean as the name of a file.

    That is: as it is written, without a guard against formulas, with ``/`` for ``\\``, and with accents in one code
    point or in two, which systems do not agree on.
    """
    plain = spreadsheet_text(cell)
    names: tuple[str, ...] = (cell, plain, cell.replace("\\", "/"), plain.replace("\\", "/"))
    if not cell.isascii():
        names += tuple(unicodedata.normalize(form, name) for form in ("NFC", "NFD") for name in names)
    return tuple(dict.fromkeys(names))


def split_name(text: str) -> AnySplit:
    """Return the split that a word means in any spelling (``Train``, ``VALID``, ``test_images``, ``train2017``), or "".

    Numbers and words such as "set", "data" and "images" say nothing; a name with any other word is no split.
    """
    if text.strip().lower() in SPLIT_NAMES:
        return SPLIT_NAMES[text.strip().lower()]
    words = [word for word in re.findall(r"[^\W\d_]+", text.lower()) if word not in FILLERS]
    return SPLIT_NAMES.get(words[0], "") if len(words) == 1 else ""


def has_picture_suffix(cell: str) -> bool:
    """Return whether a cell reads like the name of a picture."""
    return Path(cell.strip().replace("\\", "/")).suffix.lower() in PICTURE_SUFFIXES


def read_table(path: Path, *, is_file: IsFile = has_picture_suffix) -> PictureTable:
    """Return the rows of a table with a column of files: CSV, TSV, semicolons, blanks, JSON, JSON lines or Parquet.

    Columns are known by their names in any case, with ``_``, ``-`` or a blank. Where no name is known, the column that
    names files is the one whose cells are files, and the label is marked by 0 and 1 in a column for each label, or is
    the only other column.

    Args:
        path: the table.
        is_file: whether a cell names a picture; by default, whether it ends like one.

    Raises:
        UsageError: it is no such table, or names a split that is none; the sentence names the columns that it has.
        ResourceError: it cannot be read.
    """
    file = read_cells(path, known=_is_known, is_file=is_file)
    columns = _Columns(file, is_file)
    return PictureTable(
        path=path,
        rows=tuple(columns.row(line, cells) for line, cells in file.rows),
        labelled=columns.labelled,
        guessed=columns.guessed,
        columns=file.columns,
        notes=(*file.notes, *columns.notes),
    )


def read_label_names(path: Path) -> tuple[str, ...]:
    """Return the labels in a file: its column of labels, or its lines where no column is called so.

    Raises:
        UsageError: it is not there, is no text, or holds no label.
        ResourceError: it cannot be read.
    """
    if not path.exists():
        raise UsageError(f"{path} does not exist. Nothing was changed. Write a label on each line.")
    file = read_cells(path, known=lambda name: _plain(name) in LABEL_COLUMNS, is_file=lambda _: False)
    column = next((name for name in file.columns if _plain(name) in LABEL_COLUMNS), None)
    if column is not None:
        found = [cells.get(column, "") for _, cells in file.rows]
    else:
        try:
            found = path.read_text("utf-8-sig").splitlines()
        except UnicodeDecodeError as error:
            raise UsageError(f"{path} is no UTF-8 text. Nothing was changed. Write a label on each line.") from error
    labels = tuple(dict.fromkeys(label.strip() for label in found if label.strip()))
    if not labels:
        raise UsageError(f"{path} holds no label. Nothing was changed. Write a label on each line.")
    return labels


def _plain(name: str) -> str:
    """Return a column name as names are compared: lower case, with ``_`` between words."""
    return re.sub(r"[\s\-_]+", "_", name.strip().lower()).strip("_")


KNOWN: Final = frozenset({*FILE_COLUMNS, *LABEL_COLUMNS, *SPLIT_COLUMNS, *GROUP_COLUMNS, *MARKS, PAGE_COLUMN})


def _is_known(name: str) -> bool:
    return _plain(name) in KNOWN


class _Columns:
    """Finds out which column of a table is what."""

    def __init__(self, file: TableFile, is_file: IsFile) -> None:
        self._table, self._is_file = file, is_file
        self._by_name: dict[str, str] = {}
        for column in file.columns:
            self._by_name.setdefault(_plain(column), column)
        self.notes: list[str] = []
        self.file = self._find_file()
        self.split = self._named(SPLIT_COLUMNS)
        self.mark = self._named(tuple(MARKS))
        self.group = self._named(GROUP_COLUMNS)
        self.page = self._named((PAGE_COLUMN,))
        self.marked: tuple[str, ...] = ()
        self.guessed = False
        self.label = self._find_label()

    @property
    def labelled(self) -> bool:
        return bool(self.label or self.marked)

    def row(self, line: int, cells: Mapping[str, str]) -> Row:
        """Return what a row says."""

        def cell(column: str) -> str:
            return cells.get(column, "").strip() if column else ""

        label = spreadsheet_text(cell(self.label))
        several: tuple[str, ...] = ()
        if self.marked:
            found = tuple(column.strip() for column in self.marked if cell(column).lower() in YES)
            label, several = (found[0], ()) if len(found) == 1 else ("", found)
        where = f"{self._table.path}, line {line}"
        return Row(
            file=cell(self.file),
            label=label,
            split=_split(cell(self.split), cell(self.mark), self.mark, where),
            group=cell(self.group),
            page_url=cell(self.page),
            line=line,
            several=several,
            cells=cells,
        )

    def _named(self, names: Sequence[str]) -> str:
        return next((self._by_name[name] for name in names if name in self._by_name), "")

    def _cells(self, column: str) -> list[str]:
        return [cells.get(column, "").strip() for _, cells in self._table.rows]

    def _sample(self, column: str) -> list[str]:
        """Return the first cells of a column that hold something."""
        return [cell for cell in self._cells(column) if cell][:SAMPLE]

    def _share_of_files(self, column: str) -> float:
        sample = self._sample(column)
        return sum(map(self._is_file, sample)) / len(sample) if sample else 0.0

    def _find_file(self) -> str:
        known = [self._by_name[name] for name in FILE_COLUMNS if name in self._by_name]
        if len(known) == 1 and _plain(known[0]) in FILE_COLUMNS[:5]:
            return known[0]
        shares = {column: self._share_of_files(column) for column in known}
        if any(shares.values()):
            return max(known, key=lambda column: shares[column] >= max(shares.values()) / 2)
        others = [column for column in self._table.columns if self._share_of_files(column) >= 0.5]
        if others:
            if self._table.header:
                self.notes.append(f"the column {others[0]!r} of {self._table.path.name} names the files")
            return others[0]
        if known:
            return known[0]
        raise UsageError(
            f"{self._table.path} has no column of file names{self._seen()}. Nothing was changed. Call the column "
            "file_name; the others that are understood are label, split (train, val or test), is_valid and group."
        )

    def _seen(self) -> str:
        """Return the columns in brackets, for the end of a sentence."""
        if not self._table.columns:
            return ": it is empty"
        names = list(self._table.columns) if self._table.header else [*self._table.rows[0][1].values()]
        shown = ", ".join(name.strip() or '""' for name in names[:12]) + (", ..." if len(names) > 12 else "")
        return f" (its columns are {shown})" if self._table.header else f" (its first line is {shown})"

    def _find_label(self) -> str:
        known = [self._by_name[name] for name in LABEL_COLUMNS if name in self._by_name]
        known = [column for column in known if column != self.file]
        if known:
            return self._names_rather_than_numbers(known)
        taken = {self.file, self.split, self.mark, self.group, self.page}
        rest = [column for column in self._table.columns if column not in taken and not _is_index(column)]
        header = self._table.header
        rest = [column for column in rest if not _is_known(column)] if header else self._take_split(rest)
        marks = [column for column in rest if set(map(str.lower, self._cells(column))) <= {*YES, *NO, ""}]
        if len(marks) > 1 and self._marks_labels(marks):
            self.marked, self.guessed = tuple(marks), True
            self.notes.append(f"{self._table.path.name} marks one of {len(marks)} labels in each row")
        elif len(rest) == 1 and any(self._cells(rest[0])):
            self.guessed = header
            if header:
                self.notes.append(f"the column {rest[0]!r} of {self._table.path.name} is taken for the label")
            return rest[0]
        return ""

    def _take_split(self, rest: list[str]) -> list[str]:
        """Return ``rest`` without a column, of a table without a header, all of whose cells are splits."""
        splits = [column for column in rest if (cells := self._sample(column)) and all(map(split_name, cells))]
        if len(rest) > 1 and len(splits) == 1:
            self.split = splits[0]
            return [column for column in rest if column != self.split]
        return rest

    def _names_rather_than_numbers(self, known: Sequence[str]) -> str:
        """Return the first column of labels; if it holds numbers, one that holds a name for each number instead."""
        first = known[0]
        pairs = [[cells.get(column, "").strip() for column in known] for _, cells in self._table.rows]
        if not all(row[0].isdigit() for row in pairs if row[0]):
            return first
        for place, column in enumerate(known[1:], start=1):
            both = {(row[0], row[place]) for row in pairs if row[0] or row[place]}
            names = {name for _, name in both}
            if len(both) == len(names) == len({number for number, _ in both}) and not any(map(str.isdigit, names)):
                self.notes.append(f"labels are the names in {column!r}, not the numbers in {first!r}")
                return column
        return first

    def _marks_labels(self, columns: Sequence[str]) -> bool:
        """Return whether most rows mark a single one of columns that hold 0 and 1.

        Raises:
            UsageError: most rows mark several labels.
        """
        rows = zip(*map(self._cells, columns), strict=True)
        counts = [sum(value.lower() in YES for value in values) for values in rows]
        if sum(count > 1 for count in counts) > len(counts) / 2:
            raise UsageError(
                f"most rows of {self._table.path} mark several labels among {', '.join(columns[:5])}. Nothing was "
                "changed. A picture has one label here: write it in a column label."
            )
        return sum(count == 1 for count in counts) * 2 > len(counts)


def _is_index(column: str) -> bool:
    """Return whether a column is the running number that pandas writes before the others."""
    return re.fullmatch(r"unnamed:?_?\d*|index|", _plain(column)) is not None


def _split(split: str, mark: str, column: str, where: str) -> AnySplit:
    if split:
        found = split_name(split)
        if not found:
            raise UsageError(f"{where}: the split is {split!r}. Nothing was changed. Write train, val or test.")
        return found
    if mark:
        name = _plain(column)
        if mark.lower() not in YES | NO:
            raise UsageError(f"{where}: {name} is {mark!r}. Nothing was changed. Write True or False.")
        yes, no = MARKS[name]
        return yes if mark.lower() in YES else no
    return ""
