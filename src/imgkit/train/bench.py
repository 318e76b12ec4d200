"""Run trials of a search one after another on the same pictures; what they share is kept."""

import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import optuna

from imgkit.errors import IntegrityError, UsageError
from imgkit.progress import Progress
from imgkit.train.attempt import Attempt, value_of
from imgkit.train.config import TrainConfig
from imgkit.train.fitted import EpochRow
from imgkit.train.folder import Scan
from imgkit.train.interrupt import Stop
from imgkit.train.model import set_head
from imgkit.train.picture import Picture
from imgkit.train.probing import Features, fit_head, numbers_of
from imgkit.train.recipe import Recipe, recipe
from imgkit.train.runfolder import cache_folder
from imgkit.train.split import SplitSet
from imgkit.train.team import Team
from imgkit.train.tuning import backbone_of, network, seconds_per_step, set_up
from imgkit.vision.backbone import Backbone
from imgkit.vision.embeddings import embed


class TimeUpError(Exception):
    """The time that was given is over."""


class Deadline(Stop):
    """Asks to stop when somebody does, and when the time is over.

    Args:
        stop: says whether somebody asked.
        at: seconds of ``clock``.
        clock: seconds.
    """

    def __init__(self, stop: Stop, at: float, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._stop, self._at, self._clock = stop, at, clock

    def __bool__(self) -> bool:
        return bool(self._stop) or self._clock() >= self._at

    def pass_on(self) -> None:
        """Hand the signal on, or say that the time is over."""
        if self._stop:
            self._stop.pass_on()
        raise TimeUpError


class Bench:
    """Runs trials on one set of pictures.

    Args:
        base: what all trials have in common.
        found: the pictures.
        splits: who learns and who judges.
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
        self._paces: dict[tuple[str, int | None], float] = {}

    def backbone(self, name: str, size: int | None = None) -> Backbone:
        """Return a backbone, loaded once."""
        if (name, size) not in self._backbones:
            config = replace(self._base, backbone=name, size=size)
            self._backbones[name, size] = backbone_of(config, self._progress)
        return self._backbones[name, size]

    def run(self, trial: optuna.Trial, settings: dict[str, Any], stop: Deadline) -> Attempt | None:
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
            fit = set_up(
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
                team=Team(),
            )

            def log(row: EpochRow) -> None:
                rows.append(row)
                trial.report(value_of(row.best), row.epoch)
                if trial.should_prune():
                    raise optuna.TrialPruned

            state = "complete"
            try:
                fit.run(stop=stop, progress=self._progress, log=log)
            except optuna.TrialPruned:
                state = "pruned"
            except TimeUpError:
                state = "cut short"
            best = fit.contest.best[0] if fit.contest.best else None
        except (UsageError, IntegrityError) as error:
            self._progress.say(f"        trial {trial.number} cannot be run: {error}")
            return None
        finally:
            shutil.rmtree(checkpoints, ignore_errors=True)
        return Attempt(
            number=trial.number,
            state=state,
            settings=settings,
            steps=fit.step,
            seconds=time.monotonic() - started,
            winner=best.name if best else "",
            judgement=best.judgement if best else None,
        )

    def _features(self, backbone: Backbone, pictures: Sequence[Picture]) -> Features:
        keys = [picture.sha256 for picture in pictures]
        paths = [picture.path for picture in pictures]
        return embed(paths, backbone, cache=cache_folder(self._base), keys=keys, progress=self._progress)

    def _recipe(self, config: TrainConfig, backbone: Backbone, training: Sequence[Picture]) -> Recipe:
        """Return the usual recipe, shortened to what one trial may take: all trials get the same time."""
        targets = numbers_of(training, self._found.labels).tolist()
        usual = recipe(config, targets, on_gpu=backbone.device.type != "cpu")
        place = (str(config.backbone), config.size)
        if place not in self._paces:
            net = network(config, backbone, len(self._found.labels))
            self._paces[place] = seconds_per_step(net, backbone, batch=usual.batch)
        steps = min(usual.steps, max(1, int(self._seconds / self._paces[place])))
        return recipe(replace(config, steps=steps), targets, on_gpu=backbone.device.type != "cpu")
