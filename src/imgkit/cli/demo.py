"""``imgkit demo``: the three commands on a drawn world, and what was planted beside what was found."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from imgkit.cli import completion, console
from imgkit.cli.curate import show_report as show_curate
from imgkit.cli.harvest import show_cost
from imgkit.cli.harvest import show_report as show_harvest
from imgkit.cli.scores import show_report as show_train

if TYPE_CHECKING:
    from imgkit.demo.comparison import DemoTruth

Report = TypeVar("Report")


def demo(
    folder: Annotated[Path, typer.Argument(help="Where data/ and runs/ of the demo go.")] = Path("demo-world"),
    seed: Annotated[int, typer.Option(help="Of the drawn world; another seed draws other pictures.")] = 0,
    device: Annotated[
        str, typer.Option(help="auto, cpu, cuda, cuda:1 or mps.", autocompletion=completion.devices)
    ] = "auto",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of tables.")] = False,
    debug: Annotated[bool, typer.Option(help="Show tracebacks and the log.")] = False,
) -> None:
    """Run harvest, curate and train on a drawn world served on this machine; needs no network and no GPU."""
    with console.command("demo", debug=debug) as progress:
        from imgkit.demo.run import run_demo

        if as_json:
            console.print_json(run_demo(folder, seed=seed, device=device, progress=progress).as_json())
            return
        data = folder / "data"
        report = run_demo(
            folder,
            seed=seed,
            device=device,
            progress=progress,
            on_plan=shown(progress, show_cost),
            on_harvest=shown(progress, partial(show_harvest, as_json=False)),
            on_curate=shown(progress, partial(show_curate, data=data, dry_run=False)),
            on_train=shown(progress, show_train),
        )
    _show_truth(report.truth)
    seconds = ", ".join(f"{stage} {time:.0f} s" for stage, time in report.seconds.items())
    console.out.print(f"Time: {seconds}.")
    console.out.print(f"Reports: {data / 'curated' / 'report.html'}", markup=False)
    console.out.print(f"         {report.train.run / 'report.html'}", markup=False)


def shown(progress: console.ConsoleProgress, show: Callable[[Report], None]) -> Callable[[Report], None]:
    """Return ``show`` with the progress bar taken away first."""

    def show_plainly(report: Report) -> None:
        progress.stop()
        show(report)

    return show_plainly


def _show_truth(truth: "DemoTruth") -> None:
    console.table(
        "Planted in the demo world, and found",
        ["what", "planted", "arrived", "found", "still in the set", "false alarms"],
        [[row.name, row.planted, row.arrived, row.found, row.in_set, row.false_alarms] for row in truth.rows],
        optional=("arrived",),
    )
    console.out.print(
        f"Good pictures: {truth.good:,} planted, {truth.good_harvested:,} harvested, {truth.good_in_set:,} in the set."
    )
    for surprise in truth.surprises:
        console.out.print(f"Unexpected: {surprise}", markup=False)
