"""Near-duplicates: crops, mirrors, other sizes, frames and captions of a better picture of the same label."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from imgkit.curate.checks.check import Check, Reason, Settled
from imgkit.curate.checks.exact import CopyDetail
from imgkit.curate.copies import CLOSE_FROM
from imgkit.manifest import Finding

if TYPE_CHECKING:
    from imgkit.curate.context import CheckContext
    from imgkit.curate.copies.grouping import Copy

CROPPED_BELOW: Final = 0.97  # of the area
ORIENTATIONS: Final = (
    "copy",
    "mirrored copy",
    "upside-down copy",
    "copy turned by 180°",
    "transposed copy",
    "turned copy",
    "turned copy",
    "transposed copy",
)


class NearDetail(CopyDetail, total=False):
    """How the picture lies on the better one; ``bits`` and ``cosine`` say how the two were found to be alike."""

    closeness: float
    agreement: float
    correlation: float
    area: float
    angle: int
    orientation: int
    bits: int
    cosine: float


def run(context: "CheckContext") -> list[Finding]:
    """Return a finding for each member but the best of each group of copies, label by label.

    A member that a person rejected because another file is better is not the best any more.

    The score is the median correlation of its blocks with those of the copy that gave it away.
    """
    from imgkit.curate.copies.grouping import best_of

    pictures = context.pictures
    exact = {(one.label, one.image_id) for one in context.findings_of("exact")}
    closest = _closest(context.copies.pairs)
    found = []
    for group, group_best in zip(context.copies.near, context.copies.best, strict=True):
        for label in sorted({pictures[one].label_now for one in group}):
            members = [
                one
                for one in group
                if pictures[one].label_now == label
                and pictures[one].key not in exact
                and not pictures[one].rejected_as_copy
            ]
            if len(members) < 2:
                continue
            best = group_best
            if best not in members:
                best = best_of(members, context.copies.pairs, pictures, context.fingerprints)
            found += [_finding(context, one, best, closest.get(one)) for one in members if one != best]
    return found


def _finding(context: "CheckContext", one: int, best: int, pair: "Copy | None") -> Finding:
    kept = context.pictures[best]
    detail: NearDetail = {"copy_of": kept.image_id, "copy_of_label": kept.label}
    if pair is not None:
        detail |= {
            "closeness": round(pair.alignment.closeness, 3),
            "agreement": round(pair.alignment.agreement, 3),
            "correlation": round(pair.alignment.correlation, 3),
            "area": round(pair.alignment.area, 3),
            "angle": pair.alignment.angle,
            "orientation": pair.alignment.orientation,
        }
        detail |= {"bits": pair.bits} if pair.bits is not None else {}
        detail |= {"cosine": round(pair.cosine, 3)} if pair.cosine is not None else {}
    return CHECK.finding(context.pictures[one], round(pair.alignment.closeness, 4) if pair else 1.0, detail)


def _closest(pairs: "tuple[Copy, ...]") -> "dict[int, Copy]":
    """Return for each picture the copy that is closest to it."""
    found: dict[int, Copy] = {}
    for pair in sorted((each for each in pairs if each.is_copy), key=lambda each: each.alignment.closeness):
        found[pair.first] = found[pair.second] = pair
    return found


def describe(finding: Finding) -> str:
    """Say how it was changed, and which picture is better."""
    return f"{_how(finding.detail)} of {finding.detail['copy_of_label']}/{finding.detail['copy_of']}"


def _how(detail: Mapping[str, object]) -> str:
    orientation, area, angle = detail.get("orientation", 0), detail.get("area", 1.0), detail.get("angle", 0)
    words = ORIENTATIONS[orientation] if isinstance(orientation, int) else "copy"
    if isinstance(angle, int) and angle:
        return f"copy turned by {abs(angle)}°"
    if isinstance(area, float) and area < CROPPED_BELOW:
        return f"cropped or framed {words}"
    return words


CHECK = Check(
    name="near",
    title="copy",
    reason=Reason("dup.near", "a copy of a better picture", key="c", choice="copy of another one"),
    detail=NearDetail,
    threshold=CLOSE_FROM,
    version=2,
    settle=lambda picture, found: Settled(verdict="reject"),
    describe=describe,
    run=run,
)
