"""``imgkit train``: from a folder of labelled pictures to a model and a report."""

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from imgkit.cli import console
from imgkit.errors import BelowTargetError, UsageError
from imgkit.train.config import MONITORS, Monitor, TrainConfig

if TYPE_CHECKING:
    from imgkit.train.intervals import Interval
    from imgkit.train.metrics import Scores
    from imgkit.train.results import TrainReport

SHOWN_LABELS = 15  # rows of the label table; all are in the report


def train(
    data: Annotated[
        Path,
        typer.Argument(
            help="A folder with one folder of pictures for each label, one with train, val and test folders, or a CSV."
        ),
    ] = Path("data/curated"),
    finetune: Annotated[
        bool | None,
        typer.Option(
            "--finetune/--no-finetune",
            help="Train all layers, not only the last one.",
            show_default="on a GPU yes, on a CPU no",
        ),
    ] = None,
    backbone: Annotated[
        str | None, typer.Option(help="A timm model to start from.", show_default="the best for this machine")
    ] = None,
    weights: Annotated[
        str, typer.Option(help="Its pretrained weights: auto, packaged (offline), hub, or a file.")
    ] = "auto",
    epochs: Annotated[
        int | None,
        typer.Option(min=1, help="Passes over the training pictures.", show_default="12 to 40, for 600 steps"),
    ] = None,
    steps: Annotated[int | None, typer.Option(min=1, help="Optimiser steps, instead of epochs.")] = None,
    minutes: Annotated[
        float | None, typer.Option(min=0.1, help="Shorten fine-tuning to about this many minutes.")
    ] = None,
    batch: Annotated[
        int | None, typer.Option(min=1, help="Pictures for each step.", show_default="64 on a GPU, 32 on a CPU")
    ] = None,
    lr: Annotated[float, typer.Option(min=1e-9, help="Peak learning rate of the last layer for a batch of 64.")] = 1e-4,
    keep_color: Annotated[
        bool, typer.Option("--keep-color", help="Do not vary saturation: where colour tells the labels apart.")
    ] = False,
    no_flip: Annotated[
        bool, typer.Option("--no-flip", help="Do not mirror: where left and right tell the labels apart.")
    ] = False,
    split: Annotated[
        Path | None, typer.Option(help="A CSV with file_name and split (train, val, test), such as split.csv of a run.")
    ] = None,
    folds: Annotated[int, typer.Option(min=2, help="Parts for judging the probe out-of-fold.")] = 5,
    monitor: Annotated[
        str, typer.Option(help=f"What the best weights are chosen by: {', '.join(MONITORS)}.")
    ] = "macro-f1",
    patience: Annotated[
        int | None, typer.Option(min=1, help="Stop after this many epochs without a better one.", show_default="never")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the split, the folds and the training.")] = 0,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1 or mps.")] = "auto",
    runs: Annotated[Path, typer.Option(help="Folder that the run's folder is made in.")] = Path("runs"),
    name: Annotated[
        str | None, typer.Option(help="Name of the run's folder.", show_default="the data's name and the time")
    ] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Only try whether training can work here, in about a minute.")
    ] = False,
    preview: Annotated[
        Path | None, typer.Option(help="Only write a JPEG that shows how training pictures are varied.")
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the newest unfinished run (or --name), with its own settings.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as one JSON object.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show log and traceback.")] = False,
) -> None:
    """Train a classifier on a folder of labelled pictures, and say how far to trust it."""
    with console.command("train", debug=debug) as progress:
        config = TrainConfig(
            data=data,
            runs=runs,
            name=name,
            resume=resume,
            split_file=split,
            folds=folds,
            seed=seed,
            backbone=backbone,
            weights=weights,
            device=device,
            finetune=finetune,
            epochs=epochs,
            steps=steps,
            minutes=minutes,
            batch=batch,
            lr=lr,
            keep_color=keep_color,
            flip=not no_flip,
            monitor=_monitor(monitor),
            patience=patience,
        )
        if check:
            _check(config, progress, as_json=as_json)
            return
        if preview is not None:
            from imgkit.train.preview import write_preview

            shown = write_preview(config, preview, progress=progress)
            progress.stop()
            if as_json:
                console.print_json({"preview": str(preview), "pictures": shown})
            else:
                console.out.print(f"{shown} pictures, each as it is and as training varies it: {preview}", markup=False)
            return
        from imgkit.train import run

        report = run.train(config, progress=progress)
        progress.stop()
        if as_json:
            console.print_json(report.as_json())
        else:
            show_report(report)


def _check(config: TrainConfig, progress: console.ConsoleProgress, *, as_json: bool) -> None:
    from imgkit.train.check import check

    trials = check(config, progress=progress)
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


def _monitor(name: str) -> Monitor:
    for monitor in MONITORS:
        if name == monitor:
            return monitor
    raise UsageError(f"--monitor {name} is not known. Nothing was changed. Choose one of {', '.join(MONITORS)}.")


def show_report(report: "TrainReport") -> None:
    """Print what was compared, the labels, the verdict, and where the results are."""
    majority = f"{100 * report.plan.majority:.1f}"
    rows: list[list[object]] = [["always the largest label", "test", majority, ""]]
    rows.append(["linear probe", "out-of-fold", span(report.probe.accuracy), span(report.probe.macro_f1)])
    if report.picked != "linear probe":
        rows.append(["linear probe", "test", span(report.probe_test.accuracy), span(report.probe_test.macro_f1)])
        rows.append([report.picked, "val", span(report.validation.accuracy), span(report.validation.macro_f1)])
    rows.append([report.picked, "test", span(report.test.accuracy), span(report.test.macro_f1)])
    console.table(
        "Compared, in % with 95 % intervals", ["model", "judged on", "accuracy", "macro-F1"], rows, total=True
    )
    print_labels(report.test)
    console.out.print(report.verdict(), markup=False)
    console.out.print(f"Report: {report.run / 'report.html'}", markup=False)
    console.out.print(f"Model:  {report.model}", markup=False)
    if report.label_issues:
        console.out.print(f"Doubts: {report.label_issues} labels, in {report.run / 'label_issues.csv'}", markup=False)
    console.out.print(f"Next:   imgkit predict {report.model} PICTURES", markup=False)


def print_labels(scores: "Scores") -> None:
    """Print the scores of the weakest labels."""
    weakest = sorted(scores.per_label, key=lambda each: (each.f1, -each.support))[:SHOWN_LABELS]
    title = "Labels, weakest first, in %"
    console.table(
        title if len(weakest) == len(scores.per_label) else f"{title} ({len(weakest)} of {len(scores.per_label)})",
        ["label", "pictures", "F1", "recall", "precision"],
        [
            [each.label, each.support, f"{100 * each.f1:.1f}", span(each.recall), span(each.precision)]
            for each in weakest
        ],
    )


def span(interval: "Interval") -> str:
    """Return a share and its interval in percent."""
    return f"{100 * interval.value:.1f} [{100 * interval.low:.1f}, {100 * interval.high:.1f}]"
