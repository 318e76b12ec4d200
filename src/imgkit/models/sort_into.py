"""Copy pictures into folders by what a model says they show. Nothing is moved and nothing is overwritten."""

import filecmp
import shutil
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from imgkit.errors import UsageError
from imgkit.files import resource_error, temporary_beside
from imgkit.manifest.labels import slug
from imgkit.models.predict import Prediction

UNKNOWN, UNSURE = "_unknown", "_unsure"  # no label's folder starts with "_"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sorted:
    """What ``sort_into`` did. ``counts`` is by folder, in the order of the alphabet, copies and those there before.

    ``copied`` are new, ``already`` were there with the same bytes, ``left_out`` are no pictures.
    """

    folder: Path
    counts: dict[str, int]
    copied: int
    already: int
    left_out: int

    def as_json(self) -> dict[str, object]:
        """Return the counts as JSON-ready values."""
        return {
            "folder": str(self.folder),
            "counts": self.counts,
            "copied": self.copied,
            "already": self.already,
            "left_out": self.left_out,
        }


def sort_into(predictions: Sequence[Prediction], folder: Path, *, sure: float) -> Sorted:
    """Copy each picture into ``folder/<label>``, or into a folder for unknown or uncertain pictures.

    A picture that looks like no label goes into ``_unknown``, one whose best label has a probability below ``sure``
    into ``_unsure/<label>``. A name that is taken by another picture gets a number.

    Raises:
        UsageError: two labels would share a folder; nothing was copied.
        ResourceError: the disk is full or not writable; what was copied so far is whole.
    """
    names = _folder_names(predictions)
    counts: Counter[str] = Counter()
    copied = already = 0
    for each in predictions:
        if each.reason:
            continue
        place = _place(each, names, sure=sure)
        if _copy(each.path, folder / place):
            copied += 1
        else:
            already += 1
        counts[place.as_posix()] += 1
    left_out = sum(bool(each.reason) for each in predictions)
    ordered = dict(sorted(counts.items()))
    return Sorted(folder=folder, counts=ordered, copied=copied, already=already, left_out=left_out)


def _folder_names(predictions: Sequence[Prediction]) -> dict[str, str]:
    names: dict[str, str] = {}
    for label in sorted({each.guesses[0].label for each in predictions if each.guesses}):
        name = slug(label) or "unnamed"
        twin = next((other for other, taken in names.items() if taken.lower() == name.lower()), None)
        if twin is not None:
            raise UsageError(
                f"the labels {twin!r} and {label!r} would share the folder {name}. Nothing was copied. Use --output "
                "and sort by that table."
            )
        names[label] = name
    return names


def _place(prediction: Prediction, names: dict[str, str], *, sure: float) -> Path:
    if prediction.unknown:
        return Path(UNKNOWN)
    best = prediction.guesses[0]
    return Path(names[best.label]) if best.probability >= sure else Path(UNSURE) / names[best.label]


def _copy(source: Path, folder: Path) -> bool:
    """Copy ``source`` into ``folder`` under its name or the next free one; False where the same bytes are there."""
    temporary = temporary_beside(folder / source.name)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for number in count(1):
            target = folder / (source.name if number == 1 else f"{source.stem}-{number}{source.suffix}")
            if target.exists():
                if filecmp.cmp(source, target, shallow=False):
                    return False
                continue
            shutil.copyfile(source, temporary)
            temporary.rename(target)
            return True
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise resource_error(error, folder / source.name) from error
    raise AssertionError("there is always a next number")
