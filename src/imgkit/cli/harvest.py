"""``imgkit harvest``: search, download, verify and resize pictures for every label of a queries file."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from imgkit.harvest.plan import HarvestPlan
    from imgkit.harvest.report import HarvestReport

from imgkit.cli import completion
from imgkit.cli.config_options import with_options_of
from imgkit.cli.engine import ADDRESS_DEFAULT, ADDRESS_HELP, ENGINE_HELP
from imgkit.harvest.config import HarvestConfig
from imgkit.options import from_command_line


@with_options_of(
    HarvestConfig,
    common=("data", "per_label", "size", "providers", "licences", "contact", "save", "retry", "dry_run"),
)
def harvest(
    queries: Annotated[
        list[str],
        typer.Argument(
            help="A CSV with a column query, and label, exclude, providers, max, license; or a list of addresses; or a "
            'folder of label folders; or words: "coral snake" "king snake -toy".'
        ),
    ],
    *,
    given: dict[str, Any],
    save: Annotated[
        Path | None, typer.Option(help="Write the words of the command line into this queries file.")
    ] = None,
    retry: Annotated[bool, typer.Option(help="Try again what failed for good in earlier runs.")] = False,
    engine: Annotated[str, typer.Option(help=ENGINE_HELP, autocompletion=completion.engines)] = "local",
    ray_address: Annotated[str, typer.Option(help=ADDRESS_HELP, show_default=ADDRESS_DEFAULT)] = "",
    dry_run: Annotated[bool, typer.Option(help="Show the plan, its cost in calls and the keys; no calls.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of tables.")] = False,
    debug: Annotated[bool, typer.Option(help="Show tracebacks and the log.")] = False,
) -> None:
    """Search, download, verify and resize pictures until every label has enough.

    The same command again goes on where it was. Exit codes: 0 done, 3 below target, 4 disk, 5 no provider, 6 locked.
    """
    import os

    from imgkit.cli import console
    from imgkit.errors import UsageError
    from imgkit.harvest.queries import read_arguments, save_queries
    from imgkit.harvest.search.filters import read_filters

    with console.command("harvest", debug=debug) as progress:
        asked = from_command_line(HarvestConfig, {**given, "filters": None})
        config = HarvestConfig(**asked, filters=read_filters(given["filters"] or ()))
        console.hide_secrets(config.proxy if "://" in config.proxy else f"http://{config.proxy}")
        file = read_arguments(queries)
        for notice in file.notices:
            progress.say(notice)
        if save is not None and file.path is not None:
            raise UsageError(f"--save is for words, and {file.path} is a file. Nothing was changed. Leave --save out.")
        if dry_run:
            from imgkit.harvest.plan import make_plan

            show_plan(make_plan(file.queries, config, os.environ), as_json=as_json)
            return
        if save is not None:
            save_queries(file.queries, save)
            progress.say(f"the words are in {save} now; give that file to harvest more, or edit it")
        from imgkit.engine import open_engine
        from imgkit.harvest.pipeline import harvest as run
        from imgkit.vision.guarded import MEMORY_BYTES, SECONDS

        with open_engine(
            engine, ray_address=ray_address, timeout_s=SECONDS, memory_bytes=MEMORY_BYTES, guarded=True
        ) as machines:
            report = run(
                file.queries,
                config,
                environ=os.environ,
                progress=progress,
                retry=retry,
                engine=machines,
                file=save or file.path,
            )
    show_report(report, as_json=as_json)
    raise typer.Exit(report.exit_code)


def show_plan(plan: "HarvestPlan", *, as_json: bool) -> None:
    """Print the calls that a harvest would make to each provider, and their cost."""
    from imgkit.cli import console

    if as_json:
        console.print_json(plan.as_json())
        return
    console.table(
        "Plan: calls for each query",
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
    console.out.print("No provider was called and nothing was written.")


def show_cost(plan: "HarvestPlan") -> None:
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
        ["label", "provider", "found", "tried", "kept", "not kept", "deferred", "waiting"],
        [
            [
                names.get(row.label, "all"),
                row.provider,
                row.found,
                row.tried,
                row.kept,
                row.not_kept,
                row.deferred,
                row.waiting,
            ]
            for row in (*report.rows, report.total)
        ],
        total=True,
        optional=("deferred", "tried"),
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
        console.out.print(note.sentence, markup=False)
    for sentence in (*report.wait_sentences(), *report.left_out, *report.changes.sentences(report.data)):
        console.out.print(sentence, markup=False)
    console.out.print(report.summary, markup=False)
