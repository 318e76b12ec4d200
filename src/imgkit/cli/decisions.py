"""``imgkit decisions``: take decisions to another data folder."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from imgkit.cli.completion import completer

if TYPE_CHECKING:
    from imgkit.manifest.decision_files import DecisionImport

ACTIONS = "export [FILE]; import FILE"


def decisions(
    action: Annotated[
        str,
        typer.Argument(help=f"What to do: {ACTIONS}.", autocompletion=completer(lambda: ("export", "import"))),
    ],
    file: Annotated[
        Path | None, typer.Argument(help="A decisions.jsonl; without it, export prints.", show_default=False)
    ] = None,
    data: Annotated[Path, typer.Option(envvar="IMGKIT_DATA", help="The data folder.")] = Path("data"),
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what an import would do.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of lines.")] = False,
    debug: Annotated[bool, typer.Option(help="Show tracebacks and the log.")] = False,
) -> None:
    """Write the log of decisions out, or take over the decisions that another data folder wrote."""
    from imgkit.cli import console
    from imgkit.errors import UsageError
    from imgkit.files import write_text
    from imgkit.manifest.decision_files import export_decisions, import_decisions

    with console.command("decisions", debug=debug):
        match action, file:
            case "import", Path():
                report = import_decisions(data, file, dry_run=dry_run)
                if as_json:
                    console.print_json(report.as_json() | {"dry_run": dry_run})
                else:
                    _show(report, data, dry_run=dry_run)
            case "export", _:
                text = export_decisions(data)
                if file is not None and not dry_run:
                    write_text(file, text)
                if as_json:
                    console.print_json({"file": str(file) if file else "", "decisions": text.count("\n")})
                elif file is None:
                    console.print_text(text)
                else:
                    console.out.print(f"{text.count(chr(10)):,} decisions: {file}", markup=False)
            case _:
                raise UsageError(
                    f"'{' '.join([action, *([str(file)] if file else [])])}' is not understood. Nothing was changed. "
                    f"Write one of: {ACTIONS}."
                )


def _show(report: "DecisionImport", data: Path, *, dry_run: bool) -> None:
    from imgkit import commands
    from imgkit.cli import console

    console.out.print(
        f"{report.file}: {report.read:,} decisions, {report.new:,} new, {report.known:,} in the log already, "
        f"{report.aside:,} about pictures that {data} does not have.",
        markup=False,
    )
    if report.taken_up:
        console.out.print(f"{report.taken_up:,} that were kept aside before are taken over: their pictures are here.")
    if report.aside and not dry_run:
        console.out.print(
            f"Those are kept in {report.kept_in}; an import after the next harvest takes over what it can.",
            markup=False,
        )
    if dry_run:
        console.out.print("Nothing was changed.")
    elif report.new or report.taken_up:
        console.out.print(f"Next: {commands.curate(data)}", markup=False)
