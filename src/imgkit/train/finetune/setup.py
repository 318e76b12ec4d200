"""Set up fine-tuning: pixels, network, judge and recipe, ready for the loop."""

import copy
import os
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from imgkit.arrays import UInt8Array
from imgkit.dataset.groups import numbers_of
from imgkit.dataset.picture import LabelledPicture
from imgkit.errors import UsageError
from imgkit.models.network import Head, Normalise, set_training_mode, with_head
from imgkit.progress import Progress
from imgkit.train.config import AskedPrecision, TrainConfig
from imgkit.train.data.augment import Augmentation
from imgkit.train.data.batches import Batch, Batches
from imgkit.train.data.pixel_cache import squares
from imgkit.train.finetune.compiling import compile_if_it_pays
from imgkit.train.finetune.distributed import ProcessGroup
from imgkit.train.finetune.loss import log_prior
from imgkit.train.finetune.recipe import Recipe
from imgkit.train.finetune.trainer import Trainer
from imgkit.train.finetune.validator import Validator
from imgkit.vision.decode import open_picture
from imgkit.vision.features.backbone import Backbone, load_backbone, preprocessing_of
from imgkit.vision.features.device import DTYPES, Precision, choose_device
from imgkit.vision.features.weights import LoadedModel

PRECISIONS: dict[str, Precision] = {"fp32": "float32", "bf16": "bfloat16", "fp16": "float16"}


def set_up(
    config: TrainConfig,
    recipe: Recipe,
    loaded: LoadedModel,
    backbone: Backbone,
    *,
    training: Sequence[LabelledPicture],
    validation: Sequence[LabelledPicture],
    labels: Sequence[str],
    cache: Path,
    folder: Path,
    progress: Progress,
    processes: ProcessGroup,
) -> Trainer:
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
        processes: the process group.
    """
    device, form = backbone.device, preprocessing_of(loaded.model)
    largest = max((form.size, *recipe.sizes))
    stored = squares(training, size=largest, cache=cache, device=device, progress=progress)
    seen = validation if processes.is_rank_zero else validation[processes.share(len(validation))]
    held_out = _prepared(seen, backbone, progress)
    normalise = Normalise(form).to(device)
    precision = training_precision(config.precision, backbone)
    model = loaded.model.to(device=device)
    model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # missing in torch's annotations

    validator = Validator(
        held_out,
        numbers_of(validation, labels),
        len(labels),
        normalise=normalise,
        precision=precision,
        processes=processes,
    )
    targets = numbers_of(training, labels).tolist()
    batches = Batches(
        stored,
        targets,
        recipe=recipe,
        augmentation=Augmentation(
            size=form.size, crop_area=config.crop_area, flip=config.flip, keep_color=config.keep_color
        ),
        device=device,
        processes=processes,
    )
    trainer = Trainer(
        model,
        batches,
        recipe,
        validator=validator,
        normalise=normalise,
        precision=precision,
        folder=folder,
        prior=log_prior(targets, len(labels)).to(device) if recipe.adjust else None,
        checkpoint_seconds=config.checkpoint_seconds,
        processes=processes,
    )
    if config.compile:
        compile_if_it_pays(trainer, progress)
    return trainer


def backbone_of(config: TrainConfig, progress: Progress | None = None) -> Backbone:
    """Load the backbone that ``config`` asks for.

    Raises:
        UsageError: there is no such backbone, or it cannot be used as asked.
    """
    if config.deterministic:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # which it asks for
        torch.use_deterministic_algorithms(True, warn_only=True)
    precision = PRECISIONS.get(config.precision)
    if precision == "float16" and choose_device(config.device).type == "cpu":
        raise UsageError(
            "--precision fp16 gains nothing on a CPU. Nothing was changed. Use --precision auto, fp32 or bf16."
        )
    return load_backbone(
        config.backbone,
        weights=config.weights,
        device=config.device,
        precision=precision,
        size=config.size,
        progress=progress,
    )


def network(config: TrainConfig, backbone: Backbone, labels: int) -> LoadedModel:
    """Return the backbone with its pretrained weights again, trainable, and with a head of zeros."""
    head = Head(weight=np.zeros((labels, backbone.dimension), np.float32), bias=np.zeros(labels, np.float32))
    loaded = with_head(backbone.name, head, weights=config.weights, size=config.size, drop_path=config.drop_path)
    loaded.model.requires_grad_(True)
    fixed = getattr(loaded.model, "pretrained_cfg", {}).get("fixed_input_size")
    if fixed and set(config.progressive) - {backbone.preprocessing.size}:
        raise UsageError(
            f"{backbone.name} sees pictures of one size only, so --progressive cannot be used. Nothing was changed. "
            "Give --size, or another --backbone such as convnext_tiny.in12k_ft_in1k."
        )
    return loaded


def seconds_per_step(loaded: LoadedModel, backbone: Backbone, *, batch: int, asked: AskedPrecision = "auto") -> float:
    """Measure one training step on this machine, on a copy of the network."""
    model = copy.deepcopy(loaded.model).to(device=backbone.device, dtype=torch.float32)
    set_training_mode(model)
    form, precision = preprocessing_of(model), training_precision(asked, backbone)
    images = torch.rand(batch, 3, form.size, form.size, device=backbone.device)
    targets = torch.zeros(batch, dtype=torch.int64, device=backbone.device)
    probe = Batch(images=images, targets=targets, start=0, whole=batch)
    times = []
    for _ in range(2):  # the first one warms up
        started = time.monotonic()
        with torch.autocast(backbone.device.type, DTYPES[precision], enabled=precision != "float32"):
            logits = model(probe.images)
        torch.nn.functional.cross_entropy(logits.float(), probe.targets).backward()
        if backbone.device.type == "cuda":
            torch.cuda.synchronize()
        times.append(time.monotonic() - started)
    return times[-1]


def training_precision(asked: AskedPrecision, backbone: Backbone) -> Precision:
    """Return the number format for training: what was asked for, else bfloat16 where features are computed in it."""
    if asked != "auto":
        return PRECISIONS[asked]
    return "bfloat16" if backbone.precision == "bfloat16" else "float32"


def _prepared(pictures: Sequence[LabelledPicture], backbone: Backbone, progress: Progress) -> UInt8Array:
    form = backbone.preprocessing
    progress.start("preparing the validation pictures", len(pictures))
    rows = []
    for picture in pictures:
        rows.append(backbone.prepare(open_picture(picture.path, shortest=form.shortest)))
        progress.advance()
    return np.stack(rows) if rows else np.zeros((0, form.size, form.size, 3), np.uint8)
