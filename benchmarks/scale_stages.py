"""What each stage costs a million pictures: processor time of a picture here, multiplied in the open.

Processor time counts this process and the workers it ended, on all cores: 1 ms a picture is 0.28 hours of one core for
a million. The photographs lie beside the checkout; addresses are served on loopback, by a process that is not counted.
"""

import multiprocessing
import resource
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from scale import Figure, Setting
from scale_cluster import PHOTOS, folders_of

from harvest import serve
from imgkit.curate.config import CurateConfig
from imgkit.curate.copies.fingerprints import fingerprints
from imgkit.curate.pictures import read_pictures
from imgkit.curate.pipeline import curate
from imgkit.harvest.config import HarvestConfig
from imgkit.harvest.pipeline import harvest
from imgkit.manifest import Manifest, Query
from imgkit.progress import Silent
from imgkit.shards.export import export_shards
from imgkit.shards.restore import restore_shards
from imgkit.vision.features.backbone import load_backbone
from imgkit.vision.features.embeddings import embed_readable

URLS = 1_000
SHAPES = ("640x480", "1600x1200")
MILLION = 1_000_000


def stages(setting: Setting) -> Iterator[Figure]:
    """Yield the cost of every stage, and what a picture takes on disk."""
    for shape in SHAPES:
        yield from fetched(setting, shape)
    count = setting.of(sum(1 for _ in PHOTOS.rglob("*.jpg")))
    data = setting.folder / f"stages-{count}"
    shutil.rmtree(data, ignore_errors=True)
    queries = folders_of(count, setting.folder)
    yield from cost("harvest of a folder", count, lambda: harvest(queries, HarvestConfig(data=data), environ={}))
    with Manifest.open_existing(data) as manifest:
        pictures, cache = read_pictures(manifest), manifest.folder.cache
    count = len(pictures)
    yield from cost("curate: fingerprints", count, lambda: fingerprints(pictures, cache=cache, progress=Silent()))
    backbone = load_backbone()
    paths, keys = [one.path for one in pictures], [one.file_sha256 for one in pictures]
    yield from cost(
        f"curate: embeddings ({backbone.name}, {backbone.precision}, CPU)",
        count,
        lambda: embed_readable(paths, backbone, cache=cache, keys=keys),
    )
    yield from cost("curate: copies, checks, set and report", count, lambda: curate(CurateConfig(data=data)))
    yield from cost("curate again, nothing new", count, lambda: curate(CurateConfig(data=data)))
    tars, back = setting.folder / "tars", setting.folder / "back"
    for place in (tars, back):
        shutil.rmtree(place, ignore_errors=True)
    yield from cost(
        "shards: tars written", count, lambda: export_shards(data / "originals", str(tars), shard_bytes=2**26)
    )
    yield from cost("shards: brought back", count, lambda: restore_shards(str(tars), back))
    for name in ("manifest.db", "originals", "harvested", "cache"):
        yield Figure(
            what=f"disk: {name}, photographs of 250 px", value=size_of(data / name) / count / 1000, unit="kB each"
        )


def fetched(setting: Setting, shape: str) -> Iterator[Figure]:
    """Harvest addresses of drawn pictures of one shape; the driver's part is what a cluster cannot take over."""
    count = setting.of(URLS)
    ready: multiprocessing.Queue[list[str]] = multiprocessing.Queue()
    server = multiprocessing.Process(target=serve, args=(count, shape, ready), daemon=True)
    server.start()
    try:
        table, data = setting.folder / f"list-{shape}.csv", setting.folder / f"fetched-{shape}"
        table.write_text("\n".join(["url", *ready.get(timeout=300)]) + "\n", encoding="utf-8")
        shutil.rmtree(data, ignore_errors=True)
        query = Query(label="all", name="all", text=str(table), providers=("urls",))
        config = HarvestConfig(data=data, per_label=count, allow_private_hosts=("127.0.0.0/8",))
        driver = time.process_time()
        yield from cost(f"harvest of addresses, {shape}", count, lambda: harvest([query], config, environ={}))
        yield Figure(
            what=f"harvest of addresses, {shape}, the driver's part",
            value=1000 * (time.process_time() - driver) / count,
            unit="ms each",
        )
    finally:
        server.terminate()
        server.join()


def cost(what: str, count: int, work: Callable[[], object]) -> Iterator[Figure]:
    """Time one stage, in processor time of this process and of the workers that it started and ended."""
    before, started = processor_seconds(), time.monotonic()
    work()
    seconds, cpu = time.monotonic() - started, processor_seconds() - before
    yield Figure(what=f"{what}, {count:,} pictures", value=count / seconds, unit="pictures/s")
    yield Figure(what=f"{what}, processor time", value=1000 * cpu / count, unit="ms each")
    yield Figure(what=f"{what}, a million pictures", value=cpu / count * MILLION / 3600, unit="core hours")


def processor_seconds() -> float:
    """Return the processor time of this process and of its children that have ended."""
    both = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in both)


def size_of(path: Path) -> int:
    """Return the bytes of a file, or of all files below a folder."""
    return sum(one.stat().st_size for one in [path, *path.rglob("*")] if one.is_file())
