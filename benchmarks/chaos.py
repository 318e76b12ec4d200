"""Kill, starve and race the commands that rewrite a data folder, and see whether what they promise still holds.

    python benchmarks/chaos.py --trials 20
    python benchmarks/chaos.py --only kills races --trials 5

Harvest and training have their own (``kill_harvest.py``, ``kill_train.py``, ``faults.py``); this one is about
``curate``, its undo, ``remove`` and ``shards``, each on a fresh copy of one small harvested and curated data folder.

* kills: SIGKILL to the process group after a random share of the time that the command takes undisturbed; then the same
  command again. It holds when the folder is then as after an undisturbed command, and after a removal no trace is left.
* full disk: the folder lies on a small file system (Linux, root) that is full when the command begins. It holds when
  the command ends with exit code 4 and one sentence, the set is whole as before or as after, and the same command
  succeeds once there is room.
* reads fail, writes fail: calls on files below the folder give EIO from the n-th on, by a library that is loaded first
  (Linux, a C compiler). It holds when the exit code is 4, or 0 where so many calls were not made, there is no
  traceback, the set is whole, and the same command succeeds on a disk that works.
* races: two commands are started at the same moment. It holds when each ends with 0, or with 6 and the name of the
  other; afterwards the manifest is whole, the set agrees with its table, and what a removal removed is nowhere.
"""

import argparse
import contextlib
import csv
import hashlib
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image

from imgkit.manifest import Manifest

SOURCE = Path(__file__).resolve().parents[1] / "src"
PICTURES = 24  # of each label


@dataclass
class Score:
    """How often what is promised held, and where it did not."""

    held: int = 0
    broken: list[str] = field(default_factory=list)
    codes: Counter[int] = field(default_factory=Counter)

    def note(self, problem: str, code: int) -> None:
        """Count one trial; ``problem`` is "" where everything held."""
        self.codes[code] += 1
        if problem:
            self.broken.append(problem)
        else:
            self.held += 1


class Folder:
    """A data folder that is harvested and curated twice, and fresh copies of it."""

    def __init__(self, place: Path) -> None:
        self.place, self.data = place, place / "data"
        for number, label in enumerate(("red", "blue")):
            for picture in range(PICTURES):
                _draw(place / "pictures" / label / f"{picture}.png", number, picture)
        rows = [f"{label},{place / 'pictures' / label},folder" for label in ("red", "blue")]
        (place / "queries.csv").write_text("label,query,providers\n" + "\n".join(rows) + "\n", encoding="utf-8")
        ran(imgkit("harvest", place / "queries.csv", "--data", self.data))
        for seed in (0, 1):
            ran(imgkit("curate", "--data", self.data, "--weights", "none", "--policy", "keep", "--seed", seed))
        self.victim = min(path.stem for path in self.data.glob("curated/red/*.jpg"))

    def command(self, name: str, data: Path) -> list[object]:
        """Return the words of a command on a copy of the folder."""
        return {
            "curate": ["curate", "--data", data, "--weights", "none", "--policy", "keep", "--seed", 2],
            "undo": ["curate", "--undo", "--data", data],
            "remove": ["remove", "--sha", self.victim, "--data", data],
            "shards": ["shards", data / "curated", data / "shards"],
        }[name]

    @contextlib.contextmanager
    def copied(self, place: Path | None = None) -> Iterator[Path]:
        """A fresh copy of the data folder, hard links within it kept as files of their own."""
        root = Path(tempfile.mkdtemp(dir=place or self.place))
        shutil.copytree(self.data, root / "data")
        try:
            yield root / "data"
        finally:
            shutil.rmtree(root)

    def trace(self, data: Path) -> str:
        """Return where the removed picture is still named or held, "" for nowhere but in the hashes of the manifest."""
        for path in data.rglob("*"):
            if path.stem.startswith(self.victim) and path.is_file():
                return f"trace: {path.name}"
        return ""


def _draw(path: Path, label: int, picture: int) -> None:
    blotches = np.random.default_rng(1000 * label + picture).integers(0, 256, (9, 12, 3), dtype=np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(blotches).resize((240, 180), Image.Resampling.BICUBIC).save(path)


def start(*words: object, **environ: str) -> "subprocess.Popen[str]":
    """Start a command in a process group of its own."""
    around = {name: value for name, value in os.environ.items() if not name.startswith("IMGKIT_")}
    around |= {"PYTHONPATH": str(SOURCE), "OMP_NUM_THREADS": "1", **environ}
    return subprocess.Popen(
        [sys.executable, "-m", "imgkit", *map(str, words)],
        env=around,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
        text=True,
    )


def imgkit(*words: object, **environ: str) -> tuple[int, str]:
    """Run a command to its end; return its exit code and what it wrote to stderr."""
    process = start(*words, **environ)
    _, err = process.communicate()
    return process.returncode, err


def ran(outcome: tuple[int, str]) -> str:
    """Return stderr of a command that must succeed (a harvest below its target counts)."""
    code, err = outcome
    assert code in (0, 3), err
    return err


def state(data: Path) -> str:
    """Return a digest of the set and of what the manifest says."""
    lines = [
        f"{path.relative_to(data)} {hashlib.sha256(path.read_bytes()).hexdigest()}"
        for path in sorted(data.glob("curated/*/*.jpg"))
    ]
    with Manifest.open_existing(data) as manifest:
        lines += [f"{one.label} {one.state} {one.reason} {one.image_id}" for one in manifest.candidates()]
        lines += [f"{key} {one.verdict}" for key, one in sorted(manifest.judgements().items())]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def whole(data: Path) -> str:
    """Return what is wrong with a data folder, "" for nothing."""
    with Manifest.open_existing(data) as manifest:
        if (found := manifest.connection.check()) != "ok":
            return f"manifest: {found}"
    table = data / "curated" / "metadata.csv"
    if not table.is_file():
        return ""
    with table.open(encoding="utf-8", newline="") as file:
        listed = {row["file_name"] for row in csv.DictReader(file)}
    there = {path.relative_to(data / "curated").as_posix() for path in data.glob("curated/*/*.jpg")}
    return "" if listed == there else f"set and table differ by {len(listed ^ there)}"


def kills(folder: Folder, trials: int, chance: random.Random) -> Iterator[tuple[str, Score]]:
    """Kill each command at random moments and run it again."""
    for name in ("curate", "undo", "remove", "shards"):
        score = Score()
        with folder.copied() as data:
            began = time.monotonic()
            ran(imgkit(*folder.command(name, data)))
            seconds, expected = time.monotonic() - began, state(data)
        for _ in range(trials):
            with folder.copied() as data:
                process = start(*folder.command(name, data))
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(chance.uniform(0.2, 1.0) * seconds)
                done = process.poll() == 0
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.communicate()
                if name == "undo" and not done and state(data) == expected:
                    done = True  # killed behind the exchange: a second undo would take it back
                code, err = (0, "") if done else imgkit(*folder.command(name, data))
                problem = err[-200:] if code else whole(data) or ("" if state(data) == expected else "another state")
                score.note(problem or (folder.trace(data) if name == "remove" else ""), code)
        yield name, score


def full_disk(folder: Folder, trials: int, chance: random.Random) -> Iterator[tuple[str, Score]]:
    """Run each command on a disk that is full, and again when there is room."""
    for name in ("curate", "remove", "shards"):
        score = Score()
        for _ in range(max(1, trials // 4)):
            place = folder.place / "disk"
            place.mkdir(exist_ok=True)
            mount = ["mount", "-t", "tmpfs", "-o"]
            if subprocess.run([*mount, "size=64m", "tmpfs", place], capture_output=True, check=False).returncode:
                return
            try:
                with folder.copied(place) as data:
                    room = shutil.disk_usage(place).free
                    (place / "ballast").write_bytes(b"0" * (room - chance.choice((0, 4096, 65536))))
                    code, err = imgkit(*folder.command(name, data))
                    problem = "" if code in (0, 4) and "Traceback" not in err else f"{code}: {err[-200:]}"
                    (place / "ballast").unlink()
                    problem = problem or (whole(data) if name == "curate" else "")
                    again, err = imgkit(*folder.command(name, data))
                    score.note(problem or (err[-200:] if again else whole(data)), code)
            finally:
                subprocess.run(["umount", "-l", place], check=False)
        yield name, score


def failing_calls(folder: Folder, trials: int, chance: random.Random, *, source: str) -> Iterator[tuple[str, Score]]:
    """Let calls fail from the n-th on, then run the command again without."""
    library = folder.place / "failing.so"
    (folder.place / "failing.c").write_text(source, encoding="utf-8")
    build = ["cc", "-shared", "-fPIC", "-O1", "-o", library, folder.place / "failing.c", "-ldl"]
    if shutil.which("cc") is None or not sys.platform.startswith("linux"):
        return
    subprocess.run(build, check=True)
    for name in ("curate", "remove", "shards"):
        score = Score()
        for _ in range(trials):
            with folder.copied() as data:
                first = int(10 ** chance.uniform(0, 3))
                preload = {"LD_PRELOAD": str(library), "FAIL_BELOW": f"{data.resolve()}/", "FAIL_FROM": str(first)}
                code, err = imgkit(*folder.command(name, data), **preload)
                problem = "" if code in (0, 4) and "Traceback" not in err else f"from {first}: {code}: {err[-200:]}"
                again, err = imgkit(*folder.command(name, data))
                problem = problem or (err[-200:] if again else whole(data))
                score.note(problem or (folder.trace(data) if name == "remove" else ""), code)
        yield name, score


def races(folder: Folder, trials: int, chance: random.Random) -> Iterator[tuple[str, Score]]:
    """Start two commands at the same moment."""
    for pair in (("curate", "remove"), ("curate", "curate"), ("undo", "remove"), ("remove", "remove")):
        score = Score()
        for _ in range(trials):
            with folder.copied() as data:
                both = []
                for name in pair:
                    both.append(start(*folder.command(name, data)))
                    time.sleep(chance.uniform(0, 0.5))
                outcomes = [(one.communicate()[1], one.returncode) for one in both]
                problem = ""
                for (err, code), name in zip(outcomes, pair, strict=True):
                    if code not in (0, 6) or "Traceback" in err or (code == 6 and " is using " not in err):
                        problem = f"{name}: {code}: {err[-200:]}"
                if "remove" in pair and (0, "remove") in {(c, n) for (_, c), n in zip(outcomes, pair, strict=True)}:
                    problem = problem or folder.trace(data)
                score.note(problem or whole(data), max(code for _, code in outcomes))
        yield " + ".join(pair), score


def main() -> None:
    """Run the chosen experiments and print a line for each command."""
    sys.path.insert(0, str(SOURCE.parent / "tests"))
    from failing_disk import HEAD, SHIM, WRITES

    kinds: dict[str, Callable[[Folder, int, random.Random], Iterator[tuple[str, Score]]]] = {
        "kills": kills,
        "full-disk": full_disk,
        "reads-fail": lambda *given: failing_calls(*given, source=SHIM),
        "writes-fail": lambda *given: failing_calls(*given, source=HEAD + WRITES),
        "races": races,
    }
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=10, help="of each command and kind")
    parser.add_argument("--only", nargs="*", choices=sorted(kinds), default=list(kinds))
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="imgkit-chaos-") as place:
        folder = Folder(Path(place))
        print(f"{'kind':12} {'command':20} {'held':>9}  exit codes")
        for kind in options.only:
            for command, score in kinds[kind](folder, options.trials, random.Random(options.seed)):
                total = score.held + len(score.broken)
                codes = ", ".join(f"{code}: {count}" for code, count in sorted(score.codes.items()))
                print(f"{kind:12} {command:20} {score.held:4} of {total:2}  {codes}", flush=True)
                for problem in dict.fromkeys(score.broken):
                    print(f"    {problem.strip()}")


if __name__ == "__main__":
    main()
