"""Fit once more on all pictures, the test pictures too, after the recipe was judged without them."""

import copy
from dataclasses import replace
from pathlib import Path
from typing import Final

from imgkit import signals
from imgkit.dataset.groups import group_numbers, numbers_of
from imgkit.models.model_folder import ModelMetadata, write_model
from imgkit.models.network import divide_by_temperature, head_of, set_head, with_head
from imgkit.models.out_of_distribution import fit_detector
from imgkit.train.finetune import checkpoint
from imgkit.train.finetune.recipe import Recipe
from imgkit.train.finetune.setup import network, set_up
from imgkit.train.probe.linear_probe import fit_head
from imgkit.train.state import ProbeResult, SelectedModel, TrainingState
from imgkit.vision.features.backbone import Backbone
from imgkit.vision.features.embeddings import embed
from imgkit.vision.features.weights import LoadedModel

FINAL: Final = "final"  # the folder in that of the run, a model folder as "model" is
CHECKPOINTS: Final = "checkpoints-final"


def fit_final(
    work: TrainingState, probed: ProbeResult, chosen: SelectedModel, recipe: Recipe | None, metadata: ModelMetadata
) -> str:
    """Fit the chosen recipe on all pictures, write the model folder ``final``, and return what to know of it.

    A linear probe is fitted with the strength that was chosen; a network is fine-tuned for as many steps, and the
    moving average of its weights is taken. Temperature, prediction sets and the threshold for unknown pictures are
    those of the judged model, because no picture is held out any more.

    Args:
        work: the run.
        probed: its linear probe.
        chosen: the model that was judged.
        recipe: that of fine-tuning, None where the probe alone was trained.
        metadata: what the judged model's folder says of it.
    """
    pictures, features = work.part("train", "val", "test")
    temperature = chosen.calibration.temperature
    if chosen.tuned and recipe is not None:
        loaded = _fine_tuned(work, recipe)
        set_head(loaded.model, divide_by_temperature(head_of(loaded.model), temperature))
        copied = replace(loaded, model=copy.deepcopy(loaded.model))  # a frozen backbone changes the network it is given
        embedder = Backbone(copied, device=work.backbone.device, precision=work.backbone.precision)
        features = embed([each.path for each in pictures], embedder, cache=None, progress=work.progress)
    else:
        head, _ = fit_head(features, pictures, strength=probed.judged.strength)
        calibrated = divide_by_temperature(head, temperature)
        loaded = with_head(work.backbone.name, calibrated, weights=work.config.weights, size=work.config.size)
    targets, groups = numbers_of(pictures, work.labels), group_numbers(pictures)
    centres = fit_detector(features, targets, groups, len(work.labels)).centres
    final = replace(
        metadata,
        detector=replace(metadata.detector, centres=centres),
        trained={**metadata.trained, "pictures": len(pictures), "judged": False},
        trained_on=metadata.trained_on.union(picture.sha256 for picture in pictures),
    )
    target = folder_of(work.folder.path)
    write_model(target, loaded.model, loaded.name, final)
    judged = len(work.splits.of("train", "val"))
    return (
        f"a model fitted in the same way on all {len(pictures):,} pictures is in {target}; nothing was held out to "
        f"judge it. Every score here is of {work.folder.model}, which was fitted on {judged:,} of them"
    )


def folder_of(run: Path) -> Path:
    """Return the folder of the model that was fitted on everything, in that of a run."""
    return run / FINAL


def _fine_tuned(work: TrainingState, recipe: Recipe) -> LoadedModel:
    """Return the network after the steps of ``recipe`` on all pictures: the moving average of its weights."""
    pictures, features = work.part("train", "val", "test")
    held, _ = work.part("val")
    start, _ = fit_head(features, pictures)
    net = network(work.config, work.backbone, len(work.labels))
    set_head(net.model, start)
    wanted = replace(recipe, steps_per_epoch=max(1, len(pictures) // recipe.batch), patience=None)
    folder = work.folder.path / CHECKPOINTS
    trainer = set_up(
        work.config,
        wanted,
        net,
        work.backbone,
        training=pictures,
        validation=held,
        labels=work.labels,
        cache=work.cache,
        folder=folder,
        progress=work.progress,
        processes=work.processes,
    )
    if work.config.resume:
        trainer.resume()
    work.progress.say(f"final   the same {wanted.steps} steps on all {len(pictures):,} pictures")
    with signals.listen() as stop:
        trainer.run(stop=stop, progress=work.progress, log=lambda _: None)
    net.model.load_state_dict(trainer.average.module.state_dict())
    checkpoint.clear(folder)
    return net
