"""Pictures that are no photographs: drawings, paintings, renders, clip art. ``--allow drawings`` turns this off."""

from typing import Final

import numpy as np

from imgkit.curate.checks import heads
from imgkit.curate.evidence import Evidence
from imgkit.manifest import Finding
from imgkit.vision import textures

NAME = "not_photo"
VERSION = 1 + textures.VERSION

HEAD: Final = "drawings"
THRESHOLD: Final = 3.0  # log-odds; photographs of kinds that the head has not seen reach 2 now and then
WORTH_A_LOOK: Final = 1.0


def run(evidence: Evidence) -> list[Finding]:
    """Return a finding for each picture that the head takes for drawn or rendered; the score is its log-odds."""
    return [] if "drawings" in evidence.config.allow else asked(evidence, NAME, HEAD, THRESHOLD, WORTH_A_LOOK, VERSION)


def asked(
    evidence: Evidence, check: str, head: str, threshold: float, worth_a_look: float, version: int
) -> list[Finding]:
    """Return what a head says about every picture that the model is asked about.

    Where half of a label looks drawn, the label is like that: only what stands out from it is found.
    """
    judged = evidence.judged_by_features()
    if evidence.looks is None or not len(judged):
        return []
    readable = np.flatnonzero(np.isfinite(evidence.looks[:, 0]))
    scores = np.full(len(evidence.pictures), np.nan)
    scores[readable] = heads.logits(head, evidence.looks[readable], evidence.fingerprints[readable])
    labels = np.array([picture.label_now for picture in evidence.pictures])
    for label in np.unique(labels[judged]):
        scores[labels == label] -= max(0.0, float(np.median(scores[judged[labels[judged] == label]])))
    evidence.measured[check] = scores
    return [
        Finding(
            label=evidence.pictures[one].label,
            image_id=evidence.pictures[one].image_id,
            check=check,
            score=round(float(scores[one]), 3),
            threshold=threshold,
            detail={"white_border": round(float(evidence.fingerprints["white_border"][one]), 3)},
            version=version,
        )
        for one in judged
        if scores[one] >= worth_a_look
    ]
