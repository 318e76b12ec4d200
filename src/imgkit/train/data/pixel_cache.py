"""Decode pictures once: for training squashed to squares on disk, held-out ones just as the model sees them."""

import hashlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.lib.format import open_memmap
from PIL import Image
from torch import Tensor

from imgkit.arrays import UInt8Array
from imgkit.dataset.picture import LabelledPicture
from imgkit.files import resource_error, temporary_beside
from imgkit.progress import Progress, track
from imgkit.vision.decode import open_picture

SQUASH_RATIO = 1.4  # side of a stored square by side of a training crop: crops of half the area are not enlarged
VERSION = 1  # of the stored squares; raise it when decoding or resizing changes
THREADS = 4  # decoding and resizing leave Python's lock
GPU_SHARE = 0.3  # of the free memory that pixels may take


@dataclass(frozen=True, slots=True, kw_only=True)
class PixelCache:
    """N pictures squashed to squares. ``pixels`` is (N, P, P, 3) uint8; ``sizes`` is (N, 2) true width and height."""

    pixels: Tensor
    sizes: Tensor

    def batch(self, indices: Tensor, device: torch.device) -> tuple[Tensor, Tensor]:
        """Return (B, 3, P, P) uint8 on ``device`` and (B, 2) sizes on the CPU."""
        chosen = self.pixels[indices.to(self.pixels.device)].to(device, non_blocking=True)
        return chosen.permute(0, 3, 1, 2), self.sizes[indices]


def squares(
    pictures: Sequence[LabelledPicture], *, size: int, cache: Path, device: torch.device, progress: Progress
) -> PixelCache:
    """Return the squares of ``pictures`` for training crops of ``size`` pixels, decoding only what is not stored yet.

    They stay on the disk and are paged in as needed; on a GPU with room they move there and no loader is needed.
    """
    side = round(size * SQUASH_RATIO)
    stored = _stored(pictures, side, cache, progress)
    pixels = torch.from_numpy(stored)
    if device.type == "cuda" and pixels.nbytes < GPU_SHARE * torch.cuda.mem_get_info(device)[0]:
        pixels = pixels.to(device)
    sizes = torch.tensor([(picture.width, picture.height) for picture in pictures], dtype=torch.float32)
    return PixelCache(pixels=pixels, sizes=sizes)


def squash(image: Image.Image, side: int) -> UInt8Array:
    """Return (side, side, 3) bytes: the whole picture, its proportions given up."""
    return np.asarray(image.resize((side, side), Image.Resampling.BICUBIC, reducing_gap=2.0))


def _stored(pictures: Sequence[LabelledPicture], side: int, cache: Path, progress: Progress) -> UInt8Array:
    key = hashlib.sha256(" ".join([str(VERSION), *(picture.sha256 for picture in pictures)]).encode()).hexdigest()
    target = cache / "pixels" / f"{key[:24]}-{side}.npy"
    shape = (len(pictures), side, side, 3)
    if target.is_file() and target.stat().st_size > np.prod(shape):
        return _opened(target)
    temporary = temporary_beside(target)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        rows = open_memmap(temporary, mode="w+", dtype=np.uint8, shape=shape)
        with ThreadPoolExecutor(THREADS) as pool:
            ready = pool.map(lambda picture: squash(open_picture(picture.path), side), pictures)
            for row, pixels in enumerate(track(ready, progress, "decoding once", len(pictures))):
                rows[row] = pixels
        rows.flush()
        temporary.replace(target)
    except OSError as error:
        raise resource_error(error, target, needed=int(np.prod(shape))) from error
    finally:
        temporary.unlink(missing_ok=True)
    return _opened(target)


def _opened(path: Path) -> UInt8Array:
    """Copy-on-write: torch wants memory that it may write to, although nobody does."""
    stored: UInt8Array = np.load(path, mmap_mode="c")
    return stored
