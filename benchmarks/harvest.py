"""Pictures per second of imgkit and of icrawler on the same loopback server with the same pictures, in one run.

    python benchmarks/harvest.py --pictures 2000
    python benchmarks/harvest.py --pictures 2000 --shape 1600x1200 --img2dataset /tmp/img2dataset/bin/python
    python benchmarks/harvest.py --memory 100000

The server runs in a process of its own and holds its pictures in memory: drawn JPEGs, each with bytes of its own, on
eight loopback addresses. imgkit does everything it always does: the address guard, robots.txt, two connections a
host, decoding in workers, metadata stripped, originals and 500 px pictures written, the manifest kept. icrawler
downloads with its UrlListCrawler and 16 threads and writes the files as they come, undecoded; "icrawler+resize" then
does what a person does next: decodes them with Pillow in two processes and shrinks them to the same size and quality.
img2dataset downloads and shrinks, with two processes of 16 threads; it takes part where it is installed, or with
``--img2dataset PYTHON`` from an environment of its own. "kept" of 100 % are all; RSS is the peak of the main process;
the seconds are those of the whole command, its start included.

``--memory N`` harvests N addresses of small pictures with imgkit alone and prints the memory of its main process
after every tenth of them.
"""

import argparse
import asyncio
import csv
import importlib.util
import json
import multiprocessing
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from itertools import islice
from pathlib import Path

HOSTS = 8
SIZE = 500
DRAWINGS = 60


def main() -> None:
    """Run every tool once per round and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--tools", default="imgkit,icrawler,icrawler+resize,img2dataset")
    parser.add_argument("--shape", default="640x480", help="of the served pictures, in pixels")
    parser.add_argument("--img2dataset", metavar="PYTHON", default="", help="an interpreter that has img2dataset")
    parser.add_argument("--memory", type=int, default=0, metavar="N", help="watch the memory over N addresses instead")
    parser.add_argument("--tool", help=argparse.SUPPRESS)
    parser.add_argument("--place", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.tool:
        TOOLS[options.tool](options.place)
        return
    pythons = {
        name: sys.executable for name in options.tools.split(",") if importlib.util.find_spec(name.split("+")[0])
    }
    if options.img2dataset and "img2dataset" in options.tools:
        pythons["img2dataset"] = options.img2dataset
    number, shape = (options.memory, "240x180") if options.memory else (options.pictures, options.shape)
    place = Path(tempfile.mkdtemp(prefix="imgkit-bench-"))
    ready: multiprocessing.Queue[list[str]] = multiprocessing.Queue()
    server = multiprocessing.Process(target=serve, args=(number, shape, ready), daemon=True)
    server.start()
    try:
        write_lists(place, ready.get(timeout=120))
        print(f"{number} pictures of {shape} px, {os.cpu_count()} cores, Python {sys.version.split()[0]}", flush=True)
        if options.memory:
            subprocess.run([sys.executable, __file__, "--tool", "memory", "--place", str(place)], check=True)
            return
        print(f"{'tool':<16} {'round':>5} {'kept':>6} {'seconds':>8} {'pictures/s':>10} {'cpu s':>7} {'RSS MiB':>8}")
        for round_ in range(1, options.rounds + 1):
            for tool, python in pythons.items():
                measure(tool, python, round_, place)
    finally:
        server.terminate()
        shutil.rmtree(place, ignore_errors=True)


def measure(tool: str, python: str, round_: int, place: Path) -> None:
    """Run one tool in a process of its own and print its line."""
    for name in ("data", "icrawler", "img2dataset"):
        shutil.rmtree(place / name, ignore_errors=True)
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    done = subprocess.run(
        [python, __file__, "--tool", tool, "--place", str(place)],
        check=False,
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    seconds, after = time.monotonic() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        print(f"{tool} failed:\n{done.stderr[-2000:]}")
        return
    facts = json.loads(done.stdout.splitlines()[-1])
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    print(
        f"{tool:<16} {round_:>5} {facts['kept']:>6} {seconds:>8.1f} {facts['kept'] / seconds:>10.1f} {cpu:>7.1f} "
        f"{facts['rss_mib']:>8.0f}",
        flush=True,
    )


# the tools


def run_imgkit(place: Path) -> None:
    """Harvest the list with imgkit."""
    tell(harvest_list(place, None).kept)


def run_memory(place: Path) -> None:
    """Harvest the list with imgkit, telling the memory of this process as it goes."""

    class Meter:
        """Prints a line for every tenth of the list."""

        def __init__(self) -> None:
            self.done, self.told, self.began = 0, 0, time.monotonic()
            self.total = len((place / "list.txt").read_text().splitlines())

        def start(self, _activity: str, _total: int | None = None) -> None:
            """Nothing to tell."""

        def advance(self, steps: int = 1, *, note: str = "") -> None:
            """Count kept pictures."""
            self.done += steps
            if self.done * 10 >= (self.told + 1) * self.total:
                self.told += 1
                rate = self.done / (time.monotonic() - self.began)
                print(f"{self.done:>8} kept  {rate:>6.1f}/s  RSS {resident_mib():>5.0f} MiB", flush=True)

        def say(self, message: str) -> None:
            """Pass on what the harvest says."""
            print(message, flush=True)

    from imgkit.manifest import Manifest

    total = harvest_list(place, Meter())
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1 if sys.platform == "darwin" else 1024)
    print(f"{total.kept:>8} kept in the end, not kept: {dict(total.reasons)}")
    with Manifest.open_existing(place / "data") as manifest:
        for lost in islice((one for one in manifest.each_candidate() if one.state != "kept"), 10):
            print(f"         {lost.reason}: {lost.detail}")
    print(f"RSS {resident_mib():.0f} MiB, at most {peak:.0f} MiB")


def resident_mib() -> float:
    """Return the memory that this process holds now."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


def harvest_list(place: Path, progress):
    """Harvest the list with imgkit; return the last row of its yield table."""
    from imgkit.harvest.config import HarvestConfig
    from imgkit.harvest.pipeline import harvest
    from imgkit.manifest import Query

    query = Query(label="all", name="all", text=str(place / "list.csv"), providers=("urls",))
    config = HarvestConfig(data=place / "data", per_label=10**6, size=SIZE, allow_private_hosts=("127.0.0.0/8",))
    return harvest([query], config, environ={}, progress=progress).total


def run_icrawler(place: Path) -> None:
    """Download the list with icrawler."""
    tell(sum(1 for _ in crawl(place).iterdir()))


def run_icrawler_and_resize(place: Path) -> None:
    """Download the list with icrawler, then shrink every file with Pillow."""
    files = sorted(crawl(place).iterdir())
    with multiprocessing.Pool(2) as pool:
        tell(sum(pool.imap_unordered(shrink_file, files, chunksize=16)))


def shrink_file(path: Path) -> int:
    """Shrink one file in place, as a short script would; return whether it is a picture."""
    from PIL import Image

    try:
        with Image.open(path) as image:
            image.thumbnail((SIZE, SIZE))
            image.convert("RGB").save(path, "JPEG", quality=92)
    except OSError:
        return 0
    return 1


def crawl(place: Path) -> Path:
    """Download the list with icrawler; return the folder."""
    import logging

    from icrawler.builtin import UrlListCrawler

    root = place / "icrawler"
    crawler = UrlListCrawler(downloader_threads=16, storage={"root_dir": str(root)}, log_level=logging.CRITICAL)
    crawler.crawl(str(place / "list.txt"), max_num=10**6)  # it stops at 1,000 unless told otherwise
    return root


def run_img2dataset(place: Path) -> None:
    """Download and shrink the list with img2dataset."""
    from img2dataset import download

    folder = place / "img2dataset"
    download(
        url_list=str(place / "list.txt"),
        output_folder=str(folder),
        processes_count=2,
        thread_count=16,
        image_size=SIZE,
        resize_mode="keep_ratio_largest",
        resize_only_if_bigger=True,
    )
    tell(sum(1 for _ in folder.glob("*/*.jpg")))


TOOLS = {
    "imgkit": run_imgkit,
    "memory": run_memory,
    "icrawler": run_icrawler,
    "icrawler+resize": run_icrawler_and_resize,
    "img2dataset": run_img2dataset,
}


def tell(kept: int) -> None:
    """Print the result of a tool as JSON, on the last line of its output."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1 if sys.platform == "darwin" else 1024)
    print(json.dumps({"kept": kept, "rss_mib": peak}))


# the server


def write_lists(place: Path, urls: list[str]) -> None:
    """Write the addresses as a CSV for imgkit and as lines for the others."""
    with (place / "list.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["url"], *([url] for url in urls)])
    (place / "list.txt").write_text("".join(f"{url}\n" for url in urls))


def serve(pictures: int, shape: str, ready: "multiprocessing.Queue[list[str]]") -> None:
    """Serve the pictures until the process is ended."""
    from imgkit.demo.drawing.render import Drawings
    from imgkit.demo.world import Drawing

    drawings, (width, height) = Drawings(), map(int, shape.split("x"))
    bodies = [
        drawings.bytes_of(Drawing(subject="coral_snake", seed=seed, width=width, height=height))
        for seed in range(min(pictures, DRAWINGS))
    ]

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                request = await reader.readuntil(b"\r\n\r\n")
                path = request.split(b" ", 2)[1]
                if not path.startswith(b"/p/"):
                    writer.write(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
                    continue
                number = int(path[3:].split(b".")[0])
                body, comment = bodies[number % len(bodies)], b"%d" % number
                # a comment segment behind the start of the JPEG makes its bytes its own
                body = body[:2] + b"\xff\xfe" + (len(comment) + 2).to_bytes(2, "big") + comment + body[2:]
                head = b"HTTP/1.1 200 OK\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n" % len(body)
                writer.write(head + body)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    async def run() -> None:
        origins = []
        for number in range(HOSTS):
            server = await asyncio.start_server(answer, f"127.0.0.{number + 2}", 0)
            origins.append("http://{}:{}".format(*server.sockets[0].getsockname()))
        ready.put([f"{origins[number % HOSTS]}/p/{number}.jpg" for number in range(pictures)])
        await asyncio.Event().wait()

    asyncio.run(run())


if __name__ == "__main__":
    main()
