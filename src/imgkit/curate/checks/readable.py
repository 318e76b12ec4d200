"""Files that cannot be opened, and pictures of which a part is missing.

Harvest refuses broken files, so what cannot be opened was lost or damaged since. A JPEG that was cut and given an end
marker opens everywhere, and shows mid-grey where its data ends.
"""

from typing import Final

from imgkit.curate.evidence import Evidence
from imgkit.manifest import Finding
from imgkit.vision.decode import GREY_TAIL_SHARE

NAME = "readable"
VERSION = 2

UNREADABLE: Final = 1.0
"""The score of a file without any picture; that of a damaged one is the share of the picture that is missing."""


def run(evidence: Evidence) -> list[Finding]:
    """Return a finding for each item whose file is missing or does not decode, or that shows only a part."""
    found = []
    for picture, row in zip(evidence.pictures, evidence.fingerprints, strict=True):
        share = float(row["grey_band"])
        if row["readable"] and share < GREY_TAIL_SHARE:
            continue
        detail: dict[str, object] = {"file": picture.path.name, "missing": not picture.path.exists()}
        if row["readable"]:
            detail = {"missing_share": round(share, 3)}
        found.append(
            Finding(
                label=picture.label,
                image_id=picture.image_id,
                check=NAME,
                score=round(share, 4) if row["readable"] else UNREADABLE,
                threshold=GREY_TAIL_SHARE,
                detail=detail,
                version=VERSION,
            )
        )
    return found
