"""Run trials of a search one after another on the same pictures; what they share is kept."""

import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import optuna

from imgkit.arrays import Float32Array
from imgkit.dataset.folder import Scan
from imgkit.dataset.groups import numbers_of
from imgkit.dataset.picture import LabelledPicture
from imgkit.errors import IntegrityError, UsageError
from imgkit.models.network import set_head
from imgkit.progress import Progress
from imgkit.signals import StopFlag
from imgkit.train.config import TrainConfig
from imgkit.train.data.split import SplitSet
from imgkit.train.finetune.distributed import ProcessGroup
from imgkit.train.finetune.history import EpochRow
from imgkit.train.finetune.recipe import Recipe, recipe
from imgkit.train.finetune.setup import backbone_of, network, seconds_per_step, set_up
from imgkit.train.probe.linear_probe import fit_head
from imgkit.train.run_folder import cache_folder
from imgkit.train.tune.trial import Trial, value_of
from imgkit.vision.features.backbone import Backbone
from imgkit.vision.features.embeddings import embed


class TimeUpError(Exception):
    """The time budget is used up."""


class Deadline(StopFlag):
    """A stop flag that is also set when the time budget is used up.

    Args:
        stop: says whether somebody asked.
        at: seconds of ``clock``.
        clock: seconds.
    """

    def __init__(self, stop: StopFlag, at: float, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._stop, self._at, self._clock = stop, at, clock

    def __bool__(self) -> bool:
        return bool(self._stop) or self._clock() >= self._at

    def pass_on(self) -> None:
        """Pass a received signal on, or raise TimeUpError."""
        if self._stop:
            self._stop.pass_on()
        raise TimeUpError


class TrialRunner:
    """Runs trials on one set of pictures.

    Args:
        base: what all trials have in common.
        found: the pictures.
        splits: training and validation pictures.
        folder: for checkpoints, which are removed.
        progress: told of the work.
        seconds: what a trial may take.
    """

    def __init__(
        self, base: TrainConfig, found: Scan, splits: SplitSet, folder: Path, progress: Progress, *, seconds: float
    ) -> None:
        self._base, self._found, self._splits, self._progress = base, found, splits, progress
        self._folder, self._seconds = folder, seconds
        self._backbones: dict[tuple[str, int | None], Backbone] = {}
        self._step_seconds: dict[tuple[str, int | None], float] = {}

    def backbone(self, name: str, size: int | None = None) -> Backbone:
        """Return a backbone, loaded once."""
        if (name, size) not in self._backbones:
            config = replace(self._base, backbone=name, size=size)
            self._backbones[name, size] = backbone_of(config, self._progress)
        return self._backbones[name, size]

    def run(self, trial: optuna.Trial, settings: dict[str, Any], stop: Deadline) -> Trial | None:
        """Fine-tune with ``settings``; None where they cannot be used.

        An attempt that the deadline cuts short counts with what it has reached.
        """
        started, rows = time.monotonic(), list[EpochRow]()
        config = replace(self._base, **settings)
        checkpoints = self._folder / f"trial-{trial.number}"
        try:
            backbone = self.backbone(str(config.backbone), config.size)
            net = network(config, backbone, len(self._found.labels))
            training, validation = self._splits.of("train"), self._splits.of("val")
            head, _ = fit_head(self._features(backbone, training), training, seed=config.seed)
            set_head(net.model, head)
            wanted = self._recipe(config, backbone, training)
            trainer = set_up(
                config,
                wanted,
                net,
                backbone,
                training=training,
                validation=validation,
                labels=self._found.labels,
                cache=cache_folder(config),
                folder=checkpoints,
                progress=self._progress,
                processes=ProcessGroup(),
            )

            def log(row: EpochRow) -> None:
                rows.append(row)
                trial.report(value_of(row.best), row.epoch)
                if trial.should_prune():
                    raise optuna.TrialPruned

            state = "complete"
            try:
                trainer.run(stop=stop, progress=self._progress, log=log)
            except optuna.TrialPruned:
                state = "pruned"
            except TimeUpError:
                state = "cut short"
            best = trainer.selection.best[0] if trainer.selection.best else None
        except (UsageError, IntegrityError) as error:
            self._progress.say(f"        trial {trial.number} cannot be run: {error}")
            return None
        finally:
            shutil.rmtree(checkpoints, ignore_errors=True)
        return Trial(
            number=trial.number,
            state=state,
            settings=settings,
            steps=trainer.step,
            seconds=time.monotonic() - started,
            winner=best.name if best else "",
            judgement=best.judgement if best else None,
        )

    def _features(self, backbone: Backbone, pictures: Sequence[LabelledPicture]) -> Float32Array:
        keys = [picture.sha256 for picture in pictures]
        paths = [picture.path for picture in pictures]
        return embed(paths, backbone, cache=cache_folder(self._base), keys=keys, progress=self._progress)

    def _recipe(self, config: TrainConfig, backbone: Backbone, training: Sequence[LabelledPicture]) -> Recipe:
        """Return the usual recipe, shortened to what one trial may take: all trials get the same time."""
        targets = numbers_of(training, self._found.labels).tolist()
        usual = recipe(config, targets, on_gpu=backbone.device.type != "cpu")
        place = (str(config.backbone), config.size)
        if place not in self._step_seconds:
            net = network(config, backbone, len(self._found.labels))
            self._step_seconds[place] = seconds_per_step(net, backbone, batch=usual.batch)
        steps = min(usual.steps, max(1, int(self._seconds / self._step_seconds[place])))
        return recipe(replace(config, steps=steps), targets, on_gpu=backbone.device.type != "cpu")
