"""Addresses of pictures in a file: CSV, TSV or JSON lines with the columns url, label and what is known of each."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from imgkit.errors import UsageError
from imgkit.harvest import licences
from imgkit.harvest.providers import bookmark
from imgkit.harvest.providers.bookmark import Bookmark
from imgkit.harvest.providers.interface import Fetch, HostPolicy, Missing, Page, Provider, Ready, SearchQuery
from imgkit.harvest.tabular import Row, Table, read_table, renamed
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
        table = read_table(path, {*COLUMNS, *ALIASES})
    except UsageError as error:
        return Page(verdict="unreachable", cursor=mark.as_json(), detail=str(error))
    rows = [renamed(row, ALIASES) for row in table.rows]
    if not any("url" in row.cells for row in rows):
        return Page(verdict="schema_changed", cursor=mark.as_json(), detail=f"{path} has no column 'url'")
    mine = [row for row in rows if _belongs(row, query)]
    usable = [row for row in mine if row.cells["url"]]
    left_out = _left_out(table, rows, mine, usable)
    if not usable:
        return Page(verdict="empty", detail=f"{path} has no address for label '{query.name or query.label}'{left_out}")
    chosen = usable[mark.given : mark.given + PAGE_SIZE]
    proposals = tuple(_proposal(row.cells, mark.given + rank) for rank, row in enumerate(chosen, start=1))
    following = Bookmark(page=mark.page + 1, given=mark.given + len(chosen))
    if following.given >= len(usable):
        return Page(verdict="end", proposals=proposals, detail=f"{len(usable)} addresses{left_out}")
    return Page(verdict="ok", proposals=proposals, cursor=following.as_json())


def _belongs(row: Row, query: SearchQuery) -> bool:
    label = row.cells.get("label", "")
    return not label or not query.label or slug(label) == query.label


def _left_out(table: Table, rows: list[Row], mine: list[Row], usable: list[Row]) -> str:
    """Say which rows gave no proposal, so that none is missed."""
    empty = ", ".join(str(row.line) for row in mine if not row.cells["url"])
    counts = [
        (len(rows) - len(mine), "rows have another label"),
        (len(mine) - len(usable), f"rows have no address (lines {empty})"),
        (len(table.problems), f"rows cannot be read ({' '.join(table.problems)})"),
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
