"""Leaks: copies of one picture on both sides of a split that the pictures came with."""

from imgkit.curate.evidence import Evidence
from imgkit.manifest import Finding

NAME = "leak"
VERSION = 1


def run(evidence: Evidence) -> list[Finding]:
    """Return a finding for each picture of a group of copies that the given split divides.

    The folders say the split: ``train/``, ``val/``, ``test/`` and their longer names. A finding is no verdict: in the
    split that curate makes, groups stay together.
    """
    pictures = evidence.pictures
    found = []
    for group in evidence.copies.near:
        members = [one for one in group if pictures[one].given_split]
        splits = sorted({pictures[one].given_split for one in members})
        if len(splits) < 2:
            continue
        for one in members:
            others = [other for other in members if pictures[other].given_split != pictures[one].given_split]
            found.append(
                Finding(
                    label=pictures[one].label,
                    image_id=pictures[one].image_id,
                    check=NAME,
                    score=1.0,
                    threshold=1.0,
                    detail={
                        "split": pictures[one].given_split,
                        "splits": splits,
                        "others": [list(pictures[other].key) for other in others],
                    },
                    version=VERSION,
                )
            )
    return found
