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
    """How much a detector has to say. ``relative`` ones give log-odds and are compared with the pictures of the same
    label: one cartoon among photographs sticks out, one among cartoons does not. What is unusual for its label but is
    more likely a photograph than not says nothing.
    """

    weight: float
    relative: bool


VOICES: Final[dict[str, Voice]] = {
    "not_photo": Voice(0.47, relative=True),
    "text": Voice(1.03, relative=True),
    "offtopic": Voice(0.67, relative=False),
}
"""The detectors of junk, which fits no label or is no photograph; ``benchmarks/curate_junk.py`` fitted the weights."""

BIAS: Final = -5.5
LOUDEST: Final = 10.0  # deviations, beyond which a detector says no more
POWER: Final = 1.5  # of deviations: one detector that is sure says more than two that wonder
FEWEST: Final = 8  # pictures; of fewer nobody knows what is usual for a label, so all labels together are asked
SMALLEST_SPREAD: Final = 0.25  # log-odds; pictures that are nearly the same are not made of outsiders
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


def scores_of(
    measured: Mapping[str, Doubles],
    labels: npt.NDArray[np.str_],
    rows: npt.NDArray[np.int64],
    *,
    counted: npt.NDArray[np.bool_] | None = None,
) -> Doubles:
    """Return (len(rows), S) what each detector says about pictures, 0 for nothing and where it was not asked.

    Deviations from what is usual, cut to 0 to 10, to the power of 1.5.

    Args:
        measured: (N,) scores of all pictures by detector.
        labels: (len(rows),) the label of each picture.
        rows: the pictures, by index.
        counted: (len(rows),) which of them say what is usual for their label; None for all.
    """
    counted = np.ones(len(rows), dtype=np.bool_) if counted is None else counted
    columns = []
    for name, voice in VOICES.items():
        said = np.nan_to_num(measured[name][rows]) if name in measured else np.zeros(len(rows))
        if voice.relative and name in measured:
            said = np.minimum(unusual(said, labels, counted), said)
        columns.append(np.clip(said, 0.0, LOUDEST) ** POWER)
    return np.column_stack(columns)


def unusual(scores: Doubles, labels: npt.NDArray[np.str_], counted: npt.NDArray[np.bool_]) -> Doubles:
    """Return log-odds as robust deviations from the median of their label; 0 where there are fewer than 8 in all."""
    found = np.zeros(len(scores))
    for label in np.unique(labels):
        own = labels == label
        usual = scores[own & counted] if (own & counted).sum() >= FEWEST else scores[counted]
        if len(usual) >= FEWEST:
            middle = float(np.median(usual))
            spread = 1.4826 * float(np.median(np.abs(usual - middle)))
            found[own] = (scores[own] - middle) / max(spread, SMALLEST_SPREAD)
    return found


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
        # read first: of a torn file, numpy would leave the handle open
        with np.load(io.BytesIO((cache / FILE).read_bytes()), allow_pickle=False) as stored:
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
