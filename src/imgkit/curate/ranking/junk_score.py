"""One ranking of pictures by how likely they are junk, from the scores of all detectors and the decisions of people."""

import io
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from imgkit.arrays import Float32Array, Float64Array
from imgkit.curate.checks import CHECKS
from imgkit.curate.checks.check import Detector
from imgkit.errors import ResourceError
from imgkit.files import write_atomically

logger = logging.getLogger(__name__)


FILE: Final = "ranking.npz"
VERSION: Final = 2


DETECTORS: Final[dict[str, Detector]] = {name: check.detector for name, check in CHECKS.items() if check.detector}
"""The detectors of junk, which fits no label or is no photograph. Their weights and ``BIAS`` were set on two harvests
with a person's verdicts; ``benchmarks/curate_harvests.py`` prints what they give on others."""

BIAS: Final = -5.05  # log-odds, where every part is 0
LARGEST_PART: Final = 8.0  # units of a detector's score above its start; larger ones are cut
TOGETHER: Final = 0.8  # deviations of off-topic pictures are told beside what ImageNet's classes see in them
LEAST_DEVIATION: Final = -1.0
LARGEST_DEVIATION: Final = 8.0
USUAL_SHARE: Final = 0.082  # of junk, where the weights were fitted
PRIOR_PICTURES: Final = 80.0  # how many pictures of another harvest with that share a harvest's own are weighed against
SHARES: Final = (0.01, 0.4)  # of junk in a harvest that are believed
_ROUNDS: Final = 50
DIRECTIONS: Final = 32
_SAMPLE: Final = 1500  # pictures from which the directions are found


@dataclass(frozen=True, slots=True)
class Ranking:
    """N pictures by key (label and image id): log-odds of the detectors together, (N,), the same after learning from
    the decisions of that time, (N,), the part of each detector, (N, S), and their projected features, (N, D).
    """

    keys: tuple[tuple[str, str], ...]
    prior: Float64Array
    learnt: Float64Array
    scores: Float64Array
    projected: Float64Array


def scores_of(measured: Mapping[str, Float64Array], rows: npt.NDArray[np.int64]) -> Float64Array:
    """Return (len(rows), S) parts of the detectors in the log-odds that pictures are junk; each is above 0.

    Args:
        measured: (N,) scores of all pictures by detector, NaN where it did not measure; a detector that did not run
            may be missing.
        rows: the pictures, by index.
    """
    found: Float64Array = np.column_stack(
        [_part(detector, _scores(name, detector, measured, rows)) for name, detector in DETECTORS.items()]
    )
    return found


def _scores(
    name: str, detector: Detector, measured: Mapping[str, Float64Array], rows: npt.NDArray[np.int64]
) -> Float64Array:
    scores = measured[name][rows] if name in measured else np.full(len(rows), np.nan)
    if name == "offtopic":  # the two tell strangers best together
        seen = measured["intruder"][rows] if "intruder" in measured else np.full(len(rows), np.nan)
        seen = np.where(np.isfinite(seen), seen, DETECTORS["intruder"].usual)
        scores = TOGETHER * np.clip(scores, LEAST_DEVIATION, LARGEST_DEVIATION) + seen
    return np.where(np.isfinite(scores), scores, detector.usual)


def _part(detector: Detector, scores: Float64Array) -> Float64Array:
    """Return ``Detector.part_of`` of each score, cut at the largest."""
    risen = np.logaddexp(0, detector.gain * (scores - detector.start)) / detector.gain
    return detector.weight * np.minimum(risen, LARGEST_PART)


def log_odds(scores: Float64Array) -> Float64Array:
    """Return (N,) log-odds that pictures are junk, from the (N, S) parts, in a harvest with a usual share of junk."""
    found: Float64Array = scores.sum(axis=1) + BIAS
    return found


def shift_of_harvest(odds: Float64Array) -> float:
    """Return by how much the log-odds of all pictures of a harvest are to be moved, for its own share of junk.

    The share is found by expectation and maximisation: it is that which the moved probabilities themselves have on
    average (M. Saerens et al. 2002, "Adjusting the outputs of a classifier to new a priori probabilities").

    Args:
        odds: (N,) log-odds of the distinct pictures of the harvest.
    """
    usual = _logit(USUAL_SHARE)
    share = USUAL_SHARE
    for _ in range(_ROUNDS):
        sum_of_junk = float((1 / (1 + np.exp(-np.clip(odds + _logit(share) - usual, -500, 500)))).sum())
        share = (sum_of_junk + PRIOR_PICTURES * USUAL_SHARE) / (len(odds) + PRIOR_PICTURES)
        share = min(max(share, SHARES[0]), SHARES[1])
    return _logit(share) - usual


def _logit(share: float) -> float:
    return float(np.log(share / (1 - share)))


def project(features: Float32Array) -> Float64Array:
    """Return (N, D) features in the directions in which they differ most; the same input gives the same output."""
    sample = features[:: -(-len(features) // _SAMPLE)].astype(np.float64)
    middle = sample.mean(axis=0)
    values, vectors = np.linalg.eigh((sample - middle) @ (sample - middle).T)
    kept = min(DIRECTIONS, len(sample))
    spread = np.sqrt(np.maximum(values[-kept:], 1e-12))
    directions = (sample - middle).T @ (vectors[:, -kept:] / spread)
    signs = np.where(directions[np.abs(directions).argmax(axis=0), np.arange(kept)] < 0, -1.0, 1.0)
    found: Float64Array = (features - middle) @ (directions * signs)
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
        looks=ranking.projected.astype(np.float32),
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
                projected=stored["looks"].astype(np.float64),
            )
    except FileNotFoundError:
        return None
    except Exception as error:  # a damaged zip raises half a dozen kinds
        logger.warning("%s is damaged and is not used: %s", cache / FILE, error)
        return None
