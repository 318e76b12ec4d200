"""Faults of a picture that a thumbnail shows: dark, bright, blurred, flat, tiny, a sliver."""

from typing import Final

import numpy as np

from imgkit.curate.pictures import ItemPicture

DARK_BELOW: Final = 0.32  # brightness of the brightest 1 % of pixels; CleanVision's threshold
BRIGHT_ABOVE: Final = 0.95  # brightness of the darkest 5 % of pixels; CleanVision's threshold
MIDDLE_BELOW: Final = 0.5  # share of middle tones below which dark or bright is more than a backdrop
BLURRED_BELOW: Final = 60.0  # variance of the Laplacian in the sharpest tenth of the tiles
LOW_INFORMATION_BELOW: Final = 1.5  # bits of the grey histogram
TINY_BELOW_PX: Final = 100  # shorter side of the original; a model sees 224
SLIVER_BELOW: Final = 0.35  # shorter side by longer; CleanVision's threshold


def faults_of(picture: ItemPicture, row: np.void) -> dict[str, tuple[float, float]]:
    """Return each fault as (how many times beyond the limit, measured value)."""
    shorter, longer = sorted((picture.width, picture.height))
    few_middle_tones = row["middle"] < MIDDLE_BELOW
    measures = {
        "flat": (2.0 if row["flat"] and row["entropy"] < LOW_INFORMATION_BELOW else 0.0, float(row["entropy"])),
        "low information": (_under(LOW_INFORMATION_BELOW, row["entropy"]), float(row["entropy"])),
        "dark": (_under(DARK_BELOW, row["dark"]) if few_middle_tones else 0.0, float(row["dark"])),
        "bright": (_under(1 - BRIGHT_ABOVE, 1 - row["bright"]) if few_middle_tones else 0.0, float(row["bright"])),
        "blurred": (_under(BLURRED_BELOW, row["sharpness"]), float(row["sharpness"])),
        "tiny": (_under(TINY_BELOW_PX, shorter), float(shorter)),
        "sliver": (_under(SLIVER_BELOW, shorter / longer), shorter / longer),
    }
    return {name: (beyond, value) for name, (beyond, value) in measures.items() if beyond >= 1.0}


def _under(limit: float, value: float) -> float:
    """Return 1 at the limit, more below it, less above it."""
    return float(limit / max(float(value), limit / 10))
