"""Conflicts: the same picture under several labels. One of them is wrong, so none is trained on until it is decided."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final, TypedDict

from imgkit.curate.checks.check import SURE, Check, Reason, Settled, listed
from imgkit.manifest import Finding

if TYPE_CHECKING:
    from imgkit.curate.context import CheckContext
    from imgkit.curate.pictures import ItemPicture

ONE_IS_WRONG: Final = (
    0.6  # probability that a picture of two labels does not belong to this one; often it is to neither
)


class ConflictDetail(TypedDict):
    """The labels that the picture is under, those that a person decided for, and (label, image id) of its copies."""

    labels: list[str]
    decided: list[str]
    others: list[list[str]]


def run(context: "CheckContext") -> list[Finding]:
    """Return a finding for each member of a group of copies that has more than one label.

    A member that a person rejected no longer counts. Where a person kept or moved one of them, its label is the truth
    and the findings of the others say so in ``decided``.
    """
    found = []
    for group in context.copies.near:
        members = [context.pictures[one] for one in group if not context.pictures[one].rejected_by_person]
        labels = sorted({one.label_now for one in members})
        if len(labels) < 2:
            continue
        decided = sorted({one.label_now for one in members if one.decision is not None})
        for one in members:
            if one.label_now not in decided:
                others = [list(other.key) for other in members if other is not one]
                found.append(CHECK.finding(one, 1.0, {"labels": labels, "decided": decided, "others": others}))
    return found


def describe(finding: Finding) -> str:
    """Say under which labels it is."""
    return f"the same picture under {listed(finding.detail.get('labels'))}"


def settle(picture: "ItemPicture", found: Mapping[str, Finding]) -> Settled:
    """Reject what a person decided about under another label; anything else is a suspect.

    It is one strongly so under a label that its neighbours, which the check ``side`` asks, do not have.
    """
    one, side = found[CHECK.name], found.get("side")
    if one.detail.get("decided"):
        return Settled(verdict="reject", junk=SURE)
    belongs_to = str(side.detail["belongs_to"]) if side else ""
    if side is not None and belongs_to == picture.label_now:
        score = round(1 - side.score, 4)
        return Settled(verdict="suspect", score=score, detail=_with_side(one, side), junk=score)
    junk = ONE_IS_WRONG if side is None else SURE
    return Settled(verdict="suspect", detail=_with_side(one, side), suggested=belongs_to, junk=junk)


def _with_side(one: Finding, side: Finding | None) -> str:
    from imgkit.curate.checks import describe as describe_any

    return f"{describe(one)}; {describe_any(side)}" if side else describe(one)


CHECK = Check(
    name="conflict",
    title="two labels",
    reason=Reason("bad.conflict", column="two labels?", in_set_up_to=round(1 - SURE, 4)),
    detail=ConflictDetail,
    threshold=1.0,
    settle=settle,
    describe=describe,
    run=run,
)
