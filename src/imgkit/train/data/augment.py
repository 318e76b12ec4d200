"""Augment a batch of pictures on the device: one affine map for geometry, one matrix for colour, a flip, an erased box.

Pictures come squashed to squares with their true sizes beside them; the affine map undoes the squash, so what the
model sees keeps its proportions although the batch is one tensor."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

GREY = (0.299, 0.587, 0.114)  # luma of ITU-R BT.601
AT_ONCE_ON_CPU = 4  # pictures; more leave the caches, and their memory is fetched from the system anew each time


@dataclass(frozen=True, slots=True, kw_only=True)
class Colours:
    """How the colours of B pictures change: ``matrices`` (B, 3, 3) times red, green and blue, then contrast.

    ``contrast`` (B,) is the share of its difference from the mean grey of the picture that a colour keeps; it is in the
    matrices already. ``changed`` (B,) is False where nothing happens.
    """

    matrices: Tensor
    contrast: Tensor
    changed: Tensor

    def of(self, places: list[int]) -> "Colours":
        """Return those of some of the pictures."""
        return Colours(matrices=self.matrices[places], contrast=self.contrast[places], changed=self.changed[places])


@dataclass(frozen=True, slots=True)
class _Box:
    """A part of a stored square, in whole pixels."""

    left: int
    top: int
    right: int
    bottom: int
    mirrored: bool


def warp(pixels: Tensor, maps: Tensor, colours: Colours, *, size: int) -> Tensor:
    """Return (B, 3, size, size) float32, 0 to 1: what the maps show of (B, 3, P, P) uint8, with changed colours.

    A CPU shows a part that is neither turned nor sheared from whole pixels of the square on, half a pixel beside where
    a GPU begins; the values differ by rounding beyond that.

    Args:
        pixels: on any device.
        maps: (B, 2, 3) on the CPU, from the output square to the square of pixels, both -1 to 1.
        colours: on the CPU.
        size: side of what comes out, in pixels.
    """
    on_cpu = pixels.device.type == "cpu"
    images = _stretched_or_sampled(pixels, maps, size) if on_cpu else _sampled(pixels, maps, size)
    for part in _parts(colours.changed.tolist(), AT_ONCE_ON_CPU if on_cpu else len(pixels)):
        images[part] = _recoloured(images[part], colours.of(part))
    return images


def _stretched_or_sampled(pixels: Tensor, maps: Tensor, size: int) -> Tensor:
    """Return what ``_sampled`` does, each picture by the faster way that its map allows."""
    images = torch.empty(len(pixels), 3, size, size)
    boxes = _boxes(maps, pixels.shape[-1])
    for place, box in enumerate(boxes):
        if box is not None:
            _stretch(pixels[place : place + 1], box, images[place : place + 1])
    for part in _parts([box is None for box in boxes], AT_ONCE_ON_CPU):
        images[part] = _sampled(pixels[part], maps[part], size)
    return images


def _parts(wanted: Sequence[bool], step: int) -> Iterator[list[int]]:
    """Yield the places of what is wanted, ``step`` of them at a time."""
    places = [place for place, each in enumerate(wanted) if each]
    for start in range(0, len(places), step):
        yield places[start : start + step]


def _boxes(maps: Tensor, side: int) -> Sequence[_Box | None]:
    """Return the part of the square that each map shows upright, None where it turns or shears."""
    upright = (maps[:, 0, 1] == 0) & (maps[:, 1, 0] == 0)
    half = torch.stack([maps[:, 0, 0].abs(), maps[:, 1, 1]], dim=1)
    low = ((maps[:, :, 2] - half + 1) * side / 2).round().clamp(0, side - 1)
    high = ((maps[:, :, 2] + half + 1) * side / 2).round().clamp(max=side).maximum(low + 1)
    edges = torch.cat([low, high], dim=1).int().tolist()
    mirrored = (maps[:, 0, 0] < 0).tolist()
    return [
        _Box(left, top, right, bottom, mirror) if plain else None
        for (left, top, right, bottom), mirror, plain in zip(edges, mirrored, upright.tolist(), strict=True)
    ]


def _stretch(pixels: Tensor, box: _Box, out: Tensor) -> None:
    """Write a box of one picture into (1, 3, S, S): what ``_sampled`` shows, four times as fast in bytes."""
    cut = pixels[:, :, box.top : box.bottom, box.left : box.right]
    seen = F.interpolate(cut, size=list(out.shape[2:]), mode="bilinear", align_corners=False)
    torch.div(seen.flip(3) if box.mirrored else seen, 255, out=out)


def _sampled(pixels: Tensor, maps: Tensor, size: int) -> Tensor:
    """Return (B, 3, size, size): the bytes of (B, 3, P, P) where the maps say, reflected beyond the edge."""
    centres = (torch.arange(size) * 2 + 1) / size - 1
    across = (maps[:, :, 0, None] * centres).to(pixels.device)  # (B, 2, size)
    down = (maps[:, :, 1, None] * centres + maps[:, :, 2, None]).to(pixels.device)
    grid = (across[:, :, None, :] + down[:, :, :, None]).permute(0, 2, 3, 1)
    return F.grid_sample(pixels.float(), grid, padding_mode="reflection", align_corners=False).div_(255)


def _recoloured(images: Tensor, colours: Colours) -> Tensor:
    """Return (B, 3, S, S) with their colours changed."""
    planes, device = images.flatten(2), images.device
    contrast = colours.contrast.to(device)
    mean = planes.mean(dim=2) @ torch.tensor(GREY, device=device)
    offset = ((1 - contrast) * mean).view(-1, 1, 1).expand(-1, 3, 1)
    return torch.baddbmm(offset, colours.matrices.to(device), planes).clamp_(0, 1).view_as(images)


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


class RandomDraws:
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


def augment(pixels: Tensor, sizes: Tensor, augmentation: Augmentation, dice: RandomDraws) -> Tensor:
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


def crop_maps(sizes: Tensor, augmentation: Augmentation, picked: dict[str, Tensor], dice: RandomDraws) -> Tensor:
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


def _erase(images: Tensor, dice: RandomDraws) -> Tensor:
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
