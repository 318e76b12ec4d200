"""Quality: dark, bright, blurred, flat, tiny, slivers. Flagged and sorted; only flat ones are certain."""

from imgkit.curate.evidence import Evidence
from imgkit.curate.faults import faults_of
from imgkit.manifest import Finding

NAME = "quality"
VERSION = 1


def run(evidence: Evidence) -> list[Finding]:
    """Return a finding for each item with a fault; the score is how far the worst measure is beyond its limit.

    A score of 1 is at the limit, 2 is twice as far. ``detail`` holds every fault with its measured value.
    """
    found = []
    for picture, row in zip(evidence.pictures, evidence.fingerprints, strict=True):
        faults = faults_of(picture, row) if row["readable"] else {}
        if faults:
            worst = max(faults, key=lambda name: (faults[name][0], name))
            found.append(
                Finding(
                    label=picture.label,
                    image_id=picture.image_id,
                    check=NAME,
                    score=round(min(faults[worst][0], 10.0), 3),
                    threshold=1.0,
                    detail={"fault": worst, "measured": {name: round(value, 3) for name, (_, value) in faults.items()}},
                    version=VERSION,
                )
            )
    return found
