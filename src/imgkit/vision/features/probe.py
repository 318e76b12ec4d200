"""A linear classifier on frozen features, and calibrated out-of-fold probabilities of the pictures it is trained on."""

from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

import numpy as np
import numpy.typing as npt
import torch

from imgkit.arrays import Float32Array, Float64Array, Int64Array
from imgkit.vision.features.folds import grouped_folds
from imgkit.vision.features.parallel_batches import map_batches

STRENGTHS: Final = (0.0001, 0.001, 0.01, 0.1, 1.0, 10.0)
"""Inverse regularisation to choose from, rising: the C of a logistic regression on standardised features."""

_FOLDS: Final = 5
_ITERATIONS: Final = 100
_GRADIENT_TOLERANCE: Final = 1e-5
_IMBALANCE: Final = 3.0  # largest label by smallest; above it all labels weigh alike
_REPEATED_BELOW: Final = 2000  # pictures; below it the folds are drawn twice and averaged
_MANY: Final = 5000  # pictures; from here on one fold is enough to choose the strength by
_KNN_BLOCK: Final = 1024  # rows of similarities at a time: 0.4 GB for 100,000 pictures


@dataclass(frozen=True, slots=True)
class Probe:
    """A multinomial logistic regression: logits = features @ weights.T + bias.

    ``weights`` (K, D) and ``bias`` (K,) apply to raw features, so that they can become the head of the network.
    ``classes`` are the K labels in sorted order. ``strength`` is the inverse regularisation that was chosen. The
    logits are not calibrated: the caller divides them by the ``temperature`` of held-out logits, once.
    """

    classes: tuple[str, ...]
    weights: Float32Array
    bias: Float32Array
    strength: float

    def logits(self, features: Float32Array) -> Float32Array:
        """Return the (N, K) logits of (N, D) features, not calibrated."""
        logits: Float32Array = features @ self.weights.T + self.bias
        return logits


def fit_probe(
    features: Float32Array,
    labels: Sequence[str],
    groups: Sequence[str] | None = None,
    *,
    strength: float | None = None,
    balanced: bool | None = None,
    seed: int = 0,
    device: torch.device | str = "cpu",
) -> Probe:
    """Fit a probe on all the pictures. Its logits are not calibrated.

    Args:
        features: (N, D).
        labels: N labels, at least two different ones.
        groups: N names; pictures with one name stay together while the strength is chosen. None: all alone.
        strength: inverse regularisation; None chooses from ``STRENGTHS`` by cross-validation.
        balanced: whether all labels weigh alike; None decides by ``balances``. The probe of a part of the pictures is
            given the answer for all of them, so that it is judged as the probe of all of them is fitted.
        seed: of the folds.
        device: where to compute.

    Raises:
        ValueError: fewer than two labels, or lengths that differ.
    """
    classes, codes = encode(labels, len(features))
    if strength is None:
        folds = grouped_folds(labels, groups or [""] * len(labels), k=_FOLDS, seed=seed)
        strength = _cross_validate(features, codes, folds, classes=len(classes), device=device).strength
    alike = balances(labels) if balanced is None else balanced
    weights, bias = _Fit(features, codes, classes=len(classes), balanced=alike, device=device).at(strength)
    return Probe(classes, weights, bias, strength)


def out_of_fold(
    features: Float32Array,
    labels: Sequence[str],
    groups: Sequence[str],
    *,
    folds: int = _FOLDS,
    seed: int = 0,
    repeats: int | None = None,
    device: torch.device | str = "cpu",
) -> Float64Array:
    """Return for each picture the (N, K) probabilities by a probe that has seen neither it nor its group.

    Strength and temperature are two numbers for all pictures, chosen to give the held-out pictures the smallest loss.
    Columns are the sorted labels; a label whose pictures are all one group gets about 0 for them, and these pictures
    choose nothing.

    Args:
        features: (N, D).
        labels: N labels, at least two different ones.
        groups: N names of near-duplicate groups, "" for alone.
        folds: number of folds.
        seed: of the folds.
        repeats: how often to draw folds and average; None draws twice below 2,000 pictures, where chance counts.
        device: where to compute.

    Raises:
        ValueError: fewer than two labels, or lengths that differ.
    """
    classes, codes = encode(labels, len(features))
    repeats = repeats or (2 if len(codes) < _REPEATED_BELOW else 1)
    total = np.zeros((len(codes), len(classes)))
    for repeat in range(repeats):
        numbers = grouped_folds(labels, groups, k=folds, seed=seed + 7919 * repeat)
        logits = _cross_validate(features, codes, numbers, classes=len(classes), device=device).logits
        nameable = nameable_of(codes, numbers)
        rows = nameable if nameable.any() else np.ones(len(codes), np.bool_)
        total += softmax(logits / temperature(logits[rows], codes[rows]))
    return total / repeats


def knn_probabilities(
    features: Float32Array, labels: Sequence[str], groups: Sequence[str], *, k: int = 10
) -> Float64Array:
    """Return the (N, K) shares of votes of each picture's ``k`` nearest neighbours outside its own group.

    Votes weigh as the cosine similarity of centred features. Rows sum to 1. O(N^2) time, memory for 1,024 rows.
    """
    classes, codes = encode(labels, len(features))
    numbers = np.unique([group or f"alone {index}" for index, group in enumerate(groups)], return_inverse=True)[1]
    unit = torch.from_numpy(unit_rows(features - features.mean(axis=0)))
    one_hot = np.eye(len(classes))[codes]
    votes = np.zeros((len(codes), len(classes)))
    for start in range(0, len(codes), _KNN_BLOCK):
        block = slice(start, start + _KNN_BLOCK)
        similarity = unit[block] @ unit.T
        similarity[torch.from_numpy(numbers[block, None] == numbers[None])] = -1.0
        near = similarity.topk(min(k, len(codes)), dim=1)
        weights = near.values.clamp(min=1e-6).double().numpy()
        weights[near.values.numpy() <= -1.0] = 0.0  # members of the own group, where there is nobody else
        votes[block] = np.einsum("nk,nkc->nc", weights, one_hot[near.indices.numpy()])
    sums = votes.sum(axis=1, keepdims=True)
    return np.where(sums > 0, votes / np.maximum(sums, 1e-12), 1 / len(classes))


def balances(labels: Sequence[Hashable]) -> bool:
    """Return whether a probe of these pictures weighs all labels alike: one is more than three times another."""
    counts = Counter(labels)
    return max(counts.values()) > _IMBALANCE * min(counts.values())


def encode(labels: Sequence[str], count: int) -> tuple[tuple[str, ...], Int64Array]:
    """Return the sorted labels, and for each of ``count`` pictures the place of its own among them.

    Raises:
        ValueError: fewer than two labels, or not ``count`` pictures.
    """
    classes = tuple(sorted(set(labels)))
    if len(labels) != count or len(classes) < 2:
        raise ValueError(f"{count} feature vectors with {len(labels)} labels of {len(classes)} kinds")
    places = {label: place for place, label in enumerate(classes)}
    return classes, np.array([places[label] for label in labels], np.int64)


def nameable_of(codes: Int64Array, folds: Int64Array) -> npt.NDArray[np.bool_]:
    """Return which pictures, (N,), have a picture of their label in another fold: about others no fold can say much."""
    spread = {code: len(np.unique(folds[codes == code])) > 1 for code in np.unique(codes).tolist()}
    return np.array([spread[code] for code in codes.tolist()], np.bool_)


def temperature(logits: npt.NDArray[np.floating], codes: Int64Array) -> float:
    """Return the number that divides (N, K) logits so that their mean loss on the true classes is smallest."""
    from scipy.optimize import minimize_scalar  # here: it takes a third of a second, and a known set needs none of it

    found = minimize_scalar(
        lambda power: negative_log_likelihood(softmax(logits / np.exp(power)), codes), bounds=(-3, 3), method="bounded"
    )
    return float(np.exp(found.x))


def softmax(logits: npt.NDArray[np.floating]) -> Float64Array:
    """Return the probabilities of (N, K) logits."""
    odds = np.exp(logits.astype(np.float64) - logits.max(axis=1, keepdims=True))
    probabilities: Float64Array = odds / odds.sum(axis=1, keepdims=True)
    return probabilities


def negative_log_likelihood(probabilities: Float64Array, codes: Int64Array) -> float:
    """Return the mean of -log of the probability of the given class, in nats."""
    given = probabilities[np.arange(len(codes)), codes]
    return float(-np.log(np.maximum(given, 1e-12)).mean())


def unit_rows(features: Float32Array) -> Float32Array:
    """Return the (N, D) features with rows of length 1 (zero rows stay zero)."""
    rows: Float32Array = features / np.maximum(np.linalg.norm(features, axis=1, keepdims=True), 1e-12)
    return rows


@dataclass(frozen=True, slots=True)
class _Validated:
    """The best strength, its loss at its best temperature, and the (N, K) held-out logits (of all folds at the end)."""

    strength: float
    loss: float
    logits: Float32Array


def _cross_validate(
    features: Float32Array, codes: Int64Array, folds: Int64Array, *, classes: int, device: torch.device | str
) -> _Validated:
    numbers = [int(number) for number in np.unique(folds)]
    balanced = balances(codes.tolist())  # of all pictures: leaving a fold out must not change what is fitted
    fits = {
        n: _Fit(features[folds != n], codes[folds != n], classes=classes, balanced=balanced, device=device)
        for n in numbers
    }
    trial = numbers if len(codes) < _MANY else numbers[:1]
    nameable = nameable_of(codes, folds)
    judged = np.isin(folds, trial) & (nameable if nameable.any() else True)

    def judge(number: int, *, strength: float) -> Float32Array:
        return _apply(fits[number].at(strength), features[folds == number])

    best: _Validated | None = None
    for strength in STRENGTHS:  # each fit starts from the one before, and most end early
        logits = np.zeros((len(codes), classes), np.float32)
        for number, held in zip(trial, map_batches(partial(judge, strength=strength), trial), strict=True):
            logits[folds == number] = held
        scaled = softmax(logits[judged] / temperature(logits[judged], codes[judged]))
        loss = negative_log_likelihood(scaled, codes[judged])
        if best is not None and loss > best.loss:
            break
        best = _Validated(strength, loss, logits)
    assert best is not None
    rest = numbers[len(trial) :]
    for number, held in zip(rest, map_batches(partial(judge, strength=best.strength), rest), strict=True):
        best.logits[folds == number] = held
    return best


def _apply(fitted: tuple[Float32Array, Float32Array], features: Float32Array) -> Float32Array:
    weights, bias = fitted
    logits: Float32Array = features @ weights.T + bias
    return logits


class _Fit:
    """A regression on standardised features (see ``_spread``); a change of strength goes on from where it was."""

    def __init__(
        self, features: Float32Array, codes: Int64Array, *, classes: int, balanced: bool, device: torch.device | str
    ) -> None:
        self._mean = features.mean(axis=0)
        self._spread = _spread(features)
        self._inputs = torch.from_numpy((features - self._mean) / self._spread).to(device)
        self._targets = torch.from_numpy(codes).to(device)
        self._importance = torch.from_numpy(_importance(codes, classes, balanced=balanced)).to(device)
        self._weights = torch.zeros(classes, features.shape[1], device=device, requires_grad=True)
        self._bias = torch.zeros(classes, device=device, requires_grad=True)

    def at(self, strength: float) -> tuple[Float32Array, Float32Array]:
        """Return weights (K, D) and bias (K,) for raw features."""
        decay = 1 / (strength * len(self._targets))
        _minimise(self._inputs, self._targets, self._importance, self._weights, self._bias, decay=decay)
        weights = (self._weights.detach().cpu().numpy() / self._spread).astype(np.float32)
        bias = (self._bias.detach().cpu().numpy() - weights @ self._mean).astype(np.float32)
        return weights, bias


def _spread(features: Float32Array) -> Float32Array:
    """Return the (D,) standard deviations, those below the median of the varying features raised to it.

    A feature that hardly varies in these pictures may vary in others: divided by its own tiny deviation it would
    outweigh all others there, and the logits of held-out pictures would be far off.
    """
    deviations = features.std(axis=0)
    varying = deviations[deviations > 0]
    raised: Float32Array = np.maximum(deviations, np.median(varying) if len(varying) else 1.0).astype(np.float32)
    return raised


def _minimise(
    inputs: torch.Tensor,
    targets: torch.Tensor,
    importance: torch.Tensor,
    weights: torch.Tensor,
    bias: torch.Tensor,
    *,
    decay: float,
) -> None:
    optimiser = torch.optim.LBFGS(
        [weights, bias],
        max_iter=_ITERATIONS,
        tolerance_grad=_GRADIENT_TOLERANCE,
        history_size=10,
        line_search_fn="strong_wolfe",
    )

    def loss() -> torch.Tensor:
        optimiser.zero_grad()
        logits = inputs @ weights.T + bias
        losses = torch.nn.functional.cross_entropy(logits, targets, reduction="none")
        value = (losses * importance).mean() + 0.5 * decay * (weights**2).sum()
        value.backward()
        return value

    optimiser.step(loss)


def _importance(codes: Int64Array, classes: int, *, balanced: bool) -> Float32Array:
    """Return (N,) weights with mean 1: equal ones, or such that each label weighs alike."""
    if not balanced:
        return np.ones(len(codes), np.float32)
    counts = np.bincount(codes, minlength=classes)
    return (len(codes) / (np.count_nonzero(counts) * counts[codes])).astype(np.float32)
