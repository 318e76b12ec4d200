"""``imgkit predict``: say what pictures show."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from imgkit.cli import console
from imgkit.errors import UsageError

if TYPE_CHECKING:
    from imgkit.train.predict import Prediction

FORMATS = ("table", "csv", "jsonl")


def predict(
    model: Annotated[Path, typer.Argument(help="A model folder that imgkit train wrote, or the folder of its run.")],
    pictures: Annotated[list[str], typer.Argument(help="Files, folders, or patterns such as 'photos/*.jpg'.")],
    top: Annotated[int, typer.Option(min=1, help="Labels to name for each picture.")] = 3,
    form: Annotated[str, typer.Option("--format", help=f"How to print: {', '.join(FORMATS)}.")] = "table",
    output: Annotated[
        Path | None, typer.Option(help="Write to this file instead, as CSV, or as JSON lines if it ends in .jsonl.")
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1 or mps.")] = "auto",
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as one JSON object.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show log and traceback.")] = False,
) -> None:
    """Say what pictures show, with calibrated probabilities; a file that is no picture is a row, not an error."""
    with console.command("predict", debug=debug) as progress:
        if form not in FORMATS:
            raise UsageError(f"--format {form} is not known. Nothing was predicted. Choose {', '.join(FORMATS)}.")
        from imgkit.files import write_text
        from imgkit.train.predict import as_csv, as_jsonl, predict

        found = predict(model, [Path(each) for each in pictures], top=top, device=device, progress=progress)
        progress.stop()
        if output is not None:
            write_text(output, as_jsonl(found) if output.suffix == ".jsonl" else as_csv(found))
        if as_json:
            console.print_json({"model": str(model), "predictions": [each.as_json() for each in found]})
        elif output is not None:
            console.out.print(f"{len(found):,} predictions in {output}", markup=False)
        elif form == "table":
            _print_table(found)
        else:
            typer.echo(as_csv(found) if form == "csv" else as_jsonl(found), nl=False)


def _print_table(found: "list[Prediction]") -> None:
    rows = []
    for each in found:
        guesses = [f"{guess.label} {100 * guess.probability:.1f} %" for guess in each.guesses]
        said = f"no picture: {each.detail} ({each.reason})" if each.reason else guesses[0]
        rows.append([str(each.path), f"unknown, perhaps {said}" if each.unknown else said, ", ".join(guesses[1:])])
    console.table("Predictions", ["picture", "shows", "or"], rows)
