"""Cut and scale a picture to what a network sees. Knows nothing of torch, so that decoders start fast."""

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from PIL import Image

from imgkit.arrays import UInt8Array

RESAMPLING: Final = {
    "nearest": Image.Resampling.NEAREST,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
}


LONGEST_RESIZED: Final = 4  # times the shorter side: longer pictures are not resized as a whole


@dataclass(frozen=True, slots=True, kw_only=True)
class Preprocessing:
    """What a network wants to see: ``size`` px square, cut from the middle after scaling by 1 / ``crop``.

    ``mean`` and ``std`` belong to values in 0 to 1 and to these weights: others cost 10 points without any error.
    """

    size: int
    crop: float
    interpolation: str
    mean: tuple[float, float, float]
    std: tuple[float, float, float]

    @property
    def shortest(self) -> int:
        """The shorter side, in pixels, that a picture is scaled to before it is cut."""
        return math.floor(self.size / self.crop)


def prepare(image: Image.Image, form: Preprocessing) -> UInt8Array:
    """Return what a network sees of an RGB picture: (S, S, 3), scaled and cut from the middle.

    The pixels are those of timm's transform for evaluation (torchvision's ``Resize`` and ``CenterCrop``), rounding of
    sizes and offsets included, so that a model folder gives the same probabilities wherever timm reads it.
    """
    width, height = _scaled(image.size, form.shortest)
    left, top = round((width - form.size) / 2), round((height - form.size) / 2)
    if max(width, height) <= LONGEST_RESIZED * form.shortest:
        whole = image.resize((width, height), RESAMPLING[form.interpolation])
        return np.array(whole.crop((left, top, left + form.size, top + form.size)))
    # the corners of the middle square, in pixels of the picture: the same but for rounding, in little memory
    across, down = image.width / width, image.height / height
    box = (left * across, top * down, (left + form.size) * across, (top + form.size) * down)
    return np.array(image.resize((form.size, form.size), RESAMPLING[form.interpolation], box=box))


def _scaled(size: tuple[int, int], shortest: int) -> tuple[int, int]:
    """Return width and height of a picture once its shorter side is ``shortest``; the other one is rounded down."""
    width, height = size
    if width <= height:
        return shortest, int(shortest * height / width)
    return int(shortest * width / height), shortest
