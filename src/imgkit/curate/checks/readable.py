"""Files that cannot be opened, and pictures of which a part is missing.

Harvest refuses broken files, so what cannot be opened was lost or damaged since. A JPEG that was cut and given an end
marker opens everywhere, and shows mid-grey where its data ends.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final, TypedDict

from imgkit.curate.checks.check import CERTAIN, Check, Reason, Settled, Suspicion, percent
from imgkit.manifest import Finding
from imgkit.vision import GREY_TAIL_SHARE

if TYPE_CHECKING:
    from imgkit.curate.context import CheckContext
    from imgkit.curate.pictures import ItemPicture

UNREADABLE: Final = 1.0
"""The score of a file without any picture; that of a damaged one is the share of the picture that is missing."""


class ReadableDetail(TypedDict, total=False):
    """The name of an unreadable file and whether it is gone; of a damaged one the share that is missing, 0 to 1."""

    file: str
    missing: bool
    missing_share: float


def run(context: "CheckContext") -> list[Finding]:
    """Return a finding for each item whose file is missing or does not decode, or that shows only a part."""
    found = []
    for picture, row in zip(context.pictures, context.fingerprints, strict=True):
        share = float(row["grey_band"])
        if row["readable"] and share < GREY_TAIL_SHARE:
            continue
        detail: ReadableDetail = {"file": picture.path.name, "missing": not picture.path.exists()}
        if row["readable"]:
            detail = {"missing_share": round(share, 3)}
        found.append(CHECK.finding(picture, round(share, 4) if row["readable"] else UNREADABLE, detail))
    return found


def describe(finding: Finding) -> str:
    """Say what is wrong with the file."""
    if share := finding.detail.get("missing_share"):
        return f"{percent(share)} of it is one grey band, as where a cut JPEG ends"
    return "the file is gone" if finding.detail.get("missing") else "the file cannot be decoded"


def settle(picture: "ItemPicture", found: Mapping[str, Finding]) -> Settled | None:
    """Reject a file without any picture; a damaged one is a suspect."""
    return None if "missing_share" in found[CHECK.name].detail else Settled(verdict="reject", junk=CERTAIN)


CHECK = Check(
    name="readable",
    title="unreadable",
    reason=Reason("img.truncated", column="damaged?"),
    detail=ReadableDetail,
    threshold=GREY_TAIL_SHARE,
    version=2,
    scale=Suspicion(even=0.02, sure=0.05),
    settle=settle,
    describe=describe,
    run=run,
)
