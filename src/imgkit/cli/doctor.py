"""``imgkit doctor``: check versions, disk, GPU, weights and keys of this machine."""

import os
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from imgkit.escaping import printable


def doctor(
    data: Annotated[Path, typer.Option(envvar="IMGKIT_DATA", help="The data folder to look at.")] = Path("data"),
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of lines.")] = False,
    debug: Annotated[bool, typer.Option(help="Show tracebacks and the log.")] = False,
) -> None:
    """Examine this machine: versions, disk, GPU, weights and keys. Touches no network. Exit code 4 on a problem."""
    from dataclasses import asdict

    from imgkit.cli import console
    from imgkit.health import examine

    with console.command("doctor", debug=debug):
        observations = examine(data, os.environ)
    problems = [one for one in observations if one.grade == "problem"]
    if as_json:
        console.print_json({"observations": [asdict(one) for one in observations], "problems": len(problems)})
    else:
        styles = {"ok": "green", "note": "cyan", "problem": "red"}
        for one in observations:
            mark = (f"{one.grade:<7}", styles[one.grade])
            console.out.print(Text.assemble(mark, f"  {printable(one.what)}: {printable(one.found)}"))
            if one.advice:
                console.out.print(f"         {one.advice}", markup=False)
        console.out.print("No problem found." if not problems else f"Problems: {len(problems)}.")
    if problems:
        raise typer.Exit(4)
