"""Label suspects: pictures that look like another label to a model that has not seen them."""

from typing import Final

import numpy as np

from imgkit.curate.confident import find_label_errors
from imgkit.curate.evidence import Evidence, Indices
from imgkit.curate.opinions import out_of_fold_opinions
from imgkit.manifest import Finding

NAME = "label"
VERSION = 1

THRESHOLD: Final = 0.5
WORTH_A_LOOK: Final = 0.3
FEWEST: Final = 8  # pictures of a label; of fewer a model cannot learn what it looks like


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
    errors, sizes = find_label_errors(labels, probabilities), np.bincount(labels, minlength=len(names))
    return [
        Finding(
            label=evidence.pictures[one].label,
            image_id=evidence.pictures[one].image_id,
            check=NAME,
            score=round(float(errors.score[row]), 4),
            threshold=THRESHOLD,
            detail={
                "suggested": names[int(errors.suggested[row])],
                "probability": round(float(probabilities[row, errors.suggested[row]]), 4),
                "own_probability": round(float(probabilities[row, labels[row]]), 4),
                "estimated_noise": round(errors.noise, 4),
            },
            version=VERSION,
        )
        for row, one in enumerate(indices)
        if errors.score[row] >= WORTH_A_LOOK
        and errors.suggested[row] != labels[row]
        and min(sizes[labels[row]], sizes[errors.suggested[row]]) >= FEWEST
    ]
