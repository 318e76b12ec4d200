"""Every picture of a manifest in one line each, and all that is known about a few: what a page of pictures needs."""

import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple
from urllib.parse import unquote

from imgkit.manifest import rows
from imgkit.manifest.connection import ROWS_AT_A_TIME
from imgkit.manifest.nouns import Candidate, Finding, Image, Item, ItemKey, Judgement, Verdict
from imgkit.manifest.store import Manifest

"""Label and image id."""

_EARLIEST: Final = "state<>'kept', label, round, rank, provider, id"


def _source(column: str) -> str:
    """Return a column of the candidate that brought an item: the one kept for its label, else the first of any."""
    found = f"SELECT {column} FROM candidate WHERE candidate.image_id = item.image_id"
    order = f"ORDER BY {_EARLIEST} LIMIT 1"
    return f"coalesce(({found} AND candidate.label = item.label {order}), ({found} {order}))"


_PAGE: Final = f"WHERE (item.label, item.image_id) > (?, ?) ORDER BY item.label, item.image_id LIMIT {ROWS_AT_A_TIME}"

_LINES: Final = f"""
SELECT item.label, item.image_id, image.width, image.height, image.bytes, coalesce({_source("provider")}, ''),
    coalesce(verdict, ''), coalesce(judgement.reason, ''), coalesce(check_name, ''), coalesce(score, 0.0),
    coalesce(suggested, ''), coalesce(copies, ''), coalesce(copy_rank, 0), coalesce(probability, 0.5)
FROM item JOIN image ON image.id = item.image_id
    LEFT JOIN judgement ON judgement.label = item.label AND judgement.image_id = item.image_id {_PAGE}
"""

_ORIGINS: Final = f"""
SELECT item.label, item.image_id, file_sha256, sha256, image.width, image.height, image.bytes, {_source("id")} AS source
FROM item JOIN image ON image.id = item.image_id {_PAGE}
"""


class ItemLine(NamedTuple):  # a tuple, since there are a million of them
    """An item: its original's size, the provider that brought it ("" unknown), the verdict ("" not judged yet).

    ``copies`` names its group of copies, "" for none; ``rank`` is the place in it. ``probability`` is the chance that a
    person would throw it out, 1/2 where it is not judged yet.
    """

    label: str
    image_id: str
    width: int
    height: int
    bytes: int
    provider: str
    verdict: Verdict | Literal[""]
    reason: str
    check: str
    score: float
    suggested: str
    copies: str
    rank: int
    probability: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """An item: hashes of its file and of its original, the original's size, and the candidate that brought it."""

    label: str
    image_id: str
    file_sha256: str
    sha256: str
    width: int
    height: int
    bytes: int
    source: Candidate | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Detail:
    """All that is known about an item; ``findings`` are the worst first within each check."""

    item: Item
    image: Image
    judgement: Judgement | None
    findings: tuple[Finding, ...]
    source: Candidate | None


def lines(manifest: Manifest) -> Iterator[ItemLine]:
    """Yield every item by (label, image id), a few thousand in memory at a time."""
    _bring_in(manifest, image="bytes", judgement="score", item="width", finding="score", candidate="attempts")
    return map(ItemLine._make, _by_pages(manifest, _LINES))


def origins(manifest: Manifest) -> Iterator[Origin]:
    """Yield every item by (label, image id); the candidates that brought them are in memory, and nothing else."""
    _bring_in(manifest, image="bytes", item="width")
    wanted = {
        row["source"]
        for row in _by_pages(manifest, f"SELECT label, image_id, {_source('id')} AS source FROM item {_PAGE}")
    }
    brought = {one.id: one for one in manifest.each_candidate(among=wanted)}
    labels = {slug: slug for slug in manifest.labels()}  # one text for each, not one for each picture
    for row in _by_pages(manifest, _ORIGINS):
        yield Origin(
            label=labels[row["label"]],
            image_id=rows.checked_id(row["image_id"]),
            file_sha256=rows.checked_hash(row["file_sha256"]),
            sha256=rows.checked_sha256(row["sha256"]),
            width=row["width"],
            height=row["height"],
            bytes=row["bytes"],
            source=brought.get(row["source"]),
        )


def _bring_in(manifest: Manifest, **columns: str) -> None:
    """Read tables as they lie on disk, each by a column without an index, so that the system has them in memory.

    By label and image id they are read in another order, in which every row may cost a reading of the disk.
    """
    for table, column in columns.items():
        manifest.connection.read(f"SELECT max({column}) FROM {table}")


def _by_pages(manifest: Manifest, sql: str) -> Iterator[sqlite3.Row]:
    last: ItemKey = ("", "")
    while found := manifest.connection.read(sql, last):
        yield from found
        last = (found[-1]["label"], found[-1]["image_id"])


def details(manifest: Manifest, keys: Sequence[ItemKey]) -> dict[ItemKey, Detail]:
    """Return what is known about some hundred items at most, in their order; those that are not there are left out."""
    if not keys:
        return {}
    ids = [image_id for _, image_id in keys]
    items = {_key(row): rows.item_from(row) for row in _of_items(manifest, "item", keys)}
    images = {row["id"]: rows.image_from(row) for row in _of_images(manifest, "image WHERE id", ids)}
    judged = {_key(row): rows.judgement_from(row) for row in _of_items(manifest, "judgement", keys)}
    findings: dict[ItemKey, list[Finding]] = {}
    for row in _of_items(manifest, "finding", keys, order="ORDER BY check_name, score DESC"):
        findings.setdefault(_key(row), []).append(rows.finding_from(row))
    brought: dict[ItemKey, sqlite3.Row] = {}  # under its own label, and under "" for all labels
    for row in _of_images(manifest, "candidate WHERE image_id", ids, order=f"ORDER BY {_EARLIEST}"):
        brought.setdefault(_key(row), row)
        brought.setdefault(("", row["image_id"]), row)
    found = {}
    for key in keys:
        if key in items and key[1] in images:
            source = brought.get(key) or brought.get(("", key[1]))
            found[key] = Detail(
                item=items[key],
                image=images[key[1]],
                judgement=judged.get(key),
                findings=tuple(findings.get(key, ())),
                source=rows.candidate_from(source) if source else None,
            )
    return found


def _of_items(manifest: Manifest, table: str, keys: Sequence[ItemKey], *, order: str = "") -> list[sqlite3.Row]:
    wanted = ",".join(["(?,?)"] * len(keys))
    values = tuple(part for key in keys for part in key)
    # CROSS: for each that is wanted a look into the index; SQLite on its own may read the whole table instead
    sql = f"WITH wanted (label, image_id) AS (VALUES {wanted}) SELECT {table}.* FROM wanted CROSS JOIN {table} "
    return manifest.connection.read(f"{sql} USING (label, image_id) {order}", values)


def _of_images(manifest: Manifest, column: str, ids: Sequence[str], *, order: str = "") -> list[sqlite3.Row]:
    wanted = ",".join("?" * len(ids))
    return manifest.connection.read(f"SELECT * FROM {column} IN ({wanted}) {order}", tuple(ids))


def _key(row: sqlite3.Row) -> ItemKey:
    return (row["label"], row["image_id"])


_TEXTS: Final = """
SELECT item.label, item.image_id, url, proposal FROM item JOIN candidate ON candidate.image_id = item.image_id
"""


def search(manifest: Manifest, words: Sequence[str], names: Mapping[str, str]) -> set[ItemKey]:
    """Return the items of which every word is in the title, tags, page, address, file name or label, in any case.

    Args:
        manifest: the data folder.
        words: words or parts of them; none finds nothing.
        names: folder of each label to the name that people read.
    """
    wanted = [word.casefold() for word in words]
    labelled = {slug: f"{slug} {name}".casefold() for slug, name in names.items()}
    found: set[ItemKey] = set()
    for row in manifest.connection.read(_TEXTS) if wanted else ():
        told = json.loads(row["proposal"])
        said = [str(told.get(name, "")) for name in ("title", "tags", "page_url")]
        text = " ".join([unquote(row["url"]), *said, labelled.get(row["label"], "")]).casefold()
        if all(word in text for word in wanted):
            found.add(_key(row))
    return found
