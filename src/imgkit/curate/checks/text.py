"""Pages, charts, covers, posters and collages instead of one photograph. ``--allow text`` turns this off."""

from typing import TYPE_CHECKING

from imgkit.curate.checks.check import Check, Detector
from imgkit.curate.checks.not_photo import NOT_PHOTO, THRESHOLD, HeadDetail, head_findings
from imgkit.manifest import Finding

if TYPE_CHECKING:
    from imgkit.curate.context import CheckContext


def run(context: "CheckContext") -> list[Finding]:
    """Return a finding for each picture that the head takes for text or a collage; the score is its log-odds."""
    return head_findings(CHECK, "text", context)


CHECK = Check(
    name="text",
    title="text",
    detail=HeadDetail,
    threshold=THRESHOLD,
    needs_model=True,
    kind="text",
    no_example=True,
    detector=Detector(
        weight=1.35, start=0.5, gain=2.0, usual=-2.0, reason=NOT_PHOTO, words="text, a cover or a collage"
    ),
    describe=lambda finding: f"text, a cover or a collage (log-odds {finding.score:.1f})",
    run=run,
)
