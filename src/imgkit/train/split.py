"""Divide pictures into train, val and test so that near-duplicates never part and nobody moves when pictures join.

A hash of the group decides: groups whose hash falls into the first 15 % are test, into the next 15 % val. So the split
of a picture depends on its own group and the seed and on no other picture, unless its label is so small that a split
would have none of it.
"""

import csv
import hashlib
import io
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from imgkit.errors import UsageError
from imgkit.train.picture import SPLITS, AnySplit, Picture, Split
from imgkit.train.table import read_table

COLUMNS = ("file_name", "label", "split", "group")


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitSet:
    """Pictures with their splits, each picture in exactly one.

    ``crossing`` are the groups of near-duplicates that a given split tears apart (a split made here never does);
    ``notes`` say in words what was given and what was decided here.
    """

    pictures: tuple[Picture, ...]
    crossing: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def of(self, *splits: Split) -> list[Picture]:
        """Return the pictures of ``splits``, in the order of the scan."""
        return [picture for picture in self.pictures if picture.split in splits]

    def as_csv(self, root: Path) -> str:
        """Return the table that a later run takes as its split file; names are relative to ``root``."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(COLUMNS)
        for picture in self.pictures:
            writer.writerow((picture.name_in(root), picture.label, picture.split, picture.group))
        return text.getvalue()


def divide(pictures: Sequence[Picture], *, validation_share: float, test_share: float, seed: int) -> SplitSet:
    """Give each picture a split, keeping what is given.

    A folder that holds back one set only keeps it as the test set, whatever its name, so that its numbers compare with
    other people's; the validation set is then taken from the training pictures.

    Args:
        pictures: each with a group; ``split`` is empty where nothing is given.
        validation_share: share of the groups for choosing and calibrating, 0 to 1.
        test_share: share of the groups for the final numbers, 0 to 1.
        seed: another seed, another split.

    Raises:
        UsageError: a label has no picture left to train on.
    """
    given, notes = _given_splits(pictures)
    shares: dict[Split, float] = {"test": test_share, "val": validation_share}
    carved: list[Split] = [split for split in ("test", "val") if split not in given]
    fixed: set[Split] = {"val", "test"} if carved else {"train", "val", "test"}
    homes = _homes(pictures, given, fixed)
    placed = []
    for picture, split in zip(pictures, given, strict=True):
        if split and split in fixed:
            placed.append(replace(picture, split=split))
            continue
        decided = hash_split(picture.group, {name: shares[name] for name in carved} or shares, seed=seed)
        if picture.group in homes:
            decided = homes[picture.group] if not split else "train"
        placed.append(replace(picture, split=decided))
    placed = _give_each_label(placed, carved, seed=seed)
    _refuse_untrainable(placed)
    return SplitSet(pictures=tuple(placed), crossing=tuple(crossing_groups(placed)), notes=tuple(notes))


def hash_split(group: str, shares: Mapping[Split, float], *, seed: int) -> Split:
    """Return the split of a group: a number from its hash, compared with the shares that are held back."""
    number, reached = _number(group, seed), 0.0
    for split, share in shares.items():
        reached += share
        if number < reached:
            return split
    return "train"


def crossing_groups(pictures: Sequence[Picture]) -> list[str]:
    """Return the groups with pictures in more than one split, sorted."""
    splits: dict[str, set[str]] = defaultdict(set)
    for picture in pictures:
        splits[picture.group].add(picture.split)
    return sorted(group for group, found in splits.items() if len(found) > 1)


def data_digest(pictures: Sequence[Picture], root: Path) -> str:
    """Return a SHA-256 that changes when a picture, its label or its split does."""
    lines = sorted(f"{each.name_in(root)}\t{each.sha256}\t{each.label}\t{each.split}\n" for each in pictures)
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def read_split_file(path: Path) -> dict[str, Split]:
    """Return what a split file says: names of pictures, each with its split.

    A row counts for its path as written and for ``label/file``, so that a table made elsewhere fits a folder here.

    Raises:
        UsageError: the file is no table with a file column, or names no split.
    """
    known: dict[str, Split] = {}
    for row in read_table(path):
        if row.split:
            known[row.file] = row.split
            if row.label:
                known[f"{row.label}/{row.file.rsplit('/', 1)[-1]}"] = row.split
    if not known:
        raise UsageError(
            f"the split file {path} names no split. Nothing was changed. It needs the columns file_name and split "
            "(train, val or test), and label where file names repeat."
        )
    return known


def apply_split_file(pictures: Sequence[Picture], known: Mapping[str, Split], root: Path) -> list[Picture]:
    """Return the pictures with the splits of a split file; a picture that it does not name stays undecided."""
    found = []
    for picture in pictures:
        split = known.get(picture.name_in(root)) or known.get(f"{picture.label}/{picture.path.name}") or ""
        found.append(replace(picture, split=split))
    if not any(picture.split for picture in found):
        raise UsageError(
            f"the split file names none of the pictures in {root}. Nothing was changed. "
            "Its column file_name must hold paths relative to that folder, or label and file name."
        )
    return found


def _given_splits(pictures: Sequence[Picture]) -> tuple[list[AnySplit], list[str]]:
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


def _homes(pictures: Sequence[Picture], given: Sequence[AnySplit], fixed: set[Split]) -> dict[str, Split]:
    """Return where groups with a fixed member live; a group that is torn apart counts as train."""
    homes: dict[str, Split] = {}
    for picture, split in zip(pictures, given, strict=True):
        for name in SPLITS:
            if split == name and split in fixed:
                homes[picture.group] = name if homes.get(picture.group, name) == name else "train"
    return homes


def _give_each_label(pictures: Sequence[Picture], carved: Sequence[Split], *, seed: int) -> list[Picture]:
    """Move whole groups so that a label of three groups or more is in each split that was made here."""
    placed = list(pictures)
    for label in sorted({picture.label for picture in placed}):
        for wanted in carved:
            mine = [picture for picture in placed if picture.label == label]
            if any(picture.split == wanted for picture in mine):
                continue
            groups = Counter(picture.group for picture in mine if picture.split == "train")
            if len(groups) < 2:
                continue
            chosen = min(groups, key=lambda group: _number(group, seed))
            placed = [
                replace(picture, split=wanted) if picture.group == chosen and picture.split == "train" else picture
                for picture in placed
            ]
    return placed


def _refuse_untrainable(pictures: Sequence[Picture]) -> None:
    trained = {picture.label for picture in pictures if picture.split == "train"}
    missing = sorted({picture.label for picture in pictures} - trained)
    if missing:
        named = ", ".join(missing[:5])
        raise UsageError(
            f"no training picture is left for {named}: each label needs at least two pictures that are not copies of "
            "one another. Nothing was changed. Add pictures, or remove the label's folder."
        )


def _number(group: str, seed: int) -> float:
    digest = hashlib.sha256(f"imgkit split {seed} {group}".encode()).digest()
    return int.from_bytes(digest[:8]) / 2**64
