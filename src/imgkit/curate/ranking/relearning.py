"""Learn from a person's decisions which of the remaining pictures are bad, by a Gaussian process around the prior.

The prior are the log-odds of the detectors. Curate and the review page fit the same process.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import scipy.linalg

from imgkit.arrays import Float32Array, Float64Array, Int8Array, Int64Array

UNDECIDED: Final = -1
GOOD: Final = 0
BAD: Final = 1

LARGEST_PRIOR: Final = 4.0  # log-odds; a detector that is sure of itself can still be contradicted by decisions
STEPS: Final = 30
HALVINGS: Final = 12
_CLOSE_ENOUGH: Final = 1e-3  # log-odds


def deviations(columns: Float64Array) -> Float64Array:
    """Return columns less their median, in units of their spread, cut at 5; constant columns become 0."""
    if not columns.size:
        return columns.copy()
    middle = np.median(columns, axis=0)
    spread = columns.std(axis=0)
    found: Float64Array = np.clip((columns - middle) / np.where(spread > 0, spread, 1.0), -5.0, 5.0)
    return found


SHARED_VARIANCE: Final = 2.0  # log-odds squared, of a picture of usual length: what looks alike under any label
LABEL_VARIANCE: Final = 6.0  # of what looks alike within one label
OFFSET_VARIANCE: Final = 1.0  # of the shift of all log-odds
SLOPE_VARIANCE: Final = 0.3  # of the weight of the prior
MOST_DECIDED: Final = 480  # decided pictures that are fitted; of more, every n-th by prior counts n times
_MOST_LOG_ODDS: Final = 30.0


@dataclass(frozen=True, slots=True)
class LearningInputs:
    """What is fixed about N pictures while a person decides: the prior log-odds, (N,), cut at 4, what was cut off,
    (N,), the deviation of the prior from the usual, (N,), features, (N, D), with a mean squared length of 1, the same
    less the mean of their label, and the number of their label, (N,).
    """

    prior: Float64Array
    beyond: Float64Array
    slope: Float64Array
    shared: Float32Array
    within: Float32Array
    labels: Int64Array


@dataclass(frozen=True, slots=True)
class Learnt:
    """Log-odds that N pictures are bad, (N,), by their looks and the decisions; and the rows of the decided ones that
    were fitted with the log-odds that each has without the decision about itself.
    """

    log_odds: Float64Array
    rows: Int64Array
    held_out: Float64Array


def learning_inputs(prior: Float64Array, features: Float32Array, labels: Int64Array) -> LearningInputs:
    """Return the inputs of ``learn`` for N pictures.

    Args:
        prior: (N,) log-odds of all detectors together; higher is worse.
        features: (N, D), in any unit; rows of zeros for pictures without features, which learn from the rest what the
            prior alone tells.
        labels: (N,) number of the label of each picture, from 0.
    """
    cut = np.clip(prior, -LARGEST_PRIOR, LARGEST_PRIOR)
    known = np.flatnonzero(features.any(axis=1))
    within = features.copy()
    for label in np.unique(labels[known]):
        own = known[labels[known] == label]
        within[own] -= within[own].mean(axis=0)
    shared = features.copy()
    shared[known] -= shared[known].mean(axis=0) if len(known) else 0.0
    slope = deviations(cut[:, None])[:, 0]
    return LearningInputs(cut, prior - cut, slope, _unit(shared, known), _unit(within, known), labels)


def learn(inputs: LearningInputs, decided: Int8Array) -> Learnt:
    """Return the log-odds that pictures are bad, from the prior and the decisions so far.

    A Gaussian process whose mean is the prior: a decision moves the pictures that look alike, those of the same label
    most. Without decisions the prior comes back; the same decisions give the same output, in whatever order they came.
    At most 480 decisions are fitted, so the time is bounded whatever a person decided.

    Args:
        inputs: as ``learning_inputs`` returns them.
        decided: (N,) -1 undecided, 0 kept, 1 bad.

    Source: Rasmussen and Williams 2006, algorithm 3.1 (Laplace approximation); leaving one out as in Vehtari et al.
    2016, "Bayesian leave-one-out cross-validation approximations for Gaussian latent variable models".
    """
    rows, counts = _fitted_rows(inputs.prior, decided)
    if not len(rows):
        return Learnt(inputs.prior + inputs.beyond, rows, np.zeros(0))
    kernel = _kernel(inputs, rows)
    bad = (decided[rows] == BAD).astype(np.float64)
    force, at_mode, curvature = _mode(inputs.prior[rows], kernel, bad, counts)
    roots = np.sqrt(curvature)
    scaled = roots[:, None] * kernel
    reduction = _solve(np.eye(len(rows)) + scaled * roots, scaled)
    variance = np.diag(kernel) - (scaled * reduction).sum(axis=0)
    left_out = at_mode - variance * force / counts / np.maximum(1e-3, 1 - curvature / counts * variance)
    return Learnt(_moved(inputs, rows, force) + inputs.beyond, rows, left_out + inputs.beyond[rows])


def _unit(features: Float32Array, known: Int64Array) -> Float32Array:
    length = float(np.sqrt((features[known] ** 2).sum(axis=1).mean())) if len(known) else 0.0
    found: Float32Array = features / np.float32(length) if length > 0 else features
    return found


def _fitted_rows(prior: Float64Array, decided: Int8Array) -> tuple[Int64Array, Float64Array]:
    """Return the decided rows that are fitted, and for how many each of them counts."""
    rows: list[Int64Array] = []
    counts: list[Float64Array] = []
    for verdict in (GOOD, BAD):
        own = np.flatnonzero(decided == verdict)
        own = own[np.argsort(prior[own], kind="stable")]
        step = -(-len(own) // (MOST_DECIDED // 2)) if len(own) else 1
        chosen = own[step // 2 :: step] if len(own) > step // 2 else own
        rows.append(chosen)
        counts.append(np.full(len(chosen), len(own) / max(1, len(chosen))))
    return np.concatenate(rows), np.concatenate(counts)


def _kernel(inputs: LearningInputs, rows: Int64Array) -> Float64Array:
    shared, within, slope = inputs.shared[rows], inputs.within[rows], inputs.slope[rows]
    same = inputs.labels[rows][:, None] == inputs.labels[rows][None]
    found: Float64Array = (
        SHARED_VARIANCE * (shared @ shared.T).astype(np.float64)
        + LABEL_VARIANCE * np.where(same, within @ within.T, 0.0)
        + OFFSET_VARIANCE
        + SLOPE_VARIANCE * np.outer(slope, slope)
    )
    return found


def _mode(
    mean: Float64Array, kernel: Float64Array, bad: Float64Array, counts: Float64Array
) -> tuple[Float64Array, Float64Array, Float64Array]:
    """Return the gradient of the decisions' log-likelihood, the log-odds and the curvature at the mode."""
    log_odds, force = mean.copy(), np.zeros(len(mean))
    cost = _cost(log_odds, log_odds - mean, force, bad, counts)
    for _ in range(STEPS):
        probability = _probability(log_odds)
        curvature = counts * probability * (1 - probability)
        roots = np.sqrt(curvature)
        target = curvature * (log_odds - mean) + counts * (bad - probability)
        system = np.eye(len(mean)) + roots[:, None] * kernel * roots
        step = target - roots * _solve(system, roots * (kernel @ target)) - force
        change = kernel @ step
        for _ in range(HALVINGS):  # decisions against a sure prior: a whole step overshoots
            lower = _cost(log_odds + change, log_odds + change - mean, force + step, bad, counts)
            if lower <= cost:
                break
            step, change = step / 2, change / 2
        if lower > cost:
            break
        force, log_odds, cost = force + step, log_odds + change, lower
        if float(np.abs(change).max()) < _CLOSE_ENOUGH:
            break
    probability = _probability(log_odds)
    return force, log_odds, counts * probability * (1 - probability)


def _cost(
    log_odds: Float64Array, moved: Float64Array, force: Float64Array, bad: Float64Array, counts: Float64Array
) -> float:
    """Return the negative logarithm of the posterior, but for a constant."""
    return float(counts @ (np.logaddexp(0, log_odds) - bad * log_odds) + 0.5 * force @ moved)


def _probability(log_odds: Float64Array) -> Float64Array:
    found: Float64Array = 1 / (1 + np.exp(-np.clip(log_odds, -_MOST_LOG_ODDS, _MOST_LOG_ODDS)))
    return found


def _solve(system: Float64Array, right: Float64Array) -> Float64Array:
    """Return the solution of a symmetric positive definite system."""
    factor = scipy.linalg.cho_factor(system, lower=True, overwrite_a=True, check_finite=False)
    found: Float64Array = scipy.linalg.cho_solve(factor, right, check_finite=False)
    return found


def _moved(inputs: LearningInputs, rows: Int64Array, force: Float64Array) -> Float64Array:
    """Return the (N,) prior moved by the decided ones; each part of the kernel is a product, so none is built whole."""
    pull = force.astype(np.float32)
    by_label = np.zeros((int(inputs.labels.max()) + 1, inputs.within.shape[1]), np.float32)
    np.add.at(by_label, inputs.labels[rows], inputs.within[rows] * pull[:, None])
    found: Float64Array = (
        inputs.prior
        + SHARED_VARIANCE * (inputs.shared @ (inputs.shared[rows].T @ pull)).astype(np.float64)
        + LABEL_VARIANCE * np.einsum("nd,nd->n", inputs.within, by_label[inputs.labels]).astype(np.float64)
        + OFFSET_VARIANCE * force.sum()
        + SLOPE_VARIANCE * inputs.slope * (inputs.slope[rows] @ force)
    )
    return found
