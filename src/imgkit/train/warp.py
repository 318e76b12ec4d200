"""Carry out what was drawn for a batch of pictures: parts of them, turned or sheared, with other colours."""

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
