"""Intruders: pictures in which ImageNet's classes see something else than in the rest of their label."""

from typing import TYPE_CHECKING, Final, TypedDict

from imgkit.curate.checks.check import Check, Detector
from imgkit.curate.checks.offtopic import OFFTOPIC
from imgkit.manifest import Finding

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from imgkit.curate.context import CheckContext

THRESHOLD: Final = 1.0  # logarithm of the divergence; one good picture in thirty of harvests reaches it
FEWEST: Final = 8  # pictures of a label; of fewer nobody can say what is seen in it
SMALLEST_PROBABILITY: Final = 1e-6
SMALLEST_DIVERGENCE: Final = 0.1  # nats


class IntruderDetail(TypedDict):
    """Names of the ImageNet classes seen most in the picture and in the rest of its label."""

    seen: str
    usual: str


def run(context: "CheckContext") -> list[Finding]:
    """Return a finding for each picture in which something else is seen than in its label.

    The score is the logarithm of the Kullback-Leibler divergence of the picture's probabilities of ImageNet's classes
    from the mean of the other pictures of its label. It tells another species from the label's own where the loss does
    not; it ranks, and decides nothing by itself.
    """
    import numpy as np

    from imgkit.vision.features.imagenet import class_names

    judged = context.judged_by_features()
    network = context.network
    if context.packaged is None or network is None or not network.knows_imagenet or not len(judged):
        return []
    measured = np.full(len(context.pictures), np.nan)
    context.measured[CHECK.name] = measured
    labels = np.array([picture.label_now for picture in context.pictures])
    readable = np.isfinite(context.packaged[:, 0])
    names = class_names()
    found = []
    for label in np.unique(labels[judged]):
        members = judged[(labels[judged] == label) & readable[judged]]
        others = np.setdiff1d(np.flatnonzero((labels == label) & readable), members)
        if len(members) < FEWEST:
            continue
        rows = np.concatenate([members, others])
        seen = network.imagenet_probabilities(context.packaged[rows]).astype(np.float64)
        measured[rows] = divergences(seen, len(members))
        usual = seen[: len(members)].sum(axis=0)
        found += [
            CHECK.finding(
                context.pictures[one],
                round(float(measured[one]), 3),
                {"seen": names[int(own.argmax())], "usual": names[int((usual - own).argmax())]},
            )
            for one, own in zip(members, seen, strict=False)
            if measured[one] >= THRESHOLD
        ]
    return found


def divergences(seen: "npt.NDArray[np.float64]", members: int) -> "npt.NDArray[np.float64]":
    """Return the (N,) logarithms of the divergence, in nats and 0.1 added, from the mean of the label's members.

    Args:
        seen: (N, K) probabilities of the classes; those of the members of the label come first.
        members: how many these are; each is left out of the mean that it is compared with.
    """
    import numpy as np

    held = seen + SMALLEST_PROBABILITY
    held /= held.sum(axis=1, keepdims=True)
    total = held[:members].sum(axis=0)
    usual = np.tile(total / members, (len(held), 1))
    usual[:members] = (total - held[:members]) / (members - 1)
    divergence = (held * (np.log(held) - np.log(usual + SMALLEST_PROBABILITY))).sum(axis=1)
    found: npt.NDArray[np.float64] = np.log(np.maximum(divergence, 0.0) + SMALLEST_DIVERGENCE)
    return found


def describe(finding: Finding) -> str:
    """Name what is seen in it, and what in the rest of its label."""
    seen, usual = (finding.detail.get(name) for name in ("seen", "usual"))
    if seen == usual:
        return f"ImageNet sees something else than in the rest of the label, which is mostly {usual}"
    return f"ImageNet sees {seen}; the label is mostly {usual}"


CHECK = Check(
    name="intruder",
    title="another subject",
    detail=IntruderDetail,
    threshold=THRESHOLD,
    needs_model=True,
    detector=Detector(weight=1.4, start=0.3, gain=3.0, usual=-0.8, reason=OFFTOPIC, words="another subject"),
    describe=describe,
    run=run,
)
