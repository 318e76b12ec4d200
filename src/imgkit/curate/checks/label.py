"""Label suspects: pictures that look like another label to a model that has not seen them."""

from typing import Final

import numpy as np
import numpy.typing as npt

from imgkit.curate.confident import find_label_errors
from imgkit.curate.evidence import Evidence, Indices
from imgkit.curate.opinions import out_of_fold_opinions
from imgkit.manifest import Finding

NAME = "label"
VERSION = 1

WORTH_A_LOOK: Final = 0.5  # from here another label is as likely as the given one


def run(evidence: Evidence) -> list[Finding]:
    """Return a finding for each picture to which another label fits better, with that label.

    Pictures that are off-topic or no photographs are left out: they have no right label.
    """
    others = evidence.flagged("offtopic") | evidence.flagged("not_photo") | evidence.flagged("text")
    indices = np.array(
        [one for one in evidence.judged_by_features() if evidence.pictures[one].key not in others], dtype=np.int64
    )
    names = sorted({evidence.pictures[one].label_now for one in indices})
    if evidence.features is None or len(names) < 2:
        return []
    probabilities = out_of_fold_opinions(evidence, indices)
    labels: Indices = np.array([names.index(evidence.pictures[one].label_now) for one in indices], dtype=np.int64)
    errors = find_label_errors(labels, probabilities)
    return [
        Finding(
            label=evidence.pictures[one].label,
            image_id=evidence.pictures[one].image_id,
            check=NAME,
            score=round(float(errors.score[row]), 4),
            threshold=_threshold(bool(errors.flagged[row]), float(errors.score[row])),
            detail={
                "suggested": names[int(errors.suggested[row])],
                "probability": round(float(probabilities[row, errors.suggested[row]]), 4),
                "own_probability": round(float(probabilities[row, labels[row]]), 4),
                "method": errors.method,
                "estimated_noise": round(errors.noise, 4),
            },
            version=VERSION,
        )
        for row, one in enumerate(indices)
        if errors.flagged[row] or (errors.score[row] >= WORTH_A_LOOK and errors.suggested[row] != labels[row])
    ]


def _threshold(flagged: bool, score: float) -> float:
    """The rule flags a number of items per pair of labels, so the threshold is the item's own score or just above."""
    return round(min(score, 1.0), 4) if flagged else 1.0001


def own_probabilities(probabilities: npt.NDArray[np.float64], labels: Indices) -> npt.NDArray[np.float64]:
    """Return the (N,) probability of each picture's own label."""
    own: npt.NDArray[np.float64] = probabilities[np.arange(len(labels)), labels]
    return own
