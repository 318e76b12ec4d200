"""Hyperparameter search with Optuna within a time budget."""

import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import optuna

from imgkit import commands
from imgkit.dataset.folder import scan
from imgkit.errors import UsageError
from imgkit.files import write_text
from imgkit.models.catalogue import catalogue
from imgkit.progress import Progress, Silent
from imgkit.signals import listen
from imgkit.train.config import TrainConfig
from imgkit.train.config_file import settings_text
from imgkit.train.data.split import data_digest, divide
from imgkit.train.finetune.model_selection import PROBE
from imgkit.train.run_folder import cache_folder
from imgkit.train.sanity_checks import checked
from imgkit.train.tune.study import Space, begin, open_study, record, suggest, trials_of
from imgkit.train.tune.trial import Trial, best_of, in_words
from imgkit.train.tune.trial_runner import Deadline, TrialRunner

BEST = "best.yaml"
TRIALS_IN_TIME = 8  # a trial may take this part of the time
MOST_BACKBONES = 4
MOST_FAILURES = 3  # in a row


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchConfig:
    """What to search, and for how long. ``minutes`` and ``trials`` are those of this call; a study that is there is
    gone on with.

    ``base`` holds what is not searched: the data, the seed, the device. ``backbones`` () are those whose weights are on
    this machine; ``sizes`` () are that of each backbone and two thirds of it.
    """

    base: TrainConfig
    minutes: float = 30.0
    trials: int | None = None
    backbones: tuple[str, ...] = ()
    sizes: tuple[int, ...] = ()
    name: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchReport:
    """What a search found. ``validation`` is how many pictures judged; the test pictures were never looked at.

    ``default`` is the trial of the default settings; ``best`` is the better one of all, which flatters itself the more
    the more there were: only ``imgkit train`` says on the test pictures what it is worth.
    """

    folder: Path
    attempts: tuple[Trial, ...]
    default: Trial | None
    best: Trial | None
    validation: int

    @property
    def settings(self) -> Path:
        """The file for ``imgkit train --config``."""
        return self.folder / BEST

    def as_json(self) -> dict[str, object]:
        """Return everything as JSON-ready values."""
        return {**asdict(self), "folder": str(self.folder), "settings": str(self.settings)}


def search(config: SearchConfig, *, progress: Progress | None = None) -> SearchReport:
    """Try settings on the validation pictures until the time is over, the default ones first.

    Every trial is in the study's file before the next one begins, and best.yaml holds the best so far. The same call
    again goes on.

    Raises:
        UsageError: the data or a backbone cannot be used, or the study is of other pictures.
        ResourceError: the disk is full or not writable.
    """
    progress, base = progress or Silent(), checked(replace(config.base, finetune=True))
    deadline = time.monotonic() + 60 * config.minutes
    found = scan(base.data, cache=cache_folder(base), progress=progress, layout=base.layout, wanted=base.selection())
    splits = divide(found.pictures, validation_share=base.validation_share, test_share=base.test_share, seed=base.seed)
    folder = base.runs / (config.name or f"tune-{base.data.absolute().stem}")
    study = open_study(folder, base.seed, digest=data_digest(splits.pictures, found.root))
    runner = TrialRunner(base, found, splits, folder, progress, seconds=60 * config.minutes / TRIALS_IN_TIME)
    space = _space(config, runner)
    begin(study, base, space, where=folder)
    progress.say(
        f"tune    {len(splits.of('train')):,} pictures to learn from, {len(splits.of('val')):,} to choose by · "
        f"{' or '.join(space)} · {config.minutes:g} minutes · {len(trials_of(study))} trials so far"
    )
    failures, left = 0, config.trials
    with listen() as stop:
        while time.monotonic() < deadline and left != 0:
            trial = study.ask()
            try:
                done = runner.run(trial, suggest(trial, space), Deadline(stop, deadline))
                failures = failures + 1 if done is None else 0
            except BaseException:
                study.tell(trial, state=optuna.trial.TrialState.FAIL)
                raise
            left = None if left is None else left - 1
            record(study, trial, done)
            if done is not None:
                progress.say(f"        {in_words(done)}")
            _write_best(folder, base, study)
            if stop:
                stop.pass_on()
            if failures == MOST_FAILURES:
                break
    return _report(folder, study, len(splits.of("val")))


def _space(config: SearchConfig, runner: TrialRunner) -> Space:
    """Return the backbones with the sizes that each may see."""
    names = (
        config.backbones
        or tuple(each.name for each in catalogue(only_here=True).models if each.usable and not each.fixed)[
            :MOST_BACKBONES
        ]
    )
    if not names:
        raise UsageError(
            "there are no weights on this machine to search among. Nothing was changed. Give --backbone, for instance "
            "one that imgkit models lists."
        )
    usual = {name: runner.backbone(name).preprocessing.size for name in names}
    return {name: config.sizes or (usual[name], round(usual[name] / 48) * 32) for name in names}


def _write_best(folder: Path, base: TrainConfig, study: optuna.Study) -> None:
    best = best_of(trials_of(study))
    if best is None or best.judgement is None:
        return
    usual = replace(base, steps=None)  # a trial is short, a training is not
    config = replace(usual, **best.settings)
    if best.winner == PROBE:  # fine-tuning did not beat it with any settings
        config = replace(usual, finetune=False, backbone=best.settings["backbone"], size=best.settings["size"])
    note = (
        f"The best of {len(trials_of(study))} trials: {in_words(best)}\n"
        "Its score is on pictures that it was chosen by. What it is worth on others says:\n"
        f"{commands.command('train', '--config', folder / BEST)}"
    )
    write_text(folder / BEST, settings_text(config, note=note))


def _report(folder: Path, study: optuna.Study, validation: int) -> SearchReport:
    attempts = tuple(trials_of(study))
    default = next((each for each in attempts if each.number == 0), None)
    return SearchReport(
        folder=folder, attempts=attempts, default=default, best=best_of(attempts), validation=validation
    )
