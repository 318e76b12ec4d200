"""Files that cannot be opened: harvest refuses broken ones, so these were lost or damaged since."""

from imgkit.curate.evidence import Evidence
from imgkit.manifest import Finding

NAME = "readable"
VERSION = 1


def run(evidence: Evidence) -> list[Finding]:
    """Return a finding for each item whose file is missing or does not decode."""
    return [
        Finding(
            label=picture.label,
            image_id=picture.image_id,
            check=NAME,
            score=1.0,
            threshold=1.0,
            detail={"file": picture.path.name, "missing": not picture.path.exists()},
            version=VERSION,
        )
        for picture, row in zip(evidence.pictures, evidence.fingerprints, strict=True)
        if not row["readable"]
    ]
