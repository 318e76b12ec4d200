"""Junk: pictures that all detectors together, and what a person decided about others, make suspect."""

from typing import Final

import numpy as np

from imgkit.curate import ranking
from imgkit.curate.evidence import Evidence, Indices
from imgkit.curate.pictures import Picture
from imgkit.curate.relearn import BAD, GOOD, UNDECIDED, Decided, Doubles, relearn
from imgkit.manifest import Finding

NAME = "junk"
VERSION = 1

THRESHOLD: Final = 1.0  # log-odds; four photographs in a thousand of harvests that nothing was fitted on reach it
WORTH_A_LOOK: Final = -4.0  # puts what is kept in an order too
REASONS: Final = {"not_photo": "bad.not_photo", "text": "bad.not_photo", "offtopic": "bad.offtopic"}


def run(evidence: Evidence) -> list[Finding]:
    """Return a finding for each picture that is likely junk: log-odds after learning from decisions.

    ``detail`` says what each detector said, by how much decisions moved the log-odds (``learnt``), and the reason, that
    of the detector which says most. The ranking is kept for the review.
    """
    judged = evidence.judged_by_features()
    if evidence.features is None or not len(judged) or not set(ranking.VOICES) & set(evidence.measured):
        return []
    rows = np.concatenate([judged, evidence.rejected_with_features()])
    labels = np.array([evidence.pictures[one].label_now for one in rows])
    scores = ranking.scores_of(evidence.measured, labels, rows, counted=np.arange(len(rows)) < len(judged))
    prior, looks = ranking.log_odds(scores), ranking.few_directions(evidence.features[rows])
    keys = tuple(evidence.pictures[one].key for one in rows)
    learnt = relearn(prior, scores, looks, decisions_of(evidence, rows))
    ranking.write_ranking(ranking.Ranking(keys, prior, learnt, scores, looks), evidence.cache)
    return [
        _finding(evidence.pictures[one], float(learnt[row]), float(learnt[row] - prior[row]), scores[row])
        for row, one in enumerate(judged)
        if learnt[row] >= WORTH_A_LOOK or abs(learnt[row] - prior[row]) >= 0.01
    ]


def decisions_of(evidence: Evidence, rows: Indices) -> Decided:
    """Return for each picture -1 undecided, 0 kept, 1 found bad; one that was moved had a wrong label."""
    return np.array([_decided(evidence.pictures[one]) for one in rows], dtype=np.int8)


def _decided(picture: Picture) -> int:
    if picture.decision is None:
        return UNDECIDED
    if picture.decision.action == "keep":
        return GOOD
    return BAD if picture.found_bad_by_person else UNDECIDED


def _finding(picture: Picture, score: float, learnt: float, said: Doubles) -> Finding:
    weights = [voice.weight for voice in ranking.VOICES.values()]
    parts = dict(zip(ranking.VOICES, (float(each) for each in said * weights), strict=True))
    loudest = max(parts, key=lambda name: (parts[name], name))
    return Finding(
        label=picture.label,
        image_id=picture.image_id,
        check=NAME,
        score=round(score, 3),
        threshold=THRESHOLD,
        detail={
            "said": {name: round(float(each), 2) for name, each in zip(ranking.VOICES, said, strict=True)},
            "learnt": round(learnt, 3),
            "reason": REASONS[loudest],
        },
        version=VERSION,
    )
