"""Placeholders: one 'not available' picture that was served for several addresses, under several labels.

Harvest refuses bytes that one host serves again and again. What is left is the same picture for different labels: a
photograph is found under two labels now and then, a placeholder under many, and it is mostly one colour.
"""

from collections.abc import Sequence
from typing import Final

from imgkit.curate.evidence import Evidence
from imgkit.curate.pictures import Picture
from imgkit.manifest import Finding

NAME = "placeholder"
VERSION = 1

LABELS: Final = 3  # from which a picture says nothing about any of them
ADDRESSES: Final = 3
ONE_COLOUR: Final = 0.65  # share of the picture; of 304 photographs three are as plain


def run(evidence: Evidence) -> list[Finding]:
    """Return a finding for each member of a group of copies that is under several labels and looks served, not taken.

    That is: under three labels or more; or under two, from three addresses or more, with 65 % of it one colour. What a
    person decided about is no placeholder, and members that a person rejected do not count.
    """
    found = []
    for group in evidence.copies.near:
        members = [one for one in group if not evidence.pictures[one].rejected_by_person]
        pictures = [evidence.pictures[one] for one in members]
        labels = sorted({picture.label_now for picture in pictures})
        plain = min((float(evidence.fingerprints["top_colour"][one]) for one in members), default=0.0) >= ONE_COLOUR
        addresses = _addresses(pictures)
        served = len(labels) >= LABELS or (len(labels) > 1 and plain and addresses >= ADDRESSES)
        if not served or any(picture.decision is not None for picture in pictures):
            continue
        found += [
            Finding(
                label=picture.label,
                image_id=picture.image_id,
                check=NAME,
                score=1.0,
                threshold=1.0,
                detail={"labels": labels, "addresses": addresses},
                version=VERSION,
            )
            for picture in pictures
        ]
    return found


def _addresses(pictures: Sequence[Picture]) -> int:
    return len({picture.source.proposal.url for picture in pictures if picture.source is not None})
