"""Erase what was removed on request from every file of a data folder, and from the free pages of the manifest.

A removal is begun with the rows (``begin``, in their transaction) and finished with the files (``finish``). A process
that is killed in between leaves a removal that is not ended; the next command that takes the exclusive lock of the
folder finishes it. All that is remembered meanwhile are hashes and sizes.
"""

import csv
import gzip
import io
import json
import os
import re
import shutil
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from imgkit.files import TEMPORARY_PREFIX, resource_error, sha256_of, sync_folder, write_atomically, write_text
from imgkit.manifest.exports import write_exports
from imgkit.manifest.folder import PROBABILITIES, RECORD, TRASH, VERDICTS, DataFolder
from imgkit.manifest.store import Manifest

COMMAND: Final = "remove"
TABLE: Final = "metadata.csv"
REPORTS: Final = ("report.html", "report.json")  # the next curate writes them again


@dataclass(frozen=True, slots=True, kw_only=True)
class Erasure:
    """What is to be erased: pictures by id, and all files with one of these (size in bytes, SHA-256)."""

    image_ids: frozenset[str]
    contents: frozenset[tuple[int, str]]


def begin(manifest: Manifest, erasure: Erasure) -> int:
    """Remember a removal whose files are still there; return its id. Call it in the transaction of the rows."""
    return manifest.start_run(COMMAND, {"ids": sorted(erasure.image_ids), "contents": sorted(erasure.contents)})


def finish(manifest: Manifest) -> int:
    """Erase what removals that were begun have left, and return how many files of pictures were deleted.

    The caller holds the exclusive lock of the data folder. Does nothing where no removal is open.

    Raises:
        ResourceError: a file cannot be deleted or written, or the disk is full; the next command tries again.
        LockedError: another program reads the manifest; the next command tries again.
    """
    files = 0
    for run, arguments in manifest.open_runs(COMMAND):
        erasure = Erasure(
            image_ids=frozenset(map(str, arguments.get("ids", ()))),
            contents=frozenset((int(size), str(sha256)) for size, sha256 in arguments.get("contents", ())),
        )
        try:
            files += _erase(manifest.folder, erasure)
        except OSError as error:
            raise resource_error(error, Path(error.filename or manifest.folder.root)) from error
        write_exports(manifest)
        manifest.end_run(run, {"files": files})
        manifest.connection.compact()
    return files


def keep_out(manifest: Manifest, set_folder: Path) -> None:
    """Take every picture that was ever removed on request out of a curated set that came back, files and tables."""
    gone = {sha256[:20] for sha256 in manifest.tombstones("sha256")}
    for path in [path for path in _files(set_folder) if path.stem in gone]:
        path.unlink()
    forget_in_set(set_folder, gone)


def forget_in_set(set_folder: Path, image_ids: Collection[str]) -> bool:
    """Take pictures out of the tables and records of a curated set, and its report away; return whether it held one.

    Files of pictures are left to the caller. The counts in the data card are of the time when it was written.
    """
    if not set_folder.is_dir() or set_folder.is_symlink() or not image_ids:
        return False
    named = re.compile("|".join(sorted(map(re.escape, image_ids))))
    held = [_without_rows(set_folder / TABLE, named, column=0), _without_lines(set_folder / "ATTRIBUTION.md", named)]
    held.append(_without_rows(set_folder / PROBABILITIES, named, column=1))
    held += [_without_places(set_folder / RECORD, image_ids), _without_verdicts(set_folder / VERDICTS, image_ids)]
    for name in REPORTS:
        if (set_folder / name).exists() and (any(held) or named.search(_text(set_folder / name))):
            (set_folder / name).unlink()
            held.append(True)
    _describe_table(set_folder)
    return any(held)


def _erase(folder: DataFolder, erasure: Erasure) -> int:
    shutil.rmtree(folder.cache, ignore_errors=True)  # thumbnails, features and pixels
    for copy in folder.root.glob(f"{folder.manifest.name}.*backup*"):  # of the manifest before a migration
        copy.unlink()
    deleted = 0
    for path in list(_files(folder.root)):
        if path.name.startswith(TEMPORARY_PREFIX):  # of a process that was killed while it wrote
            path.unlink(missing_ok=True)
        elif path.stem in erasure.image_ids or _holds(path, erasure.contents):
            path.unlink(missing_ok=True)
            deleted += 1
    for original in list(folder.originals.glob("*/*")):
        if original.stem[:20] in erasure.image_ids:
            original.unlink(missing_ok=True)
            deleted += 1
    for set_folder in (
        *(folder.curated, folder.curated_previous, folder.curated_next, folder.curated_aside),
        *folder.root.glob(f"{TRASH}*"),
    ):
        forget_in_set(set_folder, erasure.image_ids)
    sync_folder(folder.root)
    return deleted


def _files(root: Path) -> Iterator[Path]:
    """Yield the regular files below a folder; links are never followed."""
    for place, _, names in os.walk(root):
        for name in names:
            path = Path(place, name)
            if path.is_file() and not path.is_symlink():
                yield path


def _holds(path: Path, contents: Collection[tuple[int, str]]) -> bool:
    size = path.stat().st_size
    return size in {each for each, _ in contents} and (size, sha256_of(path)) in contents


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace")


def _without_rows(path: Path, named: re.Pattern[str], *, column: int) -> bool:
    """Take the rows of a CSV out that name a picture in a column; return whether the file names one anywhere."""
    if not path.is_file() or not named.search(_text(path)):
        return False
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.reader(file):
            if not named.search("".join(row[column : column + 1])):
                writer.writerow(row)
    write_text(path, text.getvalue())
    return True


def _without_lines(path: Path, named: re.Pattern[str]) -> bool:
    if not path.is_file() or not named.search(_text(path)):
        return False
    lines = [line for line in _text(path).splitlines() if not named.search(line)]
    count = sum(line.startswith("- `") for line in lines)
    text = re.sub(r"^[\d,]+ pictures", f"{count:,} pictures", "\n".join(lines), count=1, flags=re.M)
    write_text(path, f"{text}\n")
    return True


def _without_places(path: Path, image_ids: Collection[str]) -> bool:
    """Take pictures out of the record of a set; it is then another set than the one that was curated last."""
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        kept = {name: place for name, place in record["placed"].items() if place[1] not in image_ids}
    except (OSError, ValueError, KeyError, TypeError, IndexError):
        return False
    if len(kept) == len(record["placed"]):
        return False
    record |= {"placed": kept, "digest": ""}
    write_text(path, json.dumps(record, ensure_ascii=False, separators=(",", ":")))
    return True


def _without_verdicts(path: Path, image_ids: Collection[str]) -> bool:
    try:
        stored = json.loads(gzip.decompress(path.read_bytes()))
        kept = {name: _without(value, image_ids) for name, value in stored.items()}
    except (OSError, ValueError, EOFError, KeyError, TypeError, AttributeError):
        return False
    if kept == stored:
        return False
    packed = gzip.compress(json.dumps(kept, sort_keys=True, separators=(",", ":")).encode(), mtime=0)
    write_atomically(path, packed)
    return True


def _without(value: object, image_ids: Collection[str]) -> object:
    """Return a list of rows without those about one of the pictures; anything else as it is."""
    if not isinstance(value, list):
        return value
    return [one for one in value if not (isinstance(one, dict) and one.get("image_id") in image_ids)]


def _describe_table(set_folder: Path) -> None:
    """Bring size and SHA-256 of ``metadata.csv`` in ``croissant.json`` up to date."""
    path, table = set_folder / "croissant.json", set_folder / TABLE
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        (described,) = (one for one in document["distribution"] if one["@id"] == TABLE)
    except (OSError, ValueError, KeyError, TypeError):
        return
    now = {"contentSize": f"{table.stat().st_size} B", "sha256": sha256_of(table)} if table.is_file() else {}
    if any(described.get(name) != value for name, value in now.items()):
        described |= now
        write_text(path, json.dumps(document, ensure_ascii=False, indent=1) + "\n")
