"""The learning curve of the probe: out-of-fold accuracy with 25, 50, 75 and 100 % of the pictures."""

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from imgkit.arrays import Float32Array
from imgkit.dataset.picture import LabelledPicture
from imgkit.models.intervals import Z95, Interval
from imgkit.models.metrics import share
from imgkit.train.probe.linear_probe import OutOfFold, held_out_logits
from imgkit.vision.features.folds import grouped_folds

SHARES = (0.25, 0.5, 0.75)
MOST_PICTURES = 20_000  # beyond, the fits take minutes and the curve is flat anyway
GAIN_WORTH_TELLING = 0.005


@dataclass(frozen=True, slots=True, kw_only=True)
class LearningPoint:
    """The accuracy (out-of-fold) of a probe that learned from ``pictures`` pictures, ``share`` of all there are."""

    share: float
    pictures: int
    accuracy: Interval


@dataclass(frozen=True, slots=True, kw_only=True)
class Learning:
    """A learning curve, and what the second half of the pictures brought.

    ``gain`` is the rise of the accuracy from half of the pictures to all of them, with its interval (paired: the same
    pictures are judged). ``wanting`` names the labels whose recall rose most, the first one most.
    """

    points: tuple[LearningPoint, ...]
    gain: Interval
    wanting: tuple[str, ...]

    @property
    def rising(self) -> bool:
        """Whether more pictures will most likely help."""
        return self.gain.low > 0 and self.gain.value > GAIN_WORTH_TELLING


def learning_curve(
    features: Float32Array,
    pictures: Sequence[LabelledPicture],
    labels: Sequence[str],
    judged: OutOfFold,
    *,
    strength: float,
    folds: int,
    seed: int,
) -> Learning | None:
    """Return the learning curve of the probe, None for sets that are too large for it.

    Args:
        features: (N, D).
        pictures: N pictures.
        labels: K labels in the order of the outputs.
        judged: the same pictures, judged out-of-fold by probes that learned from all the others; those that no fold
            can name are left out.
        strength: inverse regularisation.
        folds: as for ``judged``.
        seed: as for ``judged``.
    """
    predictions, rows = judged.nameable_predictions, judged.nameable
    if len(pictures) > MOST_PICTURES or predictions is None:
        return None
    numbers = grouped_folds(
        [picture.label for picture in pictures], [picture.group for picture in pictures], k=folds, seed=seed
    )
    points, right = [], {1.0: predictions.right}
    for part in SHARES:
        used = _part(pictures, part, seed=seed)
        found = held_out_logits(features, pictures, labels, numbers, strength=strength, used=used)
        right[part] = np.asarray(found.argmax(axis=1)[rows] == predictions.targets)
        count = round(int(used.sum()) * (1 - 1 / folds))
        points.append(LearningPoint(share=part, pictures=count, accuracy=share(right[part], predictions.groups)))
    whole = round(len(pictures) * (1 - 1 / folds))
    points.append(LearningPoint(share=1.0, pictures=whole, accuracy=share(predictions.right, predictions.groups)))
    gains = right[1.0].astype(np.float64) - right[0.5]
    return Learning(
        points=tuple(points),
        gain=_mean_of_groups(gains, predictions.groups),
        wanting=tuple(_wanting(gains, predictions.targets, labels)),
    )


def _part(pictures: Sequence[LabelledPicture], part: float, *, seed: int) -> NDArray[np.bool_]:
    """Choose that part of each label's groups by a hash, the smaller parts inside the larger ones; one at least."""
    chosen: set[str] = set()
    for label in {picture.label for picture in pictures}:
        groups = {picture.group for picture in pictures if picture.label == label}
        order = sorted(
            groups,
            key=lambda group: hashlib.sha256(f"learning {seed} {group}".encode("utf-8", "surrogateescape")).digest(),
        )
        chosen |= set(order[: max(1, math.ceil(part * len(order)))])
    return np.array([picture.group in chosen for picture in pictures])


def _mean_of_groups(values: NDArray[np.float64], groups: NDArray[np.int64]) -> Interval:
    """Return the mean with a normal interval whose spread is that of the sums of groups."""
    centred = np.bincount(groups, weights=values - values.mean())
    spread = Z95 * float(np.sqrt((centred**2).sum())) / len(values)
    mean = float(values.mean())
    return Interval(value=mean, low=mean - spread, high=mean + spread)


def _wanting(gains: NDArray[np.float64], targets: NDArray[np.int64], labels: Sequence[str]) -> list[str]:
    rise = {label: float(gains[targets == number].sum()) for number, label in enumerate(labels)}
    return sorted((label for label in labels if rise[label] > 0), key=lambda label: -rise[label])[:3]
