"""Derive the length and pace of fine-tuning from the data and the machine."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from imgkit.train.config import Monitor, TrainConfig

ENOUGH_STEPS = 600  # Kolesnikov et al. 2020 (BiT) use 500 for up to 20,000 pictures
FEWEST_EPOCHS, MOST_EPOCHS = 12, 40
BATCH_ON_GPU, BATCH_ON_CPU = 64, 32
BATCH_OF_LR = 64  # the batch that TrainConfig.lr belongs to
WARM_UP_SHARE = 0.1
EMA_SHARE = 0.05  # time constant of the moving average, as a share of the run
IMBALANCE = 3.0  # largest by smallest label, from which on rare labels are drawn more often


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """Everything that fine-tuning does, in numbers. ``lr`` is the peak of the head; ``steps`` are optimiser steps."""

    steps: int
    steps_per_epoch: int
    batch: int
    lr: float
    layer_decay: float
    weight_decay: float
    smoothing: float
    warm_up: int
    ema_decay: float
    balance: bool
    monitor: Monitor
    patience: int | None
    seed: int

    @property
    def epochs(self) -> int:
        """Epochs, the last one perhaps cut short."""
        return math.ceil(self.steps / self.steps_per_epoch)


def recipe(
    config: TrainConfig, targets: Sequence[int], *, on_gpu: bool, seconds_per_step: float | None = None
) -> Recipe:
    """Return the recipe for training pictures with label numbers ``targets``.

    Args:
        config: what was asked for; None there means derived here.
        targets: the label number of each training picture.
        on_gpu: GPUs get larger batches.
        seconds_per_step: measured on this machine; needed for ``config.minutes`` to shorten the run.
    """
    batch = min(config.batch or (BATCH_ON_GPU if on_gpu else BATCH_ON_CPU), len(targets))
    per_epoch = max(1, len(targets) // batch)
    steps = config.steps or (config.epochs or _enough_epochs(per_epoch)) * per_epoch
    if config.minutes is not None and seconds_per_step:
        steps = max(1, min(steps, int(config.minutes * 60 / seconds_per_step)))
    counts = Counter(targets)
    return Recipe(
        steps=steps,
        steps_per_epoch=per_epoch,
        batch=batch,
        lr=config.lr * math.sqrt(batch / BATCH_OF_LR),
        layer_decay=config.layer_decay,
        weight_decay=config.weight_decay,
        smoothing=config.smoothing,
        warm_up=round(WARM_UP_SHARE * steps),
        ema_decay=1 - 1 / max(2.0, EMA_SHARE * steps),
        balance=max(counts.values()) > IMBALANCE * min(counts.values()),
        monitor=config.monitor,
        patience=config.patience,
        seed=config.seed,
    )


def pace(step: int, recipe: Recipe) -> float:
    """Return the share of the peak learning rate at ``step``: a linear warm-up, then a cosine to 0."""
    if step < recipe.warm_up:
        return (step + 1) / recipe.warm_up
    done = (step - recipe.warm_up) / max(1, recipe.steps - recipe.warm_up)
    return 0.5 * (1 + math.cos(math.pi * min(1.0, done)))


def _enough_epochs(steps_per_epoch: int) -> int:
    return min(MOST_EPOCHS, max(FEWEST_EPOCHS, math.ceil(ENOUGH_STEPS / steps_per_epoch)))
