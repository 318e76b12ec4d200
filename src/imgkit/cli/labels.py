"""``imgkit labels``: the labels of a data folder, and another name for one of them."""

from pathlib import Path
from typing import Annotated

import typer

from imgkit.cli.completion import completer

ACTIONS = "list; rename OLD NEW; drop NAME"


def labels(
    action: Annotated[
        str,
        typer.Argument(help=f"What to do: {ACTIONS}.", autocompletion=completer(lambda: ("list", "rename", "drop"))),
    ] = "list",
    names: Annotated[list[str] | None, typer.Argument(help="Labels, by their names or folders.")] = None,
    data: Annotated[Path, typer.Option(envvar="IMGKIT_DATA", help="The data folder.")] = Path("data"),
    merge: Annotated[
        bool, typer.Option("--merge", help="Make two labels with different words one; this cannot be taken back.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of lines.")] = False,
    debug: Annotated[bool, typer.Option(help="Show tracebacks and the log.")] = False,
) -> None:
    """List the labels with the queries files that ask for them; rename one, or drop one that nobody needs any more."""
    from imgkit import commands
    from imgkit.cli import console
    from imgkit.errors import UsageError
    from imgkit.harvest import labels as work

    given = names or []
    with console.command("labels", debug=debug):
        match action, given:
            case "list", []:
                listed = work.list_labels(data)
                if as_json:
                    console.print_json({"labels": [one.as_json() for one in listed]})
                    return
                columns = ["label", "folder", "pictures", "asked for by"]
                console.table(
                    "Labels",
                    columns,
                    [[one.name, one.label, one.pictures, ", ".join(one.asked_by) or "nobody"] for one in listed],
                )
            case "rename", [old, new]:
                renamed = work.rename(data, old, new, merge=merge)
                if as_json:
                    console.print_json(renamed.as_json())
                    return
                console.out.print(
                    f"'{renamed.old}' is '{renamed.new}' now: {renamed.pictures:,} pictures and {renamed.decisions:,} "
                    "decisions moved.",
                    markup=False,
                )
                for file in renamed.files:
                    console.out.print(
                        f"Write the new name into {file} too; else its next harvest asks for the old one again.",
                        markup=False,
                    )
                console.out.print(f"Next: {commands.curate(data)}", markup=False)
            case "drop", [name]:
                dropped = work.drop(data, name)
                if as_json:
                    console.print_json(dropped.as_json())
                    return
                console.out.print(
                    f"{dropped.pictures:,} pictures of '{dropped.label}' left harvested. Their rows, originals and "
                    "decisions stay; they are back when a queries file asks for them again.",
                    markup=False,
                )
            case _:
                raise UsageError(
                    f"'{' '.join([action, *given])}' is not understood. Nothing was changed. Write one of: {ACTIONS}."
                )
