import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from imgkit.train.picture import Picture

torch.set_num_threads(1)

COLOURS = {"coral": (200, 60, 40), "king": (50, 70, 200), "milk": (70, 190, 80)}


def draw(path: Path, colour: tuple[int, int, int], seed: int, *, size: tuple[int, int] = (96, 72)) -> None:
    """Save a blotchy picture whose mean colour tells its label."""
    noise = np.random.default_rng(seed).normal(0, 40, (6, 8, 3))
    blotches = np.clip(np.array(colour) + noise, 0, 255).astype(np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(blotches).resize(size, Image.Resampling.BICUBIC).save(path)


@pytest.fixture
def folder(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that draws a folder of labelled pictures, all different."""

    def make(name: str = "pictures", *, per_label: int = 4, labels: tuple[str, ...] = ("coral", "king")) -> Path:
        root = tmp_path / name
        for label in labels:
            for number in range(per_label):
                seed = zlib.crc32(f"{label} {number}".encode())
                draw(root / label / f"{number:03}.png", COLOURS.get(label, (128, 128, 128)), seed)
        return root

    return make


@pytest.fixture
def picture() -> Callable[..., Picture]:
    """Return a function that makes the record of a picture without a file."""

    def make(label: str, group: str, *, split: str = "", name: str = "") -> Picture:
        file = Path("/pictures") / label / (name or f"{group}.jpg")
        return Picture(path=file, label=label, sha256=group, width=100, height=80, group=group, split=split)

    return make
