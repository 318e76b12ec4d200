"""From labels and out-of-sample probabilities to label errors: confident learning, and a noise-channel posterior."""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from imgkit.vision.probe import softmax, temperature

Floats = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]

CHANNEL_FROM_NOISE: Final = 0.10  # below this share of wrong labels the plain margin ranks better
CONTRADICTS: Final = 0.65  # p(likeliest) - p(given) from which a label is flagged whatever the channel says
EXPECTED: Final = 0.4  # the same for labels among the worst, as many as the estimated noise says there are
EM_STEPS: Final = 20
_TINY: Final = 1e-9
_LEAST: Final = 1e-6  # probability, before its logarithm is taken


@dataclass(frozen=True, slots=True)
class LabelErrors:
    """What the probabilities say about each given label.

    ``score`` is higher for worse, 0 to 1: how sure it is that another label is right; flagged ones have 0.5 and more,
    the others less. ``flagged`` says which labels are taken for wrong, ``suggested`` is the likeliest label. ``noise``
    is the estimated share of wrong labels.
    """

    score: Floats
    flagged: npt.NDArray[np.bool_]
    suggested: Indices
    noise: float


def find_label_errors(
    labels: Indices, probabilities: Floats, *, contradicts: float = CONTRADICTS, expected: float = EXPECTED
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


def calibrated(labels: Indices, probabilities: Floats) -> Floats:
    """Return the probabilities at the temperature that makes the given labels likeliest; rows sum to 1.

    Source: C. Guo et al. 2017, "On Calibration of Modern Neural Networks".
    """
    logits = np.log(np.maximum(probabilities, _LEAST))
    return softmax(logits / temperature(logits, labels))


def margins(labels: Indices, probabilities: Floats) -> Floats:
    """Return p(given) minus the largest other probability, -1 (surely wrong) to 1 (surely right)."""
    rows = np.arange(len(labels))
    others = probabilities.copy()
    others[rows, labels] = -np.inf
    largest: Floats = others.max(axis=1) if probabilities.shape[1] > 1 else np.zeros(len(labels))
    return probabilities[rows, labels] - largest


def confident_counts(labels: Indices, probabilities: Floats) -> Floats:
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


def calibrated_joint(labels: Indices, probabilities: Floats) -> Floats:
    """Return the (K, K) joint distribution of given (rows) and true (columns) labels; it sums to 1."""
    counts = confident_counts(labels, probabilities)
    given = np.bincount(labels, minlength=len(counts))
    calibrated = counts / counts.sum(axis=1, keepdims=True) * given[:, None]
    joint: Floats = calibrated / calibrated.sum()
    return joint


def prune_by_noise_rate(
    labels: Indices, probabilities: Floats, joint: Floats, *, keep_per_label: int = 1
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


def channel_posterior(labels: Indices, probabilities: Floats, joint: Floats) -> Floats:
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
    posterior: Floats = true * channel[labels]
    posterior /= np.maximum(posterior.sum(axis=1, keepdims=True), _TINY)
    return posterior
