"""``imgkit curate``: set copies and suspects aside, and publish the curated set."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from imgkit import commands
from imgkit.cli import completion, console
from imgkit.cli.config_options import with_options_of
from imgkit.cli.engine import ADDRESS_DEFAULT, ADDRESS_HELP, ENGINE_HELP
from imgkit.cli.layout import LAYOUT_HELP, asked_layout
from imgkit.curate.checks import CHECK_REASONS
from imgkit.curate.config import CurateConfig
from imgkit.curate.review.config import ReviewConfig
from imgkit.errors import UsageError
from imgkit.options import from_command_line

if TYPE_CHECKING:
    from imgkit.adoption.source import Source
    from imgkit.curate.publish.confirm import Confirm
    from imgkit.curate.publish.summary import CurateReport
    from imgkit.engine import Engine

REASON_COLUMNS = {code: reason.column for code, reason in reversed(CHECK_REASONS.items()) if reason.column}


@with_options_of(
    CurateConfig,
    common=("data", "policy", "allow", "weights", "review", "to", "list_", "undo", "dry_run", "yes"),
)
def curate(
    pictures: Annotated[
        Path | None,
        typer.Argument(
            metavar="[PHOTOS]",
            help="Pictures of yours: a folder of label folders, with or without splits, or a table of files. They are "
            "read in place; the data folder is PHOTOS.imgkit beside them unless --data says another.",
            show_default=False,
        ),
    ] = None,
    *,
    given: dict[str, Any],
    review: Annotated[
        bool, typer.Option("--review", help="Open the review page; finishing there, or Ctrl-C, writes the set.")
    ] = False,
    to: Annotated[
        Path | None, typer.Option("--to", help="Of PHOTOS: copy the files of the set into this new folder.")
    ] = None,
    list_: Annotated[
        Path | None,
        typer.Option("--list", help="Of PHOTOS: write path, label, in_set, probability and reason of every file."),
    ] = None,
    layout: Annotated[str, typer.Option(help=LAYOUT_HELP, autocompletion=completion.layouts)] = "auto",
    port: Annotated[
        int | None,
        typer.Option(
            min=1, max=65535, help="Of the review page, on this machine only.", show_default="5757 or the next"
        ),
    ] = None,
    no_browser: Annotated[
        bool, typer.Option("--no-browser", help="Print the address of the review page, open nothing.")
    ] = False,
    engine: Annotated[str, typer.Option(help=ENGINE_HELP, autocompletion=completion.engines)] = "local",
    ray_address: Annotated[str, typer.Option(help=ADDRESS_HELP, show_default=ADDRESS_DEFAULT)] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would happen.")] = False,
    undo: Annotated[bool, typer.Option("--undo", help="Put the set before the last curate back; twice: redo.")] = False,
    yes: Annotated[
        bool,
        typer.Option("--yes", help="Answer yes where a set would lose or change many of its pictures unexpectedly."),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as one JSON object.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show log and traceback.")] = False,
) -> None:
    """Set copies aside, find suspects, and write data/curated with its report."""
    with console.command("curate", debug=debug) as progress:
        if pictures is None and (to is not None or list_ is not None or layout != "auto"):
            raise UsageError(
                "--to, --list and --layout are for a folder of pictures. Nothing was changed. Name it too."
            )
        if pictures is not None and given["data"] is None:
            from imgkit.adoption.source import data_beside

            given = {**given, "data": data_beside(pictures)}
        config = CurateConfig(**from_command_line(CurateConfig, given))
        if undo and not review:
            from imgkit.curate import pipeline

            _print_undone(pipeline.undo(config, progress=progress), config, as_json=as_json)
            return
        from imgkit.engine import open_engine

        source = _adopted(pictures, config.data, layout, to, progress) if pictures is not None else None
        with open_engine(engine, ray_address=ray_address) as machines:
            if review:
                page = ReviewConfig(data=config.data, port=port, open_browser=not no_browser)
                _review(config, page, progress, machines, console.confirmation(progress, yes=yes), as_json=as_json)
                _write(source, to, list_, as_json=as_json)
                return
            from imgkit.curate import pipeline

            report = pipeline.curate(
                config,
                progress=progress,
                dry_run=dry_run,
                engine=machines,
                confirm=console.confirmation(progress, yes=yes),
            )
        progress.stop()
        if as_json:
            console.print_json(report.as_json())
        else:
            show_report(report, config.data, dry_run=dry_run)
        if not dry_run:
            _write(source, to, list_, as_json=as_json)


def _adopted(pictures: Path, data: Path, layout: str, to: Path | None, progress: console.ConsoleProgress) -> "Source":
    """Read the pictures of a person into the data folder; what would be refused at the end is refused before."""
    import os

    from imgkit.adoption.result import refuse_target
    from imgkit.adoption.source import adopt

    if to is not None:
        refuse_target(pictures, data, to)
    return adopt(pictures, data, layout=asked_layout(layout), progress=progress, environ=os.environ)


def _write(source: "Source | None", to: Path | None, table: Path | None, *, as_json: bool) -> None:
    """Write the result of a curate of a person's folder as it was asked for, and say where."""
    if source is None or (to is None and table is None):
        return
    from imgkit.adoption.result import file_rows, write_folder, write_list

    rows = file_rows(source)
    if table is not None:
        write_list(rows, table)
    copied = write_folder(source, rows, to) if to is not None else 0
    if as_json:
        return
    if table is not None:
        console.out.print(f"List:   {table}, {len(rows):,} files", markup=False)
    if to is not None:
        console.out.print(f"Folder: {to}, {copied:,} files", markup=False)


def _review(
    config: CurateConfig,
    page: ReviewConfig,
    progress: console.ConsoleProgress,
    machines: "Engine | None",
    confirm: "Confirm",
    *,
    as_json: bool,
) -> None:
    from imgkit.curate.pipeline import curate_with_review

    report = curate_with_review(config, page, progress=progress, engine=machines, confirm=confirm)
    progress.stop()
    if as_json:
        console.print_json(report.as_json())
        return
    totals = report.reviewed.totals
    console.out.print(
        f"Decided by a person: {totals.kept:,} kept, {totals.rejected:,} rejected, {totals.relabelled:,} relabelled"
        f"{f', {totals.unsure:,} unsure' if totals.unsure else ''}."
    )
    if report.reviewed.noise:
        console.out.print(f"Noise left in the set: {report.reviewed.noise}.")
    if report.curated is None:
        console.out.print("Nothing new was decided; the curated set is as it was.")
        return
    show_report(report.curated, config.data, dry_run=False)


def show_report(report: "CurateReport", data: Path, *, dry_run: bool) -> None:
    """Print the table of a curate, its warnings, and what to do next."""
    shown = [code for code in REASON_COLUMNS if any(code in row.suspects for row in report.labels)]
    rows: list[list[object]] = []
    for row in report.labels:
        other = sum(row.left_out.values()) - row.exact - row.near
        suspects = [row.suspects.get(code, 0) for code in shown]
        rows.append([row.name, row.harvested, row.exact, row.near, *suspects, other, row.moved_out, row.in_set])
    sums = [sum(int(str(row[column])) for row in rows) for column in range(1, len(rows[0]))]
    columns = ["label", "harvested", "exact", "near", *(REASON_COLUMNS[code] for code in shown)]
    console.table(
        "What a curate would do" if dry_run else "Curated",
        [*columns, "out", "moved", "in set"],
        [*rows, ["all", *sums]],
        total=True,
    )
    console.out.print("exact, near: copies set aside. Suspects (?) by what is wrong; out: left out for other reasons.")
    for alert in report.alerts:
        if alert.level != "note":
            console.out.print(f"{alert.what}. {alert.why}", markup=False)
    if report.files is not None and report.files.left_out:
        console.out.print(f"In {data / 'curated'}, not used: {report.files.line()}.", markup=False)
    if dry_run:
        console.out.print("Nothing was changed.")
        return
    console.out.print(f"Report: {data / 'curated' / 'report.html'}", markup=False)
    console.out.print(f"Next:   {commands.train(data / 'curated')}", markup=False)


def _print_undone(there: bool, config: CurateConfig, *, as_json: bool) -> None:
    curated = config.data / "curated"
    if as_json:
        console.print_json({"curated": str(curated), "there": there})
    elif there:
        console.out.print(f"{curated} is as it was before the last curate. Again --undo brings the later one back.")
    else:
        console.out.print(f"There was no set before the last curate: {curated} is gone. Again --undo brings it back.")
