"""Leaks: copies of one picture on both sides of a split that the pictures came with."""

from typing import TYPE_CHECKING, TypedDict

from imgkit.curate.checks.check import Check, listed
from imgkit.manifest import Finding

if TYPE_CHECKING:
    from imgkit.curate.context import CheckContext


class LeakDetail(TypedDict):
    """The split of the picture, all splits of its group, and (label, image id) of its copies in other splits."""

    split: str
    splits: list[str]
    others: list[list[str]]


def run(context: "CheckContext") -> list[Finding]:
    """Return a finding for each picture of a group of copies that the given split divides.

    The folders say the split: ``train/``, ``val/``, ``test/`` and their longer names. A finding is no verdict: in the
    split that curate makes, groups stay together.
    """
    pictures = context.pictures
    found = []
    for group in context.copies.near:
        members = [pictures[one] for one in group if pictures[one].given_split]
        splits = sorted({one.given_split for one in members})
        if len(splits) < 2:
            continue
        for one in members:
            others = [list(other.key) for other in members if other.given_split != one.given_split]
            found.append(CHECK.finding(one, 1.0, {"split": one.given_split, "splits": splits, "others": others}))
    return found


CHECK = Check(
    name="leak",
    title="in two splits",
    detail=LeakDetail,
    threshold=1.0,
    describe=lambda one: f"copies in {listed(one.detail.get('splits'))} of the split that the folders say",
    run=run,
)
