"""Kill a harvest at random moments, run the same command again, and compare with a harvest that nobody killed.

    python benchmarks/kill_harvest.py --kills 200
    python benchmarks/kill_harvest.py --kills 0 --pictures 2 --syscalls 200

A harvest is killed at a random moment between its start and the time that an undisturbed one takes, started again,
and so on until it gets through; then the next one begins, until there were as many kills as asked for. Every kill is
SIGKILL to the whole process group. With ``--syscalls`` (Linux, strace) it comes at the n-th call of each kind that
changes files, for every n, or for as many as asked for, evenly spread. A harvest counts as equal when the pictures
under each label, the originals and the state, reason and picture of every candidate are the same as without a kill.
"Fetched again" are the bytes of pictures that were sent more often than to an undisturbed harvest, for each kill, as
a share of all bytes of the harvest.
"""

import argparse
import hashlib
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from imgkit.demo.population import small_world
from imgkit.demo.web.server import serve
from imgkit.manifest import Manifest

FAULTS = ("404", "429_once", "503_once", "reset_once", "redirect_three", "truncated", "html_named_jpg", "placeholder")
SYSCALLS = ("rename", "fsync", "mkdir", "unlink", "ftruncate", "pwrite64", "write")
QUERIES = "label,query\ncoral_snake,coral snake\nking_snake,king snake\n"


@dataclass(frozen=True)
class Trial:
    """One harvest: its kills, after how many of them the manifest opened, whether the end was equal.

    ``fetched_again`` is the share of the bytes that were fetched more than once, over all kills.
    """

    kills: int
    opened: int
    equal: bool
    fetched_again: float


def main() -> int:
    """Run the trials and print one line for each and the totals."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=30)
    parser.add_argument("--pictures", type=int, default=150, help="wanted pictures of each of the two labels")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--syscalls", type=int, default=0, help="kills at system calls, of each kind at most")
    options = parser.parse_args()
    world = small_world(good=options.pictures + 20, faults=FAULTS, providers=("bing", "openverse"), hosts=4)
    place = Path(tempfile.mkdtemp(prefix="imgkit-kill-"))
    try:
        with serve(world) as web:
            trials = run_trials(
                web, place, kills=options.kills, pictures=options.pictures, chance=random.Random(options.seed)
            )
            trials += run_syscalls(web, place, most=options.syscalls, pictures=options.pictures)
    finally:
        shutil.rmtree(place, ignore_errors=True)
    kills, opened = sum(one.kills for one in trials), sum(one.opened for one in trials)
    equal, again = sum(one.equal for one in trials), sum(one.fetched_again for one in trials)
    print(f"{kills} kills of {len(trials)} harvests: manifest opened {opened}, equal in the end {equal}/{len(trials)}")
    print(f"fetched again: {again / max(1, kills):.2%} of a harvest for each kill")
    return 0 if opened == kills and equal == len(trials) else 1


def run_trials(web, place: Path, *, kills: int, pictures: int, chance: random.Random) -> list[Trial]:
    """Harvest once undisturbed, then with kills."""
    queries = place / "queries.csv"
    queries.write_text(QUERIES)
    harvest(web, queries, place / "warm", pictures)  # the web draws its pictures when they are first asked for
    began, asked = time.monotonic(), len(web.requests)
    harvest(web, queries, place / "reference", pictures)
    seconds, clean = time.monotonic() - began, bytes_sent(web, asked)
    expected = digest(place / "reference")
    print(f"undisturbed: {seconds:.1f} s, {clean:,} bytes of pictures", flush=True)
    trials: list[Trial] = []
    while (done := sum(one.kills for one in trials)) < kills:
        data, asked = place / f"killed-{len(trials)}", len(web.requests)
        killed = opened = 0
        while done + killed < kills and kill(web, queries, data, pictures, after=chance.uniform(0.05, 1.0) * seconds):
            killed += 1
            opened += opens(data)
        harvest(web, queries, data, pictures)
        again = (bytes_sent(web, asked) - clean) / clean
        trials.append(Trial(killed, opened, digest(data) == expected, again))
        print(
            f"killed {killed} times: manifest opened {opened} times, "
            f"{'equal' if trials[-1].equal else 'DIFFERENT'}, {again:.1%} fetched again",
            flush=True,
        )
        shutil.rmtree(data)
    return trials


def kill(web, queries: Path, data: Path, pictures: int, *, after: float) -> bool:
    """Start a harvest and kill it after some seconds; return False when it was faster."""
    process = start(web, queries, data, pictures)
    try:
        process.wait(after)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        return True
    return False


def bytes_sent(web, since: int) -> int:
    """Return the bytes of the pictures that were sent since a request of the log."""
    pictures = [web.truth(one.target) for one in web.requests[since:] if one.status == 200]
    return sum(len(web.data(picture)) for picture in pictures if picture is not None)


def run_syscalls(web, place: Path, *, most: int, pictures: int) -> list[Trial]:
    """Kill a harvest at the n-th system call of each kind."""
    trials: list[Trial] = []
    queries, expected = place / "queries.csv", digest(place / "reference")
    for name in SYSCALLS if most else ():
        data, log = place / "counted", place / "calls.txt"
        start(web, queries, data, pictures, ("strace", "-f", "-o", str(log), "-e", f"trace={name}")).wait(300)
        shutil.rmtree(data)
        calls = sum(f" {name}(" in line for line in log.read_text(errors="replace").splitlines())
        step = max(1, -(-calls // most))
        before = len(trials)
        for number in range(1, calls + 1, step):
            inject = f"inject={name}:signal=SIGKILL:when={number}"
            wrapper = ("strace", "-f", "-o", "/dev/null", "-e", f"trace={name}", "-e", inject)
            start(web, queries, data, pictures, wrapper).wait(300)
            opened = opens(data)
            harvest(web, queries, data, pictures)
            trials.append(Trial(1, opened, digest(data) == expected, 0.0))
            shutil.rmtree(data)
        equal = sum(one.equal and one.opened == one.kills for one in trials[before:])
        print(f"{name:<10} {calls:>5} calls, killed at {len(trials) - before}, equal {equal}", flush=True)
    return trials


def start(web, queries: Path, data: Path, pictures: int, wrapper: tuple[str, ...] = ()) -> "subprocess.Popen[bytes]":
    """Start the command in a process group of its own."""
    command = [
        sys.executable,
        "-m",
        "imgkit",
        "harvest",
        str(queries),
        "--data",
        str(data),
        "--per-label",
        str(pictures),
    ]
    providers = ["--provider", "bing", "--provider", "openverse"]
    return subprocess.Popen(
        [*wrapper, *command, *providers],
        env={**os.environ, **web.environ},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def harvest(web, queries: Path, data: Path, pictures: int) -> None:
    """Run the command to its end."""
    code = start(web, queries, data, pictures).wait(600)
    if code not in (0, 3):
        raise SystemExit(f"imgkit harvest ended with exit code {code}")


def opens(data: Path) -> bool:
    """Say whether the manifest, if there is one yet, is sound."""
    if not (data / "manifest.db").exists():
        return True
    with closing(sqlite3.connect(data / "manifest.db")) as db:
        return db.execute("PRAGMA integrity_check").fetchone()[0] == "ok"


def digest(data: Path) -> str:
    """Return a hash over pictures, originals and candidates."""
    files = [*data.glob("harvested/*/*.jpg"), *data.glob("originals/*/*")]
    lines = [f"{file.relative_to(data)}\t{hashlib.sha256(file.read_bytes()).hexdigest()}" for file in files]
    with Manifest.open_existing(data) as manifest:
        lines += [
            f"{one.label}\t{one.provider}\t{one.proposal.url}\t{one.state}\t{one.reason}\t{one.image_id}"
            for one in manifest.candidates()
        ]
    return hashlib.sha256("\n".join(sorted(lines)).encode()).hexdigest()


if __name__ == "__main__":
    sys.exit(main())
