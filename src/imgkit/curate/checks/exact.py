"""Exact copies: the same pixels under one label, whatever the bytes were that they came in."""

from imgkit.curate.evidence import Evidence
from imgkit.manifest import Finding

NAME = "exact"
VERSION = 1


def run(evidence: Evidence) -> list[Finding]:
    """Return a finding for each item but the best of its group and label, naming the one whose copy it is.

    Materialised files hold nothing but pixels, so equal pixels are equal files.
    """
    best_of_near = dict.fromkeys(evidence.copies.best)
    found = []
    for group in evidence.copies.same:
        for label in sorted({evidence.pictures[one].label_now for one in group}):
            members = [one for one in group if evidence.pictures[one].label_now == label]
            best = min(members, key=lambda one: (one not in best_of_near, evidence.pictures[one].order))
            kept = evidence.pictures[best]
            found += [
                Finding(
                    label=evidence.pictures[one].label,
                    image_id=evidence.pictures[one].image_id,
                    check=NAME,
                    score=1.0,
                    threshold=1.0,
                    detail={"copy_of": kept.image_id, "copy_of_label": kept.label},
                    version=VERSION,
                )
                for one in members
                if one != best
            ]
    return found
