"""Derive the recipe of fine-tuning (steps, batch, learning rate, schedule) from the data and the machine."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from imgkit.train.config import Monitor, TrainConfig

ENOUGH_STEPS = 600  # Kolesnikov et al. 2020 (BiT) use 500 for up to 20,000 pictures
FEWEST_EPOCHS, MOST_EPOCHS = 12, 40
BATCH_ON_GPU, BATCH_ON_CPU = 64, 32
BATCH_OF_LR = 64  # the batch that TrainConfig.lr belongs to
WARM_UP_SHARE = 0.1
EMA_SHARE = 0.05  # time constant of the moving average, as a share of the run
IMBALANCE = 3.0  # largest by smallest label, from which on rare labels are drawn more often
LONGER = 4  # times the steps when pictures are mixed: those who measured it needed about four times as many
MIXUP, CUTMIX = 0.2, 0.5  # shape of the beta distribution of shares
MIXED_SHARE = 0.85  # of the steps; the last ones see whole pictures


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """Everything that fine-tuning does, in numbers.

    ``lr`` is the peak of the head; ``steps`` are optimiser steps, of which the first ``mixed_steps`` see mixed
    pictures. ``balance`` draws rare labels more often, ``adjust`` adds the share of a label to its logit. ``sizes`` are
    the sides of training pictures in their order, () where all have that of the model.
    """

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
    adjust: bool = False
    mixup: float = 0.0
    cutmix: float = 0.0
    mixed_steps: int = 0
    sizes: tuple[int, ...] = ()

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "Recipe":
        """Return the recipe that ``asdict`` turned into JSON.

        Raises:
            TypeError: it is of another version.
        """
        return cls(**{**values, "sizes": tuple(values.get("sizes", ()))})

    def size(self, step: int) -> int | None:
        """Return the side of training pictures at ``step``; None is that of the model."""
        return self.sizes[min(step * len(self.sizes) // self.steps, len(self.sizes) - 1)] if self.sizes else None

    @property
    def work(self) -> float:
        """The pixels of all steps by those of as many steps at the last size."""
        return sum((size / self.sizes[-1]) ** 2 for size in self.sizes) / len(self.sizes) if self.sizes else 1.0

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
    long = config.recipe == "long"
    steps = config.steps or (config.epochs or _enough_epochs(per_epoch) * (LONGER if long else 1)) * per_epoch
    if config.minutes is not None and seconds_per_step:
        steps = max(1, min(steps, int(config.minutes * 60 / seconds_per_step)))
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
        balance=config.balance == "sampler" or (config.balance == "auto" and _imbalanced(targets)),
        monitor=config.monitor,
        patience=config.patience,
        seed=config.seed,
        adjust=config.balance == "logits",
        mixup=MIXUP if long else 0.0,
        cutmix=CUTMIX if long else 0.0,
        mixed_steps=round(MIXED_SHARE * steps) if long else 0,
        sizes=config.progressive,
    )


def learning_rate_share(step: int, recipe: Recipe) -> float:
    """Return the share of the peak learning rate at ``step``: a linear warm-up, then a cosine to 0."""
    if step < recipe.warm_up:
        return (step + 1) / recipe.warm_up
    done = (step - recipe.warm_up) / max(1, recipe.steps - recipe.warm_up)
    return 0.5 * (1 + math.cos(math.pi * min(1.0, done)))


def _imbalanced(targets: Sequence[int]) -> bool:
    counts = Counter(targets).values()
    return max(counts) > IMBALANCE * min(counts)


def _enough_epochs(steps_per_epoch: int) -> int:
    return min(MOST_EPOCHS, max(FEWEST_EPOCHS, math.ceil(ENOUGH_STEPS / steps_per_epoch)))
