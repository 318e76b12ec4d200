"""Read the cells of a table of any dialect: CSV, TSV, semicolons, blanks, JSON, JSON lines or Parquet."""

import codecs
import csv
import io
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from imgkit.errors import UsageError
from imgkit.files import read_error

TEXT_SUFFIXES: Final = (".csv", ".tsv", ".tab", ".txt")
JSON_LINES_SUFFIXES: Final = (".jsonl", ".ndjson")
PARQUET_SUFFIXES: Final = (".parquet", ".pq")
TABLE_SUFFIXES: Final = (*TEXT_SUFFIXES, *JSON_LINES_SUFFIXES, ".json", *PARQUET_SUFFIXES)
DELIMITERS: Final = (",", "\t", ";", "|")
OTHER_ENCODINGS: Final = ("cp1252", "mac_roman", "cp1251", "gb18030", "shift_jis", "euc_kr", "big5")
"""Tried on a table that is not UTF-8: the first under which its files are found; without such a proof the first."""
BYTE_ORDER_MARKS: Final = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)

IsFile = Callable[[str], bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class TableFile:
    """The cells of a table: column names as they are written, and for each row its line and its cells by column.

    ``header`` says whether the columns are named in the file; where they are not, they are "column 1", "column 2", ....
    """

    path: Path
    columns: tuple[str, ...]
    rows: tuple[tuple[int, Mapping[str, str]], ...]
    header: bool = True
    notes: tuple[str, ...] = ()


def read_cells(path: Path, *, known: Callable[[str], bool], is_file: IsFile) -> TableFile:
    """Return the cells of ``path``; a row without any text is no row.

    Args:
        path: a table; what its suffix does not tell is found in its first lines.
        known: whether a column name is understood; the delimiter and the header are found by it.
        is_file: whether a cell names a picture; a table without a header is found by it, and its encoding.

    Raises:
        UsageError: it is no such table, or it is Parquet and pyarrow is not installed.
        ResourceError: it cannot be read.
    """
    suffix = path.suffix.lower()
    if suffix in PARQUET_SUFFIXES:
        return _from_objects(path, _parquet_rows(path))
    try:
        data = path.read_bytes()
    except OSError as error:
        raise read_error(error, path) from error
    if suffix in JSON_LINES_SUFFIXES:
        return _from_objects(path, _json_lines(path, _utf8(data)))
    if suffix == ".json":
        return _from_objects(path, _json_objects(path, _utf8(data)))
    return _delimited(path, data, known, is_file)


def _delimited(path: Path, data: bytes, known: Callable[[str], bool], is_file: IsFile) -> TableFile:
    text = _utf8(data)
    found = _parsed(path, text, known, is_file)
    odd = (cell for _, row in found.rows for cell in row.values() if _has_raw_bytes(cell))
    if not _has_raw_bytes(text) or any(map(is_file, odd)):
        return found  # names of files are bytes, whatever their encoding
    readings = []
    for encoding in OTHER_ENCODINGS:
        try:
            other = _parsed(path, data.decode(encoding), known, is_file)
        except UnicodeDecodeError:
            continue
        cells = (cell for _, row in other.rows for cell in row.values() if not cell.isascii())
        readings.append((encoding, other, any(is_file(cell) for cell in cells)))
    if not readings:
        return found
    encoding, chosen, _ = next((each for each in readings if each[2]), readings[0])
    note = f"{path.name} is not UTF-8 and was read as {encoding}: save it as UTF-8 if labels look wrong"
    return TableFile(path=path, columns=chosen.columns, rows=chosen.rows, header=chosen.header, notes=(note,))


def _utf8(data: bytes) -> str:
    """Return the text by its byte order mark, or as UTF-8 with surrogates for the bytes that are none."""
    for mark, encoding in BYTE_ORDER_MARKS:
        if data.startswith(mark):
            return data.decode(encoding, errors="surrogateescape" if encoding == "utf-8-sig" else "replace")
    head = data[:200]
    if head[1::2].count(0) > len(head) // 4:
        return data.decode("utf-16-le", errors="replace")
    if head[0::2].count(0) > len(head) // 4:
        return data.decode("utf-16-be", errors="replace")
    return data.decode("utf-8", errors="surrogateescape")


def _has_raw_bytes(text: str) -> bool:
    return any("\udc80" <= sign <= "\udcff" for sign in text) if not text.isascii() else False


def _parsed(path: Path, text: str, known: Callable[[str], bool], is_file: IsFile) -> TableFile:
    lines = io.StringIO(text, newline="").readlines()
    first = next((line for line in lines if line.strip()), "")
    delimiter = _delimiter(first, lines, known)
    try:
        reader = csv.reader(_without_sep(lines), delimiter=delimiter, strict=True) if delimiter else None
        numbered = [(reader.line_num, cells) for cells in reader] if reader else list(_by_blanks(lines))
    except csv.Error as error:
        raise UsageError(
            f"cannot read the table {path}: {error}. Nothing was changed. Write it as CSV with commas."
        ) from error
    numbered = [(line, cells) for line, cells in numbered if any(cell.strip() for cell in cells)]
    if not numbered:
        return TableFile(path=path, columns=(), rows=())
    head = [cell.strip() for cell in numbered[0][1]]
    header = _is_header(head, known, is_file)
    width = max(len(cells) for _, cells in numbered)
    columns = head if header else [f"column {number}" for number in range(1, width + 1)]
    rows = tuple((line, _named(columns, cells)) for line, cells in (numbered[1:] if header else numbered))
    return TableFile(path=path, columns=tuple(name for name in columns if name), rows=rows, header=header)


def _is_header(cells: Sequence[str], known: Callable[[str], bool], is_file: IsFile) -> bool:
    """Return whether a first row names columns: known names outvote files, and without either it does."""
    names, files = sum(map(known, cells)), sum(map(is_file, cells))
    return names > files or not files


def _named(columns: Sequence[str], cells: Sequence[str]) -> dict[str, str]:
    """Return the cells by column; what lies beyond the header has no name, and a short row lacks some."""
    filled = [*cells, *[""] * (len(columns) - len(cells))]
    return {name: cell for name, cell in zip(columns, filled, strict=False) if name}


def _without_sep(lines: Sequence[str]) -> list[str]:
    """Return the lines; the first is blank where a spreadsheet says its delimiter there (``sep=;``)."""
    if lines and lines[0].strip().lower().startswith("sep=") and len(lines[0].strip()) == len("sep=;"):
        return ["\n", *lines[1:]]
    return list(lines)


def _delimiter(first: str, lines: Sequence[str], known: Callable[[str], bool]) -> str:
    """Return the delimiter that finds the most known columns; of equals the one that finds the most; "" for blanks."""
    if first.strip().lower().startswith("sep=") and len(first.strip()) == len("sep=;"):
        return first.strip()[-1]

    def score(delimiter: str) -> tuple[int, int]:
        names = next(csv.reader([first], delimiter=delimiter), [])
        return sum(known(name) for name in names), len(names)

    best = max(DELIMITERS, key=score)
    if score(best)[1] > 1 or known(first.strip()):
        return best
    filled = [line for line in lines if line.strip()]
    return "" if all(len(line.split()) > 1 for line in filled) else best


def _by_blanks(lines: Iterable[str]) -> Iterator[tuple[int, list[str]]]:
    """Yield each line as a name, which may hold blanks, and the last word."""
    for number, line in enumerate(lines, start=1):
        if line.strip():
            yield number, line.rsplit(None, 1)


def _from_objects(path: Path, objects: Iterable[tuple[int, Mapping[str, Any]]]) -> TableFile:
    columns: dict[str, None] = {}
    rows = []
    for line, value in objects:
        cells = {str(name): _text(path, line, str(name), cell) for name, cell in value.items()}
        columns |= dict.fromkeys(cells)
        if any(cells.values()):
            rows.append((line, cells))
    complete = tuple((line, dict.fromkeys(columns, "") | cells) for line, cells in rows)
    return TableFile(path=path, columns=tuple(columns), rows=complete)


def _text(path: Path, line: int, name: str, value: object) -> str:
    """Return a cell as text: nothing as "", a whole number without a point, an image of a hub's table as its path."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value)
    if isinstance(value, float):
        return "" if value != value else str(int(value)) if value.is_integer() else str(value)
    if isinstance(value, dict) and "path" in value:
        if value.get("bytes"):
            raise UsageError(
                f"{path}, row {line}: the column {name} holds the pictures themselves. Nothing was changed. Tables "
                "name files that lie beside them: write the pictures out, a folder for each label, and give that."
            )
        return str(value["path"] or "")
    if isinstance(value, list):
        return str(value[0]) if len(value) == 1 else "; ".join(map(str, value))
    return str(value)


def _json_lines(path: Path, text: str) -> Iterator[tuple[int, Mapping[str, Any]]]:
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            yield number, _object(path, f"line {number}", _json(path, f"line {number}", line))


def _json_objects(path: Path, text: str) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """Yield the objects of a list; the list may be the only one in an object of a few values."""
    value = _json(path, "", text)
    if isinstance(value, dict):
        lists = [each for each in value.values() if isinstance(each, list) and each and isinstance(each[0], dict)]
        if len(lists) != 1:
            seen = ", ".join(list(value)[:8])
            raise UsageError(
                f"{path} is no list of rows: it holds {seen or 'nothing'}. Nothing was changed. Write a list such as "
                '[{"file_name": "a.jpg", "label": "coral"}], or one such object a line (.jsonl).'
            )
        (value,) = lists
    if not isinstance(value, list):
        raise UsageError(f"{path} is no list of rows. Nothing was changed. Write a list of objects, or CSV.")
    for number, each in enumerate(value, start=1):
        yield number, _object(path, f"row {number}", each)


def _json(path: Path, where: str, text: str) -> Any:  # noqa: ANN401  (what JSON holds)
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        place = f"{path}, {where}," if where else str(path)
        raise UsageError(f"{place} is not JSON: {error}. Nothing was changed. Correct it, or write CSV.") from error


def _object(path: Path, where: str, value: object) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise UsageError(
            f"{path}, {where}: not a JSON object. Nothing was changed. "
            'Write rows such as {"file_name": "a.jpg", "label": "coral"}.'
        )
    return value


def _parquet_rows(path: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError as error:
        raise UsageError(
            f"{path} is Parquet, which needs the package pyarrow, and that is not installed. Nothing was changed. Run: "
            'pip install "imgkit-datasets[parquet]", or write the table as CSV.',
            code="parquet.missing",
        ) from error
    try:
        with parquet.ParquetFile(path) as file:
            names = _names_of_numbers(file.schema_arrow.metadata or {})
            number = 0
            for batch in file.iter_batches():
                for row in batch.to_pylist():
                    number += 1
                    yield number, {name: _named_number(names.get(name, ()), value) for name, value in row.items()}
    except OSError as error:
        if isinstance(error, pyarrow.ArrowException):
            raise UsageError(f"{path} is no Parquet file: {error}. Nothing was changed. Write it again.") from error
        raise read_error(error, path) from error
    except pyarrow.ArrowException as error:
        raise UsageError(f"{path} is no Parquet file: {error}. Nothing was changed. Write it again.") from error


def _names_of_numbers(metadata: Mapping[bytes, bytes]) -> dict[str, Sequence[str]]:
    """Return the names that a hub's table gives the numbers of its label columns."""
    try:
        features = json.loads(metadata.get(b"huggingface", b"{}"))["info"]["features"]
        return {name: each["names"] for name, each in features.items() if "names" in each}
    except (KeyError, TypeError, ValueError, AttributeError):
        return {}


def _named_number(names: Sequence[str], value: object) -> object:
    return names[value] if isinstance(value, int) and 0 <= value < len(names) else value
