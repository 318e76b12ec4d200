"""Find a learning rate by raising it step by step until the loss grows."""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from imgkit.progress import Progress
from imgkit.signals import StopFlag
from imgkit.train.finetune.trainer import Trainer

LOWEST, HIGHEST = 1e-6, 1e-1
STEPS = 60
MEMORY = 0.9  # of the running mean of the loss
TOO_HIGH = 2.0  # times the lowest mean: here the search ends
STILL = 10  # first steps: their rates change nothing, so their losses show how much batches differ
SMALLEST_GAIN = 0.02  # of the mean of the first steps: with less, the curve says nothing
NOISE = 2.0  # standard errors of that mean: a gain that is smaller may be a batch of easy pictures
SAFETY = 10.0  # the rate of the lowest loss is already too high: a tenth of it is taken


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """The curve: losses (nats, running mean) at learning rates, and the rate that it suggests; None: it says nothing.

    Source: Smith 2017, "Cyclical learning rates"; a tenth of the rate of the lowest loss, as in fastai's "minimum".
    """

    rates: tuple[float, ...]
    losses: tuple[float, ...]
    suggestion: float | None

    def line(self) -> str:
        """Return the curve in a few points."""
        shown = range(0, len(self.rates), max(1, len(self.rates) // 8))
        return " · ".join(f"{self.rates[place]:.0e} {self.losses[place]:.3f}" for place in shown)


def find_rate(trainer: Trainer, progress: Progress, stop: StopFlag) -> Rates:
    """Try rising rates on the training batches of ``trainer``; its weights are as before afterwards.

    Raises:
        StoppedError: somebody asked to stop.
    """
    progress.start("looking for a learning rate", STEPS)
    rates = [LOWEST * (HIGHEST / LOWEST) ** (place / (STEPS - 1)) for place in range(STEPS)]

    def enough(losses: list[float]) -> bool:
        progress.advance()
        means = smooth(losses)
        return not math.isfinite(means[-1]) or means[-1] > TOO_HIGH * min(means)

    return suggest(rates, trainer.try_rates(rates, stop=stop, enough=enough))


def suggest(rates: Sequence[float], losses: Sequence[float]) -> Rates:
    """Read the curve of ``losses`` that were seen before each of the first steps at ``rates``."""
    means = [mean for mean in smooth(losses) if math.isfinite(mean)]
    suggestion = None
    if len(means) > STILL:
        first, error = statistics.mean(losses[:STILL]), statistics.stdev(losses[:STILL]) / math.sqrt(STILL)
        lowest = min(range(STILL, len(means)), key=lambda place: means[place])
        if first - means[lowest] >= max(SMALLEST_GAIN * first, NOISE * error):
            # the loss before a step shows what the rates of the steps before have done
            suggestion = rates[lowest - 1] / SAFETY
    return Rates(rates=tuple(rates[: len(means)]), losses=tuple(means), suggestion=suggestion)


def smooth(values: Sequence[float]) -> list[float]:
    """Return the running means, each the unbiased mean of the values so far with more weight on the newer ones."""
    means, total, weight = [], 0.0, 0.0
    for value in values:
        total, weight = MEMORY * total + (1 - MEMORY) * value, MEMORY * weight + (1 - MEMORY)
        means.append(total / weight)
    return means
