"""Out-of-distribution detection by the cosine similarity to the nearest label centre."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from imgkit.arrays import Float32Array, Float64Array, Int64Array
from imgkit.vision.features.probe import unit_rows

KEPT = 0.98  # share of pictures of the labels that are not called unknown


@dataclass(frozen=True, slots=True, kw_only=True)
class OutOfDistributionDetector:
    """The mean unit feature of each label, ``centres`` (K, D); below ``threshold`` (cosine) a picture is unknown."""

    centres: Float32Array
    threshold: float

    def similarity(self, features: Float32Array) -> Float64Array:
        """Return (N,) cosines of (N, D) features to the nearest centre, -1 to 1; low is unknown."""
        return np.asarray((unit_rows(features) @ unit_rows(self.centres).T).max(axis=1), dtype=np.float64)


def fit_detector(
    features: Float32Array,
    targets: Int64Array,
    groups: Int64Array,
    labels: int,
    *,
    held_out: Float32Array | None = None,
) -> OutOfDistributionDetector:
    """Return the centres of the labels and the threshold that 98 % of pictures of the labels reach.

    The cosine detects other subjects better than low confidence does: on 200 photographs of other things against
    10 monkey species the area under the curve is 0.995 against 0.972 (docs/experiments.md).

    Args:
        features: (N, D) of pictures whose labels are ``targets``.
        targets: (N,) label numbers.
        groups: (N,) numbers that are equal for copies.
        labels: K.
        held_out: (M, D) of pictures that the network was not trained on, for the threshold; None: each picture is
            compared with centres made without it and its copies, which is right for a frozen network.
    """
    unit = unit_rows(features)
    sums = np.stack([unit[targets == label].sum(axis=0) for label in range(labels)])
    detector = OutOfDistributionDetector(centres=unit_rows(sums).astype(np.float32), threshold=-1.0)
    reached = detector.similarity(held_out) if held_out is not None else _left_out(unit, targets, groups, sums)
    return OutOfDistributionDetector(centres=detector.centres, threshold=float(np.quantile(reached, 1 - KEPT)))


def _left_out(unit: Float32Array, targets: Int64Array, groups: Int64Array, sums: NDArray[np.float32]) -> Float64Array:
    reached = np.empty(len(unit))
    for group in np.unique(groups):
        members = groups == group
        rest = sums.copy()
        np.subtract.at(rest, targets[members], unit[members])
        reached[members] = (unit[members] @ unit_rows(rest).T).max(axis=1)
    return reached
