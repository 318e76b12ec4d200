"""What light and a camera do to a drawn scene: shadows, sun flecks, vignette, colour cast, blur and grain."""

import numpy as np
from PIL import Image, ImageFilter

from imgkit.demo.textures import Field, Pixels, fractal, to_image


def shadow(ground: Pixels, cover: Field, rng: np.random.Generator, *, size: float) -> Pixels:
    """Darken a ground where something that covers it throws its shadow; ``size`` in px is how thick the thing is."""
    angle, reach = rng.uniform(0, 2 * np.pi), size * rng.uniform(0.25, 0.7)
    mask = Image.fromarray((cover * 255).astype(np.uint8))
    dx, dy = round(reach * np.cos(angle)), round(reach * np.sin(angle))
    moved = Image.new("L", mask.size, 0)
    moved.paste(mask, (dx, dy))
    soft = np.asarray(moved.filter(ImageFilter.BoxBlur(max(1.0, size * 0.3))), np.float32) / 255
    darkness = np.float32(rng.uniform(0.45, 0.7))
    return ground * (1 - darkness * soft[..., None])


def over(ground: Pixels, pixels: Pixels, cover: Field) -> Pixels:
    """Lay pixels over a ground where they cover it."""
    return ground + (pixels - ground) * cover[..., None]


def photograph(scene: Pixels, rng: np.random.Generator, size: tuple[int, int]) -> Image.Image:
    """Take a picture of a scene: uneven light, a cast, a lens that is not perfect, at a size in px, with grain."""
    height, width = scene.shape[:2]
    rows, columns = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j].astype(np.float32)
    light = 1 - rng.uniform(0.05, 0.4) * (rows**2 + columns**2) / 2
    light += rng.normal(0, 0.09) * rows + rng.normal(0, 0.09) * columns
    if rng.random() < 0.35:  # sun through leaves
        flecks = fractal(rng, width, height, cell=rng.uniform(60, 160), octaves=2)
        light *= 0.68 + 0.65 * np.clip((flecks - 0.45) * 4, 0, 1)
    scene = scene * light[..., None] * rng.uniform(0.72, 1.22)
    scene *= np.array([rng.normal(1, 0.07), rng.normal(1, 0.03), rng.normal(1, 0.09)], np.float32)
    grey = scene.mean(axis=2, keepdims=True)
    scene = grey + (scene - grey) * rng.uniform(0.65, 1.15)
    image = to_image(127 + (scene - 127) * rng.uniform(0.82, 1.12))
    image = image.filter(ImageFilter.GaussianBlur(float(rng.choice([0.5, 0.8, 1.4, 2.2], p=[0.45, 0.3, 0.17, 0.08]))))
    image = image.resize(size, Image.Resampling.BICUBIC)
    grain = rng.normal(0, rng.uniform(1.5, 7), (size[1] // 2 + 1, size[0] // 2 + 1)).astype(np.float32)
    fine = np.asarray(Image.fromarray(grain).resize(size, Image.Resampling.BILINEAR))
    return to_image(np.asarray(image, np.float32) + fine[..., None])
