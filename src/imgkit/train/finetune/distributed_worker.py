"""A worker of distributed training: receives its task from rank 0 and computes its share of every step."""

import os
import signal
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from imgkit.dataset.picture import LabelledPicture
from imgkit.errors import ResourceError
from imgkit.progress import Silent
from imgkit.signals import SIGNALS, listen
from imgkit.train.config import TrainConfig
from imgkit.train.finetune.distributed import ProcessGroup, ProcessLostError, process_group
from imgkit.train.finetune.recipe import Recipe
from imgkit.train.finetune.setup import backbone_of, network, set_up
from imgkit.train.state import TrainingState


def send_task(work: TrainingState, recipe: Recipe) -> None:
    """Broadcast the task of fine-tuning from rank 0 to the workers, which then start their trainer.

    Raises:
        ResourceError: a worker has ended.
    """
    if work.processes.size == 1:
        return
    work.processes.workers_wait = False
    config = replace(work.config, backbone=work.backbone.name)
    try:
        work.processes.broadcast(
            {
                "config": config.as_json(),
                "recipe": asdict(recipe),
                "labels": work.labels,
                "cache": str(work.cache.absolute()),
                "training": [_as_json(each) for each in work.splits.of("train")],
                "validation": [_as_json(each) for each in work.splits.of("val")],
            }
        )
    except ProcessLostError as error:
        raise ResourceError(
            "another process of this training ended before fine-tuning began. The probe and the run's settings are "
            f"saved in {work.folder.path}. Run the same command again with --resume.",
            code="train.lost",
        ) from error


def run_worker() -> None:
    """Receive the task of rank 0, compute a share of each step, and return when the training ends.

    Nothing is written but pixels into the cache, where this machine does not have them yet.

    Raises:
        ProcessLostError: rank 0 has ended.
    """
    for number in SIGNALS:
        signal.signal(number, signal.SIG_DFL)  # before the task there is no state to save
    with process_group() as processes:
        if (task := processes.broadcast()) is not None:
            _train_as_worker(processes, task)


def _train_as_worker(processes: ProcessGroup, task: dict[str, Any]) -> None:
    config, recipe = TrainConfig.from_json(task["config"]), Recipe.from_json(task["recipe"])
    backbone = backbone_of(config)
    trainer = set_up(
        config,
        recipe,
        network(config, backbone, len(task["labels"])),
        backbone,
        training=_pictures(task["training"]),
        validation=_pictures(task["validation"]),
        labels=task["labels"],
        cache=Path(task["cache"]),
        folder=Path(os.devnull),
        progress=Silent(),
        processes=processes,
    )
    with listen() as stop:
        trainer.run_as_worker(stop=stop)


def _as_json(picture: LabelledPicture) -> dict[str, object]:
    return {**asdict(picture), "path": str(picture.path)}


def _pictures(stored: Sequence[dict[str, Any]]) -> list[LabelledPicture]:
    return [LabelledPicture(**{**each, "path": Path(each["path"])}) for each in stored]
