"""Placeholders: one 'not available' picture that was served for several addresses, under several labels.

Harvest refuses bytes that one host serves again and again. What is left is the same picture for different labels: a
photograph is found under two labels now and then, a placeholder under many, and it is mostly one colour.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, TypedDict

from imgkit.curate.checks.check import CERTAIN, Check, Reason, Settled, listed
from imgkit.manifest import Finding

if TYPE_CHECKING:
    from imgkit.curate.context import CheckContext
    from imgkit.curate.pictures import ItemPicture

LABELS: Final = 3  # from which a picture says nothing about any of them
ADDRESSES: Final = 3
ONE_COLOUR: Final = 0.65  # share of the picture; of 304 photographs three are as plain


class PlaceholderDetail(TypedDict):
    """The labels that the picture is under, and from how many addresses it came."""

    labels: list[str]
    addresses: int


def run(context: "CheckContext") -> list[Finding]:
    """Return a finding for each member of a group of copies that is under several labels and looks served, not taken.

    That is: under three labels or more; or under two, from three addresses or more, with 65 % of it one colour. What a
    person decided about is no placeholder, and members that a person rejected do not count.
    """
    found = []
    for group in context.copies.near:
        members = [one for one in group if not context.pictures[one].rejected_by_person]
        pictures = [context.pictures[one] for one in members]
        labels = sorted({picture.label_now for picture in pictures})
        plain = min((float(context.fingerprints["top_colour"][one]) for one in members), default=0.0) >= ONE_COLOUR
        addresses = _addresses(pictures)
        served = len(labels) >= LABELS or (len(labels) > 1 and plain and addresses >= ADDRESSES)
        if not served or any(picture.decision is not None for picture in pictures):
            continue
        found += [CHECK.finding(picture, 1.0, {"labels": labels, "addresses": addresses}) for picture in pictures]
    return found


def _addresses(pictures: "Sequence[ItemPicture]") -> int:
    return len({picture.source.proposal.url for picture in pictures if picture.source is not None})


def describe(finding: Finding) -> str:
    """Say from how many addresses it came, and under which labels."""
    return f"one picture from {finding.detail.get('addresses')} addresses under {listed(finding.detail.get('labels'))}"


CHECK = Check(
    name="placeholder",
    title="placeholder",
    reason=Reason("img.placeholder", column="placeholder?", in_set_up_to=0.0),
    detail=PlaceholderDetail,
    threshold=1.0,
    settle=lambda picture, found: Settled(verdict="suspect", junk=CERTAIN),
    describe=describe,
    run=run,
)
