"""``imgkit train``: from a folder of labelled pictures to a model and a report."""

from pathlib import Path
from typing import Annotated, Any

import typer

from imgkit.cli import console, train_modes
from imgkit.cli.config_options import with_options_of
from imgkit.cli.scores import show_report
from imgkit.errors import UsageError
from imgkit.options import from_command_line
from imgkit.train.config import TrainConfig

DATA = Path("data/curated")


@with_options_of(
    TrainConfig,
    common=(
        "finetune",
        "preset",
        "backbone",
        "start_from",
        "size",
        "minutes",
        "limit",
        "resume",
        "settings",
        "check",
    ),
)
def train(
    data: Annotated[
        Path | None,
        typer.Argument(
            help="A folder with a folder of pictures for each label, one with train, val and test folders, or a table.",
            show_default=str(DATA),
        ),
    ] = None,
    *,
    given: dict[str, Any],
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
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as one JSON object.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show log and traceback.")] = False,
) -> None:
    """Train a classifier on a folder of labelled pictures, and say how far to trust it."""
    runs = given["runs"] or Path("runs")
    again = train_modes.resume_hint(runs, resumed=bool(given["resume"]))
    with console.command("train", debug=debug, again=again) as progress:
        if train_modes.ran_as_worker(alone=check or preview is not None):
            return
        config = merged(settings, {"data": data, **given})
        if check:
            train_modes.check(config, progress, as_json=as_json)
            return
        if preview is not None:
            train_modes.preview(config, preview, progress, as_json=as_json)
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
        UsageError: the file, or a list of numbers, cannot be read.
    """
    from imgkit.train.config_file import read_settings

    try:
        given = from_command_line(TrainConfig, asked)
    except ValueError as error:
        raise UsageError(f"{error} is no list. Nothing was changed. Write it as 160,192,224.") from error
    if "labels" in given:
        given["labels"] = tuple(label.strip() for label in given["labels"] if label.strip())
    stored = read_settings(file) if file is not None else {}
    return TrainConfig(**{"data": DATA, **stored, **given})
