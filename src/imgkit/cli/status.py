"""``imgkit status``: where every picture of a data folder is."""

from pathlib import Path
from typing import Annotated

import typer


def status(
    data: Annotated[Path, typer.Option(envvar="IMGKIT_DATA", help="The data folder.")] = Path("data"),
    digest: Annotated[
        bool, typer.Option("--digest", help="Print only a hash over what the manifest says, to compare two folders.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of tables.")] = False,
    debug: Annotated[bool, typer.Option(help="Show tracebacks and the log.")] = False,
) -> None:
    """Show where every candidate and picture is, what waits, and what to do next."""
    from imgkit.cli import console
    from imgkit.manifest import Manifest
    from imgkit.manifest.summary import summarise

    with console.command("status", debug=debug), Manifest.open_to_read(data) as manifest:
        if digest:
            from imgkit.manifest.exports import digest as digest_of

            text = digest_of(manifest)
            console.print_json({"digest": text}) if as_json else console.out.print(text, markup=False)
            return
        summary = summarise(manifest)
        if as_json:
            console.print_json(summary.as_json())
            return
        console.table(
            "Candidates",
            ["label", "found", "kept", "rejected", "deferred", "waiting"],
            [[one.name, one.found, one.kept, one.rejected, one.deferred, one.waiting] for one in summary.labels],
        )
        rows: list[list[object]] = [
            [
                one.name,
                one.harvested,
                one.suspects,
                one.set_aside,
                one.moved_out,
                one.moved_in,
                one.unjudged,
                one.curated,
                one.written,
            ]
            for one in summary.labels
        ]
        columns = ["harvested", "suspects", "set aside", "moved away", "moved here", "not judged", "in set", "written"]
        console.table(
            "Pictures",
            ["label", *columns],
            [*rows, _sums(rows)] if rows else [],
            total=bool(rows),
            optional=("written", "not judged", "moved away", "moved here"),
        )
        if (pending := summary.pending) is not None:
            console.out.print(pending, markup=False)
        for host, until in summary.deferred_hosts.items():
            console.out.print(f"{host} is not asked again before {until:%Y-%m-%d %H:%M} UTC.", markup=False)
        for sentence in summary.left_out:
            console.out.print(sentence, markup=False)
        if summary.decisions:
            console.out.print(f"{summary.decisions:,} decisions of people are in force.")
        console.out.print(summary.next_step, markup=False)


def _sums(rows: list[list[object]]) -> list[object]:
    return ["all", *(sum(int(str(row[column])) for row in rows) for column in range(1, len(rows[0])))]
