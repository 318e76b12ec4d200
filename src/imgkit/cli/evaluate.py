"""``imgkit evaluate``: score a trained model on other labelled pictures."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from imgkit.cli import console
from imgkit.cli.scores import print_labels, span
from imgkit.errors import UsageError
from imgkit.train.config import TrainConfig
from imgkit.train.picture import SPLITS, Split

if TYPE_CHECKING:
    from imgkit.train.evaluate import EvaluateReport


def evaluate(
    model: Annotated[Path, typer.Argument(help="A model folder that imgkit train wrote, or the folder of its run.")],
    data: Annotated[Path, typer.Argument(help="A folder of labelled pictures, as for train; labels match by name.")],
    split: Annotated[
        str | None, typer.Option(help=f"Score one split only: {', '.join(SPLITS)}.", show_default="all pictures")
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1 or mps.")] = "auto",
    runs: Annotated[Path, typer.Option(help="Folder whose cache is used.")] = Path("runs"),
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as one JSON object.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show log and traceback.")] = False,
) -> None:
    """Score a model on labelled pictures that it has not learned from, with 95 % intervals."""
    with console.command("evaluate", debug=debug) as progress:
        wanted = _split(split)
        from imgkit.train.evaluate import evaluate_folder
        from imgkit.train.runfolder import cache_folder

        cache = cache_folder(TrainConfig(data=data, runs=runs))
        report = evaluate_folder(model, data, cache=cache, split=wanted, device=device, progress=progress)
        progress.stop()
        if as_json:
            console.print_json(report.as_json())
        else:
            _print_report(report)


def _split(name: str | None) -> Split | None:
    if name is None:
        return None
    for split in SPLITS:
        if name == split:
            return split
    raise UsageError(f"--split {name} is not known. Nothing was scored. Choose one of {', '.join(SPLITS)}.")


def _print_report(report: "EvaluateReport") -> None:
    scores = report.scores
    print_labels(scores)
    rows: list[list[object]] = [
        ["pictures", f"{scores.count:,}"],
        ["left out: learned from", f"{report.trained_on:,}"],
        ["left out: no pictures", f"{report.left_out:,}"],
        ["look like no label", f"{report.unknown:,}"],
        ["accuracy, %", span(scores.accuracy)],
        ["macro-F1, %", span(scores.macro_f1)],
    ]
    if scores.top_k is not None:
        rows.append([f"top-{scores.k}, %", span(scores.top_k)])
    rows.append(["calibration error, points", f"{100 * scores.ece:.1f}"])
    console.table("Scores, with 95 % intervals", ["", "value"], rows)
    if report.absent:
        console.out.print(f"No picture of: {', '.join(report.absent)}", markup=False)
