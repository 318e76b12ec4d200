"""A fine-tuning small enough for a test: a tiny network with random weights, noise for pictures."""

from pathlib import Path

import numpy as np
import torch

from imgkit.models.network import Normalise
from imgkit.progress import Silent
from imgkit.signals import StopFlag
from imgkit.train.data.augment import Augmentation
from imgkit.train.data.batches import Batches
from imgkit.train.data.pixel_cache import PixelCache
from imgkit.train.finetune.recipe import Recipe
from imgkit.train.finetune.trainer import Trainer
from imgkit.train.finetune.validator import Validator
from imgkit.vision.features import torchvision_ops
from imgkit.vision.preparing import Preprocessing

torchvision_ops.ensure()
import timm  # noqa: E402

SIZE = 32
FORM = Preprocessing(size=SIZE, crop=1.0, interpolation="bicubic", mean=(0.5,) * 3, std=(0.5,) * 3)


def small_recipe(**changes) -> Recipe:
    values = {
        "steps": 8,
        "steps_per_epoch": 4,
        "batch": 4,
        "lr": 1e-3,
        "layer_decay": 0.9,
        "weight_decay": 0.05,
        "smoothing": 0.1,
        "warm_up": 1,
        "ema_decay": 0.5,
        "balance": False,
        "monitor": "macro-f1",
        "patience": None,
        "seed": 0,
    }
    return Recipe(**{**values, **changes})


def small_fit(
    folder: Path, *, validator=None, drop_path=0.1, checkpoint_seconds=60.0, precision="float32", prior=None, **changes
) -> Trainer:
    """A fit of two labels, dark and bright, on 16 pictures; the same weights and pictures every time."""
    torch.manual_seed(0)
    model = timm.create_model("test_efficientnet", num_classes=2, drop_path_rate=drop_path)
    model.to(memory_format=torch.channels_last)  # as a run has it: state that is taken up must lie as the weights do
    random = np.random.default_rng(0)
    targets = np.arange(16) % 2
    pixels = (random.integers(0, 100, (16, 40, 40, 3)) + 120 * targets[:, None, None, None]).astype(np.uint8)
    recipe, normalise = small_recipe(**changes), Normalise(FORM)
    squares = PixelCache(pixels=torch.from_numpy(pixels), sizes=torch.full((16, 2), 40.0))
    return Trainer(
        model,
        Batches(
            squares,
            targets.tolist(),
            recipe=recipe,
            augmentation=Augmentation(size=SIZE),
            device=torch.device("cpu"),
        ),
        recipe,
        validator=validator
        or Validator(pixels[:, :SIZE, :SIZE], targets.astype(np.int64), 2, normalise=normalise, precision="float32"),
        normalise=normalise,
        precision=precision,
        prior=prior,
        folder=folder,
        checkpoint_seconds=checkpoint_seconds,
    )


def run(fit: Trainer, stop: StopFlag | None = None):
    rows = []
    return fit.run(stop=StopFlag() if stop is None else stop, progress=Silent(), log=rows.append)


def same_weights(first, second) -> bool:
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)
