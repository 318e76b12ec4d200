"""Pages, charts, covers, posters and collages instead of one photograph. ``--allow text`` turns this off."""

from typing import Final

from imgkit.curate.checks.not_photo import asked
from imgkit.curate.evidence import Evidence
from imgkit.manifest import Finding
from imgkit.vision import textures

NAME = "text"
VERSION = 1 + textures.VERSION

HEAD: Final = "text"
THRESHOLD: Final = 3.0  # log-odds; photographs of kinds that the head has not seen reach 2 now and then
WORTH_A_LOOK: Final = 1.0


def run(evidence: Evidence) -> list[Finding]:
    """Return a finding for each picture that the head takes for text or a collage; the score is its log-odds."""
    return [] if "text" in evidence.config.allow else asked(evidence, NAME, HEAD, THRESHOLD, WORTH_A_LOOK, VERSION)
