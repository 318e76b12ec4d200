"""Addresses of pictures in a file: CSV, TSV or JSON lines with the columns url, label and what is known of each."""

import functools
import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

from imgkit.errors import UsageError
from imgkit.harvest import licences
from imgkit.harvest.providers import bookmark
from imgkit.harvest.providers.bookmark import Bookmark
from imgkit.harvest.providers.interface import Fetch, HostPolicy, Missing, Page, Provider, Ready, SearchQuery
from imgkit.harvest.tabular import read_table, renamed
from imgkit.manifest.labels import slug
from imgkit.manifest.nouns import Proposal

PAGE_SIZE: Final = 500
ALIASES: Final = {
    "image_url": "url",
    "class": "label",
    "licence": "license",
    "licence_url": "license_url",
    "source_url": "page_url",
    "creator": "author",
    "caption": "title",
}
COLUMNS: Final = (
    "url", "label", "title", "tags", "page_url", "author", "author_url", "license", "license_url", "group", "width",
    "height",
)  # fmt: skip


def check(environ: Mapping[str, str]) -> Ready | Missing:
    """A file needs nothing."""
    return Ready(note="reads this machine")


def page(query: SearchQuery, cursor: object, fetch: Fetch, ready: Ready) -> Page:
    """List the next 500 rows of the query's label, in the order of the file; rows without a label belong to it too.

    ``fetch`` is not used: the addresses are proposed as they stand.
    """
    mark = bookmark.read(cursor)
    path = Path(query.text)
    try:
        found = _listing(path, _signature(path))
    except UsageError as error:
        return Page(verdict="unreachable", cursor=mark.as_json(), detail=str(error))
    if "url" not in found.columns:
        return Page(verdict="schema_changed", cursor=mark.as_json(), detail=f"{path} has no column 'url'")
    usable, left_out = _chosen(path, _signature(path), query.label)
    if not usable:
        return Page(verdict="empty", detail=f"{path} has no address for label '{query.name or query.label}'{left_out}")
    chosen = usable[mark.given : mark.given + PAGE_SIZE]
    proposals = tuple(_proposal(found.cells(row), mark.given + rank) for rank, row in enumerate(chosen, start=1))
    following = Bookmark(page=mark.page + 1, given=mark.given + len(chosen))
    if following.given >= len(usable):
        _chosen.cache_clear()
        if len(usable) == found.rows:
            _listing.cache_clear()  # nobody else's rows are left in it
        return Page(verdict="end", proposals=proposals, detail=f"{len(usable)} addresses{left_out}")
    return Page(verdict="ok", proposals=proposals, cursor=following.as_json())


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
    table = read_table(path, {*COLUMNS, *ALIASES})
    names = list(dict.fromkeys(ALIASES.get(name, name) for name in table.columns))
    by_label: dict[str, list[_Row]] = defaultdict(list)
    slugs: dict[str, str] = {}
    for row in table.rows:
        cells = renamed(row, ALIASES).cells
        label = cells.get("label", "")
        if label not in slugs:
            slugs[label] = slug(label) if label else ""
        by_label[slugs[label]].append(_Row(row.line, tuple(cells.get(name, "") for name in names)))
    return _Listing({name: place for place, name in enumerate(names)}, by_label, table.problems)


@functools.lru_cache(maxsize=1)
def _chosen(path: Path, signature: tuple[int, int], label: str) -> tuple[list[_Row], str]:
    """Return the rows of a label that have an address, and words for those that were left out."""
    found = _listing(path, signature)
    mine = found.of(label)
    usable = [row for row in mine if row.values[found.columns["url"]]]
    return usable, _left_out(found, mine, usable)


def _left_out(found: _Listing, mine: list[_Row], usable: list[_Row]) -> str:
    """Say which rows gave no proposal, so that none is missed."""
    empty = ", ".join(str(row.line) for row in mine if not row.values[found.columns["url"]])
    counts = [
        (found.rows - len(mine), "rows have another label"),
        (len(mine) - len(usable), f"rows have no address (lines {empty})"),
        (len(found.problems), f"rows cannot be read ({' '.join(found.problems)})"),
    ]
    return "".join(f"; {count} {what}" for count, what in counts if count)


def _proposal(cells: Mapping[str, str], rank: int) -> Proposal:
    return Proposal(
        url=cells["url"],
        rank=rank,
        page_url=cells.get("page_url", ""),
        title=cells.get("title", ""),
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


PROVIDER: Final = Provider(
    name="urls",
    title="list of addresses",
    page=page,
    check=check,
    page_size=PAGE_SIZE,
    local=True,
    policy=HostPolicy(pause_seconds=0.0),
)
