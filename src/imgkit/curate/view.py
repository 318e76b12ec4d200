"""The curated folder on disk: built beside, then swapped in as a whole; a crash leaves the old one or the new."""

import gzip
import json
import logging
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from imgkit.curate.metadata import Entry
from imgkit.errors import IntegrityError, UsageError
from imgkit.files import link_or_copy, resource_error, sync_folder, write_atomically, write_text
from imgkit.manifest import DataFolder

logger = logging.getLogger(__name__)

RECORD: Final = ".view.json"  # written last: a folder without it is not finished, or not ours
VERDICTS: Final = ".verdicts.json.gz"
OWN_FILES: Final = frozenset(
    {RECORD, VERDICTS, "metadata.csv", "report.html", "report.json", "ATTRIBUTION.md", "DATACARD.md", "croissant.json"}
)
TRASH: Final = ".curated-trash-"  # in front of a process id: a set that nothing leads back to any more
FORMAT: Final = 1


@dataclass(frozen=True, slots=True)
class Placed:
    """A picture as the last curate placed it: the item's own label and image id, and the SHA-256 of the file."""

    label: str
    image_id: str
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """What the last curate wrote: ``placed`` by path below ``curated/``; ``digest`` changes with anything in it."""

    id: str
    digest: str
    placed: Mapping[str, Placed] = field(default_factory=dict)


def read_view(folder: Path) -> View | None:
    """Return the record of a curated folder, None where there is no such folder.

    Raises:
        UsageError: the folder holds something, but imgkit did not make it.
        IntegrityError: the record is damaged.
    """
    try:
        text = (folder / RECORD).read_text(encoding="utf-8")
    except FileNotFoundError:
        if folder.is_dir() and any(folder.iterdir()):
            raise UsageError(
                f"{folder} was not made by imgkit, or its file {RECORD} is gone. Nothing was changed. "
                "Move the folder away and run the same command again."
            ) from None
        return None
    try:
        fields = json.loads(text)
        placed = {name: Placed(*each) for name, each in fields["placed"].items()}
        return View(id=fields["id"], digest=fields["digest"], placed=placed)
    except (ValueError, KeyError, TypeError) as error:
        raise IntegrityError(
            f"{folder / RECORD} is damaged ({error}). Nothing was changed. Move {folder} away and run the same command "
            "again: the set is built anew from the manifest."
        ) from error


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
    view: View,
    carried: Mapping[str, Path],
    texts: Mapping[str, str],
    verdicts: object,
) -> None:
    """Write the next set beside the present one, its record last.

    Args:
        folder: the data folder.
        entries: the pictures.
        view: the record to leave.
        carried: files that a person put or changed in the present set, by path below it; they are taken along.
        texts: the files that go with the pictures, by name.
        verdicts: what the machine thought of every item, as JSON can hold it; for an undo.

    Raises:
        ResourceError: the disk is full or not ours to write to; the present set is as it was.
    """
    target = folder.curated_next
    for one in entries:
        if one.file_name not in carried:
            link_or_copy(one.picture.path, target / one.label / f"{one.picture.image_id}.jpg")
    for name, source in carried.items():
        link_or_copy(source, target / name)
    for name, text in texts.items():
        write_text(target / name, text)
    packed = gzip.compress(json.dumps(verdicts, sort_keys=True, separators=(",", ":")).encode(), mtime=0)
    write_atomically(target / VERDICTS, packed)
    write_text(target / RECORD, _record(view))


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
    """
    present, previous = folder.curated.exists(), folder.curated_previous.exists()
    if not present and not previous:
        raise UsageError(
            f"there is no curate to undo in {folder.root}. Nothing was changed. "
            f"Run first: imgkit curate --data {folder.root}"
        )
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


def read_verdicts(folder: Path) -> object:
    """Return what ``build`` was given as ``verdicts``, None where it is not there."""
    try:
        return json.loads(gzip.decompress((folder / VERDICTS).read_bytes()))
    except (OSError, ValueError, EOFError) as error:
        logger.warning("%s cannot be read: %s", folder / VERDICTS, error)
        return None


def _record(view: View) -> str:
    placed = {name: [each.label, each.image_id, each.sha256] for name, each in sorted(view.placed.items())}
    fields = {"format": FORMAT, "id": view.id, "digest": view.digest, "placed": placed}
    return json.dumps(fields, ensure_ascii=False, separators=(",", ":"))
