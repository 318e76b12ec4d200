"""Which pictures go into which shard. The same folder gives the same plan."""

import csv
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

from imgkit.errors import UsageError
from imgkit.files import TEMPORARY_PREFIX

Format = Literal["webdataset", "parquet"]
SUFFIXES: Final[dict[Format, str]] = {"webdataset": ".tar", "parquet": ".parquet"}
METADATA: Final = "metadata.csv"
PICTURES: Final = frozenset({".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp"})


@dataclass(frozen=True, slots=True)
class Sample:
    """A picture: ``name`` is its path below the folder, with ``/``; ``row`` is what ``metadata.csv`` says of it."""

    name: str
    path: Path
    size: int
    row: Mapping[str, str] = field(default_factory=dict)

    @property
    def split(self) -> str:
        """train, validation or test; "" where nothing says it."""
        return self.row.get("split", "")

    @property
    def label(self) -> str:
        """Its label, "" where nothing says it."""
        return self.row.get("label", "")


@dataclass(frozen=True, slots=True)
class Shard:
    """One file to write."""

    name: str
    samples: tuple[Sample, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that is to be written. ``labels`` are sorted: a label's place there is its number."""

    format: Format
    labels: tuple[str, ...]
    shards: tuple[Shard, ...]

    @property
    def digest(self) -> str:
        """64 hex digits that differ when another file would be written."""
        total = hashlib.sha256(json.dumps([self.format, self.labels]).encode())
        for shard in self.shards:
            for one in shard.samples:
                total.update(json.dumps([shard.name, one.name, one.size, sorted(one.row.items())]).encode())
        return total.hexdigest()


def plan(folder: Path, format: Format, *, shard_bytes: int) -> Plan:
    """Return how the pictures of a folder are cut into shards of about ``shard_bytes``, each of one split.

    They are in an order that looks random and is always the same, so that a trainer which reads shards from front to
    back does not see one label after the other.

    Raises:
        UsageError: there are no pictures, or Parquet is asked for where no ``metadata.csv`` says what they are.
    """
    listed = (folder / METADATA).is_file()
    if format == "parquet" and not listed:
        raise UsageError(
            f"{folder} has no {METADATA}, which a Parquet table is made of. Nothing was written. Give the curated "
            "folder, or --format webdataset."
        )
    samples = sorted(_listed(folder) if listed else _found(folder), key=lambda one: _shuffled(one.name))
    if not samples:
        raise UsageError(f"no pictures in {folder}. Nothing was written. Run first: imgkit curate")
    labels = tuple(sorted({one.label for one in samples if one.label}))
    shards: list[Shard] = []
    for split in sorted({one.split for one in samples}):
        mine = [one for one in samples if one.split == split]
        for number, part in enumerate(_cut(mine, shard_bytes)):
            shards.append(Shard(f"{split or 'pictures'}-{number:06d}{SUFFIXES[format]}", tuple(part)))
    return Plan(format, labels, tuple(shards))


def _listed(folder: Path) -> Iterator[Sample]:
    with (folder / METADATA).open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            name = row["file_name"]
            path = folder / name
            if not path.is_file():
                raise UsageError(
                    f"{path} is in {METADATA} and not on disk. Nothing was written. Run first: imgkit curate"
                )
            yield Sample(name, path, path.stat().st_size, row)


def _found(folder: Path) -> Iterator[Sample]:
    for path in folder.rglob("*"):
        if path.suffix.lower() in PICTURES and path.is_file() and not path.name.startswith(TEMPORARY_PREFIX):
            yield Sample(path.relative_to(folder).as_posix(), path, path.stat().st_size)


def _shuffled(name: str) -> bytes:
    return hashlib.sha256(name.encode("utf-8", "surrogateescape")).digest()


def _cut(samples: Sequence[Sample], most: int) -> Iterator[list[Sample]]:
    part: list[Sample] = []
    size = 0
    for one in samples:
        if part and size + one.size > most:
            yield part
            part, size = [], 0
        part.append(one)
        size += one.size
    if part:
        yield part
