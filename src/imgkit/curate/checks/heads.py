"""Ask the small heads that tell photographs from drawings and renders, and from text and collages."""

from typing import Final

import numpy as np
import numpy.typing as npt

from imgkit.curate.fingerprints import Fingerprints
from imgkit.vision.textures import heads

Floats = npt.NDArray[np.float32]

MEASURES: Final = ("dark", "bright", "middle", "burnt", "entropy", "colours", "top_colour", "white_border", "sharpness")
"""Fingerprints that the heads read too: tones, colours and the border of the whole picture, which the network crops."""


def logits(head: str, looks: Floats, prints: Fingerprints) -> Floats:
    """Return the (N,) log-odds that pictures are of a kind; 0 is even, higher is less of a photograph.

    Args:
        head: "drawings" (drawn, painted, rendered, toys) or "text" (pages, charts, covers, screens, collages).
        looks: (N, H), what the heads read in the network (the end of the vectors of ``TexturedBackbone``).
        prints: their fingerprints.
    """
    found: Floats = (looks + heads().read_measured(measured(prints)))[:, heads().names.index(head)]
    return found


def measured(prints: Fingerprints) -> Floats:
    """Return the (N, 9) fingerprints that the heads read."""
    values = np.stack([prints[name].astype(np.float32) for name in MEASURES], axis=1)
    values[:, -1] = np.log1p(values[:, -1])
    return values
