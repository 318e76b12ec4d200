"""The trials of a search in a file of Optuna's, so that a search can be gone on with."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import optuna
from optuna.storages.journal import JournalFileBackend

from imgkit.errors import UsageError
from imgkit.train.config import TrainConfig
from imgkit.train.finetune.validator import ValidationScore
from imgkit.train.tune.trial import Trial, value_of

FILE: Final = "study.journal"
FIRST_TRIALS: Final = 5  # at random, before what was seen guides the search
OPTUNA_ERRORS: Final = (optuna.exceptions.OptunaError, AssertionError, ValueError, TypeError, KeyError, OSError)

Space = Mapping[str, Sequence[int]]
"""Backbones, each with the sizes in pixels that it may see."""


def open_study(folder: Path, seed: int, *, digest: str) -> optuna.Study:
    """Open the study in ``folder``, a new one where there is none."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / FILE
    try:
        storage = optuna.storages.JournalStorage(JournalFileBackend(str(file)))
        study = optuna.create_study(
            study_name="imgkit",
            storage=storage,
            direction="maximize",
            load_if_exists=True,
            pruner=optuna.pruners.MedianPruner(n_startup_trials=FIRST_TRIALS, n_warmup_steps=1),
        )
        known = study.user_attrs.get("digest")
    except OPTUNA_ERRORS as error:
        raise UsageError(
            f"{file} cannot be read ({type(error).__name__}). Nothing was changed. Give another --name, or delete it."
        ) from error
    if known not in (None, digest):
        raise UsageError(
            f"the study in {folder} is of other pictures, or of another split of them. Nothing was changed. Give "
            "another --name."
        )
    for trial in study.get_trials(deepcopy=False, states=(optuna.trial.TrialState.RUNNING,)):
        study.tell(trial.number, state=optuna.trial.TrialState.FAIL)  # of a process that was killed
    study.set_user_attr("digest", digest)
    study.sampler = _sampler(seed + len(study.trials))
    return study


def _sampler(seed: int) -> optuna.samplers.TPESampler:
    return optuna.samplers.TPESampler(seed=seed, n_startup_trials=FIRST_TRIALS)


def suggest(trial: optuna.Trial, space: Space) -> dict[str, Any]:
    """Return the settings of a trial."""
    name = trial.suggest_categorical("backbone", list(space))
    sizes = space[name]
    place = trial.suggest_int("smaller", 0, max(map(len, space.values())) - 1)
    return {
        "backbone": name,
        "size": sizes[min(place, len(sizes) - 1)],
        "lr": trial.suggest_float("lr", 1e-5, 3e-3, log=True),
        "layer_decay": trial.suggest_float("layer_decay", 0.6, 0.95),
        "weight_decay": trial.suggest_float("weight_decay", 1e-3, 0.2, log=True),
        "crop_area": trial.suggest_float("crop_area", 0.2, 0.8),
        "recipe": trial.suggest_categorical("recipe", ["short", "long"]),
    }


def begin(study: optuna.Study, base: TrainConfig, space: Space, *, where: Path) -> None:
    """Let each backbone of a new study begin with the default settings.

    Raises:
        UsageError: the study has begun with other backbones or sizes.
    """
    told = json.dumps({name: list(sizes) for name, sizes in space.items()})
    if study.user_attrs.get("space", told) != told:
        raise UsageError(
            f"the study in {where} searches among {study.user_attrs['space']}. Nothing was changed. Give the same "
            "--backbone and --size, or another --name."
        )
    if study.trials:
        return
    study.set_user_attr("space", told)
    for name in space:
        study.enqueue_trial(
            {
                "backbone": name,
                "smaller": 0,
                "lr": base.lr,
                "layer_decay": base.layer_decay,
                "weight_decay": base.weight_decay,
                "crop_area": base.crop_area,
                "recipe": base.recipe,
            }
        )


def record(study: optuna.Study, trial: optuna.Trial, done: Trial | None) -> None:
    """Write down what came out of a trial; None: it could not be run."""
    if done is None or done.judgement is None:
        study.tell(trial, state=optuna.trial.TrialState.FAIL)
        return
    trial.set_user_attr("attempt", json.dumps({**asdict(done), "judgement": asdict(done.judgement)}))
    if done.state == "pruned":
        study.tell(trial, state=optuna.trial.TrialState.PRUNED)
    else:
        study.tell(trial, value_of(done.judgement))


def trials_of(study: optuna.Study) -> list[Trial]:
    """Return the trials that were scored."""
    attempts = []
    for trial in study.get_trials(deepcopy=False):
        if stored := trial.user_attrs.get("attempt"):
            values = json.loads(stored)
            attempts.append(Trial(**{**values, "judgement": ValidationScore(**values["judgement"])}))
    return attempts
