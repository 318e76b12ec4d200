"""A linear head that tells art, figurines, toys and renders from photographs, by features and the ground."""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from imgkit.vision.ground import GROUND_MEASURES

ART_HEAD_FILE: Final = Path(__file__).parent / "art_head.npz"
"""Weights, made by ``benchmarks/curate_art.py --write``."""

FARTHEST: Final = 5.0  # deviations at which inputs are cut
VERSION: Final = 1


@dataclass(frozen=True, slots=True)
class ArtHead:
    """``middle``, ``spread`` and ``weights`` are (D + 16,): D roots of pooled features, then the ground's measures."""

    middle: npt.NDArray[np.float32]
    spread: npt.NDArray[np.float32]
    weights: npt.NDArray[np.float32]
    bias: float

    def logits(self, features: npt.NDArray[np.float32], ground: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
        """Return the (N,) log-odds that pictures are art; 0 is even, higher is less of a photograph.

        Args:
            features: (N, D) of the packaged network.
            ground: (N, 16) measures of ``ground_measures``.

        Raises:
            ValueError: the features are those of another network.
        """
        inputs = art_inputs(features, ground)
        if inputs.shape[1] != len(self.weights):
            raise ValueError(f"{features.shape[1]} features, the head reads {len(self.weights) - len(GROUND_MEASURES)}")
        deviations = np.clip((inputs - self.middle) / self.spread, -FARTHEST, FARTHEST)
        found: npt.NDArray[np.float64] = deviations.astype(np.float64) @ self.weights + self.bias
        return found


def art_inputs(features: npt.NDArray[np.float32], ground: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Return the (N, D + 16) numbers that the head reads: roots of features, whose long tails they shorten."""
    return np.concatenate([np.sqrt(np.maximum(features, 0)), ground], axis=1, dtype=np.float32)


@lru_cache(maxsize=1)
def art_head() -> ArtHead:
    """Return the head of ``ART_HEAD_FILE``."""
    with np.load(ART_HEAD_FILE, allow_pickle=False) as stored:
        middle, spread, weights = (stored[name].astype(np.float32) for name in ("middle", "spread", "weights"))
        return ArtHead(middle, spread, weights, bias=float(stored["bias"]))
