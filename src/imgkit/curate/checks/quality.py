"""Quality: dark, bright, blurred, flat, tiny, slivers. Flagged and sorted; only flat ones are certain."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, TypedDict

from imgkit.curate.checks.check import CERTAIN, Check, Reason, Settled, Suspicion
from imgkit.manifest import Finding

if TYPE_CHECKING:
    from imgkit.curate.context import CheckContext
    from imgkit.curate.pictures import ItemPicture


class QualityDetail(TypedDict):
    """The worst fault, and the measured value of each."""

    fault: str
    measured: dict[str, float]


def run(context: "CheckContext") -> list[Finding]:
    """Return a finding for each item with a fault; the score is how far the worst measure is beyond its limit.

    A score of 1 is at the limit, 2 is twice as far. ``detail`` holds every fault with its measured value.
    """
    from imgkit.curate.quality import faults_of

    found = []
    for picture, row in zip(context.pictures, context.fingerprints, strict=True):
        faults = faults_of(picture, row) if row["readable"] else {}
        if faults:
            worst = max(faults, key=lambda name: (faults[name][0], name))
            measured = {name: round(value, 3) for name, (_, value) in faults.items()}
            score = round(min(faults[worst][0], 10.0), 3)
            found.append(CHECK.finding(picture, score, {"fault": worst, "measured": measured}))
    return found


def describe(finding: Finding) -> str:
    """Name every fault with its value."""
    measured = finding.detail.get("measured")
    faults = measured.items() if isinstance(measured, dict) else ()
    return ", ".join(f"{name} ({value:g})" for name, value in faults)


def settle(picture: "ItemPicture", found: Mapping[str, Finding]) -> Settled | None:
    """Reject what is one flat colour."""
    measured = found[CHECK.name].detail.get("measured")
    flat = isinstance(measured, dict) and "flat" in measured
    return Settled(verdict="reject", reason="img.blank", detail="one flat colour", junk=CERTAIN) if flat else None


CHECK = Check(
    name="quality",
    title="quality",
    reason=Reason(
        "bad.quality",
        "dark, bright, blurred, flat or tiny",
        column="quality?",
        key="b",
        choice="blurred, dark or tiny",
    ),
    detail=QualityDetail,
    threshold=1.0,
    scale=Suspicion(even=2.0, sure=8.0),
    settle=settle,
    describe=describe,
    run=run,
)
