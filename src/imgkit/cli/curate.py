"""``imgkit curate``: from harvested pictures to a set one can trust."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from imgkit.cli import console
from imgkit.cli.engine import ADDRESS_DEFAULT, ADDRESS_HELP, ENGINE_HELP
from imgkit.curate.config import KINDS, POLICIES, CurateConfig, Kind, Policy
from imgkit.curate.review.config import ReviewConfig
from imgkit.errors import UsageError

if TYPE_CHECKING:
    from imgkit.curate.outcome import CurateReport
    from imgkit.engine import Engine

REASON_COLUMNS = {
    "bad.label": "label?",
    "bad.offtopic": "off-topic?",
    "bad.not_photo": "no photo?",
    "bad.quality": "quality?",
    "bad.conflict": "two labels?",
    "img.placeholder": "placeholder?",
    "img.truncated": "damaged?",
}


def curate(
    data: Annotated[
        Path, typer.Option(envvar="IMGKIT_DATA", help="The data folder that harvest filled.", show_default="data")
    ] = Path("data"),
    policy: Annotated[
        str,
        typer.Option(
            help="What happens to suspects that nobody looked at: strict leaves all out, suggest those most "
            "strongly suspected, keep none."
        ),
    ] = "suggest",
    allow: Annotated[
        str, typer.Option(help="Kinds to keep although they are no photographs: drawings, text, or both with a comma.")
    ] = "",
    backbone: Annotated[
        str | None, typer.Option(help="A timm model to look with.", show_default="the best for this machine")
    ] = None,
    weights: Annotated[
        str, typer.Option(help="auto, packaged (offline), hub, a file, or none: copies and quality only.")
    ] = "auto",
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1 or mps.")] = "auto",
    seed: Annotated[int, typer.Option(help="Of the split and of the folds.")] = 0,
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
    engine: Annotated[str, typer.Option(help=ENGINE_HELP)] = "local",
    ray_address: Annotated[str, typer.Option(help=ADDRESS_HELP, show_default=ADDRESS_DEFAULT)] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would happen.")] = False,
    undo: Annotated[bool, typer.Option("--undo", help="Put the set before the last curate back; twice: redo.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as one JSON object.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show log and traceback.")] = False,
) -> None:
    """Set copies aside, find suspects, and write data/curated with its report."""
    with console.command("curate", debug=debug) as progress:
        config = CurateConfig(
            data=data,
            policy=_policy(policy),
            allow=_kinds(allow),
            backbone=backbone,
            weights=weights,
            device=device,
            seed=seed,
        )
        if undo and not review:
            from imgkit.curate import clean

            _print_undone(clean.undo(config), config, as_json=as_json)
            return
        from imgkit.engine import chosen

        with chosen(engine, ray_address=ray_address) as machines:
            if review:
                page = ReviewConfig(data=data, port=port, open_browser=not no_browser)
                _review(config, page, progress, machines, as_json=as_json)
                return
            from imgkit.curate import clean

            report = clean.curate(config, progress=progress, dry_run=dry_run, engine=machines)
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
    *,
    as_json: bool,
) -> None:
    from imgkit.curate.reviewed import curate_with_review

    report = curate_with_review(config, page, progress=progress, engine=machines)
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


def _policy(name: str) -> Policy:
    for policy in POLICIES:
        if name == policy:
            return policy
    raise UsageError(f"--policy {name} is not known. Nothing was changed. Choose one of {', '.join(POLICIES)}.")


def _kinds(text: str) -> tuple[Kind, ...]:
    wanted = [part.strip() for part in text.split(",") if part.strip()]
    unknown = [name for name in wanted if name not in KINDS]
    if unknown:
        raise UsageError(f"--allow {unknown[0]} is not known. Nothing was changed. Choose from {', '.join(KINDS)}.")
    return tuple(kind for kind in KINDS if kind in wanted)


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
            console.out.print(console.printable(f"{alert.what}. {alert.why}"), markup=False)
    if dry_run:
        console.out.print("Nothing was changed.")
        return
    console.out.print(f"Report: {data / 'curated' / 'report.html'}", markup=False)
    console.out.print(f"Next:   imgkit train {data / 'curated'}", markup=False)


def _print_undone(there: bool, config: CurateConfig, *, as_json: bool) -> None:
    curated = config.data / "curated"
    if as_json:
        console.print_json({"curated": str(curated), "there": there})
    elif there:
        console.out.print(f"{curated} is as it was before the last curate. Again --undo brings the later one back.")
    else:
        console.out.print(f"There was no set before the last curate: {curated} is gone. Again --undo brings it back.")
