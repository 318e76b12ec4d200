"""``imgkit evaluate``: score a trained model on other labelled pictures."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from imgkit.cli import completion, console
from imgkit.cli.config_options import with_options_of
from imgkit.cli.layout import LAYOUT_HELP, asked_layout
from imgkit.cli.scores import print_labels, span
from imgkit.cli.train import merged
from imgkit.dataset.picture import SPLITS, GivenSplit
from imgkit.errors import UsageError
from imgkit.reasons import explain
from imgkit.train.config import TrainConfig

if TYPE_CHECKING:
    from imgkit.models.evaluate import EvaluateReport
    from imgkit.vision.imagefolder import Accounts


@with_options_of(TrainConfig, only=("labels", "labels_file", "limit"))
def evaluate(
    model: Annotated[Path, typer.Argument(help="A model folder that imgkit train wrote, or the folder of its run.")],
    data: Annotated[Path, typer.Argument(help="A folder of labelled pictures, as for train; labels match by name.")],
    *,
    given: dict[str, Any],
    split: Annotated[
        str | None,
        typer.Option(
            help=f"Score one split only: {', '.join(SPLITS)}.",
            show_default="all pictures",
            autocompletion=completion.completer(lambda: SPLITS),
        ),
    ] = None,
    layout: Annotated[str, typer.Option(help=LAYOUT_HELP, autocompletion=completion.layouts)] = "auto",
    report: Annotated[
        Path | None,
        typer.Option(
            help="Folder for report.html with every mistake, predictions.csv, per_label.csv and confusion.csv.",
            show_default="only print",
        ),
    ] = None,
    label_table: Annotated[
        Path | None,
        typer.Option(help="A table that says what labels mean.", show_default="the one that the model has"),
    ] = None,
    known: Annotated[
        list[str] | None,
        typer.Option(
            "--given",
            help="What is known of all pictures, as COLUMN=VALUE of the table of labels, such as countries=Kenya; may "
            "be given several times.",
        ),
    ] = None,
    device: Annotated[
        str, typer.Option(help="auto, cpu, cuda, cuda:1 or mps.", autocompletion=completion.devices)
    ] = "auto",
    runs: Annotated[Path, typer.Option(help="Folder whose cache is used.")] = Path("runs"),
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as one JSON object.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show log and traceback.")] = False,
) -> None:
    """Score a model on labelled pictures that it has not learned from, with 95 % intervals."""
    with console.command("evaluate", debug=debug) as progress:
        wanted, how = _split(split), asked_layout(layout)
        from imgkit.models.evaluate import evaluate_folder
        from imgkit.models.report.page import refuse_foreign_folder, write_evaluation
        from imgkit.models.report.references import find_references
        from imgkit.train.run_folder import cache_folder

        if report is not None:
            refuse_foreign_folder(report)
        config = merged(None, {**given, "data": data, "runs": runs})
        cache = cache_folder(config)
        result = evaluate_folder(
            model,
            data,
            cache=cache,
            split=wanted,
            layout=how,
            wanted=config.selection(),
            device=device,
            label_table=label_table,
            given=known or (),
            progress=progress,
        )
        if report is not None:
            references = find_references(result, cache=cache, device=device, progress=progress)
            progress.start("drawing the report")
            write_evaluation(report, result, references)
        progress.stop()
        if as_json:
            console.print_json(result.as_json() | ({"report": str(report / "report.html")} if report else {}))
        else:
            _print_report(result)
            if report is not None:
                console.out.print(f"Report: {report / 'report.html'}", markup=False)


def _split(name: str | None) -> GivenSplit | None:
    if name is None:
        return None
    for split in SPLITS:
        if name == split:
            return split
    raise UsageError(f"--split {name} is not known. Nothing was scored. Choose one of {', '.join(SPLITS)}.")


def _left_out(files: "Accounts") -> list[list[object]]:
    rows = [[f"left out: {explain(code)}", f"{count:,}"] for code, count in files.left_out_by_reason.items()]
    return [[*row] for row in rows] or [["left out: no pictures", "0"]]


def _print_report(report: "EvaluateReport") -> None:
    scores = report.scores
    print_labels(scores)
    rows: list[list[object]] = [
        ["pictures", f"{scores.count:,}"],
        ["left out: learned from", f"{report.trained_on:,}"],
        *_left_out(report.files),
        ["look like no label", f"{report.unknown:,}"],
        ["accuracy, %", span(scores.accuracy)],
        ["macro-F1, %", span(scores.macro_f1)],
    ]
    if scores.top_k is not None:
        rows.append([f"top-{scores.k}, %", span(scores.top_k)])
    rows.append(
        ["calibration error, points", f"{100 * scores.ece:.1f} (chance gives up to {100 * scores.ece_by_chance:.1f})"]
    )
    rows += [[f"right {each.column}, %", span(each.accuracy)] for each in report.predictions.rollups]
    if report.sets is not None:
        rows.append(["label is among the likely, %", span(report.sets.covered)])
        rows.append(["likely labels on average", f"{report.sets.mean_size:.1f}"])
    console.table("Scores, with 95 % intervals", ["", "value"], rows)
    for note in report.notes:
        console.out.print(f"Note: {note}", markup=False)
    if report.absent:
        console.out.print(f"No picture of: {', '.join(report.absent)}", markup=False)
