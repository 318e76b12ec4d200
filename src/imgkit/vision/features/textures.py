"""How a picture was made shows in the textures of a network's maps; small heads read them.

The heads tell photographs from drawings and renders, and from text and collages. They read what the packaged network
says on its way, and a few measures of the whole picture that others take (``measured``).
"""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final

import numpy as np
import torch

from imgkit.arrays import Float32Array
from imgkit.files import sha256_of

HEADS_FILE: Final = Path(__file__).parent / "heads.npz"
"""Weights, made by ``benchmarks/curate_heads.py --write``."""

VERSION: Final = 4  # of the weights and of what they read; findings carry it

BACKBONE: Final = "tf_efficientnet_lite0"
"""The network whose textures the heads read; they say nothing about those of another one."""

CORRELATED: Final = (1, 2, 3)  # stages; the next ones have more channels, which say what is shown, not how it is made
FARTHEST: Final = 5.0  # deviations; beyond that a picture is strange, and not five times as drawn
_LEAST_SPREAD: Final = 1e-4  # of a channel that is the same everywhere


@dataclass(frozen=True, slots=True)
class Heads:
    """What to subtract and divide by, (M,) each, and for H heads their weights (H, M) and biases (H,).

    Of the M numbers the first ``textures`` are the network's, the others measures of the whole picture.
    """

    names: tuple[str, ...]
    middle: Float32Array
    spread: Float32Array
    weights: Float32Array
    biases: Float32Array
    textures: int

    def read(self, textures: Float32Array) -> Float32Array:
        """Return the (N, H) shares of (N, textures) numbers in the log-odds."""
        return self._share(textures, slice(0, self.textures))

    def read_measured(self, measured: Float32Array) -> Float32Array:
        """Return the (N, H) shares of the other (N, M - textures) numbers, and the biases: the rest of the log-odds."""
        return self._share(measured, slice(self.textures, None)) + self.biases

    def _share(self, values: Float32Array, part: slice) -> Float32Array:
        found: Float32Array = standardised(values, self.middle[part], self.spread[part]) @ self.weights[:, part].T
        return found


@lru_cache(maxsize=1)
def heads() -> Heads:
    """Return the heads of ``HEADS_FILE``."""
    with np.load(HEADS_FILE, allow_pickle=False) as stored:
        values = {name: stored[name].astype(np.float32) for name in ("middle", "spread", "weights", "biases")}
        names = tuple(str(name) for name in stored["names"])
        return Heads(names=names, textures=int(stored["textures"]), **values)


@lru_cache(maxsize=1)
def heads_key() -> str:
    """Return what changes whenever the heads do."""
    return f"heads {VERSION} {sha256_of(HEADS_FILE)[:16]}"


def standardised(values: Float32Array, middle: Float32Array, spread: Float32Array) -> Float32Array:
    """Return values less their middle in units of their spread, cut at 5."""
    found: Float32Array = np.clip((values - middle) / spread, -FARTHEST, FARTHEST)
    return found


def pooled_textures(plain: Float32Array) -> Float32Array:
    """Return what the heads read of (N, D) features.

    Roots, and logarithms below, make the long tails of activations short: a linear head then needs fewer exceptions.
    """
    root: Float32Array = np.sqrt(np.maximum(plain, 0))
    return root


def stage_textures(maps: torch.Tensor, *, correlated: bool) -> Float32Array:
    """Return what the heads read of (N, C, H, W) maps of a stage.

    Of each channel its mean and the logarithm of its spread and, for stages that are ``correlated``, of each two
    channels their correlation over the picture: the style of L. Gatys, A. Ecker, M. Bethge 2016, "Image Style Transfer
    Using Convolutional Neural Networks", with contrast taken out.
    """
    values = maps.float().flatten(2)
    mean, spread = values.mean(2), values.std(2)
    parts = [mean, torch.log1p(spread)]
    if correlated:
        alike = (values - mean[:, :, None]) / (spread[:, :, None] + _LEAST_SPREAD)
        together = alike @ alike.transpose(1, 2) / values.shape[2]
        first, second = torch.triu_indices(together.shape[1], together.shape[2], 1)
        parts.append(together[:, first, second])
    found: Float32Array = torch.cat(parts, dim=1).cpu().numpy()
    return found
