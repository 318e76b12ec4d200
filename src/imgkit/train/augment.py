"""Vary a batch of pictures on the device: one affine map for geometry, one matrix for colour, a flip, an erased box.

Pictures come squashed to squares with their true sizes beside them; the affine map undoes the squash, so what the
model sees keeps its proportions although the batch is one tensor.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from imgkit.train.warp import GREY, Colours, warp

SHAPE_RANGE = (3 / 4, 4 / 3)  # width by height of a crop, as in Szegedy et al. 2015
ROTATE_DEGREES = 30.0
SHEAR = 0.3
COLOUR_STRENGTH = 0.6  # brightness, contrast and saturation are scaled by 0.4 to 1.6
ERASE_SHARE = 0.1  # of the pictures get a grey box
ERASE_AREA = (0.02, 0.2)
COLOUR_OPS = ("brightness", "contrast", "saturation")
GEOMETRY_OPS = ("identity", "rotate", "shear x", "shear y")


@dataclass(frozen=True, slots=True, kw_only=True)
class Augmentation:
    """What may vary. ``size`` is the side in pixels of what comes out; ``crop_area`` the smallest share shown."""

    size: int
    crop_area: float = 0.35
    flip: bool = True
    keep_color: bool = False


class Dice:
    """Random numbers for some pictures of a batch: those that they would get if the whole batch were varied at once.

    Args:
        random: on the CPU.
        whole: pictures in the batch.
        part: those of them that are varied; None: all.
    """

    def __init__(self, random: torch.Generator, whole: int, part: slice | None = None) -> None:
        self._random, self._whole, self._part = random, whole, part or slice(None)

    def uniform(self, low: float = 0.0, high: float = 1.0) -> Tensor:
        """Return one number between ``low`` and ``high`` for each picture of the part."""
        return torch.empty(self._whole).uniform_(low, high, generator=self._random)[self._part]

    def choice(self, count: int) -> Tensor:
        """Return one of 0 to ``count`` - 1 for each picture of the part."""
        return torch.randint(count, (self._whole,), generator=self._random)[self._part]


def augment(pixels: Tensor, sizes: Tensor, augmentation: Augmentation, dice: Dice) -> Tensor:
    """Return a varied batch.

    One of seven things happens to each picture besides crop and flip, with random strength: nothing, a rotation, a
    shear, or a change of brightness, contrast or saturation.

    Args:
        pixels: (B, 3, P, P) uint8, each picture squashed to a square.
        sizes: (B, 2) float, true width and height.
        augmentation: what may vary.
        dice: the same state gives the same pictures, however the batch is cut into parts, and on another device the
            same to within half a pixel.

    Returns:
        (B, 3, size, size) float32, 0 to 1, not yet normalised.

    Source: one operation of random strength per picture after Müller & Hutter 2021, "TrivialAugment".
    """
    operations = (*GEOMETRY_OPS, *(COLOUR_OPS[:2] if augmentation.keep_color else COLOUR_OPS))
    chosen = dice.choice(len(operations))
    strength = dice.uniform(-1, 1)
    picked = {name: (chosen == number) * strength for number, name in enumerate(operations)}
    maps = crop_maps(sizes.cpu(), augmentation, picked, dice)
    return _erase(warp(pixels, maps, colours_of(picked), size=augmentation.size), dice)


def crop_maps(sizes: Tensor, augmentation: Augmentation, picked: dict[str, Tensor], dice: Dice) -> Tensor:
    """Return (B, 2, 3) maps from the output square to the squashed square, as for ``F.affine_grid``, both -1 to 1."""
    count = len(sizes)
    width, height = sizes[:, 0], sizes[:, 1]
    area = dice.uniform(augmentation.crop_area, 1.0) * width * height
    low, high = (math.log(limit) for limit in SHAPE_RANGE)
    shape = dice.uniform(low, high).exp()
    across, down = (area * shape).sqrt() / width, (area / shape).sqrt() / height  # shares of the picture
    fit = torch.stack([across, down, torch.ones(count)]).amax(dim=0)
    across, down = across / fit, down / fit
    centre_x = dice.uniform(-1, 1) * (1 - across)
    centre_y = dice.uniform(-1, 1) * (1 - down)
    mirrored = dice.uniform() < 0.5 if augmentation.flip else torch.zeros(count, dtype=torch.bool)

    angle = picked["rotate"] * math.radians(ROTATE_DEGREES)
    turn = torch.stack([angle.cos(), -angle.sin(), angle.sin(), angle.cos()], dim=1).view(-1, 2, 2)
    shear = torch.eye(2).repeat(count, 1, 1)
    shear[:, 0, 1], shear[:, 1, 0] = picked["shear x"] * SHEAR, picked["shear y"] * SHEAR
    # output square -> pixels of the crop, turned and sheared there -> squashed square
    crop = torch.diag_embed(torch.stack([across * width * torch.where(mirrored, -1.0, 1.0), down * height], dim=1))
    squash = torch.diag_embed(torch.stack([1 / width, 1 / height], dim=1))
    linear = squash @ turn @ shear @ crop
    return torch.cat([linear, torch.stack([centre_x, centre_y], dim=1)[:, :, None]], dim=2)


def colours_of(picked: dict[str, Tensor]) -> Colours:
    """Return brightness, contrast and saturation as one matrix for each picture."""
    factor = {name: 1 + COLOUR_STRENGTH * strength for name, strength in picked.items() if name in COLOUR_OPS}
    ones = torch.ones_like(factor["contrast"])
    saturation, scale = factor.get("saturation", ones), factor["brightness"] * factor["contrast"]
    mixed = saturation[:, None, None] * torch.eye(3) + (1 - saturation)[:, None, None] * torch.tensor(GREY).expand(3, 3)
    return Colours(
        matrices=mixed * scale[:, None, None],
        contrast=factor["contrast"],
        changed=torch.stack([each != 1 for each in factor.values()]).any(dim=0),
    )


def _erase(images: Tensor, dice: Dice) -> Tensor:
    """Cover a random box of some pictures with grey."""
    _, _, height, width = images.shape
    places = (dice.uniform() < ERASE_SHARE).nonzero().flatten()
    area = dice.uniform(*ERASE_AREA)[places]
    low, high = (math.log(limit) for limit in (0.3, 1 / 0.3))
    shape = dice.uniform(low, high).exp()[places]
    half_x, half_y = (area * shape).sqrt() / 2, (area / shape).sqrt() / 2
    centre_x, centre_y = dice.uniform()[places], dice.uniform()[places]
    across = ((torch.arange(width) + 0.5) / width - centre_x[:, None]).abs() < half_x[:, None]
    down = ((torch.arange(height) + 0.5) / height - centre_y[:, None]).abs() < half_y[:, None]
    for place, columns, rows in zip(places.tolist(), across, down, strict=True):
        inside = [edge.nonzero().flatten().tolist() for edge in (rows, columns)]
        if all(inside):
            (top, *_, bottom), (left, *_, right) = ([*each, each[-1]] for each in inside)
            images[place, :, top : bottom + 1, left : right + 1] = 0.5
    return images
