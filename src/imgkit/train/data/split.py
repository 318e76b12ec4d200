"""Give each picture its split: the given one where there is one, else one that keeps near-duplicates together."""

import csv
import hashlib
import io
import os
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from imgkit import splits
from imgkit.dataset.picture import SPLITS, AnySplit, GivenSplit, LabelledPicture
from imgkit.errors import UsageError
from imgkit.escaping import spreadsheet_safe
from imgkit.files import shown
from imgkit.vision.imagetable import read_table

COLUMNS = ("file_name", "label", "split", "group")
OURS: dict[splits.Split, GivenSplit] = {"train": "train", "validation": "val", "test": "test"}
THEIRS: dict[GivenSplit, splits.Split] = {ours: theirs for theirs, ours in OURS.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitSet:
    """Pictures with their splits, each picture in exactly one.

    ``crossing`` are the groups of near-duplicates that a given split tears apart (a split made here never does);
    ``notes`` say in words what was given and what was decided here.
    """

    pictures: tuple[LabelledPicture, ...]
    crossing: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def of(self, *splits: GivenSplit) -> list[LabelledPicture]:
        """Return the pictures of ``splits``, in the order of the scan."""
        return [picture for picture in self.pictures if picture.split in splits]

    def as_csv(self, root: Path) -> str:
        """Return the table that a later run takes as its split file; names are relative to ``root``."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(COLUMNS)
        for picture in self.pictures:
            writer.writerow(spreadsheet_safe((picture.name_in(root), picture.label, picture.split, picture.group)))
        return text.getvalue()


def divide(
    pictures: Sequence[LabelledPicture],
    *,
    validation_share: float,
    test_share: float,
    seed: int,
    learned: frozenset[str] = frozenset(),
) -> SplitSet:
    """Give each picture a split, keeping what is given.

    A folder that holds back one set only keeps it as the test set, whatever its name, so that its numbers compare with
    other people's; the validation set is then taken from the training pictures. A picture without a given split joins
    the split of its near-duplicates; where the given split tears them apart, it is for training.

    Args:
        pictures: each with a group; ``split`` is empty where nothing is given.
        validation_share: share of the groups of each label for choosing and calibrating, 0 to 1.
        test_share: share of the groups of each label for the final numbers, 0 to 1.
        seed: another seed, another split.
        learned: the SHA-256 of pictures that the network has learned from already: they and their near-duplicates are
            for training, also where the given split holds them back.

    Raises:
        UsageError: the given split leaves a label no picture to train on.
    """
    given, notes = _given_splits(pictures)
    shares: dict[splits.Split, float] = {"test": test_share, "validation": validation_share}
    carved = {name: share for name, share in shares.items() if OURS[name] not in given}
    kept: set[GivenSplit] = {"val", "test"} if carved else {"train", "val", "test"}
    known = {picture.group for picture in pictures if picture.sha256 in learned}
    homes = _homes(pictures, given, kept) | dict.fromkeys(known, "train")
    taken = sum(split in ("val", "test") and each.group in known for each, split in zip(pictures, given, strict=True))
    if taken:
        notes.append(f"{taken} pictures that the given split holds back are for training: the network has seen them")
    members = [splits.Member(picture.label, picture.group) for picture in pictures]
    fixed = {group: THEIRS[split] for group, split in homes.items()}
    found = splits.divide(members, shares=carved or shares, seed=seed, fixed=fixed)
    placed = []
    for picture, split, decided in zip(pictures, given, found, strict=True):
        if picture.group in known:
            placed.append(replace(picture, split="train"))
        elif split and (split in kept or picture.group in homes):  # a copy of what is held back stays where it is given
            placed.append(replace(picture, split=split))
        else:
            placed.append(replace(picture, split=OURS[decided]))
    _refuse_untrainable(placed)
    return SplitSet(pictures=tuple(placed), crossing=tuple(crossing_groups(placed)), notes=tuple(notes))


def crossing_groups(pictures: Sequence[LabelledPicture]) -> list[str]:
    """Return the groups with pictures in more than one split, sorted."""
    splits: dict[str, set[str]] = defaultdict(set)
    for picture in pictures:
        splits[picture.group].add(picture.split)
    return sorted(group for group, found in splits.items() if len(found) > 1)


def data_digest(pictures: Sequence[LabelledPicture], root: Path) -> str:
    """Return a SHA-256 that changes when a picture, its label or its split does."""
    lines = sorted(f"{each.name_in(root)}\t{each.sha256}\t{each.label}\t{each.split}\n" for each in pictures)
    return hashlib.sha256(os.fsencode("".join(lines))).hexdigest()


def read_split_file(path: Path) -> dict[str, GivenSplit]:
    """Return what a split file says: names of pictures, each with its split.

    A row counts for its path as written and for ``label/file``, so that a table made elsewhere fits a folder here.

    Raises:
        UsageError: the file is no table with a file column, or names no split.
    """
    known: dict[str, GivenSplit] = {}
    for row in read_table(path).rows:
        if not row.split:
            continue
        for name in row.names():
            known[name] = row.split
            if row.label:
                known[f"{row.label}/{name.rsplit('/', 1)[-1]}"] = row.split
    if not known:
        raise UsageError(
            f"the split file {path} names no split. Nothing was changed. It needs the columns file_name and split "
            "(train, val or test), and label where file names repeat."
        )
    return known


def apply_split_file(
    pictures: Sequence[LabelledPicture], known: Mapping[str, GivenSplit], root: Path
) -> list[LabelledPicture]:
    """Return the pictures with the splits of a split file; a picture that it does not name stays undecided."""
    found = []
    for picture in pictures:
        names = (picture.name_in(root), f"{picture.label}/{picture.path.name}")
        split: AnySplit = next((known[name] for name in (*names, *map(shown, names)) if name in known), "")
        found.append(replace(picture, split=split))
    if not any(picture.split for picture in found):
        raise UsageError(
            f"the split file names none of the pictures in {root}. Nothing was changed. "
            "Its column file_name must hold paths relative to that folder, or label and file name."
        )
    return found


def _given_splits(pictures: Sequence[LabelledPicture]) -> tuple[list[AnySplit], list[str]]:
    given: list[AnySplit] = [picture.split for picture in pictures]
    found = set(given) - {""}
    if not found:
        return given, []
    if "val" in found and "test" not in found:
        note = "the given validation pictures are the test set; a validation set is taken from the training pictures"
        return ["test" if split == "val" else split for split in given], [note]
    if "test" in found and "val" not in found:
        return given, ["no validation pictures are given: a validation set is taken from the training pictures"]
    if found == {"train"}:
        return given, ["nothing is held back in the given split: validation and test sets are taken from it"]
    return given, []


def _homes(
    pictures: Sequence[LabelledPicture], given: Sequence[AnySplit], fixed: set[GivenSplit]
) -> dict[str, GivenSplit]:
    """Return where groups with a fixed member live; a group that is torn apart counts as train."""
    homes: dict[str, GivenSplit] = {}
    for picture, split in zip(pictures, given, strict=True):
        for name in SPLITS:
            if split == name and split in fixed:
                homes[picture.group] = name if homes.get(picture.group, name) == name else "train"
    return homes


def _refuse_untrainable(pictures: Sequence[LabelledPicture]) -> None:
    trained = {picture.label for picture in pictures if picture.split == "train"}
    missing = sorted({picture.label for picture in pictures} - trained)
    if missing:
        named = ", ".join(missing[:5])
        raise UsageError(
            f"no training picture is left for {named}: the given split holds all of them, or copies of them, back. "
            "Nothing was changed. Give the label a training picture, or leave its pictures out of the split."
        )
