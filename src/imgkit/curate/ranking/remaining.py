"""Estimate how many wrong pictures are left among those that nobody has looked at."""

import math
from dataclasses import asdict, dataclass
from typing import Final

import numpy as np

from imgkit.arrays import Float64Array, Int8Array, Int64Array

LEVEL: Final = 0.95
DRAWS: Final = 1000
BINS: Final = 100  # of pictures of like probability
SEED: Final = 0
SEEMS_GOOD: Final = 0.5
"""Probability up to which a picture seems good; all that is left does so in the end."""

PRIOR_COUNT: Final = 3.0
"""Weight of the belief that the probabilities are right, as a number of wrong pictures found where expected."""

PAGE: Final = 40
STOP_SHARE: Final = 0.01
"""Share of the set from which on, with the upper end of the interval, it does not pay to go on."""


@dataclass(frozen=True, slots=True)
class Remaining:
    """About ``value`` wrong pictures, 95 % interval from ``low`` to ``high``, are among the ``unseen`` ones of the set;
    ``margin`` is the longer arm of the interval, so that ``value ± margin`` holds it.

    ``halved_after`` is the number of pages of 40 after which half of them are left, 0 where none is unseen. ``stop``
    says that hardly more than 1 % of the set is wrong.
    """

    value: float
    low: int
    high: int
    margin: int
    unseen: int
    halved_after: int
    stop: bool

    def as_json(self) -> dict[str, object]:
        """Return the estimate as values that JSON can hold."""
        return {**asdict(self), "value": round(self.value, 1)}


def estimate_remaining(
    probabilities: Float64Array, *, found_bad: Int8Array, expected: Float64Array, kept: int
) -> Remaining:
    """Return how many wrong pictures are left.

    The sum of the probabilities, times how many wrong ones there really were, for each one expected, among decided
    pictures that seemed as good as those that are left. The interval is simulated: that factor has a gamma
    distribution, each picture is wrong or not.

    Args:
        probabilities: (N,) of the pictures of the set that nobody has looked at, 0 to 1.
        found_bad: (M,) of each decided picture 1 for wrong, 0 for right.
        expected: (M,) the probability of each without the decision about itself.
        kept: pictures of the set that a person confirmed.
    """
    doubtful = expected <= min(SEEMS_GOOD, float(probabilities.max(initial=0.0)))
    shape = PRIOR_COUNT + float(found_bad[doubtful].sum())
    rate = PRIOR_COUNT + float(expected[doubtful].sum())
    chance = np.random.default_rng(SEED)
    factors = chance.gamma(shape, 1 / rate, DRAWS)
    ordered = np.sort(probabilities)[::-1]
    counts = _simulated(ordered, factors, chance)
    value = float(np.minimum(1.0, ordered * (shape / rate)).sum())
    low, high = np.quantile(counts, [(1 - LEVEL) / 2, (1 + LEVEL) / 2], method="closest_observation")
    whole = kept + len(ordered)
    return Remaining(
        value=value,
        low=int(low),
        high=int(high),
        margin=math.ceil(max(high - value, value - low)),
        unseen=len(ordered),
        halved_after=_pages_to_half(ordered),
        stop=bool(high <= max(1.0, STOP_SHARE * whole)),
    )


def _simulated(ordered: Float64Array, factors: Float64Array, chance: np.random.Generator) -> Int64Array:
    """Return a count of wrong pictures for each factor; pictures of like probability are drawn together."""
    if not len(ordered):
        return np.zeros(len(factors), np.int64)
    starts = np.unique(np.linspace(0, len(ordered), BINS, endpoint=False).astype(np.int64))
    sizes = np.diff(np.append(starts, len(ordered)))
    means = np.add.reduceat(ordered, starts) / sizes
    found: Int64Array = chance.binomial(sizes, np.minimum(1.0, factors[:, None] * means)).sum(axis=1)
    return found


def _pages_to_half(ordered: Float64Array) -> int:
    """Return how many pages, the likeliest wrong pictures first, hold half of the wrong pictures that are expected."""
    if not len(ordered):
        return 0
    found = np.cumsum(ordered)
    return -(-int(np.searchsorted(found, found[-1] / 2) + 1) // PAGE)
