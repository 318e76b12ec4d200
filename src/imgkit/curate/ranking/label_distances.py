"""How far pictures are from every label, in deviations of the label's own pictures."""

from typing import Final

import numpy as np
import numpy.typing as npt

from imgkit.arrays import Float32Array, Int64Array
from imgkit.vision.features.probe import unit_rows

LEFT_OUT_FROM: Final = 2.2  # deviations from which a picture does not count as an example of its label in the next pass
PASSES: Final = 2
SMALLEST_DEVIATION: Final = 0.02  # of cosine distance; a label of nearly equal pictures is not made of outsiders
WIDEST: Final = 1.25  # times the middle of the labels' deviations; a label that varies more would hide every outsider
FEW: Final = 8  # pictures of a label at which its spread counts double, as so few know little of it
COMPARED_FROM: Final = 3  # labels; of two nobody knows which varies unusually much
_ROWS: Final = 1024


def distances_from_every_label(
    features: Float32Array,
    labels: npt.NDArray[np.str_],
    groups: Int64Array,
    *,
    neighbours: int,
    counted: npt.NDArray[np.bool_] | None = None,
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.str_]]:
    """Return how far each picture is from the label it is nearest to, and that label.

    The distance from a label is the mean cosine distance to the label's ``neighbours`` nearest pictures outside the own
    group. It is given in deviations from the median of the pictures that are nearest to that label, wrongly labelled
    ones included; the deviation is that of the lower half (median minus 10th percentile), which off-topic pictures
    cannot stretch, and at most a quarter larger than in the middle of the labels. The second pass leaves out what the
    first found far away.

    Args:
        features: (N, D).
        labels: (N,) names.
        groups: (N,) numbers; pictures with one number are copies or kin.
        neighbours: fewer for labels of fewer than three times as many pictures.
        counted: (N,) pictures that are examples at all; None for all of them. The others are only measured.
    """
    unit = unit_rows(features)  # not centred: the component that all labels share separates off-topic pictures
    if counted is None:
        counted = np.ones(len(labels), dtype=np.bool_)
    names = np.unique(labels[counted])
    examples = counted.copy()
    for _ in range(PASSES):
        distances = np.zeros((len(labels), len(names)))
        for column, name in enumerate(names):
            members = np.flatnonzero((labels == name) & examples)
            count = max(1, min(neighbours, len(members) // 3))
            distances[:, column] = _mean_distance(unit, members, groups, count)
        middles, spreads = _usual_distances(distances, examples)
        deviations = (distances - middles) / spreads
        examples = _examples(deviations.min(axis=1), labels, examples, counted)
    best = deviations.argmin(axis=1)
    return deviations[np.arange(len(labels)), best], names[best]


def _usual_distances(
    distances: npt.NDArray[np.float64], examples: npt.NDArray[np.bool_]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return for each label the median of the distances of the examples that are nearest to it, and their deviation."""
    nearest = distances.argmin(axis=1)
    labels = distances.shape[1]
    middles, spreads, counts = np.ones(labels), np.ones(labels), np.zeros(labels)
    for column in range(labels):
        own = distances[(nearest == column) & examples, column]
        counts[column] = len(own)
        if len(own):
            middles[column] = np.median(own)
            spreads[column] = max(middles[column] - np.percentile(own, 10), SMALLEST_DEVIATION)
    spreads *= 1 + FEW / np.maximum(counts, 1)
    if labels >= COMPARED_FROM and counts.any():
        spreads = np.minimum(spreads, WIDEST * np.median(spreads[counts > 0]))
    return middles, spreads


def _examples(
    scores: npt.NDArray[np.float64],
    labels: npt.NDArray[np.str_],
    before: npt.NDArray[np.bool_],
    counted: npt.NDArray[np.bool_],
) -> npt.NDArray[np.bool_]:
    """Return what counts as an example from now on; a label never loses more than half of its pictures."""
    examples = before & (scores < LEFT_OUT_FROM)
    for name in np.unique(labels[counted]):
        own = (labels == name) & counted
        if 2 * (examples & own).sum() < own.sum():
            examples |= own
    return examples


def _mean_distance(unit: Float32Array, members: Int64Array, groups: Int64Array, count: int) -> npt.NDArray[np.float64]:
    distance = np.zeros(len(unit))
    for start in range(0, len(unit), _ROWS):
        rows = slice(start, start + _ROWS)
        cosines = unit[rows] @ unit[members].T
        cosines[groups[rows, None] == groups[members][None]] = -np.inf
        near = np.partition(cosines, -count, axis=1)[:, -count:]
        known = np.isfinite(near)
        sums = np.where(known, near, 0).sum(axis=1)
        distance[rows] = 1 - np.where(known.any(axis=1), sums / np.maximum(known.sum(axis=1), 1), -1.0)
    return distance
