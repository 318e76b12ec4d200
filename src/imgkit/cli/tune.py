"""``imgkit tune``: search for better settings than the default ones."""

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from imgkit import commands
from imgkit.cli import completion, console
from imgkit.cli.config_options import with_options_of
from imgkit.cli.train import merged
from imgkit.errors import UsageError
from imgkit.train.config import TrainConfig

if TYPE_CHECKING:
    from imgkit.train.tune.search import SearchReport

SHOWN = 10


@with_options_of(TrainConfig, only=("layout", "labels", "labels_file", "limit", "batch", "device"))
def tune(
    data: Annotated[Path, typer.Argument(help="A folder of labelled pictures, as for train.")] = Path("data/curated"),
    *,
    given: dict[str, Any],
    minutes: Annotated[float, typer.Option(min=0.1, help="How long to search; the same command again goes on.")] = 30.0,
    trials: Annotated[
        int | None, typer.Option(min=1, help="Stop after this many trials.", show_default="no limit")
    ] = None,
    backbone: Annotated[
        list[str] | None,
        typer.Option(
            help="A timm model to search among; may be given several times.",
            show_default="those whose weights are on this machine (imgkit models --here)",
            autocompletion=completion.networks,
        ),
    ] = None,
    size: Annotated[
        list[int] | None,
        typer.Option(
            help="Side of the pictures in pixels to search among; may be given several times.",
            show_default="that of the weights, and two thirds of it",
        ),
    ] = None,
    steps: Annotated[
        int | None,
        typer.Option(min=1, help="Optimiser steps of a trial at most.", show_default="an eighth of the time"),
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the split, the training and the search.")] = 0,
    runs: Annotated[Path, typer.Option(help="Folder that the search's folder is made in.")] = Path("runs"),
    name: Annotated[
        str | None, typer.Option(help="Name of the search's folder.", show_default="tune- and the data's name")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as one JSON object.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show log and traceback.")] = False,
) -> None:
    """Search for better settings on the validation pictures; writes best.yaml for train --config (extra: tune)."""
    with console.command("tune", debug=debug) as progress:
        if importlib.util.find_spec("optuna") is None:
            raise UsageError(
                "this needs the package optuna. Nothing was changed. Install it: pip install 'imgkit-datasets[tune]'"
            )
        from imgkit.train.tune.search import SearchConfig, search

        base = merged(None, {**given, "data": data, "runs": runs, "seed": seed, "steps": steps})
        config = SearchConfig(
            base=base,
            minutes=minutes,
            trials=trials,
            backbones=tuple(backbone or ()),
            sizes=tuple(size or ()),
            name=name,
        )
        report = search(config, progress=progress)
        progress.stop()
        if as_json:
            console.print_json(report.as_json())
        else:
            _print(report)


def _print(report: "SearchReport") -> None:
    ranked = sorted(
        (each for each in report.attempts if each.judgement),
        key=lambda each: (-each.judgement.macro_f1, each.judgement.nll) if each.judgement else (0.0, 0.0),
    )
    rows: list[list[object]] = [
        [
            f"{each.number}{' (default)' if report.default and each.number == report.default.number else ''}",
            f"{100 * each.judgement.macro_f1:.1f}" if each.judgement else "",
            f"{each.judgement.nll:.3f}" if each.judgement else "",
            each.winner,
            str(each.settings["backbone"]),
            each.settings["size"],
            f"{each.settings['lr']:.1e}",
            f"{each.settings['layer_decay']:.2f}",
            f"{each.settings['weight_decay']:.0e}",
            f"{each.settings['crop_area']:.2f}",
            str(each.settings["recipe"]),
            each.steps,
            each.state,
        ]
        for each in ranked[:SHOWN]
    ]
    columns = ["trial", "macro-F1", "loss", "best is", "backbone", "px", "rate", "a layer", "decay", "crops from"]
    title = f"Trials, best first ({len(rows)} of {len(report.attempts)})"
    console.table(title, [*columns, "recipe", "steps", "came to its end"], rows)
    if report.best is None:
        console.out.print("No trial came to a judgement. Give more --minutes.", markup=False)
        return
    console.out.print(
        f"Chosen by {report.validation:,} validation pictures, which flatters the best of {len(report.attempts)}; the "
        "test pictures were not looked at.",
        markup=False,
    )
    console.out.print(f"Next: {commands.command('train', '--config', report.settings)}", markup=False)
