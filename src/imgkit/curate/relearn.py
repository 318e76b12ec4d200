"""Learn from a person's decisions which of the remaining pictures are bad: a prior that decisions bend."""

from typing import Final

import numpy as np
import numpy.typing as npt

Doubles = npt.NDArray[np.float64]
Decided = npt.NDArray[np.int8]

UNDECIDED: Final = -1
GOOD: Final = 0
BAD: Final = 1

OFFSET_PRECISION: Final = 2.0  # of the shift of all log-odds: what is looked at first is no sample of the rest
SLOPE_PRECISION: Final = 4.0  # of the trust in the prior, which is 1 before anyone decided
SCORE_PRECISION: Final = 1.0  # of the weight of a detector's deviation from what it usually says
LOOK_PRECISION: Final = 6.0  # of the weight of a direction of the features; one picture says little about the next
LARGEST_PRIOR: Final = 4.0  # log-odds; a detector that is sure of itself can still be contradicted by decisions
STEPS: Final = 30
_CLOSE: Final = 1e-8
_LARGEST_STEP: Final = 4.0  # of any weight, so that Newton's method cannot run away from a far start


def relearn(prior: Doubles, scores: Doubles, looks: Doubles, decided: Decided) -> Doubles:
    """Return (N,) log-odds that pictures are bad, from what detectors said and what a person decided since.

    A logistic regression whose start is the prior: without decisions the prior comes back, and each decision moves
    the log-odds of the pictures that look alike or that the same detectors suspect. The same input gives the same
    output. About 10 ms for 2,000 pictures, 500 decisions and 64 directions.

    Args:
        prior: (N,) log-odds of the detectors together; higher is worse.
        scores: (N, S) what each detector said, in any unit; columns are brought to deviations here.
        looks: (N, D) features in few directions; columns are brought to deviations here.
        decided: (N,) -1 undecided, 0 kept, 1 bad.

    Source: logistic regression with a Gaussian prior, fitted by Newton's method (the Laplace approximation's mode).
    """
    rows = np.flatnonzero(decided != UNDECIDED)
    if not len(rows):
        return prior.copy()
    offset = np.clip(prior, -LARGEST_PRIOR, LARGEST_PRIOR)
    inputs = np.column_stack([np.ones(len(prior)), offset, deviations(scores), deviations(looks) / _unit(looks)])
    start = np.zeros(inputs.shape[1])
    start[1] = 1.0
    precision = np.concatenate(
        [
            [OFFSET_PRECISION, SLOPE_PRECISION],
            np.full(scores.shape[1], SCORE_PRECISION),
            np.full(looks.shape[1], LOOK_PRECISION),
        ]
    )
    weights = _fit(inputs[rows], (decided[rows] == BAD).astype(np.float64), start, precision)
    learnt: Doubles = inputs @ weights + (prior - offset)
    return learnt


def deviations(columns: Doubles) -> Doubles:
    """Return columns less their median, in units of their spread, cut at 5; constant columns become 0."""
    if not columns.size:
        return columns.copy()
    middle = np.median(columns, axis=0)
    spread = columns.std(axis=0)
    found: Doubles = np.clip((columns - middle) / np.where(spread > 0, spread, 1.0), -5.0, 5.0)
    return found


def _unit(looks: Doubles) -> float:
    """A picture's features together weigh as much as a few detectors, however many directions there are."""
    return float(np.sqrt(max(1, looks.shape[1]) / 8))


def _fit(inputs: Doubles, bad: Doubles, start: Doubles, precision: Doubles) -> Doubles:
    """Return the most probable weights: log-likelihood of the decisions less the distance from ``start``."""
    weights = start.copy()
    for _ in range(STEPS):
        probability = 1 / (1 + np.exp(-np.clip(inputs @ weights, -30, 30)))
        gradient = inputs.T @ (probability - bad) + precision * (weights - start)
        spread = np.maximum(probability * (1 - probability), 1e-6)
        curvature = (inputs * spread[:, None]).T @ inputs + np.diag(precision)
        step = np.clip(np.linalg.solve(curvature, gradient), -_LARGEST_STEP, _LARGEST_STEP)
        weights = weights - step
        if float(np.abs(step).max()) < _CLOSE:
            break
    return weights
