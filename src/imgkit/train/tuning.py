"""Set up fine-tuning: pixels, network, judge and recipe, ready for the loop."""

import copy
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from imgkit.progress import Progress
from imgkit.train.augment import Augmentation
from imgkit.train.batches import Batch, Batches
from imgkit.train.config import TrainConfig
from imgkit.train.fit import Fit
from imgkit.train.judge import Judge
from imgkit.train.model import Head, Normalise, learn, with_head
from imgkit.train.picture import Picture
from imgkit.train.pixels import Pixels, squares
from imgkit.train.probing import numbers_of
from imgkit.train.recipe import Recipe
from imgkit.vision.backbone import Backbone, preprocessing_of
from imgkit.vision.decode import open_picture
from imgkit.vision.device import DTYPES, Precision
from imgkit.vision.weights import LoadedModel


def set_up(
    config: TrainConfig,
    recipe: Recipe,
    loaded: LoadedModel,
    backbone: Backbone,
    *,
    training: Sequence[Picture],
    validation: Sequence[Picture],
    labels: Sequence[str],
    cache: Path,
    folder: Path,
    progress: Progress,
) -> Fit:
    """Return a fine-tuning of ``loaded`` (its head already that of the probe) that is ready to run.

    Args:
        config: what may vary in a training picture.
        recipe: how long and how fast.
        loaded: the network with one output for each label.
        backbone: the frozen network; it knows how pictures are prepared, and where the work is done.
        training: pictures to learn from.
        validation: pictures to choose by.
        labels: in the order of the outputs.
        cache: folder for decoded pixels.
        folder: for checkpoints.
        progress: told of the decoding.
    """
    device, form = backbone.device, preprocessing_of(loaded.model)
    stored = squares(training, size=form.size, cache=cache, device=device, progress=progress)
    held_out = _prepared(validation, backbone, progress)
    normalise = Normalise(form).to(device)
    precision = training_precision(backbone.precision)
    model = loaded.model.to(device=device)
    model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # missing in torch's annotations

    judge = Judge(held_out, numbers_of(validation, labels), len(labels), normalise=normalise, precision=precision)
    batches = Batches(
        stored,
        numbers_of(training, labels).tolist(),
        recipe=recipe,
        augmentation=Augmentation(
            size=form.size, crop_area=config.crop_area, flip=config.flip, keep_color=config.keep_color
        ),
        device=device,
    )
    return Fit(
        model,
        batches,
        recipe,
        judge=judge,
        normalise=normalise,
        precision=precision,
        folder=folder,
        checkpoint_seconds=config.checkpoint_seconds,
    )


def network(config: TrainConfig, backbone: Backbone, labels: int) -> LoadedModel:
    """Return the backbone with its pretrained weights again, trainable, and with a head of zeros."""
    head = Head(weight=np.zeros((labels, backbone.dimension), np.float32), bias=np.zeros(labels, np.float32))
    loaded = with_head(backbone.name, head, weights=config.weights, drop_path=config.drop_path)
    loaded.model.requires_grad_(True)
    return loaded


def seconds_per_step(loaded: LoadedModel, backbone: Backbone, *, batch: int) -> float:
    """Measure one training step on this machine, on a copy of the network."""
    model = copy.deepcopy(loaded.model).to(device=backbone.device, dtype=torch.float32)
    learn(model)
    form, precision = preprocessing_of(model), training_precision(backbone.precision)
    images = torch.rand(batch, 3, form.size, form.size, device=backbone.device)
    targets = torch.zeros(batch, dtype=torch.int64, device=backbone.device)
    probe = Batch(images=images, targets=targets)
    times = []
    for _ in range(2):  # the first one warms up
        started = time.monotonic()
        with torch.autocast(backbone.device.type, DTYPES[precision], enabled=precision == "bfloat16"):
            logits = model(probe.images)
        torch.nn.functional.cross_entropy(logits.float(), probe.targets).backward()
        if backbone.device.type == "cuda":
            torch.cuda.synchronize()
        times.append(time.monotonic() - started)
    return times[-1]


def training_precision(precision: Precision) -> Precision:
    """Return the number format for training: float16 would need loss scaling, so float32 takes its place."""
    return "bfloat16" if precision == "bfloat16" else "float32"


def _prepared(pictures: Sequence[Picture], backbone: Backbone, progress: Progress) -> Pixels:
    form = backbone.preprocessing
    progress.start("preparing the validation pictures", len(pictures))
    rows = []
    for picture in pictures:
        rows.append(backbone.prepare(open_picture(picture.path, shortest=round(form.size / form.crop))))
        progress.advance()
    return np.stack(rows)
