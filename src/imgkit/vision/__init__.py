"""All that knows pixels: decode, resize, perceptual hash, backbone, embeddings, probe."""

from typing import Final

GREY_TAIL_SHARE: Final = 0.05
"""Share of a JPEG in one grey band at its end from which it counts as cut off."""
