"""The curated folder on disk: built beside, then swapped in as a whole; a crash leaves the old one or the new."""

import gzip
import json
import logging
import os
import shutil
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from imgkit import commands
from imgkit.curate.publish.metadata import Entry
from imgkit.errors import IntegrityError, UsageError
from imgkit.files import (
    NO_FILE,
    clone_or_copy,
    read_file,
    reading,
    resource_error,
    sync_folder,
    write_atomically,
    write_text,
)
from imgkit.manifest import DataFolder, rows
from imgkit.manifest.folder import PROBABILITIES, RECORD, TRASH, VERDICTS

logger = logging.getLogger(__name__)

OWN_FILES: Final = frozenset(
    {RECORD, VERDICTS, "metadata.csv", PROBABILITIES, "report.html", "report.json"}
    | {"ATTRIBUTION.md", "DATACARD.md", "croissant.json"}
)
FORMAT: Final = 1


@dataclass(frozen=True, slots=True)
class Placed:
    """A picture as the last curate placed it: the item's own label and image id, and the SHA-256 of the file.

    ``stamp`` is what the file system said of the file when it was written: size in bytes, times of its last change and
    of the last change of what is known about it, in nanoseconds; () in a set of an earlier version.
    """

    label: str
    image_id: str
    sha256: str
    stamp: tuple[int, ...] = ()

    def is_unchanged(self, path: Path) -> bool:
        """Whether the file was not written to since, by its stamp; a file that only was copied may look changed.

        Raises:
            FileNotFoundError, NotADirectoryError, ResourceError: as for ``reading``.
        """
        return bool(self.stamp) and self.stamp == _stamp(path)


def _stamp(path: Path) -> tuple[int, ...]:
    with reading(path):
        facts = path.stat()
    return (facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns)


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedSet:
    """What the last curate wrote: ``placed`` by path below ``curated/``; ``digest`` changes with anything in it.

    ``rules`` is what ``folders.rules_of`` made of the settings; "" in a set of an earlier version. ``noticed`` are the
    keys of the decisions that this curate noticed in the set before, for an undo.
    """

    id: str
    digest: str
    placed: Mapping[str, Placed] = field(default_factory=dict)
    rules: str = ""
    noticed: tuple[str, ...] = ()

    @property
    def number(self) -> int:
        """The number of the run that wrote it: a later set has a higher one."""
        number = self.id.partition("-")[0]
        return int(number) if number.isdigit() else 0


def read_published(folder: Path) -> PublishedSet | None:
    """Return the record of a curated folder, None where there is no such folder.

    Raises:
        UsageError: the folder holds something, but imgkit did not make it.
        IntegrityError: the record is damaged.
        ResourceError: the record could not be read.
    """
    try:
        text = read_file(folder / RECORD).decode("utf-8")
    except NO_FILE:
        if folder.is_dir() and any(folder.iterdir()):
            raise UsageError(
                f"{folder} was not made by imgkit, or its file {RECORD} is gone. Nothing was changed. "
                "Move the folder away and run the same command again."
            ) from None
        return None
    try:
        fields = json.loads(text)
        placed = {name: _placed(*each) for name, each in fields["placed"].items()}
        return PublishedSet(
            id=fields["id"],
            digest=fields["digest"],
            placed=placed,
            rules=str(fields.get("rules", "")),
            noticed=tuple(str(key) for key in fields.get("noticed", ())),
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise IntegrityError(
            f"{folder / RECORD} is damaged ({error}). Nothing was changed. Move {folder} away and run the same command "
            "again: the set is built anew from the manifest."
        ) from error


def _placed(label: object, image_id: object, sha256: object, *stamp: object) -> Placed:
    """Return one entry of a record that may be a stranger's.

    Raises:
        IntegrityError: it could lead out of the data folder.
    """
    if not all(isinstance(number, int) for number in stamp):
        raise ValueError("a stamp is no number")
    numbers = tuple(int(str(number)) for number in stamp)
    return Placed(rows.checked_label(label), rows.checked_name(image_id), rows.checked_hash(sha256), numbers)


def recover(folder: DataFolder) -> None:
    """Finish or roll back what a killed curate left behind; does nothing otherwise."""
    if folder.curated_aside.exists():  # killed during an undo
        folder.curated_aside.rename(folder.curated_previous if folder.curated.exists() else folder.curated)
    trash = sorted(folder.root.glob(f"{TRASH}*"))
    if trash and not folder.curated_previous.exists() and folder.curated.exists():  # before the present set moved
        trash.pop().rename(folder.curated_previous)
    if (folder.curated_next / RECORD).exists() and not folder.curated.exists() and folder.curated_previous.exists():
        folder.curated_next.rename(folder.curated)  # killed between the two renames of a swap
    for leftover in [folder.curated_next, *trash]:
        if leftover.exists():
            shutil.rmtree(leftover)


def build(
    folder: DataFolder,
    entries: Sequence[Entry],
    *,
    published: PublishedSet,
    carried: Mapping[str, Path],
    texts: Mapping[str, str],
    verdicts: object,
) -> None:
    """Write the next set beside the present one, its record last.

    Args:
        folder: the data folder.
        entries: the pictures.
        published: the record to leave.
        carried: files of a person that are no pictures of the set, by path below it; they are taken along.
        texts: the files that go with the pictures, by name.
        verdicts: what the machine thought of every item, as JSON can hold it; for an undo.

    Raises:
        ResourceError: the disk is full or not ours to write to; the present set is as it was.
    """
    target = folder.curated_next
    for one in entries:
        clone_or_copy(one.picture.path, target / one.file_name)
    for name, source in carried.items():
        clone_or_copy(source, target / name)
    for name, text in texts.items():
        write_text(target / name, text)
    packed = gzip.compress(json.dumps(verdicts, sort_keys=True, separators=(",", ":")).encode(), mtime=0)
    write_atomically(target / VERDICTS, packed)
    stamped = {name: replace(one, stamp=_stamp(target / name)) for name, one in published.placed.items()}
    write_text(target / RECORD, _record(replace(published, placed=stamped)))


def swap_in(folder: DataFolder) -> None:
    """Put the next set in the place of the present one, which becomes the previous one."""
    try:
        if folder.curated.exists():
            if folder.curated_previous.exists():
                folder.curated_previous.rename(folder.root / f"{TRASH}{os.getpid()}")
            folder.curated.rename(folder.curated_previous)
        folder.curated_next.rename(folder.curated)
        sync_folder(folder.root)
    except OSError as error:
        raise resource_error(error, folder.curated) from error
    recover(folder)  # empties the trash


def swap_back(folder: DataFolder) -> bool:
    """Exchange the present set with the previous one, byte for byte; return whether there is a set afterwards.

    After the first curate there is no previous set: the undo takes the present one away, and another undo brings it
    back.

    Raises:
        UsageError: there is neither.
        ResourceError: no permission, or the disk failed.
    """
    require_undo(folder)
    present, previous = folder.curated.exists(), folder.curated_previous.exists()
    try:
        if present:
            folder.curated.rename(folder.curated_aside)
        if previous:
            folder.curated_previous.rename(folder.curated)
        if present:
            folder.curated_aside.rename(folder.curated_previous)
        sync_folder(folder.root)
    except OSError as error:
        raise resource_error(error, folder.curated) from error
    return previous


def require_undo(folder: DataFolder) -> None:
    """Make sure that there is a set to put in the place of another.

    Raises:
        UsageError: there is neither a present nor a previous one.
    """
    if not folder.curated.exists() and not folder.curated_previous.exists():
        raise UsageError(
            f"there is no curate to undo in {folder.root}. Nothing was changed. "
            f"Run first: {commands.curate(folder.root)}"
        )


def read_verdicts(folder: Path) -> object:
    """Return what ``build`` was given as ``verdicts``, None where it is not there or is damaged.

    Raises:
        ResourceError: it could not be read.
    """
    try:
        return json.loads(gzip.decompress(read_file(folder / VERDICTS)))
    except (*NO_FILE, gzip.BadGzipFile, zlib.error, ValueError, EOFError) as error:
        logger.warning("%s cannot be read: %s", folder / VERDICTS, error)
        return None


def _record(published: PublishedSet) -> str:
    placed = {
        name: [each.label, each.image_id, each.sha256, *each.stamp] for name, each in sorted(published.placed.items())
    }
    fields = {
        "format": FORMAT,
        "id": published.id,
        "digest": published.digest,
        "rules": published.rules,
        "noticed": published.noticed,
        "placed": placed,
    }
    return json.dumps(fields, ensure_ascii=False, separators=(",", ":"))
