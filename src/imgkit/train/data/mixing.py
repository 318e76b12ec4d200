"""Mix pairs of training pictures, by blending them or by pasting a box of one into the other."""

import math
from dataclasses import dataclass

import numpy as np
from torch import Tensor


@dataclass(frozen=True, slots=True, kw_only=True)
class Mix:
    """How the pictures of one batch are mixed with the same pictures in reverse order.

    ``share`` is what is left of a picture itself, 0 to 1. ``box`` is what the other one fills: left, top, right and
    bottom as shares of the side; None where they are blended.
    """

    share: float
    box: tuple[float, float, float, float] | None

    def __call__(self, images: Tensor, others: Tensor) -> Tensor:
        """Return (B, 3, S, S) mixed pictures."""
        if self.box is None:
            return images * self.share + others * (1 - self.share)
        left, top, right, bottom = (round(edge * images.shape[-1]) for edge in self.box)
        mixed = images.clone()
        mixed[:, :, top:bottom, left:right] = others[:, :, top:bottom, left:right]
        return mixed


def draw_mix(seed: int, *, mixup: float, cutmix: float, size: int) -> Mix:
    """Return how to mix the batch that ``seed`` belongs to: blended or pasted, each for half of the batches.

    Args:
        seed: 0 to 2**63 - 1.
        mixup: both parameters of the beta distribution of shares for blending; 0: never.
        cutmix: the same for pasting.
        size: side of the pictures in pixels; the share of a pasted picture is that of its whole pixels.

    Source: Zhang et al. 2018, "mixup"; Yun et al. 2019, "CutMix".
    """
    random = np.random.default_rng(seed)
    pasted = cutmix > 0 and (mixup <= 0 or random.random() < 0.5)
    shape = cutmix if pasted else mixup
    share = float(random.beta(shape, shape)) if shape > 0 else 1.0
    if not pasted:
        return Mix(share=share, box=None)
    half = math.sqrt(1 - share) / 2
    x, y = random.random(2).tolist()
    edges = [round(min(1.0, max(0.0, edge)) * size) for edge in (x - half, y - half, x + half, y + half)]
    area = (edges[2] - edges[0]) * (edges[3] - edges[1]) / size**2
    left, top, right, bottom = (edge / size for edge in edges)
    return Mix(share=1 - area, box=(left, top, right, bottom))
