"""Two nodes of a Ray cluster on this machine: the same set as without, also when one is killed half way, and how fast.

A node is a raylet of one processor with its own workers; the head has none. The photographs lie beside the checkout.
"""

import contextlib
import multiprocessing
import os
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from scale import Figure, Setting

from harvest import serve
from imgkit.curate.config import CurateConfig
from imgkit.curate.pipeline import curate
from imgkit.engine import ClusterEngine, Engine
from imgkit.harvest.config import HarvestConfig
from imgkit.harvest.pipeline import harvest
from imgkit.manifest import Manifest, Query
from imgkit.manifest.exports import digest
from imgkit.vision.guarded import MEMORY_BYTES, SECONDS

PHOTOS = Path(__file__).resolve().parents[2] / "shared" / "photos" / "monkeys"
URLS, SHAPE = 10_000, "320x240"


class Watch:
    """A progress that calls ``half_way``, once, when half of what ``activity`` counts is done."""

    def __init__(self, activity: str, half_way: Callable[[], None]) -> None:
        self._activity, self._half_way = activity, half_way
        self._left: float = 0.0
        self._called = False

    def start(self, activity: str, total: int | None = None) -> None:
        """Begin to count."""
        self._left = (total or 0) / 2 if activity == self._activity else 0.0

    def advance(self, steps: int = 1, note: str = "") -> None:
        """Count, until it is half."""
        if self._left > 0 and not self._called:
            self._left -= steps
            if self._left <= 0:
                self._called = True
                self._half_way()

    def say(self, line: str) -> None:
        """Say nothing: figures are on standard output."""


def cluster_curate(setting: Setting) -> Iterator[Figure]:
    """Curate photographs of ten species with and without a cluster."""
    count = setting.of(sum(1 for _ in PHOTOS.rglob("*.jpg")))
    source = setting.folder / f"monkeys-{count}"
    if not (source / "manifest.csv").exists():
        shutil.rmtree(source, ignore_errors=True)
        harvest(folders_of(count, setting.folder), HarvestConfig(data=source), environ={})

    def run(engine: Engine | None, data: Path, watch: Watch) -> int:
        return int(curate(CurateConfig(data=data), progress=watch, engine=engine).totals["harvested"])

    yield from three_ways("curate", "embedding", run, setting, source=source)


def cluster_harvest(setting: Setting) -> Iterator[Figure]:
    """Harvest a list of addresses of eight loopback hosts with and without a cluster."""
    ready: multiprocessing.Queue[list[str]] = multiprocessing.Queue()
    server = multiprocessing.Process(target=serve, args=(setting.of(URLS), SHAPE, ready), daemon=True)
    server.start()
    try:
        table = setting.folder / "list.csv"
        table.write_text("\n".join(["url", *ready.get(timeout=300)]) + "\n", encoding="utf-8")
        query = Query(label="all", name="all", text=str(table), providers=("urls",))

        def run(engine: Engine | None, data: Path, watch: Watch) -> int:
            config = HarvestConfig(data=data, per_label=setting.of(URLS), allow_private_hosts=("127.0.0.0/8",))
            return harvest([query], config, environ={}, progress=watch, engine=engine).total.kept

        yield from three_ways("harvest", "Harvesting", run, setting)
    finally:
        server.terminate()


def three_ways(
    what: str,
    activity: str,
    run: Callable[[Engine | None, Path, Watch], int],
    setting: Setting,
    *,
    source: Path | None = None,
) -> Iterator[Figure]:
    """Run here, on two nodes, and on two nodes of which one is killed half way; compare what the manifests say."""
    digests = {}
    for way in ("one machine", "two nodes", "two nodes, one killed half way"):
        data = setting.folder / f"{what}-{way.replace(' ', '-').replace(',', '')}"
        shutil.rmtree(data, ignore_errors=True)
        if source is not None:
            shutil.copytree(source, data)
        with engine_of(way) as (engine, kill):
            cpu, started = time.process_time(), time.monotonic()
            count = run(engine, data, Watch(activity, kill))
            seconds, cpu = time.monotonic() - started, time.process_time() - cpu
        with Manifest.open_existing(data) as manifest:
            digests[way] = digest(manifest)
        title = f"{what} of {count:,} pictures, {way}"
        yield Figure(what=title, value=count / seconds, unit="pictures/s")
        yield Figure(what=f"{title}, processor time of the driver", value=1000 * cpu / count, unit="ms each")
        same = digests[way] == digests["one machine"]
        yield Figure(
            what=f"{title}, digest {digests[way][:12]} as on one machine", value=same, unit="", bar=1, at_least=True
        )


@contextlib.contextmanager
def engine_of(way: str) -> Iterator[tuple[Engine | None, Callable[[], None]]]:
    """Give the engine for a way, and what kills a node."""
    if way == "one machine":
        yield None, lambda: None
        return
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    from ray.cluster_utils import Cluster

    small = {"object_store_memory": 200 * 2**20}
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False, **small})
    try:
        nodes = [cluster.add_node(num_cpus=1, **small) for _ in range(2)]
        with ClusterEngine(cluster.address, timeout_s=SECONDS, memory_bytes=MEMORY_BYTES, guarded=True) as engine:
            list(engine.map(abs, [-1] * 8))  # until both are there
            killed = way.endswith("half way")
            yield engine, lambda: cluster.remove_node(nodes[0], allow_graceful=False) if killed else None
    finally:
        cluster.shutdown()


def folders_of(count: int, place: Path) -> list[Query]:
    """Return a query for each species; with a part of the photographs, for folders that hold that part."""
    species = sorted(path for path in PHOTOS.iterdir() if path.is_dir())
    part = place / f"photos-{count}"
    for folder in species:
        (part / folder.name).mkdir(parents=True, exist_ok=True)
        files = sorted(folder.glob("*.jpg"))
        for file in files[: max(1, round(len(files) * count / sum(1 for _ in PHOTOS.rglob("*.jpg"))))]:
            target = part / folder.name / file.name
            if not target.exists():
                shutil.copyfile(file, target)
    return [
        Query(label=folder.name, name=folder.name, text=str(part / folder.name), providers=("folder",))
        for folder in species
    ]
