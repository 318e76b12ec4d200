"""Log-odds of the linear heads that separate photographs from drawings and renders, and from text and collages."""

from typing import Final

import numpy as np

from imgkit.arrays import Float32Array
from imgkit.curate.copies.fingerprints import Fingerprints
from imgkit.vision.features.textures import heads

MEASURES: Final = ("dark", "bright", "middle", "burnt", "entropy", "colours", "top_colour", "white_border", "sharpness")
"""Fingerprints that the heads read too: tones, colours and the border of the whole picture, which the network crops."""


def logits(head: str, head_outputs: Float32Array, rows: Fingerprints) -> Float32Array:
    """Return the (N,) log-odds that pictures are of a kind; 0 is even, higher is less of a photograph.

    Args:
        head: "drawings" (drawn, painted, rendered, toys) or "text" (pages, charts, covers, screens, collages).
        head_outputs: (N, H), the network's share of the log-odds (the end of the vectors of ``TexturedBackbone``).
        rows: their fingerprints.
    """
    found: Float32Array = (head_outputs + heads().read_measured(measured(rows)))[:, heads().names.index(head)]
    return found


def measured(rows: Fingerprints) -> Float32Array:
    """Return the (N, 9) fingerprints that the heads read."""
    values = np.stack([rows[name].astype(np.float32) for name in MEASURES], axis=1)
    values[:, -1] = np.log1p(values[:, -1])
    return values
