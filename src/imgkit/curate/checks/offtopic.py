"""Off-topic pictures: far from every label, not only from their own."""

from typing import Final

import numpy as np
import numpy.typing as npt

from imgkit.curate.evidence import Evidence, Floats, Indices
from imgkit.manifest import Finding
from imgkit.vision.probe import unit_rows

NAME = "offtopic"
VERSION = 1

THRESHOLD: Final = 4.0  # deviations of the lower half of the label
WORTH_A_LOOK: Final = 3.0
LEFT_OUT_FROM: Final = 2.2  # deviations from which a picture does not count as an example of its label in the next pass
PASSES: Final = 2
SMALLEST_DEVIATION: Final = 0.02  # of cosine distance; a label of nearly equal pictures is not made of outsiders
FEWEST: Final = 12  # pictures in all; with fewer nothing is far from anything
FEW: Final = 8  # pictures of a label at which its spread counts double, as so few know little of it
_ROWS: Final = 1024


def run(evidence: Evidence) -> list[Finding]:
    """Return a finding for each picture that lies outside every label."""
    judged = evidence.judged_by_features()
    if evidence.features is None or len(judged) < FEWEST:
        return []
    # what a person rejected is measured too, as decisions are learnt from; it is no example of anything
    indices = np.concatenate([judged, evidence.rejected_with_features()])
    counted = np.arange(len(indices)) < len(judged)
    labels = np.array([evidence.pictures[one].label_now for one in indices])
    names = evidence.group_names()
    groups = np.unique([names[one] or f"alone {one}" for one in indices], return_inverse=True)[1]
    scores, nearest = distances_from_every_label(
        evidence.features[indices], labels, groups, neighbours=evidence.config.neighbours, counted=counted
    )
    evidence.measured[NAME] = np.full(len(evidence.pictures), np.nan)
    evidence.measured[NAME][indices] = scores
    return [
        Finding(
            label=evidence.pictures[one].label,
            image_id=evidence.pictures[one].image_id,
            check=NAME,
            score=round(float(score), 3),
            threshold=THRESHOLD,
            detail={"nearest_label": str(near)},
            version=VERSION,
        )
        for one, score, near in zip(judged, scores[counted], nearest[counted], strict=True)
        if score >= WORTH_A_LOOK
    ]


def distances_from_every_label(
    features: Floats,
    labels: npt.NDArray[np.str_],
    groups: Indices,
    *,
    neighbours: int,
    counted: npt.NDArray[np.bool_] | None = None,
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.str_]]:
    """Return how far each picture is from the label it is nearest to, and that label.

    The distance from a label is the mean cosine distance to the label's ``neighbours`` nearest pictures outside the own
    group. It is given in deviations from the median of the pictures that are nearest to that label, wrongly labelled
    ones included; the deviation is that of the lower half (median minus 10th percentile), which off-topic pictures
    cannot stretch. The second pass leaves out what the first found far away.

    Args:
        features: (N, D).
        labels: (N,) names.
        groups: (N,) numbers; pictures with one number are copies or kin.
        neighbours: fewer for labels of fewer than three times as many pictures.
        counted: (N,) pictures that are examples at all; None for all of them. The others are only measured.
    """
    unit = unit_rows(features)  # not centred: what all labels share is just what tells an outsider
    if counted is None:
        counted = np.ones(len(labels), dtype=np.bool_)
    names = np.unique(labels[counted])
    examples = counted.copy()
    deviations = np.zeros((len(labels), len(names)))
    for _ in range(PASSES):
        distances = np.zeros((len(labels), len(names)))
        for column, name in enumerate(names):
            members = np.flatnonzero((labels == name) & examples)
            count = max(1, min(neighbours, len(members) // 3))
            distances[:, column] = _mean_distance(unit, members, groups, count)
        nearest = distances.argmin(axis=1)
        for column in range(len(names)):
            own = distances[(nearest == column) & examples, column]
            middle, low = (np.median(own), np.percentile(own, 10)) if len(own) else (1.0, 0.0)
            spread = max(middle - low, SMALLEST_DEVIATION) * (1 + FEW / max(1, len(own)))
            deviations[:, column] = (distances[:, column] - middle) / spread
        examples = _examples(deviations.min(axis=1), labels, examples, counted)
    best = deviations.argmin(axis=1)
    return deviations[np.arange(len(labels)), best], names[best]


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


def _mean_distance(unit: Floats, members: Indices, groups: Indices, count: int) -> npt.NDArray[np.float64]:
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
