"""Which label a picture under several labels belongs to, where its neighbours leave no doubt."""

from typing import TYPE_CHECKING, Final, TypedDict

from imgkit.curate.checks.check import Check, percent
from imgkit.manifest import Finding

if TYPE_CHECKING:
    import numpy as np

    from imgkit.arrays import Float32Array, Int64Array
    from imgkit.curate.context import CheckContext

THRESHOLD: Final = 0.9  # share of the neighbours' votes for one of the labels
OTHERS_UP_TO: Final = 0.05  # share for any of the other labels that the picture is under
FEWEST: Final = 8  # pictures of a label; of fewer nobody can say what it looks like
FARTHEST: Final = 3.0  # deviations from the middle of the label, as for off-topic pictures
SMALLEST_DEVIATION: Final = 0.02


class SideDetail(TypedDict):
    """The label that the neighbours have."""

    belongs_to: str


def run(context: "CheckContext") -> list[Finding]:
    """Return a finding for each undecided picture under several labels whose neighbours all have one of these.

    The score is their share of the votes; the neighbours are pictures that no check doubts. A picture that lies outside
    its label is left alone: junk is found under several labels, too.
    """
    import numpy as np

    from imgkit.vision.features.probe import unit_rows

    features = context.features
    conflicts = context.findings_of("conflict")
    undecided = {(one.label, one.image_id) for one in conflicts if not one.detail.get("decided")}
    undecided -= {(one.label, one.image_id) for one in context.findings_of("placeholder")}
    if features is None or not undecided:
        return []
    known = _undoubted(context)
    labels = np.array([context.pictures[one].label_now for one in known])
    unit = unit_rows(features)
    found = []
    for group, best in zip(context.copies.near, context.copies.best, strict=True):
        members = [one for one in group if context.pictures[one].key in undecided]
        if not members or not np.isfinite(unit[best, 0]):
            continue
        sides = {context.pictures[one].label_now for one in members}
        label, share, others = _vote(unit[best], unit[known], labels, sides, context.config.neighbours)
        inside = label and _deviation(unit[best], unit[known][labels == label], context.config.neighbours) < FARTHEST
        if inside and share >= THRESHOLD and others <= OTHERS_UP_TO:
            found += [CHECK.finding(context.pictures[one], round(share, 4), {"belongs_to": label}) for one in members]
    return found


def describe(finding: Finding) -> str:
    """Say what its neighbours are."""
    return f"all its neighbours are {finding.detail.get('belongs_to')} ({percent(finding.score)} of the votes)"


CHECK = Check(
    name="side",
    title="neighbours",
    detail=SideDetail,
    threshold=THRESHOLD,
    needs_model=True,
    describe=describe,
    run=run,
)


def _undoubted(context: "CheckContext") -> "Int64Array":
    import numpy as np

    doubted = context.without_right_label() | context.flagged("label")
    chosen = [one for one in context.judged_by_features() if context.pictures[one].key not in doubted]
    return np.array(chosen, dtype=np.int64)


def _vote(
    picture: "Float32Array",
    known: "Float32Array",
    labels: "np.ndarray[tuple[int], np.dtype[np.str_]]",
    sides: set[str],
    count: int,
) -> tuple[str, float, float]:
    """Return the label with the most votes among ``sides``, its share, and the largest share of another one of them."""
    import numpy as np

    from imgkit.vision.features.probe import unit_rows

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


def _deviation(picture: "Float32Array", own: "Float32Array", count: int) -> float:
    """Return how far a picture is from a label, in deviations of the label's own pictures from their median."""
    import numpy as np

    count = max(1, min(count, len(own) // 3))
    among = own @ own.T
    np.fill_diagonal(among, -np.inf)
    distances = 1 - np.partition(among, -count, axis=1)[:, -count:].mean(axis=1)
    middle, low = np.median(distances), np.percentile(distances, 10)
    distance = 1 - float(np.partition(own @ picture, -count)[-count:].mean())
    return float((distance - middle) / (max(middle - low, SMALLEST_DEVIATION) * (1 + FEWEST / len(own))))
