"""What ``imgkit train`` does beside a training: try, preview, help another process, say how to go on."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

import typer

from imgkit.cli import console
from imgkit.errors import BelowTargetError, ResourceError
from imgkit.train.config import TrainConfig


def how_to_go_on(runs: Path, *, resumed: bool) -> Callable[[], str]:
    """Return what to say after an interruption: ``--resume`` where a run was begun meanwhile."""
    before = set() if resumed else set(runs.glob("*/config.json"))

    def say() -> str:
        begun = [path.parent for path in set(runs.glob("*/config.json")) - before]
        begun = [run for run in begun if not (run / "report.json").exists()]
        if not begun:
            return "Run the same command again to go on."
        newest = max(begun, key=lambda run: (run / "config.json").stat().st_mtime)
        return f"Go on with: imgkit train --resume --runs {runs} --name {newest.name}"

    return say


def helps(*, alone: bool) -> bool:
    """Do what a process does that ``torchrun`` started to help another one; return whether this is one.

    ``alone``: what was asked for is not shared, so there is nothing to help with.
    """
    from imgkit.train import team

    if not team.helps():
        return False
    if not alone:
        from imgkit.train.helping import help_train

        try:
            help_train()
        except team.LostError as error:
            if not team.speaks():
                raise typer.Exit(ResourceError.exit_code) from error
            raise ResourceError(
                "another process of this training ended. What was finished is saved, at most a minute of "
                "fine-tuning is lost. Run the same command again with --resume.",
                code="train.lost",
            ) from error
    return True


def preview(config: TrainConfig, target: Path, progress: console.ConsoleProgress, *, as_json: bool) -> None:
    """Write a JPEG that shows how training pictures are varied."""
    from imgkit.train.preview import write_preview

    shown = write_preview(config, target, progress=progress)
    progress.stop()
    if as_json:
        console.print_json({"preview": str(target), "pictures": shown})
    else:
        console.out.print(f"{shown} pictures, each as it is and as training varies it: {target}", markup=False)


def check(config: TrainConfig, progress: console.ConsoleProgress, *, as_json: bool) -> None:
    """Try whether training can work, and show what came out.

    Raises:
        BelowTargetError: a trial failed.
    """
    from imgkit.train.check import check as try_training

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
