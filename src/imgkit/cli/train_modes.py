"""The modes of ``imgkit train`` that train nothing here: --check, --preview, and a worker of ``torchrun``."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

import typer

from imgkit import commands
from imgkit.cli import console
from imgkit.errors import BelowTargetError, ResourceError
from imgkit.train.config import TrainConfig


def resume_hint(runs: Path, *, resumed: bool) -> Callable[[], str]:
    """Return a function that gives the sentence for an interruption: ``--resume`` if a run was started meanwhile."""
    before = set() if resumed else set(runs.glob("*/config.json"))

    def hint() -> str:
        started = [path.parent for path in set(runs.glob("*/config.json")) - before]
        unfinished = [run for run in started if not (run / "report.json").exists()]
        if not unfinished:
            return "Run the same command again to go on."
        newest = max(unfinished, key=lambda run: (run / "config.json").stat().st_mtime)
        return f"Go on with: {commands.command('train', '--resume', '--runs', runs, '--name', newest.name)}"

    return hint


def ran_as_worker(*, alone: bool) -> bool:
    """Run this process as a worker if ``torchrun`` started it as one; return whether it did.

    With ``alone`` a worker does nothing: rank 0 does all the work of --check and --preview.

    Raises:
        ResourceError: rank 0 has ended; only rank 1 prints the sentence, other workers exit with the same code.
    """
    from imgkit.train.finetune import distributed

    if not distributed.is_worker():
        return False
    if not alone:
        from imgkit.train.finetune.distributed_worker import run_worker

        try:
            run_worker()
        except distributed.ProcessLostError as error:
            if not distributed.is_first_worker():
                raise typer.Exit(ResourceError.exit_code) from error
            raise ResourceError(
                "another process of this training ended. What was finished is saved, at most a minute of "
                "fine-tuning is lost. Run the same command again with --resume.",
                code="train.lost",
            ) from error
    return True


def preview(config: TrainConfig, target: Path, progress: console.ConsoleProgress, *, as_json: bool) -> None:
    """Write a JPEG that shows how training pictures are varied."""
    from imgkit.train.data.preview import write_preview

    shown = write_preview(config, target, progress=progress)
    progress.stop()
    if as_json:
        console.print_json({"preview": str(target), "pictures": shown})
    else:
        console.out.print(f"{shown} pictures, each as it is and as training varies it: {target}", markup=False)


def check(config: TrainConfig, progress: console.ConsoleProgress, *, as_json: bool) -> None:
    """Run the sanity checks and print their results.

    Raises:
        BelowTargetError: a check failed.
    """
    from imgkit.train.sanity_checks import check as try_training

    trials = try_training(config, progress=progress)
    progress.stop()
    failed = [trial for trial in trials if not trial.passed]
    if as_json:
        console.print_json({"passed": not failed, "trials": [dataclasses.asdict(trial) for trial in trials]})
    else:
        rows = [["ok" if trial.passed else "FAILED", trial.name, trial.found, trial.expected] for trial in trials]
        console.table("Tried", ["", "what", "found", "expected"], rows)
        for trial in failed:
            console.out.print(f"{trial.name}: likely {trial.causes}.", markup=False)
    if failed:
        raise BelowTargetError(f"{len(failed)} of {len(trials)} trials failed. Nothing was trained.")
