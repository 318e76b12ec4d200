"""What a process does that ``torchrun`` started to help the one that leads a training."""

import os
import signal
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from imgkit.errors import ResourceError
from imgkit.progress import Silent
from imgkit.train.config import TrainConfig
from imgkit.train.interrupt import SIGNALS, listen
from imgkit.train.picture import Picture
from imgkit.train.recipe import Recipe
from imgkit.train.team import LostError, Team, joined
from imgkit.train.tuning import backbone_of, network, set_up
from imgkit.train.work import Work


def ask(work: Work, recipe: Recipe) -> None:
    """Tell the others of the team what is trained; they begin when the fine-tuning does.

    Raises:
        ResourceError: one of them has ended.
    """
    if work.team.size == 1:
        return
    work.team.waiting = False
    config = replace(work.config, backbone=work.backbone.name)
    try:
        work.team.tell(
            {
                "config": config.as_json(),
                "recipe": asdict(recipe),
                "labels": work.labels,
                "cache": str(work.cache.absolute()),
                "training": [_as_json(each) for each in work.splits.of("train")],
                "validation": [_as_json(each) for each in work.splits.of("val")],
            }
        )
    except LostError as error:
        raise ResourceError(
            "another process of this training ended before fine-tuning began. The probe and the run's settings are "
            f"saved in {work.folder.path}. Run the same command again with --resume.",
            code="train.lost",
        ) from error


def help_train() -> None:
    """Help the process that leads: wait for what it asks, do a share of each step, and return when it is done.

    Nothing is written but pixels into the cache, where this machine does not have them yet.

    Raises:
        LostError: the process that leads has ended.
    """
    for number in SIGNALS:
        signal.signal(number, signal.SIG_DFL)  # until there is work, nothing is lost by ending at once
    with joined() as team:
        if (task := team.tell()) is not None:
            _help(team, task)


def _help(team: Team, task: dict[str, Any]) -> None:
    config, recipe = TrainConfig.from_json(task["config"]), Recipe.from_json(task["recipe"])
    backbone = backbone_of(config)
    fit = set_up(
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
        team=team,
    )
    with listen() as stop:
        fit.help(stop=stop)


def _as_json(picture: Picture) -> dict[str, object]:
    return {**asdict(picture), "path": str(picture.path)}


def _pictures(stored: Sequence[dict[str, Any]]) -> list[Picture]:
    return [Picture(**{**each, "path": Path(each["path"])}) for each in stored]
