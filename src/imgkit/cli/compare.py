"""``imgkit compare``: finished runs side by side, on the same pictures."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from imgkit.cli import console
from imgkit.cli.scores import span

if TYPE_CHECKING:
    from imgkit.train.comparison import RunComparison


def compare(
    runs: Annotated[
        list[Path],
        typer.Argument(help="Folders of runs, of reports by evaluate --report, or a folder of such folders."),
    ],
    report: Annotated[
        Path | None, typer.Option(help="Where to write the page.", show_default="compare.html beside the first run")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as one JSON object.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show log and traceback.")] = False,
) -> None:
    """Compare runs on the pictures that all were judged on: paired differences with 95 % intervals, cost, settings."""
    with console.command("compare", debug=debug) as progress:
        from imgkit.train.comparison import compare as compare_runs
        from imgkit.train.report.comparison_page import write_comparison

        found = compare_runs(runs)
        target = report or found.runs[0].path.parent / "compare.html"
        progress.start("drawing the page")
        write_comparison(target, found)
        progress.stop()
        if as_json:
            console.print_json({**found.as_json(), "report": str(target)})
            return
        _print(found)
        console.out.print(f"Report: {target}", markup=False)


def _print(found: "RunComparison") -> None:
    rows: list[list[object]] = [
        [scores.name, span(scores.accuracy), f"{100 * scores.macro_f1:.1f}", f"{scores.only_right:,}", run.picked]
        for run, scores in zip(found.runs, found.scores, strict=True)
    ]
    title = f"On the same {len(found.shared):,} pictures, in % with 95 % intervals"
    console.table(title, ["run", "accuracy", "macro-F1", "only it is right", "model"], rows)
    pairs: list[list[object]] = [
        [
            f"{pair.second} over {pair.first}",
            f"{100 * pair.difference.value:+.1f} [{100 * pair.difference.low:+.1f}, {100 * pair.difference.high:+.1f}]",
            "differs" if pair.differs else "may be chance",
        ]
        for pair in found.pairs
    ]
    console.table("Paired differences, in points", ["pair", "difference", ""], pairs)
    if found.relabelled:
        console.out.print(f"{len(found.relabelled):,} pictures have other labels in some run and count for none.")
    for path in found.left_out:
        console.out.print(f"Not finished, left out: {path}", markup=False)
