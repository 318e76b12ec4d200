"""From labels and out-of-sample probabilities to label errors: confident learning, and a noise-channel posterior."""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize_scalar

from imgkit.arrays import Float64Array, Int64Array
from imgkit.vision.features.probe import softmax, temperature

CHANNEL_FROM_NOISE: Final = 0.10  # below this share of wrong labels the plain margin ranks better
CONTRADICTS: Final = 0.65  # p(likeliest) - p(given) from which a label is flagged whatever the channel says
EXPECTED: Final = 0.4  # the same for labels among the worst, as many as the estimated noise says there are
EM_STEPS: Final = 20
SHARES_TRIED: Final = 48  # of wrong labels, between a tenth of a picture and half of all
HALF_CHI_SQUARE_95: Final = 1.92  # of one degree of freedom
_TINY: Final = 1e-9
_LEAST: Final = 1e-6  # probability, before its logarithm is taken


@dataclass(frozen=True, slots=True)
class LabelErrors:
    """What the probabilities say about each given label.

    ``score`` is higher for worse, 0 to 1: how sure it is that another label is right; flagged ones have 0.5 and more,
    the others less. ``flagged`` says which labels are taken for wrong, ``suggested`` is the likeliest label. ``noise``
    is the estimated share of wrong labels.
    """

    score: Float64Array
    flagged: npt.NDArray[np.bool_]
    suggested: Int64Array
    noise: float


def find_label_errors(
    labels: Int64Array, probabilities: Float64Array, *, contradicts: float = CONTRADICTS, expected: float = EXPECTED
) -> LabelErrors:
    """Rank and flag given labels that look wrong.

    Flagged is what the noise-channel posterior takes for wrong; what the model contradicts outright, another label
    being likelier than the given one by more than ``contradicts``; and among the worst labels, as many as the estimated
    noise says are wrong, those that it contradicts by more than ``expected``. Where few labels are wrong the channel is
    known from few errors, so the plain margin has a say in the ranking; from 10 % on the posterior alone ranks.

    Args:
        labels: (N,) given labels, 0 to K-1.
        probabilities: (N, K) out-of-sample probabilities; rows sum to 1. Over- and underconfident ones are made calm
            first, see ``calibrated``.
        contradicts: p(another label) - p(given) from which a label is flagged.
        expected: the same for as many of the worst labels as the noise says are wrong.
    """
    probabilities = calibrated(labels, probabilities)
    joint = calibrated_joint(labels, probabilities)
    noise = 1.0 - float(np.trace(joint))
    posterior = channel_posterior(labels, probabilities, joint)
    doubt = 1.0 - posterior[np.arange(len(labels)), labels]
    gap = -margins(labels, probabilities)
    score = doubt if noise >= CHANNEL_FROM_NOISE else (doubt + (1.0 + gap) / 2) / 2
    worst = np.zeros(len(labels), dtype=np.bool_)
    worst[np.argsort(-score, kind="stable")[: round(noise * len(labels))]] = True
    flagged = (doubt > 0.5) | (gap > contradicts) | (worst & (gap > expected))
    suggested = np.where(doubt > 0.5, posterior.argmax(axis=1), probabilities.argmax(axis=1))
    return LabelErrors(
        np.where(flagged, np.maximum(score, 0.5), np.minimum(score, 0.5 - _TINY)), flagged, suggested, noise
    )


@dataclass(frozen=True, slots=True)
class WrongLabels:
    """How many of N labels are wrong: the likeliest number and its 95 % interval, in pictures.

    ``chances`` is (N,) the probability, 0 to 1, that each given label is wrong, at the likeliest number.
    """

    count: float
    low: float
    high: float
    chances: Float64Array


def estimate_wrong_labels(labels: Int64Array, probabilities: Float64Array, weights: Float64Array) -> WrongLabels:
    """Return how many given labels are wrong, hard pictures told from wrong labels.

    A wrong label is taken for a draw among the other labels, made with one probability for all pictures; what else the
    probabilities miss is explained by one temperature. Both have the highest likelihood together; the interval holds
    the shares whose profile likelihood is within 1.92 of it. Hard pictures are contradicted half-heartedly and raise
    the temperature, wrong ones are contradicted outright and raise the share.

    Args:
        labels: (N,) given labels, 0 to K-1.
        probabilities: (N, K) out-of-sample probabilities; rows sum to 1.
        weights: (N,) how much evidence each picture is, for instance 1 / size of its group of copies.
    """
    rows, others = np.arange(len(labels)), max(1, probabilities.shape[1] - 1)
    logits = np.log(np.maximum(probabilities, _LEAST))

    def likelihood(share: float, power: float) -> float:
        given = softmax(logits / np.exp(power))[rows, labels]
        return float((weights * np.log(np.maximum((1 - share) * given + share * (1 - given) / others, _TINY))).sum())

    def profile(share: float) -> tuple[float, float]:
        found = minimize_scalar(lambda power: -likelihood(share, power), bounds=(-3, 3), method="bounded")
        return -float(found.fun), float(found.x)

    shares = np.concatenate([[0.0], np.geomspace(0.1 / len(labels), 0.5, SHARES_TRIED)])
    found = [profile(share) for share in shares]
    levels = np.array([level for level, _ in found])
    best = int(levels.argmax())
    inside = shares[levels >= levels[best] - HALF_CHI_SQUARE_95]
    given = softmax(logits / np.exp(found[best][1]))[rows, labels]
    wrong = shares[best] * (1 - given) / others
    chances = wrong / np.maximum((1 - shares[best]) * given + wrong, _TINY)
    count = float(len(labels))
    return WrongLabels(count * shares[best], count * float(inside.min()), count * float(inside.max()), chances)


def calibrated(labels: Int64Array, probabilities: Float64Array) -> Float64Array:
    """Return the probabilities at the temperature that makes the given labels likeliest; rows sum to 1.

    Source: C. Guo et al. 2017, "On Calibration of Modern Neural Networks".
    """
    logits = np.log(np.maximum(probabilities, _LEAST))
    return softmax(logits / temperature(logits, labels))


def margins(labels: Int64Array, probabilities: Float64Array) -> Float64Array:
    """Return p(given) minus the largest other probability, -1 (surely wrong) to 1 (surely right)."""
    rows = np.arange(len(labels))
    others = probabilities.copy()
    others[rows, labels] = -np.inf
    largest: Float64Array = others.max(axis=1) if probabilities.shape[1] > 1 else np.zeros(len(labels))
    return probabilities[rows, labels] - largest


def confident_counts(labels: Int64Array, probabilities: Float64Array) -> Float64Array:
    """Return (K, K) counts of items by given label and confidently true label.

    An item counts for a label when its probability reaches the mean probability of that label among the items that
    carry it; the likeliest where several do, none where none does. The diagonal is at least 1.

    Source: C. Northcutt, L. Jiang, I. Chuang 2021, "Confident Learning: Estimating Uncertainty in Dataset Labels".
    """
    classes = probabilities.shape[1]
    present = np.bincount(labels, minlength=classes)
    sums = np.bincount(labels, weights=probabilities[np.arange(len(labels)), labels], minlength=classes)
    thresholds = np.where(present > 0, np.maximum(sums / np.maximum(present, 1), 2e-6), 2.0)
    reached = np.where(probabilities >= thresholds - 1e-6, probabilities, -1.0)
    true = reached.argmax(axis=1)
    counted = reached.max(axis=1) >= 0
    counts = np.zeros((classes, classes))
    np.add.at(counts, (labels[counted], true[counted]), 1)
    np.fill_diagonal(counts, np.maximum(counts.diagonal(), 1))
    return counts


def calibrated_joint(labels: Int64Array, probabilities: Float64Array) -> Float64Array:
    """Return the (K, K) joint distribution of given (rows) and true (columns) labels; it sums to 1."""
    counts = confident_counts(labels, probabilities)
    given = np.bincount(labels, minlength=len(counts))
    calibrated = counts / counts.sum(axis=1, keepdims=True) * given[:, None]
    joint: Float64Array = calibrated / calibrated.sum()
    return joint


def prune_by_noise_rate(
    labels: Int64Array, probabilities: Float64Array, joint: Float64Array, *, keep_per_label: int = 1
) -> npt.NDArray[np.bool_]:
    """Return which labels are wrong: for each pair of given and true label the number that the joint says.

    Within a pair the items with the largest p(true) - p(given) are taken. An item whose likeliest label is the given
    one is never taken, and each label keeps at least ``keep_per_label`` items.
    """
    flagged = np.zeros(len(labels), dtype=np.bool_)
    expected = np.rint(joint * len(labels)).astype(np.int64)
    argmax = probabilities.argmax(axis=1)
    for given in range(len(joint)):
        members = np.flatnonzero(labels == given)
        if len(members) <= keep_per_label:
            continue
        for true in np.flatnonzero(expected[given]):
            if true != given:
                gap = probabilities[members, true] - probabilities[members, given]
                flagged[members[np.argsort(-gap, kind="stable")[: expected[given, true]]]] = True
        flagged[members] &= argmax[members] != given
        worst_first = members[np.argsort(margins(labels[members], probabilities[members]), kind="stable")]
        flagged[worst_first[len(members) - keep_per_label :]] = False
    return flagged


def channel_posterior(labels: Int64Array, probabilities: Float64Array, joint: Float64Array) -> Float64Array:
    """Return (N, K) probabilities of the true label given the picture and the given label.

    The joint gives T[i, j] = P(given i | true j). The model was trained on given labels, so its probabilities are T
    times those of the true labels; these are found by 20 multiplicative steps of expectation maximisation from the
    prior, then the given label is taken as evidence.
    """
    channel = joint + _TINY
    channel = channel / channel.sum(axis=0, keepdims=True)
    prior = joint.sum(axis=0) + _TINY
    true = np.tile(prior / prior.sum(), (len(labels), 1))
    for _ in range(EM_STEPS):
        expected = np.maximum(true @ channel.T, _TINY)
        true = true * ((probabilities / expected) @ channel)
        true /= true.sum(axis=1, keepdims=True)
    posterior: Float64Array = true * channel[labels]
    posterior /= np.maximum(posterior.sum(axis=1, keepdims=True), _TINY)
    return posterior
