"""Textures from layered noise, and colours that vary as in nature."""

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from PIL import Image

Field: TypeAlias = npt.NDArray[np.float32]
Pixels: TypeAlias = npt.NDArray[np.float32]
Colour: TypeAlias = tuple[float, float, float]


def fractal(
    rng: np.random.Generator, width: int, height: int, *, cell: float, octaves: int = 4, stretch: float = 1.0
) -> Field:
    """Return smooth noise of several sizes, shape (height, width), values 0 to 1.

    Args:
        rng: the source of chance.
        width: px.
        height: px.
        cell: size in px of the largest blobs; each octave halves it.
        octaves: how many sizes.
        stretch: over 1 makes blobs longer than high by that factor.
    """
    half = 2 if cell / 2 ** (octaves - 1) >= 4 else 1  # what is smooth enough is made at half the size
    rows, columns = -(-height // half), -(-width // half)
    total = np.zeros((rows, columns), np.float32)
    for octave in range(octaves):
        size = cell / 2**octave / half
        coarse = rng.random(
            (min(rows, round(rows / size) + 3), min(columns, round(columns / size / stretch) + 3)), np.float32
        )
        total += np.float32(0.55**octave) * _enlarged(coarse, columns, rows)
    low, high = np.percentile(total[::4, ::4], (1, 99))
    total -= np.float32(low)
    total *= np.float32(1 / max(1e-6, high - low))
    field: Field = np.clip(total if half == 1 else _enlarged(total, width, height), 0, 1)
    return field


def _enlarged(field: Field, width: int, height: int) -> Field:
    image = Image.fromarray(field).resize((width, height), Image.Resampling.BICUBIC)
    enlarged: Field = np.asarray(image)
    return enlarged


def tinted(field: Field, stops: Sequence[Colour]) -> Pixels:
    """Map values 0 to 1 through evenly spaced colours; shape (height, width, 3), values 0 to 255."""
    positions = np.linspace(0, 255, len(stops))
    table = np.stack([np.interp(np.arange(256), positions, [stop[c] for stop in stops]) for c in range(3)], axis=1)
    pixels: Pixels = table.astype(np.float32)[(field * 255).astype(np.uint8)]
    return pixels


def varied(rng: np.random.Generator, colour: Colour, amount: float = 18.0) -> tuple[int, int, int]:
    """Return a colour near another: brightness varies by ``amount``, each channel by a third of it."""
    shift = rng.normal(0, amount)
    red, green, blue = (int(min(255.0, max(0.0, channel + shift + rng.normal(0, amount / 3)))) for channel in colour)
    return red, green, blue


def to_image(pixels: Pixels) -> Image.Image:
    """Return pixels as an RGB picture."""
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))
