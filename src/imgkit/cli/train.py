"""``imgkit train``: from a folder of labelled pictures to a model and a report."""

import dataclasses
from pathlib import Path
from typing import Annotated, Any, get_args

import typer

from imgkit.cli import console, train_beside
from imgkit.cli.scores import show_report
from imgkit.errors import UsageError
from imgkit.train.config import MONITORS, AskedPrecision, TrainConfig

DEFAULTS = {field.name: field.default for field in dataclasses.fields(TrainConfig)}
DATA = Path("data/curated")


def _shown(name: str) -> str:
    return str(DEFAULTS[name])


def train(
    data: Annotated[
        Path | None,
        typer.Argument(
            help="A folder with one folder of pictures for each label, one with train, val and test folders, or a CSV.",
            show_default=str(DATA),
        ),
    ] = None,
    finetune: Annotated[
        bool | None,
        typer.Option(
            "--finetune/--no-finetune",
            help="Train all layers, not only the last one.",
            show_default="on a GPU yes, on a CPU no",
        ),
    ] = None,
    preset: Annotated[
        str | None,
        typer.Option(help="Which backbone, where none is named: fast, default or best.", show_default=_shown("preset")),
    ] = None,
    backbone: Annotated[
        str | None,
        typer.Option(help="A timm model to start from (imgkit models).", show_default="the best for this machine"),
    ] = None,
    weights: Annotated[
        str | None,
        typer.Option(
            help="Its pretrained weights: auto, packaged (offline), hub, or a file.", show_default=_shown("weights")
        ),
    ] = None,
    size: Annotated[
        int | None,
        typer.Option(help="Side of the pictures that the model sees, in pixels.", show_default="that of its weights"),
    ] = None,
    progressive: Annotated[
        str | None,
        typer.Option(
            help="Sizes in pixels that fine-tuning goes through, such as 160,192,224; the last is that of the model.",
            show_default="one size",
        ),
    ] = None,
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
    lr: Annotated[
        float | None,
        typer.Option(
            min=1e-9, help="Peak learning rate of the last layer for a batch of 64.", show_default=_shown("lr")
        ),
    ] = None,
    lr_find: Annotated[
        bool | None,
        typer.Option("--lr-find", help="Raise the rate step by step first, and train with what the curve suggests."),
    ] = None,
    recipe: Annotated[
        str | None,
        typer.Option(
            help="short, or long: pairs of pictures are mixed, and four times the steps.", show_default=_shown("recipe")
        ),
    ] = None,
    balance: Annotated[
        str | None,
        typer.Option(
            help="For rare labels: sampler (drawn more often), logits (adjusted by their share), none, or auto "
            "(sampler from 3 to 1 on).",
            show_default=_shown("balance"),
        ),
    ] = None,
    keep_color: Annotated[
        bool | None, typer.Option("--keep-color", help="Do not vary saturation: where colour tells the labels apart.")
    ] = None,
    no_flip: Annotated[
        bool, typer.Option("--no-flip", help="Do not mirror: where left and right tell the labels apart.")
    ] = False,
    split: Annotated[
        Path | None, typer.Option(help="A CSV with file_name and split (train, val, test), such as split.csv of a run.")
    ] = None,
    folds: Annotated[
        int | None,
        typer.Option(min=2, help="Parts for judging the probe out-of-fold.", show_default=_shown("folds")),
    ] = None,
    monitor: Annotated[
        str | None,
        typer.Option(
            help=f"What the best weights are chosen by: {', '.join(MONITORS)}.", show_default=_shown("monitor")
        ),
    ] = None,
    patience: Annotated[
        int | None, typer.Option(min=1, help="Stop after this many epochs without a better one.", show_default="never")
    ] = None,
    seed: Annotated[
        int | None, typer.Option(help="Of the split, the folds and the training.", show_default=_shown("seed"))
    ] = None,
    device: Annotated[
        str | None, typer.Option(help="auto, cpu, cuda, cuda:1 or mps.", show_default=_shown("device"))
    ] = None,
    precision: Annotated[
        str | None,
        typer.Option(help=f"Number format: {', '.join(get_args(AskedPrecision))}.", show_default=_shown("precision")),
    ] = None,
    compile_: Annotated[
        bool | None,
        typer.Option("--compile", help="Compile the training steps, if a few of them show that it pays."),
    ] = None,
    deterministic: Annotated[
        bool | None,
        typer.Option(
            "--deterministic", help="The same numbers from the same GPU every time; slower. A CPU gives them anyway."
        ),
    ] = None,
    runs: Annotated[
        Path | None, typer.Option(help="Folder that the run's folder is made in.", show_default=_shown("runs"))
    ] = None,
    name: Annotated[
        str | None, typer.Option(help="Name of the run's folder.", show_default="the data's name and the time")
    ] = None,
    track: Annotated[
        str | None,
        typer.Option(help="Also send the figures to tensorboard, wandb or mlflow (an extra each).", show_default="no"),
    ] = None,
    settings: Annotated[
        Path | None,
        typer.Option("--config", help="A YAML file of settings, such as run.yaml of a run; options here outrank it."),
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
    asked = {
        "data": data,
        "runs": runs,
        "name": name,
        "resume": resume,
        "split_file": split,
        "folds": folds,
        "seed": seed,
        "preset": preset,
        "backbone": backbone,
        "weights": weights,
        "size": size,
        "device": device,
        "precision": precision,
        "compile": compile_,
        "deterministic": deterministic,
        "finetune": finetune,
        "epochs": epochs,
        "steps": steps,
        "minutes": minutes,
        "batch": batch,
        "lr": lr,
        "lr_find": lr_find,
        "recipe": recipe,
        "progressive": progressive,
        "balance": balance,
        "keep_color": keep_color,
        "flip": False if no_flip else None,
        "monitor": monitor,
        "patience": patience,
        "track": track,
    }
    where = runs or Path(_shown("runs"))
    with console.command("train", debug=debug, again=train_beside.how_to_go_on(where, resumed=resume)) as progress:
        if train_beside.helps(alone=check or preview is not None):
            return
        config = merged(settings, asked)
        if check:
            train_beside.check(config, progress, as_json=as_json)
            return
        if preview is not None:
            train_beside.preview(config, preview, progress, as_json=as_json)
            return
        from imgkit.train import run

        report = run.train(config, progress=progress)
        progress.stop()
        if as_json:
            console.print_json(report.as_json())
        else:
            show_report(report)


def merged(file: Path | None, asked: dict[str, Any]) -> TrainConfig:
    """Return the settings of ``file`` with those of ``asked`` that are not None over them.

    Raises:
        UsageError: the file, or the list of sizes, cannot be read.
    """
    from imgkit.train.settings import read_settings

    given = {name: value for name, value in asked.items() if value is not None}
    if "progressive" in given:
        given["progressive"] = _sizes(given["progressive"])
    stored = read_settings(file) if file is not None else {}
    return TrainConfig(**{"data": DATA, **stored, **given})


def _sizes(text: str) -> tuple[int, ...]:
    try:
        return tuple(int(size) for size in text.split(","))
    except ValueError as error:
        raise UsageError(f"--progressive {text} is no list. Nothing was changed. Write it as 160,192,224.") from error
