"""Conflicts: the same picture under several labels. One of them is wrong, so none is trained on until it is decided."""

from imgkit.curate.evidence import Evidence
from imgkit.manifest import Finding

NAME = "conflict"
VERSION = 1


def run(evidence: Evidence) -> list[Finding]:
    """Return a finding for each member of a group of copies that has more than one label.

    A member that a person rejected no longer counts. Where a person kept or moved one of them, its label is the truth
    and the findings of the others say so in ``decided``.
    """
    pictures = evidence.pictures
    found = []
    for group in evidence.copies.near:
        members = [one for one in group if not pictures[one].rejected_by_person]
        labels = sorted({pictures[one].label_now for one in members})
        if len(labels) < 2:
            continue
        decided = sorted({pictures[one].label_now for one in members if pictures[one].decision is not None})
        for one in members:
            picture = pictures[one]
            if picture.label_now not in decided:
                found.append(
                    Finding(
                        label=picture.label,
                        image_id=picture.image_id,
                        check=NAME,
                        score=1.0,
                        threshold=1.0,
                        detail={
                            "labels": labels,
                            "decided": decided,
                            "others": [list(pictures[other].key) for other in members if other != one],
                        },
                        version=VERSION,
                    )
                )
    return found
