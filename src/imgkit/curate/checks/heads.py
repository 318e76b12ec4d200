"""The two small heads that tell photographs from drawings, and from text and collages."""

from functools import lru_cache
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]

HEADS_FILE: Final = Path(__file__).parent / "heads.npz"
"""Weights for the features of the packaged network, made by ``benchmarks/curate_heads.py --write``."""

BACKBONE: Final = "tf_efficientnet_lite0"
"""The network whose features the heads were trained on; they say nothing about those of another one."""


@lru_cache(maxsize=1)
def _heads() -> dict[str, tuple[Floats, float]]:
    with np.load(HEADS_FILE, allow_pickle=False) as stored:
        return {
            str(name): (weights, float(bias))
            for name, weights, bias in zip(stored["names"], stored["weights"], stored["biases"], strict=True)
        }


def logits(head: str, features: Floats) -> Floats:
    """Return the (N,) log-odds that pictures are of a kind, from their (N, D) features; 0 is even.

    Args:
        head: "drawings" (drawn, painted, rendered) or "text" (pages, charts, covers, collages).
        features: of the packaged network.
    """
    weights, bias = _heads()[head]
    found: Floats = features @ weights + np.float32(bias)
    return found
