"""Read a folder of labelled pictures, whatever its layout: every file becomes a picture or a row of the quarantine."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from imgkit.errors import UsageError
from imgkit.progress import Progress
from imgkit.train.fingerprint import Fingerprint, fingerprint
from imgkit.train.groups import near_groups
from imgkit.train.picture import AnySplit, Picture, Quarantined, Split
from imgkit.train.table import SPLIT_NAMES, Row, read_table

Layout = Literal["label folders", "split folders", "CSV"]
METADATA = "metadata.csv"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scan:
    """What a folder holds. ``labels`` are sorted; every file is in ``pictures`` or in ``quarantine``.

    ``missing`` are rows of the table whose file is not there.
    """

    root: Path
    layout: Layout
    labels: tuple[str, ...]
    pictures: tuple[Picture, ...]
    quarantine: tuple[Quarantined, ...]
    missing: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class _File:
    path: Path
    label: str
    split: AnySplit = ""
    group: str = ""
    page_url: str = ""


def scan(data: Path, *, cache: Path, progress: Progress, fewest_labels: int = 2) -> Scan:
    """Find and look at every picture of ``data``: label folders, train/val/test folders, or a CSV.

    A ``metadata.csv`` in the folder adds label, split, group and page; where it is silent, folder names count.

    Raises:
        UsageError: there is nothing to work on: no such folder, no picture, fewer labels than ``fewest_labels``, or a
            label whose files are all unreadable.
    """
    root, layout, files, missing = _find(data.absolute())
    prints = fingerprint([file.path for file in files], cache=cache, progress=progress)
    quarantine = _unusable(files, prints)
    left_out = {each.path for each in quarantine}
    good = [(file, each) for file, each in zip(files, prints, strict=True) if file.path not in left_out]
    groups = _group_names([file for file, _ in good], [each for _, each in good])
    pictures = tuple(
        Picture(
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
    labels = tuple(sorted({file.label for file in files} | _empty_folders(root, layout)))
    _refuse_unusable(data, labels, pictures, quarantine)
    if len(labels) < fewest_labels:
        raise UsageError(
            f"{data} holds one label only ({labels[0]}); a classifier needs at least two. Nothing was changed. "
            "Give the folder above, with one folder of pictures for each label."
        )
    return Scan(
        root=root,
        layout=layout,
        labels=labels,
        pictures=pictures,
        quarantine=tuple(quarantine),
        missing=tuple(missing),
    )


def _find(data: Path) -> tuple[Path, Layout, list[_File], list[str]]:
    if not data.exists():
        raise UsageError(
            f"{data} does not exist. Nothing was changed. Give a folder with one folder of pictures for each label, "
            "or run first: imgkit curate"
        )
    if data.is_file():
        files, missing = _from_table(read_table(data), data.parent)
        return data.parent, "CSV", files, missing
    split_folders = _split_folders(data)
    if split_folders:
        files = [file for folder, split in split_folders.items() for file in _label_folders(folder, split=split)]
        return data, "split folders", files, []
    files = _label_folders(data)
    if (data / METADATA).is_file():
        return data, *_with_metadata(files, data)
    return data, "label folders", files, []


def _split_folders(root: Path) -> dict[Path, Split]:
    """Return the folders named after splits, if there is one for training and one more, and no other folder."""
    folders = {folder: SPLIT_NAMES.get(folder.name.lower()) for folder in _visible(root) if folder.is_dir()}
    splits = {folder: split for folder, split in folders.items() if split}
    return splits if len(splits) == len(folders) > 1 and "train" in splits.values() else {}


def _label_folders(root: Path, *, split: AnySplit = "") -> list[_File]:
    return [
        _File(path=path, label=folder.name, split=split)
        for folder in _visible(root)
        if folder.is_dir()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    ]


def _empty_folders(root: Path, layout: Layout) -> set[str]:
    """Return the labels whose folder holds no file at all: forgotten, or emptied by hand."""
    if layout != "label folders":
        return set()
    return {folder.name for folder in _visible(root) if folder.is_dir() and not any(folder.rglob("*"))}


def _visible(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if not path.name.startswith("."))


def _with_metadata(files: Sequence[_File], root: Path) -> tuple[Layout, list[_File], list[str]]:
    """Join what lies in the folders with the rows of metadata.csv, by path."""
    listed, missing = _from_table(read_table(root / METADATA), root)
    known = {file.path: file for file in listed}
    joined = [known.pop(file.path, file) for file in files]
    return ("label folders" if files else "CSV"), [*joined, *known.values()], missing


def _from_table(rows: Sequence[Row], root: Path) -> tuple[list[_File], list[str]]:
    files, missing = [], []
    for row in rows:
        path = next((path for path in (root / row.file, root / row.label / row.file) if path.is_file()), None)
        if path is None:
            missing.append(row.file)
        elif row.label:
            files.append(_File(path=path, label=row.label, split=row.split, group=row.group, page_url=row.page_url))
    return files, missing


def _unusable(files: Sequence[_File], prints: Sequence[Fingerprint]) -> list[Quarantined]:
    """Return the files that are no pictures, and the pictures whose same bytes lie under several labels."""
    labels: dict[str, set[str]] = {}
    for file, each in zip(files, prints, strict=True):
        labels.setdefault(each.sha256, set()).add(file.label)
    found = []
    for file, each in zip(files, prints, strict=True):
        reason, detail = each.reason, each.detail
        if not reason and len(labels[each.sha256]) > 1:
            reason, detail = "bad.conflict", "under " + " and ".join(sorted(labels[each.sha256]))
        if reason:
            found.append(Quarantined(path=file.path, label=file.label, reason=reason, detail=detail))
    return found


def _group_names(files: Sequence[_File], prints: Sequence[Fingerprint]) -> list[str]:
    """Return the groups of the table where it knows all of them, else those of the perceptual hashes."""
    if files and all(file.group for file in files):
        return [file.group for file in files]
    computed = near_groups(prints)
    given: dict[str, str] = {}
    for file, group in zip(files, computed, strict=True):
        if file.group:
            given.setdefault(group, file.group)
    return [file.group or given.get(group, group) for file, group in zip(files, computed, strict=True)]


def _refuse_unusable(
    data: Path, labels: Sequence[str], pictures: Sequence[Picture], quarantine: Sequence[Quarantined]
) -> None:
    if not pictures:
        tried = f" ({len(quarantine)} files, none of them a readable picture)" if quarantine else ""
        raise UsageError(
            f"no pictures in {data}{tried}. Nothing was changed. It needs one folder of pictures for each label."
        )
    counts = Counter(picture.label for picture in pictures)
    empty = [label for label in labels if not counts[label]]
    if empty:
        raise UsageError(
            f"no usable picture for {', '.join(empty[:5])} in {data}: the folder is empty, or all its files are "
            "unreadable or lie under another label too. Nothing was changed. Add pictures, or remove the folder."
        )
