"""Pictures that are no photographs: drawings, paintings, renders, clip art. ``--allow drawings`` turns this off."""

from typing import TYPE_CHECKING, Final, TypedDict

from imgkit.curate.checks.check import AnyCheck, Check, Detector, Reason
from imgkit.manifest import Finding

if TYPE_CHECKING:
    from imgkit.curate.context import CheckContext

NOT_PHOTO: Final = Reason(
    "bad.not_photo",
    "a drawing, render, cover or page of text instead of a photograph",
    column="no photo?",
    key="d",
    choice="drawing, render, text or screenshot",
)
THRESHOLD: Final = 3.0  # log-odds; photographs of kinds that the heads have not seen reach 2 now and then
REPORTED_FROM: Final = 1.0


class HeadDetail(TypedDict):
    """The share of the border that is white, 0 to 1."""

    white_border: float


def head_findings(check: AnyCheck, head: str, context: "CheckContext") -> list[Finding]:
    """Return a finding of ``check`` for each picture whose log-odds by a head reach 1.

    A positive median of a label is subtracted from its pictures: where most of a label is drawn, only outliers count.
    """
    import numpy as np

    from imgkit.curate.ranking import heads
    from imgkit.vision.features import textures

    judged = context.judged_by_features()
    if context.head_outputs is None or not len(judged):
        return []
    readable = np.flatnonzero(np.isfinite(context.head_outputs[:, 0]))
    scores = np.full(len(context.pictures), np.nan)
    scores[readable] = heads.logits(head, context.head_outputs[readable], context.fingerprints[readable])
    labels = np.array([picture.label_now for picture in context.pictures])
    for label in np.unique(labels[judged]):
        scores[labels == label] -= max(0.0, float(np.median(scores[judged[labels[judged] == label]])))
    context.measured[check.name] = scores
    return [
        check.finding(
            context.pictures[one],
            round(float(scores[one]), 3),
            {"white_border": round(float(context.fingerprints["white_border"][one]), 3)},
            model=textures.VERSION,
        )
        for one in judged
        if scores[one] >= REPORTED_FROM
    ]


def run(context: "CheckContext") -> list[Finding]:
    """Return a finding for each picture that the head takes for drawn or rendered; the score is its log-odds."""
    return head_findings(CHECK, "drawings", context)


CHECK = Check(
    name="not_photo",
    title="not a photo",
    detail=HeadDetail,
    threshold=THRESHOLD,
    needs_model=True,
    kind="drawings",
    no_example=True,
    detector=Detector(
        weight=0.85, start=-2.0, gain=1.0, usual=-5.0, reason=NOT_PHOTO, words="drawn, painted or rendered"
    ),
    describe=lambda finding: f"drawn, painted or rendered (log-odds {finding.score:.1f})",
    run=run,
)
