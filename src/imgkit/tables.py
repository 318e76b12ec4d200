"""Read a table that a person or a program wrote: CSV, TSV, JSON lines or Parquet, with the line of every row."""

import codecs
import csv
import io
import json
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pyarrow.parquet import ParquetFile

from imgkit.errors import UsageError
from imgkit.files import read_error

DELIMITERS: Final = ",;\t|"
JSON_SUFFIX: Final = ".json"
JSON_SUFFIXES: Final = (".jsonl", ".ndjson")
PARQUET_SUFFIXES: Final = (".parquet", ".pq")
SHOWN_ROWS: Final = 3
SHOWN_LETTERS: Final = 110
FIX_ENCODING: Final = 'Save it as UTF-8 (in a spreadsheet: "CSV UTF-8") and run the same command again.'
FIX_QUOTES: Final = "Put double quotes around a value that holds the delimiter."
LONGEST_CELL_LINES: Final = 500
"""Lines that one quoted value may have; a quote that is still open behind them was never closed."""
SPREADSHEET_ERROR: Final = re.compile(r"#(?:NAME\?|REF!|VALUE!|N/A|DIV/0!|NUM!|NULL!|SPILL!|CALC!|GETTING_DATA)")
"""What a spreadsheet shows, and saves, in place of a value that it took for a formula."""
ADDRESS: Final = re.compile(r"(?:https?:)?//[^\s/]|www\.[\w-]+\.|[\w-]+(?:\.[\w-]+)+(?::\d+)?/\S", re.IGNORECASE)
"""The beginning of a web address, with or without its scheme."""
_STRAIGHT_QUOTES: Final = str.maketrans({"“": '"', "”": '"', "„": '"', "‟": '"', "«": '"', "»": '"', "＂": '"'})
_FREE_OF_LETTERS: Final = "‘’‚“”„–—…€°©®™·«»¿¡ßªº§ \xa0"


@dataclass(frozen=True, slots=True, kw_only=True)
class TableRow:
    """One row: column name (lower case) to value without surrounding space; a value that is absent is ""."""

    line: int
    cells: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """The rows that could be read, the columns in order, and one sentence for each row that could not.

    ``notices`` says what a person may not expect of how the file was read; ``header`` are the columns as written.
    """

    columns: tuple[str, ...]
    rows: tuple[TableRow, ...]
    problems: tuple[str, ...] = ()
    notices: tuple[str, ...] = ()
    header: tuple[str, ...] = ()

    def beginning(self) -> str:
        """Return the header and the first rows in short, for a message about the file."""
        shown = [", ".join(self.header or self.columns)]
        shown += [", ".join(row.cells.values()) for row in self.rows[:SHOWN_ROWS]]
        return "\n".join(f"  {line[:SHOWN_LETTERS]}{'...' if len(line) > SHOWN_LETTERS else ''}" for line in shown)


def renamed(row: TableRow, aliases: Mapping[str, str]) -> TableRow:
    """Return the row with its columns under their first names; of two columns of one name the filled one counts."""
    cells: dict[str, str] = {}
    for name, value in row.cells.items():
        first = aliases.get(name, name)
        cells[first] = value or cells.get(first, "")
    return TableRow(line=row.line, cells=cells)


def read_table(path: Path, known: Collection[str], *, verbatim: Collection[str] = ()) -> Table:
    """Read ``path``: CSV, TSV, JSON lines or Parquet; web addresses alone are a table with the columns url and label.

    Lines that start with ``#`` are comments, except inside a quoted value; a number (``#1``) or a spreadsheet's error
    behind it is a value.

    Args:
        path: the file.
        known: column names that help to find the delimiter.
        verbatim: columns whose values keep their inner space, such as paths.

    Raises:
        UsageError: the file is absent, empty or in no encoding that can be told.
        ResourceError: it could not be read: no permission, or the disk failed.
    """
    if path.suffix.lower() in PARQUET_SUFFIXES:
        return _parquet(path, known)
    text, notices = _text(path)
    is_json = path.suffix.lower() in JSON_SUFFIXES
    if path.suffix.lower() == JSON_SUFFIX:
        text, is_json = _objects_by_line(text), True
    table = _json_lines(text) if is_json else _delimited(text, known, frozenset(verbatim))
    if not table.columns and not table.problems:
        raise UsageError(f"{path} is empty. Nothing was changed. Give it a first line such as: label,query,exclude")
    return replace(table, notices=(*notices, *table.notices))


def straight(text: str) -> str:
    """Return text with typographic double quotes as plain ones."""
    return text.translate(_STRAIGHT_QUOTES)


def _parquet(path: Path, known: Collection[str]) -> Table:
    try:
        from pyarrow import ArrowException, parquet
    except ImportError:
        raise UsageError(
            f"{path} is a Parquet table, which needs pyarrow. Nothing was changed. Run: pip install pyarrow"
        ) from None
    if not path.is_file():
        raise UsageError(f"{path} does not exist. Nothing was changed. Check the path.")
    try:
        file = parquet.ParquetFile(path)
        names = [name for name in file.schema_arrow.names if column_name(name) in known]
        columns = tuple(column_name(name) for name in names) or tuple(map(column_name, file.schema_arrow.names))
        rows = [
            TableRow(line=number, cells=dict(zip(columns, map(_plain, values), strict=True)))
            for number, values in enumerate(_values(file, names), start=1)
        ]
    except OSError as error:
        raise read_error(error, path) from error
    except ArrowException as error:
        raise UsageError(f"{path} cannot be read as a Parquet table: {error}. Nothing was changed.") from None
    return Table(columns=columns, rows=tuple(rows))


def _values(file: "ParquetFile", names: Sequence[str]) -> Iterator[tuple[object, ...]]:
    for batch in file.iter_batches(batch_size=10_000, columns=names or None):
        yield from zip(*(batch.column(at).to_pylist() for at in range(batch.num_columns)), strict=True)


def column_name(text: str) -> str:
    """Return the name of a column as it is compared: lower case, without marks around it, words joined by ``_``."""
    return re.sub(r"[\s-]+", "_", straight(text).strip(" \t\"'\ufeff\u200b").lower())


def _text(path: Path) -> tuple[str, tuple[str, ...]]:
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
        raise read_error(error, path) from error
    text, notices = _decoded(data, path)
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise UsageError(f"{path}, line {line}, holds a zero byte. Nothing was changed. {FIX_ENCODING}")
    return text, notices


def _decoded(data: bytes, path: Path) -> tuple[str, tuple[str, ...]]:
    """Return the text of a file: UTF-8, UTF-16, or the code page of Western spreadsheets, which is said."""
    try:
        if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            return data.decode("utf-16"), ()
        return data.decode("utf-8-sig"), ()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        byte = data[error.start]
    guessed = data.decode("cp1252", "replace")
    strange = {letter for letter in guessed if not letter.isascii() and letter not in _FREE_OF_LETTERS}
    if "\ufffd" not in strange and all(letter.isalpha() for letter in strange):
        notice = f"{path} is not UTF-8; it was read as Windows-1252. If letters look wrong: {FIX_ENCODING}"
        return guessed, (notice,)
    raise UsageError(f"{path}, line {line}, is not UTF-8 text (byte 0x{byte:02X}). Nothing was changed. {FIX_ENCODING}")


def _delimited(text: str, known: Collection[str], verbatim: Collection[str]) -> Table:
    lines = list(io.StringIO(text, newline=""))
    first = next((at for at, line in enumerate(lines) if line.strip() and not _is_comment(line)), len(lines))
    header = lines[first].strip() if first < len(lines) else ""
    said = re.fullmatch(r"\"?sep=(.)\"?[,;\t]*", header, re.IGNORECASE)
    if said:  # the first line that a spreadsheet writes for itself
        lines[first] = "\n"
        return _rows(lines, said[1], verbatim)
    if ADDRESS.match(header.strip("\"'<")) or re.match(r"[^,;\t/]+[,;\t]\s*https?://", header):
        return _bare_addresses(lines)
    return _rows(lines, _delimiter(header, known), verbatim)


def _is_comment(line: str) -> bool:
    start = line.lstrip()
    return start.startswith("#") and not re.match(r"#\d", start) and SPREADSHEET_ERROR.match(start) is None


def _delimiter(header: str, known: Collection[str]) -> str:
    """Return the delimiter that finds the most known columns in the header; a comma when all find the same."""

    def score(delimiter: str) -> tuple[int, int]:
        names = next(csv.reader([straight(header)], delimiter=delimiter, skipinitialspace=True), [])
        return sum(column_name(name) in known for name in names), len(names)

    return max(DELIMITERS, key=score)


def _rows(lines: Sequence[str], delimiter: str, verbatim: Collection[str]) -> Table:
    columns: tuple[str, ...] = ()
    header: tuple[str, ...] = ()
    rows: list[TableRow] = []
    problems: list[str] = []
    notices: list[str] = []
    for line, cells in _records(lines, delimiter):
        if cells is None:
            problems.append(f"line {line}: a double quote is opened and never closed.")
        elif lines[line - 1].lstrip().startswith("#") and _is_comment(lines[line - 1]):
            notices += _row_in_comment(line, lines[line - 1], cells, columns)
        elif any(cell.strip() for cell in cells):
            if not columns:
                header = tuple(cell.strip() for cell in cells)
                columns = tuple(map(column_name, header))
                continue
            fitting = _fitted(cells, columns, lines[line - 1], delimiter)
            if fitting is None:
                problems.append(f"line {line}: {len(cells)} values for {len(columns)} columns. {FIX_QUOTES}")
                continue
            named = {
                name: _cell(value, is_verbatim=name in verbatim)
                for name, value in zip(columns, fitting, strict=False)
                if name
            }
            rows.append(TableRow(line=line, cells=dict.fromkeys(columns, "") | named))
    return Table(columns=columns, rows=tuple(rows), problems=tuple(problems), notices=tuple(notices), header=header)


def _cell(value: str, *, is_verbatim: bool) -> str:
    return re.sub(r"\s*[\r\n]\s*", " ", value.strip()) if is_verbatim else " ".join(value.split())


def _row_in_comment(line: int, text: str, cells: Sequence[str], columns: Sequence[str]) -> list[str]:
    """Name a comment that has the form of a row: nobody should miss it."""
    start = text.strip()
    if start[1:2].isspace() or not columns or len(columns) != len(cells) or not all(map(str.strip, cells[:2])):
        return []
    return [f"line {line} begins with # and is left out as a comment: {start[:60]} (put it in quotes to keep it)"]


def _fitted(cells: list[str], columns: Sequence[str], line: str, delimiter: str) -> list[str] | None:
    """Return the values of a row, one for each column at most; None when they cannot be told apart."""
    if not any(cell.strip() for cell in cells[len(columns) :]):
        return cells
    if len(columns) == 1:
        return [line.strip()]
    if straight(line) != line:
        again = _one_record(straight(line), delimiter)
        if again is not None and len(again) <= len(columns):
            return again
    return _with_whole_address(cells, columns, delimiter)


def _with_whole_address(cells: list[str], columns: Sequence[str], delimiter: str) -> list[str] | None:
    """Put an address together that holds the delimiter, where it can only be the address that does."""
    more = len(cells) - len(columns)
    for at in range(len(columns)):
        parts = cells[at : at + more + 1]
        tail = parts[1:]
        if ADDRESS.match(parts[0]) and all(not part.startswith(" ") for part in tail):
            is_open = not re.search(r"\.(?:jpe?g|png|gif|webp|avif|tiff?|bmp)$", parts[0], re.IGNORECASE)
            if is_open and re.search(r"[/=]|\.\w{3,4}$", tail[-1]) and not any(map(ADDRESS.match, tail)):
                return [*cells[:at], delimiter.join(parts), *cells[at + more + 1 :]]
    return None


def _records(lines: Sequence[str], delimiter: str) -> Iterator[tuple[int, list[str] | None]]:
    """Yield each row with the number of the line it starts on; None for one whose quote is never closed.

    Where quotes are no CSV quotes (coral,"coral snake" -toy) they are kept as they are, for that row alone.
    """
    at = 0
    while at < len(lines):
        line = lines[at]
        if '"' not in line or _is_comment(line):
            yield at + 1, [cell.lstrip() for cell in line.rstrip("\r\n").split(delimiter)]
            at += 1
            continue
        reader = csv.reader(
            lines[at : at + LONGEST_CELL_LINES], delimiter=delimiter, skipinitialspace=True, strict=True
        )
        try:
            cells: list[str] | None = next(reader, [])
            used = reader.line_num
        except csv.Error:
            used = 1
            cells = None if line.count('"') % 2 else [part.strip() for part in line.split(delimiter)]
        yield at + 1, cells
        at += used


def _one_record(line: str, delimiter: str) -> list[str] | None:
    try:
        return next(csv.reader([line], delimiter=delimiter, skipinitialspace=True, strict=True), [])
    except csv.Error:
        return None


def _bare_addresses(lines: Sequence[str]) -> Table:
    """Read a file that is addresses without a header, with or without a label in front of each or behind it."""
    rows: list[TableRow] = []
    problems: list[str] = []
    written = [(number, line.strip()) for number, line in enumerate(lines, start=1)]
    written = [(number, line) for number, line in written if line and not line.startswith("#")]
    labelled = all(re.search(r"[,;]\s*[^\s,;/.=?&%][^,;/.=?&%]*$", line) for _, line in written)
    for number, line in written:
        url, label = _address_and_label(line, labelled=labelled)
        if ADDRESS.match(url):
            rows.append(TableRow(line=number, cells={"url": url, "label": label}))
        else:
            problems.append(f"line {number}: no web address.")
    notices = ("the file has no header: each of its lines was read as a web address",)
    return Table(columns=("url", "label"), rows=tuple(rows), problems=tuple(problems), notices=notices)


def _address_and_label(line: str, *, labelled: bool) -> tuple[str, str]:
    line = line.strip("\"'")
    if "\t" in line:
        cells = [cell.strip().strip("\"'<>") for cell in line.split("\t")]
        url = next((cell for cell in cells if ADDRESS.match(cell)), "")
        return url, next((cell for cell in cells if cell and cell != url), "")
    if before := re.match(r"(?P<label>[^,;/]+)[,;]\s*(?P<url>https?://.+)$", line):
        return before["url"].strip("\"'<>"), before["label"].strip("\"' ")
    if labelled and ADDRESS.match(line):
        url, label = re.match(r"(.*)[,;](.*)$", line).groups()  # type: ignore[union-attr]
        return url.strip("\"'<> "), label.strip("\"' ")
    if behind := re.match(r"(?P<url>\S+\.(?:jpe?g|png|gif|webp|avif|tiff?|bmp))\s+(?P<label>[^./]+)$", line, re.I):
        return behind["url"].strip("<>"), behind["label"].strip("\"' ")
    return line.strip("<> "), ""


def _objects_by_line(text: str) -> str:
    """Return a JSON list as JSON lines; what is none comes back as it is."""
    try:
        values = json.loads(text)
    except ValueError:
        return text
    return "\n".join(map(json.dumps, values)) if isinstance(values, list) else text


def _json_lines(text: str) -> Table:
    columns: dict[str, None] = {}
    rows: list[TableRow] = []
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
        cells = {column_name(str(key)): _plain(item) for key, item in value.items()}
        columns |= dict.fromkeys(cells)
        rows.append(TableRow(line=line, cells=cells))
    complete = tuple(TableRow(line=row.line, cells=dict.fromkeys(columns, "") | dict(row.cells)) for row in rows)
    return Table(columns=tuple(columns), rows=complete, problems=tuple(problems))


def _plain(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, list):
        return "; ".join(_plain(item) for item in value)
    return " ".join(str(value).encode("utf-8", "replace").decode().split())  # a lone surrogate cannot be stored
