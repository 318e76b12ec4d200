"""Exact copies: the same pixels under one label, whatever the bytes were that they came in."""

from typing import TYPE_CHECKING, TypedDict

from imgkit.curate.checks.check import Check, Reason, Settled
from imgkit.manifest import Finding

if TYPE_CHECKING:
    from imgkit.curate.context import CheckContext


class CopyDetail(TypedDict):
    """The image id and the label of the better picture."""

    copy_of: str
    copy_of_label: str


def run(context: "CheckContext") -> list[Finding]:
    """Return a finding for each item but the best of its group and label, naming the one whose copy it is.

    A member that a person rejected because another file is better is not the best any more.

    Materialised files hold nothing but pixels, so equal pixels are equal files.
    """
    best_of_near = dict.fromkeys(context.copies.best)
    found = []
    for group in context.copies.same:
        for label in sorted({context.pictures[one].label_now for one in group}):
            members = [
                one
                for one in group
                if context.pictures[one].label_now == label and not context.pictures[one].rejected_as_copy
            ]
            if not members:
                continue
            best = min(members, key=lambda one: (one not in best_of_near, context.pictures[one].order))
            kept = context.pictures[best]
            detail: CopyDetail = {"copy_of": kept.image_id, "copy_of_label": kept.label}
            found += [CHECK.finding(context.pictures[one], 1.0, detail) for one in members if one != best]
    return found


CHECK = Check(
    name="exact",
    title="exact copy",
    reason=Reason("dup.exact"),
    detail=CopyDetail,
    threshold=1.0,
    settle=lambda picture, found: Settled(verdict="reject"),
    describe=lambda finding: f"the same pixels as {finding.detail['copy_of_label']}/{finding.detail['copy_of']}",
    run=run,
)
