"""The small heads that tell photographs from drawings and renders, and from text and collages."""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from imgkit.curate.fingerprints import Fingerprints

Floats = npt.NDArray[np.float32]

HEADS_FILE: Final = Path(__file__).parent / "heads.npz"
"""Weights, made by ``benchmarks/curate_heads.py --write``."""

VERSION: Final = 2  # of the weights and of what they read; findings carry it

BACKBONE: Final = "tf_efficientnet_lite0"
"""The network whose textured vectors the heads read; they say nothing about those of another one."""

PLAIN: Final = 1280  # numbers of a vector that come from the last layer; the rest are spreads of its stages
CHANNELS: Final = (16, 24, 40, 80, 112, 192, 320)  # of each stage: as many means, then as many deviations
MEASURES: Final = ("dark", "bright", "middle", "burnt", "entropy", "colours", "top_colour", "white_border", "sharpness")
"""Fingerprints that the heads read too: tones, colours and the border of the whole picture, which the network crops."""

ROWS: Final = 4096  # at a time: 50 MB
FARTHEST: Final = 5.0  # deviations; beyond that a picture is strange, and not five times as drawn


@dataclass(frozen=True, slots=True)
class Heads:
    """What to subtract and divide by, (M,) each, and for each head its (M,) weights and its bias."""

    middle: Floats
    spread: Floats
    weights: dict[str, tuple[Floats, float]]


@lru_cache(maxsize=1)
def _heads() -> Heads:
    with np.load(HEADS_FILE, allow_pickle=False) as stored:
        middle, spread = stored["middle"].astype(np.float32), stored["spread"].astype(np.float32)
        weights = {
            str(name): (row.astype(np.float32), float(bias))
            for name, row, bias in zip(stored["names"], stored["weights"], stored["biases"], strict=True)
        }
    return Heads(middle, spread, weights)


def logits(head: str, looks: Floats, prints: Fingerprints) -> Floats:
    """Return the (N,) log-odds that pictures are of a kind; 0 is even, higher is less of a photograph.

    Args:
        head: "drawings" (drawn, painted, rendered, toys) or "text" (pages, charts, covers, screens, collages).
        looks: (N, D) vectors of the packaged network with textures (``TexturedBackbone``).
        prints: their fingerprints.
    """
    heads = _heads()
    weights, bias = heads.weights[head]
    found = np.empty(len(looks), np.float32)
    for start in range(0, len(looks), ROWS):
        rows = slice(start, start + ROWS)
        values = standardised(inputs(looks[rows], prints[rows]), heads.middle, heads.spread)
        found[rows] = values @ weights + np.float32(bias)
    return found


def inputs(looks: Floats, prints: Fingerprints) -> Floats:
    """Return the (N, M) numbers that the heads read, before they are brought to deviations.

    Roots and logarithms make the long tails of activations short: a linear head then needs fewer exceptions.
    """
    means, deviations, start = [], [], PLAIN
    for channels in CHANNELS:
        means.append(looks[:, start : start + channels])
        deviations.append(np.log1p(np.maximum(looks[:, start + channels : start + 2 * channels], 0)))
        start += 2 * channels
    measured = np.stack([prints[name].astype(np.float32) for name in MEASURES], axis=1)
    measured[:, -1] = np.log1p(measured[:, -1])
    plain = np.sqrt(np.maximum(looks[:, :PLAIN], 0))
    return np.concatenate([plain, *means, *deviations, measured], axis=1, dtype=np.float32)


def standardised(values: Floats, middle: Floats, spread: Floats) -> Floats:
    """Return values less their middle in units of their spread, cut at 5."""
    found: Floats = np.clip((values - middle) / spread, -FARTHEST, FARTHEST)
    return found
