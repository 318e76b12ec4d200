"""Junk: pictures that all detectors together, and what a person decided about others, make suspect."""

from typing import TYPE_CHECKING, Final, TypedDict

from imgkit.curate.checks.check import OUT_FROM, SHOWN_FROM, Check, Suspicion, log_odds_of
from imgkit.curate.checks.offtopic import OFFTOPIC
from imgkit.manifest import Finding

if TYPE_CHECKING:
    from collections.abc import Sequence

    from imgkit.arrays import Float64Array, Int8Array, Int64Array
    from imgkit.curate.context import CheckContext
    from imgkit.curate.pictures import ItemPicture
    from imgkit.manifest.nouns import ItemKey

STRONG_FROM: Final = 1.0  # log-odds above a usual picture's from which a detector is named to people


class JunkDetail(TypedDict):
    """The part of each detector in the log-odds, beyond that of a usual picture, the change of the log-odds by
    decisions, and the reason of the detector that contributes most."""

    said: dict[str, float]
    learnt: float
    reason: str


def run(context: "CheckContext") -> list[Finding]:
    """Return a finding for each picture that the model is asked about: the log-odds that a person would throw it out.

    They follow the harvest's own share of junk and what was learnt from decisions.
    """
    import numpy as np

    from imgkit.curate.ranking import junk_score
    from imgkit.curate.ranking.relearning import learn, learning_inputs

    judged = context.judged_by_features()
    if context.reduced is None or not len(judged) or not set(junk_score.DETECTORS) & set(context.measured):
        return []
    rows = np.concatenate([judged, context.rejected_with_features()])
    scores = junk_score.scores_of(context.measured, rows)
    prior = junk_score.log_odds(scores)
    prior += junk_score.shift_of_harvest(prior[: len(judged)])
    keys = [context.pictures[one].key for one in rows]
    labels = np.unique([label for label, _ in keys], return_inverse=True)[1]
    inputs = learning_inputs(prior, context.reduced.of(keys), labels)
    learnt = learn(inputs, decisions_of(context, rows)).log_odds
    return [
        _finding(context.pictures[one], float(learnt[row]), float(learnt[row] - prior[row]), scores[row])
        for row, one in enumerate(judged)
    ]


def decisions_of(context: "CheckContext", rows: "Int64Array") -> "Int8Array":
    """Return for each picture -1 undecided, 0 kept, 1 found bad; one that was moved had a wrong label."""
    import numpy as np

    return np.array([_decision_of(context.pictures[one]) for one in rows], dtype=np.int8)


def _decision_of(picture: "ItemPicture") -> int:
    from imgkit.curate.ranking.relearning import BAD, GOOD, UNDECIDED

    if picture.decision is None or picture.follows:  # a copy adds no information to the decision about its original
        return UNDECIDED
    if picture.decision.action == "keep":
        return GOOD
    return BAD if picture.found_bad_by_person else UNDECIDED


def _finding(picture: "ItemPicture", score: float, learnt: float, parts: "Float64Array") -> Finding:
    from imgkit.curate.ranking.junk_score import DETECTORS

    said = {
        name: float(part) - detector.part_of(detector.usual)
        for (name, detector), part in zip(DETECTORS.items(), parts, strict=True)
    }
    strongest = max(said, key=lambda name: (said[name], name))
    detail: JunkDetail = {
        "said": {name: round(each, 2) for name, each in said.items()},
        "learnt": round(learnt, 3),
        "reason": DETECTORS[strongest].reason.code,
    }
    return CHECK.finding(picture, round(score, 3), detail)


def describe(finding: Finding) -> str:
    """Name the detectors that say most, and whether decisions about others moved it here."""
    strong = [words for _, words in strongest_of(finding)]
    taught = ", by what was decided about others" if shift(finding) >= 1 else ""
    return f"{'; '.join(strong) or 'unlike its label'} (log-odds {finding.score:.1f}{taught})"


def strongest_of(finding: Finding) -> list[tuple[str, str]]:
    """Return name and words of the detectors that speak for junk, the strongest first."""
    from imgkit.curate.checks import CHECKS

    said = finding.detail.get("said")
    parts = said if isinstance(said, dict) else {}
    detectors = {name: each.detector for name, each in CHECKS.items() if each.detector}
    strong = [name for name in detectors if parts.get(name, 0.0) >= STRONG_FROM]
    return [(name, detectors[name].words) for name in sorted(strong, key=lambda each: (-parts[each], each))]


def learnt_by_key(findings: "Sequence[Finding]") -> "dict[ItemKey, float]":
    """Return how far decisions moved the log-odds of pictures, by key; those that did not move have none."""
    return {(one.label, one.image_id): by for one in findings if (by := shift(one))}


def shift(finding: Finding) -> float:
    """Return how far decisions about other pictures moved the log-odds of this one."""
    learnt = finding.detail.get("learnt")
    return learnt if isinstance(learnt, float) else 0.0


CHECK = Check(
    name="junk",
    title="unlike its label",
    reason=OFFTOPIC,  # where the finding does not name one
    detail=JunkDetail,
    threshold=log_odds_of(SHOWN_FROM),
    scale=Suspicion(even=log_odds_of(SHOWN_FROM), sure=log_odds_of(OUT_FROM)),
    needs_model=True,
    shift=shift,
    describe=describe,
    run=run,
)
