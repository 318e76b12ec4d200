"""Lists of pictures that a person has: tables of addresses, or of files of this machine, with what is known of each.

Columns are known under many names, since every tool that writes such a list has its own.
"""

import functools
import re
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

from imgkit.errors import UsageError
from imgkit.harvest.providers.interface import ResultPage, SearchQuery
from imgkit.harvest.search import licences, paging
from imgkit.harvest.search.paging import Cursor
from imgkit.manifest.addresses import url_key
from imgkit.manifest.labels import slug
from imgkit.manifest.nouns import Proposal
from imgkit.manifest.searches import LEFT_OUT
from imgkit.tables import ADDRESS, Table, TableRow, read_table

PAGE_SIZE: Final = 500
MOST_NAMED: Final = 20
"""Lines that are named in one sentence at most."""
NAMES: Final[dict[str, tuple[str, ...]]] = {
    "url": (
        "image_url", "img_url", "photo_url", "picture_url", "media_url", "imageurl", "image_link", "original_url",
        "download_url", "file_url", "content_url", "url", "urls", "uri", "link", "src", "image_src", "address", "murl",
    ),
    "path": (
        "path", "file_path", "filepath", "image_path", "img_path", "file_name", "filename", "file", "image", "img",
        "picture", "photo",
    ),
    "label": (
        "label", "class", "class_name", "category", "labels", "species", "scientific_name", "taxon_name",
        "scientificname", "common_name", "tag_name",
    ),
    "title": ("title", "caption", "text", "alt", "alt_text", "description"),
    "tags": ("tags", "keywords"),
    "page_url": (
        "page_url", "source_url", "purl", "foreign_landing_url", "landing_url", "observation_url", "permalink",
    ),
    "author": ("author", "creator", "photographer", "user_login", "user_name", "rights_holder", "attribution"),
    "author_url": ("author_url", "creator_url"),
    "license": ("license", "licence", "license_code", "photo_license"),
    "license_url": ("license_url", "licence_url"),
    "group": ("group", "group_id", "observation_id", "sequence", "album"),
    "width": ("width", "image_width"),
    "height": ("height", "image_height"),
}  # fmt: skip
"""What a list may say of a picture, to the names of its column; the first of them that a file has counts."""
KNOWN: Final = frozenset(name for names in NAMES.values() for name in names)
PLACES: Final = frozenset((*NAMES["url"], *NAMES["path"]))
"""Columns whose values keep their space."""


def read_list(path: Path) -> Table:
    """Return the table of a list; as ``read_table``."""
    return read_table(path, KNOWN, verbatim=PLACES)


def columns_of(table: Table) -> dict[str, str]:
    """Return what each column means to the column's name in the file: "url" or "path", never both, and the rest.

    A column of addresses counts before one of paths. An address beside one of a picture is that of its page, and a
    path column may hold addresses.
    """
    found = {
        meaning: next(name for name in names if name in table.columns)
        for meaning, names in NAMES.items()
        if any(name in table.columns for name in names)
    }
    if "url" not in found and "path" in found and _holds_addresses(table, found["path"]):
        found["url"] = found["path"]
    if "url" in found:
        found.pop("path", None)
        if "page_url" not in found and found["url"] != "url" and "url" in table.columns:
            found["page_url"] = "url"
    return found


def _holds_addresses(table: Table, column: str) -> bool:
    values = [row.cells[column] for row in table.rows[:20] if row.cells[column]]
    return bool(values) and all(ADDRESS.match(value) and "://" in value for value in values)


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """What a list holds: the meaning of its column, and one and several of them in words."""

    column: str
    one: str
    several: str


ADDRESSES: Final = Kind(column="url", one="an address", several="addresses")
FILES: Final = Kind(column="path", one="a path", several="files")


def page_of_list(query: SearchQuery, cursor: object, kind: Kind, locate: Callable[[str], str]) -> ResultPage:
    """List the next 500 rows of the query's label, in the order of the file; rows without a label belong to it too.

    Args:
        query: its text is the path of the list.
        cursor: where to go on.
        kind: what the list holds.
        locate: turns the value of a row's column into the address that is proposed.
    """
    mark = paging.read(cursor)
    path = Path(query.text)
    try:
        found = _listing(path, _signature(path))
    except UsageError as error:
        return ResultPage(verdict="unreachable", cursor=mark.as_json(), detail=str(error))
    if kind.column not in found.columns:
        return ResultPage(
            verdict="schema_changed", cursor=mark.as_json(), detail=f"{path} has no column '{kind.column}'"
        )
    usable, left_out = _chosen(path, _signature(path), query.label, kind)
    if not usable:
        what, label = kind.one.partition(" ")[2], query.name or query.label
        return ResultPage(verdict="empty", detail=f"{path} has no {what} for label '{label}'{left_out}")
    chosen = usable[mark.given : mark.given + PAGE_SIZE]
    proposals = tuple(
        _proposal(found.cells(row), kind, locate, mark.given + rank) for rank, row in enumerate(chosen, start=1)
    )
    following = Cursor(page=mark.page + 1, given=mark.given + len(chosen))
    if following.given >= len(usable):
        _chosen.cache_clear()
        if len(usable) == found.rows:
            _listing.cache_clear()  # nobody else's rows are left in it
        what = kind.one.partition(" ")[2] if len(usable) == 1 else kind.several
        return ResultPage(verdict="end", proposals=proposals, detail=f"{len(usable):,} {what}{left_out}")
    return ResultPage(verdict="ok", proposals=proposals, cursor=following.as_json())


class _Row(NamedTuple):
    line: int
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Listing:
    """A file that was read once: column to its place in a row, rows by the slug of their label, "" without one."""

    columns: Mapping[str, int]
    by_label: Mapping[str, list[_Row]]
    problems: tuple[str, ...]

    @property
    def rows(self) -> int:
        return sum(map(len, self.by_label.values()))

    def of(self, label: str) -> list[_Row]:
        """Return the rows of a label and those without one, in the order of the file; all rows for no label."""
        wanted = {"", label} if label else set(self.by_label)
        return sorted(row for name in wanted for row in self.by_label.get(name, ()))

    def cells(self, row: _Row) -> dict[str, str]:
        return {name: row.values[place] for name, place in self.columns.items()}


def _signature(path: Path) -> tuple[int, int]:
    """Return what changes when a file is written anew."""
    try:
        found = path.stat()
    except OSError:
        return 0, 0  # reading it says what is wrong
    return found.st_mtime_ns, found.st_size


@functools.lru_cache(maxsize=1)
def _listing(path: Path, signature: tuple[int, int]) -> _Listing:
    """Read a file, or take it from memory: a long list is asked for hundreds of pages."""
    table = read_list(path)
    found = columns_of(table)
    by_label: dict[str, list[_Row]] = defaultdict(list)
    slugs: dict[str, str] = {}
    for row in table.rows:
        values = _values(row, found)
        label = values[list(found).index("label")] if "label" in found else ""
        if label not in slugs:
            slugs[label] = slug(label) if label else ""
        by_label[slugs[label]].append(_Row(row.line, values))
    return _Listing({meaning: place for place, meaning in enumerate(found)}, by_label, table.problems)


def _values(row: TableRow, found: Mapping[str, str]) -> tuple[str, ...]:
    """Return the values of a row in the order of ``found``; rows of JSON may name one thing differently."""
    values = {
        meaning: row.cells[name] or next((row.cells[other] for other in NAMES[meaning] if row.cells.get(other)), "")
        for meaning, name in found.items()
    }
    if values.get("page_url") and values["page_url"] == values.get("url"):
        values["page_url"] = ""
    return tuple(values.values())


@functools.lru_cache(maxsize=1)
def _chosen(path: Path, signature: tuple[int, int], label: str, kind: Kind) -> tuple[list[_Row], str]:
    """Return the rows of a label that have an address or a path, and words for those that were left out."""
    found = _listing(path, signature)
    mine = found.of(label)
    usable = [row for row in mine if row.values[found.columns[kind.column]]]
    return usable, _left_out(found, mine, usable, kind)


def _left_out(found: _Listing, mine: list[_Row], usable: list[_Row], kind: Kind) -> str:
    """Say which rows gave no proposal, so that none is missed."""
    place = found.columns[kind.column]
    empty = [row.line for row in mine if not row.values[place]]
    seen: set[str] = set()
    repeated = []
    for row in usable:
        key = url_key(row.values[place])
        if key in seen:
            repeated.append(row.line)
        seen.add(key)
    others = found.rows - len(mine)
    text = f"; {_rows(others)} of other labels" if others else ""
    lost = [
        f"{_rows(len(lines))} {what} ({_lines(lines)})"
        for lines, what in ((empty, f"without {kind.one}"), (repeated, f"with {kind.one} that stands above"))
        if lines
    ]
    if found.problems:
        lost.append(f"{_rows(len(found.problems))} that cannot be read ({' '.join(found.problems[:MOST_NAMED])})")
    return f"{text}{LEFT_OUT}{', '.join(lost)}" if lost else text


def _rows(count: int) -> str:
    return f"{count:,} row{'' if count == 1 else 's'}"


def _lines(lines: Sequence[int]) -> str:
    named = ", ".join(map(str, lines[:MOST_NAMED]))
    more = f" and {len(lines) - MOST_NAMED:,} more" if len(lines) > MOST_NAMED else ""
    return f"line{'' if len(lines) == 1 else 's'} {named}{more}"


def labels_in(path: Path) -> dict[str, int]:
    """Return the folder name of each label in a list of addresses to the number of its rows; "" are those without one.

    Raises:
        UsageError: the file cannot be read.
    """
    return {label: len(rows) for label, rows in _listing(path, _signature(path)).by_label.items()}


def _proposal(cells: Mapping[str, str], kind: Kind, locate: Callable[[str], str], rank: int) -> Proposal:
    title = cells.get("title", "") or (cells[kind.column] if kind is FILES else "")
    return Proposal(
        url=locate(cells[kind.column]),
        rank=rank,
        page_url=cells.get("page_url", ""),
        title=title,
        tags=cells.get("tags", ""),
        author=cells.get("author", ""),
        author_url=cells.get("author_url", ""),
        license=licences.written(cells.get("license", "")),
        license_url=cells.get("license_url", ""),
        group=cells.get("group", ""),
        width=_pixels(cells.get("width", "")),
        height=_pixels(cells.get("height", "")),
    )


def _pixels(text: str) -> int | None:
    return int(text) if re.fullmatch(r"[1-9][0-9]{0,5}", text) else None
