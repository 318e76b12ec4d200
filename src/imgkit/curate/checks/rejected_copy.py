"""Copies of a picture that a person rejected and that has left the harvest since, so that no group holds both."""

from typing import TYPE_CHECKING, TypedDict

from imgkit.curate.checks.check import CERTAIN, Check, Reason, Settled
from imgkit.manifest import Finding

if TYPE_CHECKING:
    from imgkit.curate.context import CheckContext


class RejectedCopyDetail(TypedDict):
    """The image id and the label of the rejected picture, and the reason code of its rejection."""

    copy_of: str
    copy_of_label: str
    rejected_for: str


def run(context: "CheckContext") -> list[Finding]:
    """Return a finding for each copy of a picture that a person rejected for its content and that is no item any more.

    A rejected picture that is still an item needs none: its group of copies follows the decision.
    """
    found = []
    for index, rejected in sorted(context.copies_of_rejected.items()):
        decision = rejected.decision
        detail: RejectedCopyDetail = {
            "copy_of": rejected.image_id,
            "copy_of_label": rejected.label,
            "rejected_for": (decision.reason if decision is not None else "") or "user.rejected",
        }
        found.append(CHECK.finding(context.pictures[index], 1.0, detail))
    return found


CHECK = Check(
    name="rejected_copy",
    title="copy of a rejected picture",
    reason=Reason("bad.rejected", "a copy of a picture that a person rejected"),
    detail=RejectedCopyDetail,
    threshold=1.0,
    settle=lambda picture, found: Settled(verdict="reject", junk=CERTAIN),
    describe=lambda finding: (
        f"a copy of {finding.detail['copy_of_label']}/{finding.detail['copy_of']}, which a person rejected"
    ),
    run=run,
)
