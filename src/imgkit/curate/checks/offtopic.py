"""Off-topic pictures: far from every label, not only from their own."""

from typing import TYPE_CHECKING, Final, TypedDict

from imgkit.curate.checks.check import Check, Detector, Reason
from imgkit.manifest import Finding

if TYPE_CHECKING:
    from imgkit.curate.context import CheckContext

OFFTOPIC: Final = Reason("bad.offtopic", "far from every label", column="off-topic?", key="u", choice="unrelated")
THRESHOLD: Final = 4.0  # deviations of the lower half of the label
REPORTED_FROM: Final = 3.0
FEWEST: Final = 12  # pictures in all; with fewer nothing is far from anything


class OfftopicDetail(TypedDict):
    """The label that the picture is nearest to."""

    nearest_label: str


def run(context: "CheckContext") -> list[Finding]:
    """Return a finding for each picture that lies outside every label."""
    import numpy as np

    from imgkit.curate.ranking.label_distances import distances_from_every_label

    judged = context.judged_by_features()
    if context.features is None or len(judged) < FEWEST:
        return []
    # what a person rejected is measured too, as decisions are learnt from; it is no example of anything
    indices = np.concatenate([judged, context.rejected_with_features()])
    counted = np.arange(len(indices)) < len(judged)
    labels = np.array([context.pictures[one].label_now for one in indices])
    names = context.group_names()
    groups = np.unique([names[one] or f"alone {one}" for one in indices], return_inverse=True)[1]
    scores, nearest = distances_from_every_label(
        context.features[indices], labels, groups, neighbours=context.config.neighbours, counted=counted
    )
    context.measured[CHECK.name] = np.full(len(context.pictures), np.nan)
    context.measured[CHECK.name][indices] = scores
    return [
        CHECK.finding(context.pictures[one], round(float(score), 3), {"nearest_label": str(near)})
        for one, score, near in zip(judged, scores[counted], nearest[counted], strict=True)
        if score >= REPORTED_FROM
    ]


def describe(finding: Finding) -> str:
    """Say how far it is, and from which label least."""
    nearest = finding.detail.get("nearest_label")
    return f"far from every label, least from {nearest} ({finding.score:.1f} deviations)"


CHECK = Check(
    name="offtopic",
    title="off topic",
    detail=OfftopicDetail,
    threshold=THRESHOLD,
    needs_model=True,
    no_example=True,
    detector=Detector(weight=0.65, start=1.5, gain=2.0, usual=-0.8, reason=OFFTOPIC, words="far from every label"),
    describe=describe,
    run=run,
)
