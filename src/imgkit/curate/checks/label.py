"""Label suspects: pictures that look like another label to a model that has not seen them."""

from typing import TYPE_CHECKING, Final, TypedDict

from imgkit.curate.checks.check import Check, Reason, Suspicion, percent
from imgkit.manifest import Finding

if TYPE_CHECKING:
    from imgkit.arrays import Int64Array
    from imgkit.curate.context import CheckContext

REPORTED_FROM: Final = 0.3
FEWEST: Final = 8  # pictures of a label; of fewer a model cannot learn what it looks like


class LabelDetail(TypedDict):
    """The label that fits better, both probabilities, and the share of wrong labels in all."""

    suggested: str
    probability: float
    own_probability: float
    estimated_noise: float


def run(context: "CheckContext") -> list[Finding]:
    """Return a finding for each picture to which another label fits better, with that label.

    Pictures that are off-topic or no photographs are left out: they have no right label.
    """
    import numpy as np

    from imgkit.curate.ranking.out_of_fold import label_probabilities
    from imgkit.vision.features.confident_learning import find_label_errors

    others = context.without_right_label()
    indices = np.array(
        [one for one in context.judged_by_features() if context.pictures[one].key not in others], dtype=np.int64
    )
    names = sorted({context.pictures[one].label_now for one in indices})
    if context.features is None or len(names) < 2:
        return []
    probabilities = label_probabilities(context, indices)
    labels: Int64Array = np.array([names.index(context.pictures[one].label_now) for one in indices], dtype=np.int64)
    errors, sizes = find_label_errors(labels, probabilities), np.bincount(labels, minlength=len(names))
    return [
        CHECK.finding(
            context.pictures[one],
            round(float(errors.score[row]), 4),
            {
                "suggested": names[int(errors.suggested[row])],
                "probability": round(float(probabilities[row, errors.suggested[row]]), 4),
                "own_probability": round(float(probabilities[row, labels[row]]), 4),
                "estimated_noise": round(errors.noise, 4),
            },
        )
        for row, one in enumerate(indices)
        if errors.score[row] >= REPORTED_FROM
        and errors.suggested[row] != labels[row]
        and min(sizes[labels[row]], sizes[errors.suggested[row]]) >= FEWEST
    ]


def describe(finding: Finding) -> str:
    """Say what it looks like instead, with both probabilities."""
    likely, own = percent(finding.detail.get("probability")), percent(finding.detail.get("own_probability"))
    return f"looks like {finding.detail.get('suggested')} ({likely}, own label {own})"


CHECK = Check(
    name="label",
    title="label",
    reason=Reason(
        "bad.label",
        "looks like another label",
        column="label?",
        key="l",
        choice="wrong label, right one unknown",
    ),
    detail=LabelDetail,
    threshold=0.5,
    scale=Suspicion(even=0.45, sure=0.6),
    needs_model=True,
    describe=describe,
    run=run,
)
