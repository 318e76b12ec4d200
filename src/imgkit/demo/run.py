"""Run harvest, curate and train on the demo world over loopback, and compare with the planted truth."""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from imgkit.curate.config import CurateConfig
from imgkit.curate.pipeline import curate
from imgkit.curate.publish.summary import CurateReport
from imgkit.demo.comparison import DemoTruth, compare
from imgkit.demo.population import demo_world
from imgkit.harvest.config import HarvestConfig
from imgkit.harvest.pipeline import harvest
from imgkit.harvest.plan import HarvestPlan, make_plan
from imgkit.harvest.report import HarvestReport
from imgkit.manifest import Query
from imgkit.progress import Progress, Silent
from imgkit.train.config import TrainConfig
from imgkit.train.results import TrainReport
from imgkit.train.run import train

PER_LABEL: Final = 400  # more than there are: everything is fetched, so that everything can be counted
CONTACT: Final = "demo@example.org"
QUERIES: Final = (
    Query(
        label="coral_snake",
        name="coral_snake",
        text="Micrurus fulvius",
        exclude=("king", "scarlet", "toy", "tattoo"),
    ),
    Query(
        label="coral_snake",
        name="coral_snake",
        text="coral snake",
        exclude=("king", "scarlet", "milk", "toy", "tattoo", "jewelry"),
    ),
    Query(label="king_snake", name="king_snake", text="Lampropeltis elapsoides", exclude=("coral", "toy", "tattoo")),
    Query(label="king_snake", name="king_snake", text="king snake", exclude=("coral", "toy", "tattoo", "cobra")),
)
"""What ``queries/snakes.csv`` says; a test holds the two together."""


def _ignore(report: object) -> None:
    pass


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoReport:
    """The reports of the three stages, the comparison with the truth, and the wall time of each in seconds."""

    harvest: HarvestReport
    curate: CurateReport
    train: TrainReport
    truth: DemoTruth
    seconds: Mapping[str, float]

    def as_json(self) -> dict[str, object]:
        """Return everything as values that JSON can hold."""
        return {
            "harvest": self.harvest.as_json(),
            "curate": self.curate.as_json(),
            "train": self.train.as_json(),
            "truth": self.truth.as_json(),
            "seconds": {stage: round(seconds, 1) for stage, seconds in self.seconds.items()},
        }


def run_demo(
    folder: Path,
    *,
    seed: int = 0,
    device: str = "auto",
    progress: Progress | None = None,
    on_plan: Callable[[HarvestPlan], None] = _ignore,
    on_harvest: Callable[[HarvestReport], None] = _ignore,
    on_curate: Callable[[CurateReport], None] = _ignore,
    on_train: Callable[[TrainReport], None] = _ignore,
) -> DemoReport:
    """Harvest, curate and train on the demo world in ``folder``; a second run goes on where the first one ended.

    The web runs in a process of its own on loopback; no other machine is contacted, and the packaged weights are used.

    Args:
        folder: gets ``data/`` and ``runs/``.
        seed: of the world.
        device: as for ``curate`` and ``train``.
        progress: is told what is being done.
        on_plan, on_harvest, on_curate, on_train: called with the plan and with each report as soon as it is there.

    Raises:
        ImgkitError: as the three stages do.
    """
    progress = progress or Silent()
    progress.say("The pictures of this demo are drawn by imgkit and served on this machine; nothing leaves it.")
    data = folder / "data"
    seconds = {}
    began = time.monotonic()
    with served(seed=seed) as environ:
        config = HarvestConfig(data=data, per_label=PER_LABEL, contact=CONTACT)
        on_plan(make_plan(QUERIES, config, environ))
        harvested = harvest(QUERIES, config, environ=environ, progress=progress)
    on_harvest(harvested)
    seconds["harvest"] = time.monotonic() - began
    began = time.monotonic()
    wanted = CurateConfig(data=data, weights="packaged", device=device, allow=("drawings",))  # all of them are drawn
    curated = curate(wanted, progress=progress)
    on_curate(curated)
    seconds["curate"] = time.monotonic() - began
    began = time.monotonic()
    settings = TrainConfig(data=data / "curated", runs=folder / "runs", weights="packaged", device=device)
    trained = train(settings, progress=progress)
    on_train(trained)
    seconds["train"] = time.monotonic() - began
    truth = compare(data, demo_world(seed=seed))
    return DemoReport(harvest=harvested, curate=curated, train=trained, truth=truth, seconds=seconds)


@contextmanager
def served(*, seed: int = 0) -> Iterator[dict[str, str]]:
    """Serve the demo world in a process of its own, which ends with this block or with this process."""
    command = [sys.executable, "-m", "imgkit.demo.web.server", "--seed", str(seed), "--attached"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as web:
        assert web.stdin is not None
        assert web.stdout is not None
        try:
            environ: dict[str, str] = json.loads(web.stdout.readline())
            yield environ
        finally:
            web.stdin.close()  # the web ends when nobody holds the other end
