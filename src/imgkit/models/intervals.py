"""95 % confidence intervals: Wilson score for shares, bootstrap over groups for macro-F1."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Z95 = 1.959964  # two-sided 95 % of the normal distribution
RESAMPLES = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """A measured value and the 95 % interval around it."""

    value: float
    low: float
    high: float

    @property
    def half_width(self) -> float:
        """Half of the interval's length."""
        return (self.high - self.low) / 2


def wilson(share: float, trials: int) -> Interval:
    """Return Wilson's 95 % score interval for a share seen in ``trials`` independent trials.

    It stays inside 0 to 1 and has a width even where nothing or everything was a hit. No trials: 0 to 1.

    Source: Wilson 1927, "Probable inference, the law of succession, and statistical inference".
    """
    if trials == 0:
        return Interval(value=share, low=0.0, high=1.0)
    spread = Z95 * math.sqrt(share * (1 - share) / trials + Z95**2 / (4 * trials**2))
    centre, scale = share + Z95**2 / (2 * trials), 1 + Z95**2 / trials
    low, high = (centre - spread) / scale, (centre + spread) / scale
    return Interval(value=share, low=max(0.0, min(low, share)), high=min(1.0, max(high, share)))


def paired_difference(first: NDArray[np.bool_], second: NDArray[np.bool_], groups: NDArray[np.int64]) -> Interval:
    """Return how much larger the share of hits in ``first`` is than in ``second``, -1 to 1, on the same N pictures.

    The interval is the adjusted Wald interval for paired shares with each group of copies as one trial, so it has a
    width even where both agree on every picture. No pictures: -1 to 1.

    Source: Agresti and Min 2005, "Simple improved confidence intervals for comparing matched proportions".
    """
    if not len(first):
        return Interval(value=0.0, low=-1.0, high=1.0)
    difference = first.astype(np.float64) - second
    _, group = np.unique(groups, return_inverse=True)
    means = np.bincount(group, weights=difference) / np.bincount(group)
    trials = len(means) + 2
    gained, lost = float(means[means > 0].sum()), float(-means[means < 0].sum())
    centre = (gained - lost) / trials
    spread = Z95 * math.sqrt(gained + lost + 1 - (gained - lost) ** 2 / trials) / trials
    value = float(difference.mean())
    return Interval(value=value, low=max(-1.0, min(centre - spread, value)), high=min(1.0, max(centre + spread, value)))


def macro_f1(targets: NDArray[np.int64], predicted: NDArray[np.int64], labels: int) -> float:
    """Return the mean F1 of the labels that occur, 0 to 1. A label with no picture and no prediction does not count."""
    weights = np.ones((1, len(targets)))
    return float(_weighted_macro_f1(weights, targets, predicted, labels)[0])


def macro_f1_interval(
    targets: NDArray[np.int64], predicted: NDArray[np.int64], groups: NDArray[np.int64], labels: int, *, seed: int = 0
) -> Interval:
    """Return macro-F1 with a percentile bootstrap over groups: near-duplicates are drawn together.

    A sample with hardly any mistake cannot show its own uncertainty by resampling, so the interval reaches at least
    as low as Wilson's for the accuracy.
    """
    value = macro_f1(targets, predicted, labels)
    _, group = np.unique(groups, return_inverse=True)
    count = int(group.max()) + 1
    draws = np.random.default_rng(seed).multinomial(count, np.full(count, 1 / count), size=RESAMPLES)
    resampled = _weighted_macro_f1(draws[:, group].astype(np.float64), targets, predicted, labels)
    low, high = np.quantile(resampled, (0.025, 0.975))
    floor = wilson(float((targets == predicted).mean()), count).low
    return Interval(value=value, low=min(float(low), floor, value), high=max(float(high), value))


def _weighted_macro_f1(
    weights: NDArray[np.float64], targets: NDArray[np.int64], predicted: NDArray[np.int64], labels: int
) -> NDArray[np.float64]:
    """Return (R,) macro-F1, one for each row of ``weights`` (R, N)."""
    one_hot = np.eye(labels)
    given, called = one_hot[targets], one_hot[predicted]  # (N, K)
    twice_hits = 2 * (weights @ (given * called))  # (R, K)
    total = weights @ given + weights @ called
    f1 = np.divide(twice_hits, total, out=np.zeros_like(total), where=total > 0)
    occurring = np.maximum((total > 0).sum(axis=1), 1)
    return np.asarray(f1.sum(axis=1) / occurring)
