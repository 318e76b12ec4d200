"""``imgkit harvest``: search, download, verify and resize pictures for every label of a queries file."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from imgkit.harvest.plan import Plan
    from imgkit.harvest.report import HarvestReport

from imgkit.cli.engine import ADDRESS_DEFAULT, ADDRESS_HELP, ENGINE_HELP
from imgkit.harvest.config import HarvestConfig

DEFAULTS = HarvestConfig()


def harvest(
    queries: Annotated[
        Path, typer.Argument(help="CSV with a column query, and label, exclude, providers, max, license.")
    ],
    data: Annotated[Path, typer.Option(envvar="IMGKIT_DATA", help="The data folder.")] = DEFAULTS.data,
    per_label: Annotated[
        int, typer.Option(min=1, help="Kept pictures to end with, for each label.")
    ] = DEFAULTS.per_label,
    size: Annotated[
        int, typer.Option(min=64, help="Longest side of a picture in pixels; never enlarged.")
    ] = DEFAULTS.size,
    provider: Annotated[
        list[str] | None, typer.Option(help="Ask this provider; repeat for more. Default: all that are ready.")
    ] = None,
    filter: Annotated[
        list[str] | None, typer.Option(help="Ask services to filter, as name=value: size=large, type=photo, color=red.")
    ] = None,
    licence: Annotated[
        list[str] | None,
        typer.Option(help="Keep only this licence (cc0, by, by-sa, ...); repeat for more. Default: any."),
    ] = None,
    max_bytes: Annotated[int, typer.Option(min=1, help="Bytes of one picture at most.")] = DEFAULTS.max_bytes,
    thumbnails: Annotated[
        bool, typer.Option("--thumbnails", help="Where a picture is gone, keep the small copy that its service has.")
    ] = False,
    robots: Annotated[bool, typer.Option("--robots/--no-robots", help="Obey robots.txt of image hosts.")] = True,
    allow_private_hosts: Annotated[
        list[str] | None,
        typer.Option(
            help="Host, address or CIDR block, with an optional :port, that may be contacted although private."
        ),
    ] = None,
    proxy: Annotated[str, typer.Option(help="Address of an HTTP proxy for every request.")] = DEFAULTS.proxy,
    user_agent: Annotated[str, typer.Option(help="What to say to every host instead of imgkit's own name.")] = "",
    contact: Annotated[
        str, typer.Option(envvar="IMGKIT_CONTACT", help="E-mail address or page for the owners of hosts, said to them.")
    ] = "",
    retry: Annotated[bool, typer.Option(help="Try again what failed for good in earlier runs.")] = False,
    engine: Annotated[str, typer.Option(help=ENGINE_HELP)] = "local",
    ray_address: Annotated[str, typer.Option(help=ADDRESS_HELP, show_default=ADDRESS_DEFAULT)] = "",
    dry_run: Annotated[bool, typer.Option(help="Show the plan, its cost in calls and the keys; ask nobody.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of tables.")] = False,
    debug: Annotated[bool, typer.Option(help="Show tracebacks and the log.")] = False,
) -> None:
    """Search, download, verify and resize pictures until every label has enough.

    The same command again goes on where it was. Exit codes: 0 done, 3 below target, 4 disk, 5 no provider, 6 locked.
    """
    import os
    from dataclasses import replace

    from imgkit.cli import console
    from imgkit.harvest.filters import read_filters
    from imgkit.harvest.queries import read_queries

    with console.command("harvest", debug=debug) as progress:
        config = replace(
            DEFAULTS,
            data=data,
            providers=tuple(provider or ()),
            per_label=per_label,
            size=size,
            filters=read_filters(filter or ()),
            licences=tuple(licence or ()),
            max_bytes=max_bytes,
            thumbnails=thumbnails,
            robots=robots,
            allow_private_hosts=tuple(allow_private_hosts or ()),
            proxy=proxy,
            user_agent=user_agent,
            contact=contact,
        )
        file = read_queries(queries)
        for notice in file.notices:
            progress.say(notice)
        if dry_run:
            from imgkit.harvest.plan import make_plan

            show_plan(make_plan(file.queries, config, os.environ), as_json=as_json)
            return
        from imgkit.engine import chosen
        from imgkit.harvest.collect import DECODE_BYTES, DECODE_SECONDS
        from imgkit.harvest.collect import harvest as run

        with chosen(engine, ray_address=ray_address, timeout_s=DECODE_SECONDS, memory_bytes=DECODE_BYTES) as machines:
            report = run(file.queries, config, environ=os.environ, progress=progress, retry=retry, engine=machines)
    show_report(report, as_json=as_json)
    raise typer.Exit(report.exit_code)


def show_plan(plan: "Plan", *, as_json: bool) -> None:
    """Print what a harvest would do."""
    """Print who would be asked for what, and what it costs."""
    from imgkit.cli import console

    if as_json:
        console.print_json(plan.as_json())
        return
    console.table(
        "Plan",
        ["label", "provider", "query", "calls", "at most", "how"],
        [
            [
                row.label,
                row.provider,
                row.text,
                row.calls if row.ready else "-",
                _most(row.at_most),
                row.how_to_fix or row.note,
            ]
            for row in plan.rows
        ],
    )
    show_cost(plan)
    console.out.print("Nobody was asked and nothing was written.")


def show_cost(plan: "Plan") -> None:
    """Print what the searches of a plan cost at each provider."""
    from imgkit.cli import console

    console.table(
        "Plan: cost of the searches",
        ["provider", "queries", "calls", "pauses (s)", "limit"],
        [
            [
                one.provider,
                one.queries,
                one.calls,
                round(one.seconds),
                f"{one.quota}{' (over it)' if one.over_quota else ''}",
            ]
            for one in plan.totals
        ],
    )


def _most(calls: int | None) -> object:
    return "no known end" if calls is None else calls


def show_report(report: "HarvestReport", *, as_json: bool) -> None:
    """Print the yield of every label and provider, the reasons, and what to do next."""
    from imgkit.cli import console

    if as_json:
        console.print_json(report.as_json())
        return
    names = {one.label: one.name for one in report.labels}
    console.table(
        "Yield",
        ["label", "provider", "found", "tried", "kept", "not kept", "put off", "in reserve"],
        [
            [
                names.get(row.label, "all"),
                row.provider,
                row.found,
                row.tried,
                row.kept,
                row.tried - row.kept - row.deferred,
                row.deferred,
                row.waiting,
            ]
            for row in (*report.rows, report.total)
        ],
        total=True,
    )
    reasons = report.total.reasons
    if reasons:
        from imgkit.reasons import explain

        console.table(
            "Not kept",
            ["reason", "candidates", "meaning"],
            [[reason, count, explain(reason)] for reason, count in reasons.items()],
        )
        console.out.print("Commonest, and what to do:", style="bold")
        for step in report.next_steps:
            console.out.print(f"  {step}", markup=False)
    for note in report.notes:
        console.out.print(console.printable(note.sentence), markup=False)
    console.out.print(report.summary, markup=False)
