"""Pictures that behave like photographs for hashes and alignment, made from a number."""

import numpy as np
from PIL import Image


def photo(seed: int, *, width: int = 320, height: int = 240) -> Image.Image:
    """Return a colourful picture with structure at all scales; another seed, another picture."""
    chance = np.random.default_rng(seed)
    layers = np.zeros((height, width, 3), np.float32)
    for cells, weight in ((3, 90), (6, 60), (12, 40), (24, 25), (60, 16), (200, 24)):
        noise = chance.uniform(-1, 1, (cells, cells, 3)).astype(np.float32)
        for channel in range(3):
            grown = Image.fromarray(noise[..., channel]).resize((width, height), Image.Resampling.BICUBIC)
            layers[..., channel] += weight * np.asarray(grown)
    return Image.fromarray(np.clip(layers + 128, 0, 255).astype(np.uint8))


def flat(colour: tuple[int, int, int] = (128, 128, 128), *, side: int = 200) -> Image.Image:
    """Return a picture of one colour."""
    return Image.new("RGB", (side, side), colour)
