"""Read a table that a person or a program wrote: CSV, TSV, semicolons or JSON lines, with the line of every row."""

import csv
import io
import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from imgkit.errors import UsageError

DELIMITERS: Final = ",;\t"
JSON_SUFFIXES: Final = (".jsonl", ".ndjson")
FIX_ENCODING: Final = 'Save it as UTF-8 (in a spreadsheet: "CSV UTF-8") and run the same command again.'
FIX_QUOTES: Final = "Put double quotes around a value that holds the delimiter."


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One row: column name (lower case) to value without surrounding space; a value that is absent is ""."""

    line: int
    cells: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """The rows that could be read, the columns in order, and one sentence for each row that could not."""

    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    problems: tuple[str, ...] = ()


def renamed(row: Row, aliases: Mapping[str, str]) -> Row:
    """Return the row with its columns under their first names; of two columns of one name the filled one counts."""
    cells: dict[str, str] = {}
    for name, value in row.cells.items():
        first = aliases.get(name, name)
        cells[first] = value or cells.get(first, "")
    return Row(line=row.line, cells=cells)


def read_table(path: Path, known: Collection[str]) -> Table:
    """Read ``path``. ``known`` column names help to find the delimiter. Lines that start with ``#`` are comments.

    Raises:
        UsageError: the file is absent, unreadable or not UTF-8, or empty.
    """
    text = _text(path)
    table = _json_lines(text) if path.suffix.lower() in JSON_SUFFIXES else _delimited(text, known)
    if not table.columns and not table.problems:
        raise UsageError(f"{path} is empty. Nothing was changed. Give it a first line such as: label,query,exclude")
    return table


def _text(path: Path) -> str:
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise UsageError(f"{path} does not exist. Nothing was changed. Check the path.") from None
    except IsADirectoryError:
        raise UsageError(
            f"{path} is a folder, not a file. Nothing was changed. To take in pictures from a folder, write a file "
            f"with two lines: 'label,query,providers' and 'my_label,{path},folder'."
        ) from None
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}. Nothing was changed.") from None
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise UsageError(
            f"{path}, line {line}, is not UTF-8 text (byte 0x{data[error.start]:02X}). Nothing was changed. "
            f"{FIX_ENCODING}"
        ) from None
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise UsageError(f"{path}, line {line}, holds a zero byte. Nothing was changed. {FIX_ENCODING}")
    return text


def _delimited(text: str, known: Collection[str]) -> Table:
    lines = [_blank_if_comment(line) for line in io.StringIO(text, newline="")]
    header = next((line for line in lines if line.strip()), "")
    delimiter = _delimiter(header, known)
    try:
        return _rows(_numbered(lines, delimiter))
    except csv.Error as error:
        if "unexpected end of data" in str(error):
            return Table(columns=(), rows=(), problems=(_unclosed(lines, delimiter),))
    try:
        return _rows(_line_by_line(lines, delimiter))
    except csv.Error as error:
        return Table(columns=(), rows=(), problems=(f"cannot be read as a table: {error}.",))


def _blank_if_comment(line: str) -> str:
    return "\n" if line.lstrip().startswith("#") else line


def _delimiter(header: str, known: Collection[str]) -> str:
    """Return the delimiter that finds the most known columns in the header; a comma when all find the same."""

    def score(delimiter: str) -> tuple[int, int]:
        names = next(csv.reader([header], delimiter=delimiter, skipinitialspace=True), [])
        return sum(name.strip().lower() in known for name in names), len(names)

    return max(DELIMITERS, key=score)


def _rows(numbered: Iterable[tuple[int, list[str]]]) -> Table:
    columns: tuple[str, ...] = ()
    rows: list[Row] = []
    problems: list[str] = []
    for line, cells in numbered:
        values = [" ".join(cell.split()) for cell in cells]
        if not any(values):
            continue
        if not columns:
            columns = tuple(value.lower() for value in values)
        elif any(values[len(columns) :]):
            problems.append(f"line {line}: {len(values)} values for {len(columns)} columns. {FIX_QUOTES}")
        else:
            rows.append(Row(line=line, cells=dict.fromkeys(columns, "") | dict(zip(columns, values, strict=False))))
    return Table(columns=columns, rows=tuple(rows), problems=tuple(problems))


def _numbered(lines: list[str], delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """Yield each row with the number of the line it starts on."""
    reader = csv.reader(lines, delimiter=delimiter, skipinitialspace=True, strict=True)
    start = 1
    for cells in reader:
        yield start, cells
        start = reader.line_num + 1


def _line_by_line(lines: list[str], delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """Yield each line as a row; where quotes are no CSV quotes (coral,"coral snake" -toy) they are kept as they are."""
    for number, line in enumerate(lines, start=1):
        try:
            yield number, next(csv.reader([line], delimiter=delimiter, skipinitialspace=True, strict=True), [])
        except csv.Error:
            yield number, line.rstrip("\r\n").split(delimiter)


def _unclosed(lines: list[str], delimiter: str) -> str:
    start = 1
    try:
        for line, cells in _numbered(lines, delimiter):
            start = line + 1 + sum(cell.count("\n") for cell in cells)
    except csv.Error:
        pass
    return f"line {start}: a double quote is opened and never closed."


def _json_lines(text: str) -> Table:
    columns: dict[str, None] = {}
    rows: list[Row] = []
    problems: list[str] = []
    for line, content in enumerate(text.split("\n"), start=1):
        if not content.strip() or content.lstrip().startswith("#"):
            continue
        try:
            value = json.loads(content)
        except ValueError:
            value = None
        if not isinstance(value, dict):
            problems.append(f"line {line}: not a JSON object.")
            continue
        cells = {str(key).strip().lower(): _plain(item) for key, item in value.items()}
        columns |= dict.fromkeys(cells)
        rows.append(Row(line=line, cells=cells))
    complete = tuple(Row(line=row.line, cells=dict.fromkeys(columns, "") | dict(row.cells)) for row in rows)
    return Table(columns=tuple(columns), rows=complete, problems=tuple(problems))


def _plain(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, list):
        return "; ".join(_plain(item) for item in value)
    return " ".join(str(value).encode("utf-8", "replace").decode().split())  # a lone surrogate cannot be stored
