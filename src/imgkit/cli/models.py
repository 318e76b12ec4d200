"""``imgkit models``: which networks a classifier can start from."""

import dataclasses
from typing import Annotated

import typer

from imgkit.cli import completion, console


def models(
    patterns: Annotated[
        list[str] | None,
        typer.Argument(
            help="Names or parts of names, such as convnext or 'vit_*_224*'.",
            show_default="the recommended ones and all that are on this machine",
            autocompletion=completion.networks,
        ),
    ] = None,
    here: Annotated[bool, typer.Option("--here", help="Only those whose weights are on this machine.")] = False,
    most: Annotated[int, typer.Option(min=1, help="Rows at most.")] = 40,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as one JSON object.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show log and traceback.")] = False,
) -> None:
    """List networks to start from (train --backbone): size, licence, and whether the weights are here; no network."""
    with console.command("models", debug=debug) as progress:
        from imgkit.models.catalogue import catalogue

        found = catalogue(patterns or (), only_here=here, most=most)
        progress.stop()
        if as_json:
            console.print_json({"models": [dataclasses.asdict(each) for each in found.models], "more": found.more})
            return
        rows: list[list[object]] = [
            [
                each.name if each.usable else f"{each.name} (cannot be used: does not end in one linear layer)",
                f"{each.parameters / 1e6:.1f}",
                f"{each.size}, fixed" if each.fixed else str(each.size),
                f"{each.here}, {each.weight_bytes / 1e6:.0f} MB" if each.weight_bytes else each.here,
                each.licence,
                each.note,
            ]
            for each in found.models
        ]
        columns = ["name", "parameters, M", "pixels", "weights here", "licence", "good for"]
        console.table("Networks to start from", columns, rows, optional=("good for", "licence"))
        if found.more:
            console.out.print(f"{found.more:,} more match; give a longer part of the name, or --most.", markup=False)
        console.out.print("Next: imgkit train FOLDER --backbone NAME", markup=False)
