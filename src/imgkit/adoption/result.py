"""What became of every file of a person's folder: as a list, or as a new folder of the pictures that are in the set."""

import csv
import io
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from imgkit.adoption.source import Source, readable_path
from imgkit.errors import UsageError
from imgkit.escaping import spreadsheet_safe
from imgkit.files import clone_or_copy, resource_error, shown, write_atomically
from imgkit.harvest.providers.folder import address_of
from imgkit.manifest import Manifest
from imgkit.manifest.folder import PROBABILITIES
from imgkit.manifest.labels import slug
from imgkit.manifest.nouns import Candidate
from imgkit.reasons import explain

COLUMNS: Final = ("path", "label", "in_set", "probability", "reason")
CHANGED: Final = "the file was changed or removed while it was read; run the command again"


@dataclass(frozen=True, slots=True, kw_only=True)
class FileRow:
    """One file of the folder: ``path`` relative to it, with ``/``; ``label`` as its folder or its row says, or as a
    person relabelled it, "" where it has none.

    ``in_set`` is 1 for a file that is in the set. ``probability`` that a person would throw it out, between 0 and 1,
    None for a file that is no picture of the set's labels. ``reason`` is in words, "" where there is none.
    """

    path: str
    label: str
    in_set: int
    probability: float | None
    reason: str


def file_rows(source: Source) -> tuple[FileRow, ...]:
    """Return a row for every file that was seen, sorted by path, as the last curate of the data folder left it.

    Raises:
        UsageError: the data folder was not curated yet.
    """
    judged = _judged(source.data)
    names = {slug(label): label for label in source.read.labels}
    with Manifest.open_to_read(source.data) as manifest:
        outcomes = manifest.outcomes()
        candidates = {(one.label, one.proposal.url): one for one in manifest.candidates()}
    rows = [
        FileRow(path=one.name, label="", in_set=0, probability=None, reason=explain(one.reason))
        for one in source.read.left_out
    ]
    for file in source.read.files:
        label = slug(file.label)
        candidate = candidates.get((label, address_of(readable_path(file.path, source.data))))
        key = (label, (candidate.image_id if candidate else "") or "")
        probability, reason = judged.get(key, (None, ""))
        placed = outcomes[key].placed if key in outcomes else ""
        is_file_of_set = candidate is not None and candidate.state == "kept"
        rows.append(
            FileRow(
                path=file.path.relative_to(source.read.root).as_posix(),
                label=names.get(placed, placed) or file.label,
                in_set=int(is_file_of_set and bool(placed)),
                probability=probability,
                reason=reason if is_file_of_set else _why_not(candidate),
            )
        )
    return tuple(sorted(rows, key=lambda row: row.path))


def write_list(rows: Sequence[FileRow], target: Path) -> None:
    """Write the rows as CSV; bytes of a name that are not UTF-8 stand as ``\\udcXX``.

    Raises:
        ResourceError: it cannot be written.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for row in rows:
        probability = "" if row.probability is None else row.probability
        writer.writerow(spreadsheet_safe([shown(row.path), row.label, row.in_set, probability, row.reason]))
    write_atomically(target, text.getvalue().encode())


def write_folder(source: Source, rows: Sequence[FileRow], target: Path) -> int:
    """Copy the files that are in the set into the new folder ``target`` and return how many they are.

    A file keeps its path below the folder; one that a person relabelled goes to the folder of its new label, in its
    split. Pictures keep their bytes. ``target`` appears when it is whole.

    Raises:
        UsageError: ``target`` is there already, or lies among the pictures or in the data folder.
        ResourceError: a file cannot be read, or the folder cannot be written.
    """
    refuse_target(source.read.root, source.data, target)
    given = {file.path.relative_to(source.read.root).as_posix(): file for file in source.read.files}
    building = target.absolute().with_name(f".{target.absolute().name}.part")
    shutil.rmtree(building, ignore_errors=True)
    taken: set[str] = set()
    kept = [row for row in rows if row.in_set]
    for row in sorted(kept, key=lambda row: row.label != given[row.path].label):  # those that stay keep their names
        file = given[row.path]
        place = Path(row.path)
        if row.label != file.label:
            place = Path(file.split, row.label, place.name) if file.split else Path(row.label, place.name)
        number = 2
        while str(place).casefold() in taken:
            place = place.with_name(f"{Path(row.path).stem}-{number}{place.suffix}")
            number += 1
        taken.add(str(place).casefold())
        clone_or_copy(file.path, building / place)
    try:
        building.mkdir(parents=True, exist_ok=True)
        building.rename(target.absolute())
    except OSError as error:
        raise resource_error(error, target) from error
    return len(kept)


def refuse_target(pictures: Path, data: Path, target: Path) -> None:
    """Refuse a new folder that is there already or would lie among the pictures or in the data folder.

    Raises:
        UsageError: it is so.
    """
    if target.exists():
        raise UsageError(f"{target} is there already. Nothing was written to it. Give --to the name of a new folder.")
    place = target.resolve()
    for other in (pictures.resolve(), data.resolve()):
        if other in place.parents:
            raise UsageError(f"{target} would lie in {other}. Nothing was written. Give --to a folder outside of it.")


def _judged(data: Path) -> dict[tuple[str, str], tuple[float, str]]:
    """Return {(label, id): (probability, reason)} of the last curate."""
    table = data / "curated" / PROBABILITIES
    if not table.exists():
        raise UsageError(
            f"{data} holds no curated set yet. Nothing was written. Curate without --dry-run, or finish the review."
        )
    with table.open(newline="", encoding="utf-8") as file:
        return {(row["label"], row["id"]): (float(row["probability"]), row["reason"]) for row in csv.DictReader(file)}


def _why_not(candidate: Candidate | None) -> str:
    if candidate is None:
        return CHANGED
    return explain(candidate.reason) if candidate.reason else candidate.state
