"""Art of the subject: figurines, toys, renders, stickers, drawings. ``--allow drawings`` turns this off."""

from typing import TYPE_CHECKING, Final, TypedDict

from imgkit.curate.checks.check import Check, Detector
from imgkit.curate.checks.not_photo import NOT_PHOTO
from imgkit.manifest import Finding

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from imgkit.curate.context import CheckContext
    from imgkit.vision.features.backbone import Backbone

THRESHOLD: Final = 0.0  # log-odds; an even chance is worth a look
REPORTED_FROM: Final = -1.0
LIVING_FROM: Final = 0.3  # mean share of a label; drawings of animals are still taken for animals in part
USUAL: Final = 3.0  # robust deviations within which a picture of an art-like label is usual
FEWEST: Final = 8  # pictures of a label; of fewer nobody knows what is usual for it
SMALLEST_SPREAD: Final = 0.25  # log-odds

PLAIN_FROM: Final = 0.3  # of the area
_ROWS: Final = 1024

LIVING: Final = (*range(398), *range(984, 999))
"""Classes of ImageNet that are animals, plants and fungi: labels of these are expected to be photographs."""


class ArtDetail(TypedDict):
    """The shares of the ground that are plain and white, 0 to 1."""

    plain_ground: float
    white_ground: float


def run(context: "CheckContext") -> list[Finding]:
    """Return a finding for each picture that the head takes for art; the score is its log-odds.

    A label that is art-like itself, such as teddy bears or products on white, mutes the check for that label: the
    score is then at most how far the picture deviates from its label. A label of living things is not muted, however
    many of its pictures are drawings.
    """
    import numpy as np

    from imgkit.vision.features import art_head
    from imgkit.vision.ground import GROUND_MEASURES

    judged = context.judged_by_features()
    if context.packaged is None or not len(judged):
        return []
    readable = np.flatnonzero(np.isfinite(context.packaged[:, 0]))
    ground = np.stack(list(context.fingerprints["ground"]))
    scores = np.full(len(context.pictures), np.nan)
    scores[readable] = art_head.art_head().logits(context.packaged[readable], ground[readable])
    labels = np.array([picture.label_now for picture in context.pictures])
    for label in np.unique(labels[judged]):
        members = judged[labels[judged] == label]
        own = labels == label
        scores[own] = relative_to_label(scores, own, members, context.living)
    context.measured[CHECK.name] = scores
    plain, white = (ground[:, GROUND_MEASURES.index(f"ground_{name}")] for name in ("plain", "white"))
    return [
        CHECK.finding(
            context.pictures[one],
            round(float(scores[one]), 3),
            {"plain_ground": round(float(plain[one]), 3), "white_ground": round(float(white[one]), 3)},
            model=art_head.VERSION,
        )
        for one in judged
        if scores[one] >= REPORTED_FROM
    ]


def describe(finding: Finding) -> str:
    """Say what it looks like, and on which ground."""
    plain = finding.detail.get("plain_ground")
    on = "on plain ground, " if isinstance(plain, float) and plain >= PLAIN_FROM else ""
    return f"{on}looks like a figurine, toy, render or drawing (log-odds {finding.score:.1f})"


CHECK = Check(
    name="art",
    title="art",
    detail=ArtDetail,
    threshold=THRESHOLD,
    version=0,
    needs_model=True,
    kind="drawings",
    no_example=True,
    detector=Detector(
        weight=1.7,
        start=-1.5,
        gain=1.0,
        usual=-2.3,
        reason=NOT_PHOTO,
        words="looks like a figurine, toy, render or drawing",
    ),
    describe=describe,
    run=run,
)


def living_share(backbone: "Backbone", features: "npt.NDArray[np.float32]") -> "npt.NDArray[np.float64] | None":
    """Return the (N,) share of living things among the classes of ImageNet that a network sees, 0 to 1.

    NaN where the (N, D) features are; None where the network has no head of ImageNet.
    """
    import numpy as np

    if not backbone.knows_imagenet:
        return None
    found = np.full(len(features), np.nan)
    readable = np.flatnonzero(np.isfinite(features[:, 0]))
    for start in range(0, len(readable), _ROWS):
        rows = readable[start : start + _ROWS]
        found[rows] = backbone.imagenet_probabilities(features[rows])[:, LIVING].sum(axis=1)
    return found


def relative_to_label(
    scores: "npt.NDArray[np.float64]",
    own: "npt.NDArray[np.bool_]",
    members: "npt.NDArray[np.int64]",
    living: "npt.NDArray[np.float64] | None",
) -> "npt.NDArray[np.float64]":
    """Return the scores of the pictures of one label, less where the label is art-like itself.

    Args:
        scores: (N,) log-odds of all pictures.
        own: (N,) the pictures of the label.
        members: those that say what is usual for it, by index.
        living: (N,) shares of living things that ImageNet's classes see, 0 to 1; None where nobody knows.
    """
    import numpy as np

    middle = float(np.median(scores[members]))
    alive = living is not None and float(np.nanmean(living[members])) >= LIVING_FROM
    if middle <= 0 or alive or len(members) < FEWEST:
        return scores[own]
    spread = max(1.4826 * float(np.median(np.abs(scores[members] - middle))), SMALLEST_SPREAD)
    return np.minimum(scores[own], (scores[own] - middle) / spread - USUAL)
