"""What light and a camera do to a drawn scene: shadows, sun flecks, vignette, colour cast, blur and grain."""

from typing import Final

import numpy as np
from PIL import Image, ImageFilter

from imgkit.demo.drawing.textures import Field, Pixels, fractal, to_image

GRAIN: Final[Field] = np.random.default_rng(11).standard_normal((1280, 1280), np.float32)
"""One sheet of film; each picture is taken on a part of it."""


def shadow(ground: Pixels, cover: Field, rng: np.random.Generator, *, size: float) -> Pixels:
    """Darken a ground where something that covers it throws its shadow; ``size`` in px is how thick the thing is."""
    angle, reach = rng.uniform(0, 2 * np.pi), size * rng.uniform(0.25, 0.7)
    mask = Image.fromarray((cover * 255).astype(np.uint8))
    dx, dy = round(reach * np.cos(angle)), round(reach * np.sin(angle))
    moved = Image.new("L", mask.size, 0)
    moved.paste(mask, (dx, dy))
    soft = np.asarray(moved.filter(ImageFilter.BoxBlur(max(1.0, size * 0.3))), np.float32)
    lit: Field = 1 - soft * np.float32(rng.uniform(0.45, 0.7) / 255)
    return ground * lit[..., None]


def over(ground: Pixels, pixels: Pixels, cover: Field) -> Pixels:
    """Lay pixels over a ground where they cover it."""
    return ground + (pixels - ground) * cover[..., None]


def photograph(scene: Pixels, rng: np.random.Generator, size: tuple[int, int]) -> Image.Image:
    """Take a picture of a scene: uneven light, a cast, grain, a lens that is not perfect, at a size in px."""
    height, width = scene.shape[:2]
    cast = np.array([rng.normal(1, 0.07), rng.normal(1, 0.03), rng.normal(1, 0.09)], np.float32)
    cast *= np.float32(rng.uniform(0.82, 1.18))
    grain = GRAIN[rng.integers(256) :, rng.integers(256) :][:height, :width, None] * np.float32(rng.uniform(1.5, 7))
    scene = scene * _light(rng, width, height)[..., None] * cast + grain
    image = to_image(scene).convert("RGB", _tones(saturation=rng.uniform(0.75, 1.15), contrast=rng.uniform(0.82, 1.1)))
    if (softness := float(rng.choice([0.0, 0.4, 0.9, 1.5], p=[0.45, 0.3, 0.17, 0.08]))) > 0:
        image = image.filter(ImageFilter.BoxBlur(softness))
    return image.resize(size, Image.Resampling.BICUBIC)


def _light(rng: np.random.Generator, width: int, height: int) -> Field:
    """Brightness over a scene: darker corners, one side nearer to the light, now and then sun through leaves."""
    rows, columns = np.linspace(-1, 1, height, dtype=np.float32), np.linspace(-1, 1, width, dtype=np.float32)
    vignette, down, across = rng.uniform(0.05, 0.4) / 2, rng.normal(0, 0.09), rng.normal(0, 0.09)
    by_row = (1 - vignette * rows**2 + down * rows).astype(np.float32)
    by_column = (-vignette * columns**2 + across * columns).astype(np.float32)
    light: Field = by_row[:, None] + by_column[None, :]
    if rng.random() < 0.3:
        flecks = fractal(rng, width, height, cell=rng.uniform(90, 220), octaves=3)
        light *= np.float32(0.72) + np.float32(0.5) * np.clip((flecks - 0.4) * 2.2, 0, 1)
    return light


def _tones(*, saturation: float, contrast: float) -> tuple[float, ...]:
    """Return the colour matrix, as Pillow takes it, for a saturation and a contrast around middle grey."""
    grey, own, lift = contrast * (1 - saturation) / 3, contrast * saturation, 127 * (1 - contrast)
    rows = [[grey + (own if row == column else 0) for column in range(3)] + [lift] for row in range(3)]
    return tuple(value for row in rows for value in row)
