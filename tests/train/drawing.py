"""Small pictures whose mean colour tells their label."""

import zlib
from pathlib import Path

import numpy as np
from PIL import Image

COLOURS = {"coral": (200, 60, 40), "king": (50, 70, 200), "milk": (70, 190, 80)}


def draw(path: Path, colour: tuple[int, int, int], seed: int, *, size: tuple[int, int] = (96, 72)) -> None:
    """Save a blotchy picture whose mean colour tells its label."""
    noise = np.random.default_rng(seed).normal(0, 40, (6, 8, 3))
    blotches = np.clip(np.array(colour) + noise, 0, 255).astype(np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(blotches).resize(size, Image.Resampling.BICUBIC).save(path)


def draw_labels(root: Path, *, per_label: int, labels: tuple[str, ...]) -> Path:
    """Draw a folder for each label, with pictures that are all different."""
    for label in labels:
        for number in range(per_label):
            seed = zlib.crc32(f"{label} {number}".encode())
            draw(root / label / f"{number:03}.png", COLOURS.get(label, (128, 128, 128)), seed)
    return root
