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
WORTH_A_LOOK: Final = 2.0
FEWEST: Final = 8  # pictures in all; with fewer nothing is far from anything
_ROWS: Final = 1024


def run(evidence: Evidence) -> list[Finding]:
    """Return a finding for each picture that lies outside every label."""
    indices = evidence.judged_by_features()
    if evidence.features is None or len(indices) < FEWEST:
        return []
    labels = np.array([evidence.pictures[one].label_now for one in indices])
    names = evidence.group_names()
    groups = np.unique([names[one] or f"alone {one}" for one in indices], return_inverse=True)[1]
    scores, nearest = distances_from_every_label(
        evidence.features[indices], labels, groups, neighbours=evidence.config.neighbours
    )
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
        for one, score, near in zip(indices, scores, nearest, strict=True)
        if score >= WORTH_A_LOOK
    ]


def distances_from_every_label(
    features: Floats, labels: npt.NDArray[np.str_], groups: Indices, *, neighbours: int
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.str_]]:
    """Return how far each picture is from the label it is nearest to, and that label.

    The distance from a label is the mean cosine distance to the label's ``neighbours`` nearest pictures outside the own
    group. It is given in deviations from the label's median; the deviation is that of the lower half (median minus
    10th percentile), which off-topic pictures among the label's own cannot stretch.

    Args:
        features: (N, D).
        labels: (N,) names.
        groups: (N,) numbers; pictures with one number are copies or kin.
        neighbours: fewer for labels of fewer than three times as many pictures.
    """
    unit = unit_rows(features - features.mean(axis=0))
    names = np.unique(labels)
    scores = np.zeros((len(labels), len(names)))
    for column, name in enumerate(names):
        members = np.flatnonzero(labels == name)
        count = max(1, min(neighbours, len(members) // 3))
        distance = _mean_distance(unit, members, groups, count)
        own = distance[members]
        middle, low = np.median(own), np.percentile(own, 10)
        scores[:, column] = (distance - middle) / max(middle - low, 1e-6)
    best = scores.argmin(axis=1)
    return scores[np.arange(len(labels)), best], names[best]


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
