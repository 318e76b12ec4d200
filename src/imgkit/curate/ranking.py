"""One ranking of pictures by how likely they are junk, from what all detectors say and what a person decided."""

import io
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from imgkit.errors import ResourceError
from imgkit.files import write_atomically

logger = logging.getLogger(__name__)

Doubles = npt.NDArray[np.float64]
Floats = npt.NDArray[np.float32]

FILE: Final = "ranking.npz"
VERSION: Final = 1


@dataclass(frozen=True, slots=True)
class Voice:
    """How much a detector has to say: its score is cut to ``low`` to ``high`` and weighed."""

    weight: float
    low: float
    high: float


VOICES: Final[dict[str, Voice]] = {
    "not_photo": Voice(0.55, -4.0, 8.0),
    "text": Voice(0.55, -4.0, 8.0),
    "offtopic": Voice(0.9, -1.0, 8.0),
}
"""The detectors of junk, which fit no label or are no photographs; ``benchmarks/curate_junk.py`` fitted the weights."""

BIAS: Final = -5.0
DIRECTIONS: Final = 32
_SAMPLE: Final = 1500  # pictures from which the directions are found


@dataclass(frozen=True, slots=True)
class Ranking:
    """N pictures by key (label and image id): log-odds of the detectors together, (N,), the same after learning from
    the decisions of that time, (N,), what each detector said, (N, S), and their features in few directions, (N, D).
    """

    keys: tuple[tuple[str, str], ...]
    prior: Doubles
    learnt: Doubles
    scores: Doubles
    looks: Doubles


def scores_of(measured: Mapping[str, Doubles], rows: npt.NDArray[np.int64]) -> Doubles:
    """Return (N, S) what each detector says about the pictures at ``rows``, cut; 0 where it was not asked."""
    columns = []
    for name, voice in VOICES.items():
        said = measured[name][rows] if name in measured else np.zeros(len(rows))
        columns.append(np.clip(np.nan_to_num(said, nan=0.0), voice.low, voice.high))
    return np.column_stack(columns)


def log_odds(scores: Doubles) -> Doubles:
    """Return (N,) log-odds that pictures are junk, from (N, S) scores."""
    found: Doubles = scores @ np.array([voice.weight for voice in VOICES.values()]) + BIAS
    return found


def few_directions(features: Floats) -> Doubles:
    """Return (N, D) features in the directions in which they differ most; the same input gives the same output."""
    sample = features[:: -(-len(features) // _SAMPLE)].astype(np.float64)
    middle = sample.mean(axis=0)
    values, vectors = np.linalg.eigh((sample - middle) @ (sample - middle).T)
    kept = min(DIRECTIONS, len(sample))
    spread = np.sqrt(np.maximum(values[-kept:], 1e-12))
    directions = (sample - middle).T @ (vectors[:, -kept:] / spread)
    signs = np.where(directions[np.abs(directions).argmax(axis=0), np.arange(kept)] < 0, -1.0, 1.0)
    found: Doubles = (features - middle) @ (directions * signs)
    return found


def write_ranking(ranking: Ranking, cache: Path) -> None:
    """Keep a ranking for the review. A cache that cannot be written is logged: the review then does not learn."""
    buffer = io.BytesIO()
    np.savez(
        buffer,
        version=np.array(VERSION),
        labels=np.array([label for label, _ in ranking.keys], dtype=np.str_),
        images=np.array([image_id for _, image_id in ranking.keys], dtype=np.str_),
        prior=ranking.prior,
        learnt=ranking.learnt,
        scores=ranking.scores.astype(np.float32),
        looks=ranking.looks.astype(np.float32),
    )
    try:
        write_atomically(cache / FILE, buffer.getvalue())
    except ResourceError as error:
        logger.warning("the cache was not written: %s", error)


def read_ranking(cache: Path) -> Ranking | None:
    """Return the ranking that the last curate kept, None where there is none that can be read."""
    try:
        with np.load(cache / FILE, allow_pickle=False) as stored:
            if int(stored["version"]) != VERSION:
                return None
            return Ranking(
                keys=tuple(zip(stored["labels"].tolist(), stored["images"].tolist(), strict=True)),
                prior=stored["prior"].astype(np.float64),
                learnt=stored["learnt"].astype(np.float64),
                scores=stored["scores"].astype(np.float64),
                looks=stored["looks"].astype(np.float64),
            )
    except FileNotFoundError:
        return None
    except Exception as error:  # a damaged zip raises half a dozen kinds
        logger.warning("%s is damaged and is not used: %s", cache / FILE, error)
        return None
