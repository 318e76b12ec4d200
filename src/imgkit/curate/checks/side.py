"""Which label a picture under several labels belongs to, where its neighbours leave no doubt."""

from typing import Final

import numpy as np

from imgkit.curate.evidence import Evidence, Floats, Indices
from imgkit.manifest import Finding
from imgkit.vision.probe import unit_rows

NAME = "side"
VERSION = 1

THRESHOLD: Final = 0.9  # share of the neighbours' votes for one of the labels
OTHERS_UP_TO: Final = 0.05  # share for any of the other labels that the picture is under
FEWEST: Final = 8  # pictures of a label; of fewer nobody can say what it looks like
FARTHEST: Final = 3.0  # deviations from the middle of the label, as for off-topic pictures
SMALLEST_DEVIATION: Final = 0.02


def run(evidence: Evidence) -> list[Finding]:
    """Return a finding for each undecided picture under several labels whose neighbours all have one of these.

    The score is their share of the votes; the neighbours are pictures that no check doubts. A picture that lies outside
    its label is left alone: junk is found under several labels, too.
    """
    features, near = evidence.features, evidence.found.get("conflict", ())
    undecided = {(one.label, one.image_id) for one in near if not one.detail.get("decided")}
    undecided -= {(one.label, one.image_id) for one in evidence.found.get("placeholder", ())}
    if features is None or not undecided:
        return []
    known = _undoubted(evidence)
    labels = np.array([evidence.pictures[one].label_now for one in known])
    unit = unit_rows(features)
    found = []
    for group, best in zip(evidence.copies.near, evidence.copies.best, strict=True):
        members = [one for one in group if evidence.pictures[one].key in undecided]
        if not members or not np.isfinite(unit[best, 0]):
            continue
        sides = {evidence.pictures[one].label_now for one in members}
        label, share, others = _vote(unit[best], unit[known], labels, sides, evidence.config.neighbours)
        inside = label and _deviation(unit[best], unit[known][labels == label], evidence.config.neighbours) < FARTHEST
        if inside and share >= THRESHOLD and others <= OTHERS_UP_TO:
            found += [
                Finding(
                    label=evidence.pictures[one].label,
                    image_id=evidence.pictures[one].image_id,
                    check=NAME,
                    score=round(share, 4),
                    threshold=THRESHOLD,
                    detail={"belongs_to": label},
                    version=VERSION,
                )
                for one in members
            ]
    return found


def _undoubted(evidence: Evidence) -> Indices:
    doubted = set().union(*(evidence.flagged(check) for check in ("offtopic", "not_photo", "text", "label")))
    chosen = [one for one in evidence.judged_by_features() if evidence.pictures[one].key not in doubted]
    return np.array(chosen, dtype=np.int64)


def _vote(
    picture: Floats, known: Floats, labels: np.ndarray[tuple[int], np.dtype[np.str_]], sides: set[str], count: int
) -> tuple[str, float, float]:
    """Return the label with the most votes among ``sides``, its share, and the largest share of another one of them."""
    large = [label for label in sides if (labels == label).sum() >= FEWEST]
    if not large:
        return "", 0.0, 0.0
    centre = known.mean(axis=0)
    cosines = unit_rows(known - centre) @ unit_rows((picture - centre)[None])[0]
    nearest = np.argsort(-cosines, kind="stable")[:count]
    weights = np.maximum(cosines[nearest], 1e-6)
    shares = {label: float(weights[labels[nearest] == label].sum() / weights.sum()) for label in sorted(sides)}
    best = max(large, key=lambda label: (shares[label], label))
    return best, shares[best], max((share for label, share in shares.items() if label != best), default=0.0)


def _deviation(picture: Floats, own: Floats, count: int) -> float:
    """Return how far a picture is from a label, in deviations of the label's own pictures from their median."""
    count = max(1, min(count, len(own) // 3))
    among = own @ own.T
    np.fill_diagonal(among, -np.inf)
    distances = 1 - np.partition(among, -count, axis=1)[:, -count:].mean(axis=1)
    middle, low = np.median(distances), np.percentile(distances, 10)
    distance = 1 - float(np.partition(own @ picture, -count)[-count:].mean())
    return float((distance - middle) / (max(middle - low, SMALLEST_DEVIATION) * (1 + FEWEST / len(own))))
