"""Assign pictures to shards. The plan is deterministic for a folder."""

import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

from imgkit import commands
from imgkit.errors import UsageError
from imgkit.manifest.folder import data_folder_of
from imgkit.vision import sniff
from imgkit.vision.imagefolder import (
    METADATA,
    Accounts,
    AskedLayout,
    ImageFile,
    looks_like_picture,
    metadata_in,
    read_folder,
    read_head,
    walk,
)

Format = Literal["webdataset", "parquet"]
SUFFIXES: Final[dict[Format, str]] = {"webdataset": ".tar", "parquet": ".parquet"}


@dataclass(frozen=True, slots=True)
class Sample:
    """A picture: ``name`` is its path below the folder, with ``/``; ``row`` is what ``metadata.csv`` says of it."""

    name: str
    path: Path
    size: int
    row: Mapping[str, str] = field(default_factory=dict)
    split: str = ""
    label: str = ""


@dataclass(frozen=True, slots=True)
class Shard:
    """One file to write."""

    name: str
    samples: tuple[Sample, ...]

    @property
    def members(self) -> str:
        """64 hex digits that differ when other pictures are in it."""
        return _digest([one.name for one in self.samples])

    def digest(self, format: Format, labels: Sequence[str]) -> str:
        """64 hex digits that differ when the file would be another one."""
        return _digest([format, labels, self.name, *([one.name, one.size, dict(one.row)] for one in self.samples)])


@dataclass(frozen=True, slots=True)
class ShardPlan:
    """Everything that is to be written. ``labels`` are sorted: a label's place there is its number.

    ``files`` says where every file of the folder is.
    """

    format: Format
    labels: tuple[str, ...]
    shards: tuple[Shard, ...]
    files: Accounts

    def samples(self) -> Iterator[Sample]:
        """Yield all pictures."""
        for shard in self.shards:
            yield from shard.samples

    @property
    def digest(self) -> str:
        """64 hex digits that differ when another file would be written."""
        return _digest([shard.digest(self.format, self.labels) for shard in self.shards])


def plan(folder: Path, format: Format, *, shard_bytes: int, layout: AskedLayout = "auto") -> ShardPlan:
    """Return how the pictures of a folder are cut into shards of about ``shard_bytes``, each of one split.

    They are in an order that looks random and is always the same, so that a trainer which reads shards from front to
    back does not see one label after the other.

    Args:
        folder: with a ``metadata.csv``, its pictures have labels and splits as ``imgkit train`` reads them; any other
            folder has pictures under their paths alone.
        format: of the shards.
        shard_bytes: of pictures in one shard, about.
        layout: whether folders called train, val or test are splits or labels, where others lie beside them.

    Raises:
        UsageError: there are no pictures, ``metadata.csv`` names what is no picture below the folder, or Parquet is
            asked for where no ``metadata.csv`` says what they are.
        ResourceError: the folder cannot be read.
    """
    listed = metadata_in(folder) if folder.is_dir() else None
    if format == "parquet" and listed is None:
        raise UsageError(
            f"{folder} has no {METADATA}, which a Parquet table is made of. Nothing was written. Give the curated "
            "folder, or --format webdataset."
        )
    found, files = _labelled(folder, listed.name, layout) if listed else _unlabelled(folder)
    samples = sorted(found, key=lambda one: _shuffled(one.name))
    if not samples:
        raise UsageError(
            f"no pictures in {folder}{f' (left out: {files.line()})' if files.left_out else ''}. Nothing was written. "
            f"{_made_by(folder)}"
        )
    labels = tuple(sorted({one.label for one in samples if one.label}))
    shards: list[Shard] = []
    for split in sorted({one.split for one in samples}):
        mine = [one for one in samples if one.split == split]
        for number, part in enumerate(_cut(mine, shard_bytes)):
            shards.append(Shard(f"{split or 'pictures'}-{number:06d}{SUFFIXES[format]}", tuple(part)))
    return ShardPlan(format, labels, tuple(shards), files)


def _made_by(folder: Path) -> str:
    data = data_folder_of(folder)
    return f"Run first: {commands.curate(data)}" if data else "Give a folder with pictures."


def _labelled(folder: Path, table: str, layout: AskedLayout) -> tuple[list[Sample], Accounts]:
    read = read_folder(folder, layout=layout)
    if read.missing:
        raise UsageError(
            f"{read.missing[0]!r} is in {folder / table} and not on disk. Nothing was written. {_made_by(folder)}"
        )
    samples, refused = [], []
    for file in read.files:
        if looks_like_picture(file.path):
            samples.append(_sample(file))
        elif file.row:
            raise UsageError(
                f"{file.name!r} is in {folder / table} and is no picture. Nothing was written. Remove its row."
            )
        else:
            refused.append(sniff.explain_other(read_head(file.path))[0])
    reasons = [*refused, *(one.reason for one in read.left_out)]
    return samples, Accounts.of(len(samples), reasons)


def _sample(file: ImageFile) -> Sample:
    row = {"file_name": file.name, "label": file.label, **({"split": file.split} if file.split else {})}
    if file.row:
        row = {**file.row, **({"file_name": file.name} if "file_name" in file.row else {}), "label": file.label}
    split = next((file.row[name] for name in file.row if name.strip().lower() == "split"), "") or file.split
    return Sample(file.name, file.path, file.path.stat().st_size, row, split.strip().lower(), file.label)


def _unlabelled(folder: Path) -> tuple[list[Sample], Accounts]:
    if not folder.is_dir():
        raise UsageError(f"{folder} is no folder. Nothing was written. Give a folder of pictures.")
    paths, left_out = walk(folder)
    samples = []
    reasons = [one.reason for one in left_out]
    for path in paths:
        head = read_head(path)
        if sniff.raster_format(head) is not None:
            samples.append(Sample(path.relative_to(folder).as_posix(), path, path.stat().st_size))
        else:
            reasons.append(sniff.explain_other(head)[0])
    return samples, Accounts.of(len(samples), reasons)


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def _shuffled(name: str) -> bytes:
    return hashlib.sha256(os.fsencode(name)).digest()


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
