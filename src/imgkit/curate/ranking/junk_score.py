"""The log-odds that pictures are junk, from the scores of all detectors and the share of junk in their harvest."""

from collections.abc import Mapping
from typing import Final

import numpy as np
import numpy.typing as npt

from imgkit.arrays import Float64Array
from imgkit.curate.checks import CHECKS
from imgkit.curate.checks.check import Detector

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
