"""``imgkit curate``: set copies and suspects aside, and publish the curated set."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from imgkit import commands
from imgkit.cli import completion, console
from imgkit.cli.config_options import with_options_of
from imgkit.cli.engine import ADDRESS_DEFAULT, ADDRESS_HELP, ENGINE_HELP
from imgkit.curate.checks import CHECK_REASONS
from imgkit.curate.config import CurateConfig
from imgkit.curate.review.config import ReviewConfig
from imgkit.options import from_command_line

if TYPE_CHECKING:
    from imgkit.curate.publish.confirm import Confirm
    from imgkit.curate.publish.summary import CurateReport
    from imgkit.engine import Engine

REASON_COLUMNS = {code: reason.column for code, reason in reversed(CHECK_REASONS.items()) if reason.column}


@with_options_of(
    CurateConfig, common=("data", "policy", "allow", "backbone", "weights", "review", "undo", "dry_run", "yes")
)
def curate(
    *,
    given: dict[str, Any],
    review: Annotated[
        bool, typer.Option("--review", help="Open the review page; finishing there, or Ctrl-C, writes the set.")
    ] = False,
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
        config = CurateConfig(**from_command_line(CurateConfig, given))
        if undo and not review:
            from imgkit.curate import pipeline

            _print_undone(pipeline.undo(config, progress=progress), config, as_json=as_json)
            return
        from imgkit.engine import open_engine

        with open_engine(engine, ray_address=ray_address) as machines:
            if review:
                page = ReviewConfig(data=config.data, port=port, open_browser=not no_browser)
                _review(config, page, progress, machines, console.confirmation(progress, yes=yes), as_json=as_json)
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
