"""``imgkit predict``: predict the labels of pictures."""

import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from imgkit.cli import completion, console
from imgkit.errors import UsageError

if TYPE_CHECKING:
    from imgkit.models.predict import Prediction
    from imgkit.models.sort_into import Sorted

FORMATS = ("table", "csv", "jsonl")


def predict(
    model: Annotated[Path, typer.Argument(help="A model folder that imgkit train wrote, or the folder of its run.")],
    pictures: Annotated[
        list[str],
        typer.Argument(
            help="Files, folders, patterns such as 'photos/*.jpg', web addresses, or - to read such lines from input."
        ),
    ],
    top: Annotated[int, typer.Option(min=1, help="Labels to name for each picture.")] = 3,
    form: Annotated[
        str,
        typer.Option(
            "--format",
            help=f"How to print: {', '.join(FORMATS)}.",
            autocompletion=completion.completer(lambda: FORMATS),
        ),
    ] = "table",
    output: Annotated[
        Path | None, typer.Option(help="Write to this file instead, as CSV, or as JSON lines if it ends in .jsonl.")
    ] = None,
    submission: Annotated[
        Path | None,
        typer.Option(
            help="Fill this sample file of a competition, in its order, into --output: one column with the label, or "
            "columns of labels with probabilities.",
        ),
    ] = None,
    into: Annotated[
        Path | None,
        typer.Option(
            "--sort-into",
            help="Copy pictures into this folder, a folder for each label, _unknown and _unsure apart; none moved or "
            "overwritten.",
        ),
    ] = None,
    sure: Annotated[
        float,
        typer.Option(
            "--conf",
            "--sure",
            min=0.0,
            max=1.0,
            help="A lower probability than this is unsure: for --sort-into, and for naming a genus instead.",
        ),
    ] = 0.5,
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
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as one JSON object.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show log and traceback.")] = False,
) -> None:
    """Say what pictures show, with calibrated probabilities; a file that is no picture is a row, not an error."""
    with console.command("predict", debug=debug) as progress:
        console.hide_secrets(*pictures)
        if form not in FORMATS:
            raise UsageError(f"--format {form} is not known. Nothing was predicted. Choose {', '.join(FORMATS)}.")
        if submission is not None and output is None:
            raise UsageError("--submission needs --output. Nothing was predicted. Say which file to write.")
        from imgkit.files import temporary_folder, write_text
        from imgkit.models.predict import as_csv, as_jsonl, predict
        from imgkit.models.sort_into import sort_into
        from imgkit.models.submission import EVERY_LABEL, fill_sample

        with temporary_folder() as downloads:
            found = predict(
                model,
                _sources(pictures, sys.stdin),
                top=EVERY_LABEL if submission is not None else top,
                device=device,
                downloads=downloads,
                label_table=label_table,
                given=known or (),
                progress=progress,
            )
            progress.stop()
            placed = sort_into(found, into, sure=sure) if into is not None else None
        filled = fill_sample(submission, found) if submission is not None else None
        if output is not None and filled is not None:
            write_text(output, filled.text)
        elif output is not None:
            write_text(output, as_jsonl(found) if output.suffix == ".jsonl" else as_csv(found))
        if as_json:
            summary: dict[str, object] = {"model": str(model), "predictions": [each.as_json() for each in found]}
            if placed is not None:
                summary["sorted"] = placed.as_json()
            if filled is not None:
                summary["submission"] = filled.as_json()
            console.print_json(summary)
            return
        if filled is not None:
            console.out.print(f"{filled.sentence()} Written: {output}", markup=False)
        elif output is not None:
            console.out.print(f"{len(found):,} predictions in {output}", markup=False)
        elif form != "table":
            console.print_text(as_csv(found) if form == "csv" else as_jsonl(found))
        elif placed is None:
            _print_table(found, sure=sure)
        if placed is not None and form == "table":
            _print_sorted(placed)


def _sources(given: Sequence[str], entered: Iterable[str]) -> list[str]:
    """Put the lines of the standard input where a "-" stands; without one nothing is read."""
    lines = [line.strip() for line in entered] if "-" in given else []
    return [source for each in given for source in (lines if each == "-" else [each]) if source]


def _print_sorted(placed: "Sorted") -> None:
    rows: list[list[object]] = [[folder, pictures] for folder, pictures in placed.counts.items()]
    rows.append(["together", sum(placed.counts.values())])
    console.table(f"Sorted into {placed.folder}", ["folder", "pictures"], rows, total=True)
    said = [f"{placed.copied:,} copied", f"{placed.already:,} were there already"]
    if placed.left_out:
        said.append(f"{placed.left_out:,} are no pictures (--output names them)")
    console.out.print(", ".join(said) + ".", markup=False)


def _print_table(found: "list[Prediction]", *, sure: float) -> None:
    rows = []
    for each in found:
        guesses = [f"{guess.shown} {100 * guess.probability:.1f} %" for guess in each.guesses]
        said = f"no picture: {each.detail} ({each.reason})" if each.reason else guesses[0]
        rolled = next((one for one in each.rollups if one.value == each.answer(sure=sure)), None)
        if rolled is not None:
            said = f"{rolled.value} {100 * rolled.probability:.1f} %, perhaps {said}"
        likely = ", ".join(each.likely)
        rows.append([each.name, f"unknown, perhaps {said}" if each.unknown else said, ", ".join(guesses[1:]), likely])
    console.table("Predictions", ["picture", "shows", "or", "nine times in ten one of"], rows)
