"""Look at a folder of labelled pictures: every file becomes a picture or a row of the quarantine."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from imgkit.dataset.fingerprint import Fingerprint, fingerprint
from imgkit.dataset.groups import near_groups
from imgkit.dataset.picture import LabelledPicture, Quarantined
from imgkit.errors import UsageError
from imgkit.progress import Progress
from imgkit.vision.imagefolder import (
    BESIDE,
    Accounts,
    AskedLayout,
    ImageFile,
    ImageFolder,
    Layout,
    Selection,
    read_folder,
    select,
    what_lies_in,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scan:
    """What a folder holds. ``labels`` are sorted; every file is in ``pictures``, in ``quarantine`` or ``beside``.

    ``beside`` counts tables, reports and the like; ``missing`` are rows of the table whose file is not there, ``links``
    links to folders, whose pictures are in the quarantine as one file; ``notes`` is what was found out about tables.
    """

    root: Path
    layout: Layout
    labels: tuple[str, ...]
    pictures: tuple[LabelledPicture, ...]
    quarantine: tuple[Quarantined, ...]
    beside: int = 0
    missing: tuple[str, ...] = ()
    links: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def accounts(self) -> Accounts:
        """Return where every file is."""
        reasons = [each.reason for each in self.quarantine]
        return Accounts.of(len(self.pictures), [*reasons, *[BESIDE] * self.beside], missing=len(self.missing))


def scan(
    data: Path,
    *,
    cache: Path,
    progress: Progress,
    fewest_labels: int = 2,
    layout: AskedLayout = "auto",
    wanted: Selection | None = None,
) -> Scan:
    """Find and look at every picture of ``data``: label folders, train/val/test folders, or a table.

    A ``metadata.csv`` in the folder adds label, split, group and page; where it is silent, folder names count.

    Args:
        data: the folder or the table.
        cache: folder for what was seen of each file.
        progress: told of each file.
        fewest_labels: with fewer it is refused.
        layout: as for ``read_folder``.
        wanted: the labels and the number of pictures that are looked at; None for all.

    Raises:
        UsageError: there is nothing to work on: no such folder, no picture, fewer labels than ``fewest_labels``, or a
            label whose files are all unreadable; or what ``read_folder`` refuses.
        ResourceError: a folder cannot be read.
    """
    read = select(read_folder(data, layout=layout), wanted or Selection())
    fingerprints = fingerprint([file.path for file in read.files], cache=cache, progress=progress)
    unusable = _unusable(read.files, fingerprints)
    left_out = {each.path for each in unusable}
    good = [(file, each) for file, each in zip(read.files, fingerprints, strict=True) if file.path not in left_out]
    groups = _group_names([file for file, _ in good], [each for _, each in good])
    pictures = tuple(
        LabelledPicture(
            path=file.path,
            label=file.label,
            sha256=each.sha256,
            width=each.width,
            height=each.height,
            group=group,
            split=file.split,
            page_url=file.page_url,
        )
        for (file, each), group in zip(good, groups, strict=True)
    )
    found = Scan(
        root=read.root,
        layout=read.layout,
        labels=read.labels,
        pictures=pictures,
        quarantine=(*unusable, *_not_used(read)),
        beside=sum(one.reason == BESIDE for one in read.left_out),
        missing=read.missing,
        links=read.links,
        notes=read.notes,
    )
    _refuse_unusable(data, found)
    if len(found.labels) < fewest_labels:
        raise UsageError(
            f"{data} holds one label only ({found.labels[0]}){_why(found)}; a classifier needs at least two"
            f"{what_lies_in(data)}. Nothing was changed. Give the folder that has one folder of pictures for each "
            "label, or the table that names files and labels."
        )
    return found


def reading_notes(found: Scan) -> list[str]:
    """Return in words what a person may not expect of how the folder was read."""
    notes = list(found.notes)
    if found.missing:
        notes.append(f"{len(found.missing)} rows of the table have no file, the first is {found.missing[0]}")
    if found.links:
        named = ", ".join(found.links[:5])
        notes.append(f"links to folders are not followed, their pictures are not used: {named}")
    return notes


def _not_used(read: ImageFolder) -> list[Quarantined]:
    return [
        Quarantined(path=one.path, label="", reason=one.reason, detail=one.detail)
        for one in read.left_out
        if one.reason != BESIDE
    ]


def _why(found: Scan) -> str:
    """Return the reasons why files are left out, in brackets, "" where none is."""
    line = found.accounts().line()
    return f" (left out: {line})" if line else ""


def _unusable(files: Sequence[ImageFile], fingerprints: Sequence[Fingerprint]) -> list[Quarantined]:
    """Return the files that are no pictures, and the pictures whose same bytes lie under several labels."""
    labels: dict[str, set[str]] = {}
    for file, each in zip(files, fingerprints, strict=True):
        labels.setdefault(each.sha256, set()).add(file.label)
    found = []
    for file, each in zip(files, fingerprints, strict=True):
        reason, detail = each.reason, each.detail
        if not reason and len(labels[each.sha256]) > 1:
            reason, detail = "bad.conflict", "under " + " and ".join(sorted(labels[each.sha256]))
        if reason:
            found.append(Quarantined(path=file.path, label=file.label, reason=reason, detail=detail))
    return found


def _group_names(files: Sequence[ImageFile], fingerprints: Sequence[Fingerprint]) -> list[str]:
    """Return the groups of the table where it knows all of them, else those of the perceptual hashes."""
    if files and all(file.group for file in files):
        return [file.group for file in files]
    computed = near_groups(fingerprints)
    given: dict[str, str] = {}
    for file, group in zip(files, computed, strict=True):
        if file.group:
            given.setdefault(group, file.group)
    return [file.group or given.get(group, group) for file, group in zip(files, computed, strict=True)]


def _refuse_unusable(data: Path, found: Scan) -> None:
    if not found.pictures:
        raise UsageError(
            f"no pictures in {data}{_why(found)}{what_lies_in(data)}. Nothing was changed. It needs one folder of "
            "pictures for each label, or a table that names files and labels."
        )
    counts = Counter(picture.label for picture in found.pictures)
    empty = [label for label in found.labels if not counts[label]]
    if empty:
        raise UsageError(
            f"no usable picture for {', '.join(empty[:5])} in {data}: the folder is empty, or all its files are "
            f"unreadable, left out or lie under another label too{_why(found)}. Nothing was changed. Add pictures, or "
            "remove the folder."
        )
