"""Kill ``imgkit train`` at random moments, resume it, and compare with a run that nobody killed; damage checkpoints.

    python benchmarks/kill_train.py [--kills 100] [--terms 50] [--damages 500] [--seed 0]

A run fine-tunes a tiny network with random weights on drawn pictures, in a process of its own (forked after the
imports, so that a run takes seconds). ``--kills`` are SIGKILL, ``--terms`` are SIGTERM, at a random moment between the
start and the time that an undisturbed run takes; the same run is then resumed, or started again where it had not
begun. It is equal when the weights, the labels' centres, the split and every prediction are the same to the last bit,
and it lost no more than what came after its last checkpoint. ``--damages`` truncates, flips, empties, swaps and
overwrites the newer one of two checkpoints: each must be noticed, and the older one used.
"""

import argparse
import hashlib
import mmap
import os
import random
import shutil
import signal
import struct
import sys
import tempfile
import time
import traceback
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import safetensors.torch
import torch
from PIL import Image

from imgkit.errors import UsageError
from imgkit.train.config import TrainConfig
from imgkit.train.finetune import checkpoint
from imgkit.train.run import train
from imgkit.vision.features import torchvision_ops

torchvision_ops.ensure()
import timm  # noqa: E402  (needs the line above)

COLOURS = {"coral": (200, 60, 40), "king": (50, 70, 200), "milk": (70, 190, 80)}
PER_LABEL = 16
STEPS, BATCH = 45, 6
CHECKPOINT_SECONDS = 0.25
COMPARED = ("model/model.safetensors", "model/familiar.safetensors", "split.csv", "predictions.csv")
DAMAGES = ("truncated", "flipped", "emptied", "digest flipped", "digest cut", "missing", "older bytes", "both older")


class Meter:
    """Progress in memory that the parent reads after the child is dead: steps of fine-tuning done, where it began."""

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, 16)
        self._fitting = False

    def start(self, title: str, total: int | None = None) -> None:
        """Note whether this is fine-tuning."""
        self._fitting = title == "fine-tuning"
        if self._fitting:
            self._write(-1, 0)

    def advance(self, steps: int = 1, note: str = "") -> None:
        """Count; the first call says where the run goes on."""
        if self._fitting:
            began, done = self.read()
            self._write(steps if began < 0 else began, done + steps)

    def say(self, line: str) -> None:
        """Nothing is shown."""

    def read(self) -> tuple[int, int]:
        """Return the step at which fine-tuning went on, and the steps done; zeros before it."""
        return struct.unpack("qq", self._memory[:16])

    def clear(self) -> None:
        """Forget the run."""
        self._write(0, 0)

    def _write(self, began: int, done: int) -> None:
        self._memory[:16] = struct.pack("qq", began, done)


@dataclass(frozen=True)
class Trial:
    """One run that was stopped: whether the end was equal, seconds and steps lost, seconds that stopping took."""

    equal: bool
    code: int
    began_again: bool
    lost_seconds: float
    lost_steps: int
    stopping: float
    saved_all: bool


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--terms", type=int, default=50)
    parser.add_argument("--damages", type=int, default=500)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    torch.set_num_threads(1)  # a forked process must not inherit a pool of threads
    place = Path(tempfile.mkdtemp(prefix="imgkit-kill-train-"))
    chance = random.Random(options.seed)
    try:
        good = run_trials(place, kills=options.kills, terms=options.terms, chance=chance)
        good &= run_damages(place / "damages", options.damages, chance)
    finally:
        shutil.rmtree(place, ignore_errors=True)
    return 0 if good else 1


def run_trials(place: Path, *, kills: int, terms: int, chance: random.Random) -> bool:
    """Stop runs at random moments; return whether all ended as they should."""
    if not kills + terms:
        return True
    config, meter = prepare(place), Meter()
    train(replace(config, name="warm", cache=place / "warm-cache"))  # imports what a run imports
    seconds = time.monotonic()
    reference = replace(config, name="reference", cache=place / "reference-cache")
    assert wait_for(start(reference, meter)) == 0
    seconds, expected = time.monotonic() - seconds, digest(place / "runs" / "reference")
    print(f"undisturbed: {seconds:.1f} s, {STEPS} steps, a checkpoint every {CHECKPOINT_SECONDS} s", flush=True)
    good = True
    for name, number, count in (("SIGKILL", signal.SIGKILL, kills), ("SIGTERM", signal.SIGTERM, terms)):
        trials = []
        for index in range(count):
            moment = chance.uniform(0.02, 1.0) * seconds
            settings = replace(config, name=f"{name}-{index}", cache=place / "cache")
            shutil.rmtree(place / "cache", ignore_errors=True)
            trials.append(stop_once(settings, meter, moment, number, expected))
            if not trials[-1].equal:
                print(f"{name} after {moment:.2f} s: DIFFERENT, exit {trials[-1].code}", flush=True)
        if trials:
            good &= show(name, trials)
    return good


def show(name: str, trials: list[Trial]) -> bool:
    equal, saved = sum(one.equal for one in trials), sum(one.saved_all for one in trials)
    resumed = [one for one in trials if not one.began_again]
    lost = max((one.lost_seconds for one in resumed), default=0.0)
    steps = max((one.lost_steps for one in resumed), default=0)
    stopping = max(one.stopping for one in trials)
    print(
        f"{name}: {equal} of {len(trials)} equal to the last bit; {len(resumed)} resumed, {len(trials) - len(resumed)} "
        f"had to begin again; went on at the last checkpoint {saved} of {len(trials)}; lost at most {lost:.2f} s, "
        f"{steps} steps; stopped within {stopping:.2f} s",
        flush=True,
    )
    return equal == saved == len(trials)


def stop_once(config: TrainConfig, meter: Meter, moment: float, number: signal.Signals, expected: str) -> Trial:
    """Start a run, stop it after ``moment`` seconds, go on with it, and compare."""
    meter.clear()
    folder = config.runs / str(config.name)
    child = start(config, meter)
    time.sleep(moment)
    began = time.monotonic()
    os.kill(child, number)
    wait_for(child)
    stopping, killed = time.monotonic() - began, time.time()
    _, done = meter.read()
    names = sorted(path.stem for path in (folder / "checkpoints").glob("step-*.sha256"))
    finished = (folder / "report.json").exists()
    at = int(names[-1].removeprefix("step-")) if names else 0
    age = killed - (folder / "checkpoints" / f"{names[-1]}.sha256").stat().st_mtime if names and done < STEPS else 0.0
    meter.clear()
    code = wait_for(start(replace(config, resume=True), meter))
    again = code == 2 and not finished
    if again:
        code = wait_for(start(config, meter))
    went_on, _ = meter.read()
    saved_all = finished or again or went_on == at
    equal = (code == 0 or finished) and digest(folder) == expected
    if equal:
        shutil.rmtree(folder)
    lost = 0 if finished or went_on != at else done - at
    return Trial(equal, code, again, age, lost, stopping, saved_all)


def start(config: TrainConfig, meter: Meter) -> int:
    """Run in a forked process; it exits with 0, with 2 for an error of usage, with 1 for a fault."""
    child = os.fork()
    if child:
        return child
    try:
        train(config, progress=meter)
    except UsageError:
        os._exit(2)
    except BaseException:
        traceback.print_exc()
        os._exit(1)
    os._exit(0)


def wait_for(child: int) -> int:
    """Return the exit code, negative for a signal."""
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def digest(folder: Path) -> str:
    """Return one hash of everything that must be equal."""
    found = hashlib.sha256()
    for name in COMPARED:
        path = folder / name
        found.update(path.read_bytes() if path.is_file() else b"missing")
    return found.hexdigest()


def prepare(place: Path) -> TrainConfig:
    """Draw the pictures, make random weights, and return the settings of the runs."""
    for label, colour in COLOURS.items():
        (place / "pictures" / label).mkdir(parents=True)
        for number in range(PER_LABEL):
            noise = np.random.default_rng(len(label) * 1000 + number).normal(0, 60, (6, 8, 3))
            pixels = np.clip(np.array(colour) + noise, 0, 255).astype(np.uint8)
            picture = Image.fromarray(pixels).resize((96, 72), Image.Resampling.BICUBIC)
            picture.save(place / "pictures" / label / f"{number:03}.png")
    torch.manual_seed(0)
    weights = place / "weights.safetensors"
    safetensors.torch.save_file(timm.create_model("test_efficientnet").state_dict(), weights)
    return TrainConfig(
        data=place / "pictures",
        runs=place / "runs",
        backbone="test_efficientnet",
        weights=str(weights),
        size=64,
        device="cpu",
        finetune=True,
        steps=STEPS,
        batch=BATCH,
        checkpoint_seconds=CHECKPOINT_SECONDS,
    )


def run_damages(place: Path, count: int, chance: random.Random) -> bool:
    """Damage the newer one of two checkpoints in every way; return whether it was always noticed."""
    noticed: Counter[str] = Counter()
    tried: Counter[str] = Counter()
    for number in range(count):
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir(parents=True)
        for step in (1, 2):
            tensors = {"model/weight": torch.full((40, 30), float(step)), "sums": torch.zeros(4, dtype=torch.float64)}
            checkpoint.save(place, step, tensors, {"notes": [], "seconds": step + 0.5, "probe": None})
        kind = DAMAGES[number % len(DAMAGES)]
        damage(place, kind, chance)
        found = checkpoint.newest(place)
        tried[kind] += 1
        whole = found is not None and bool((found.tensors["model/weight"] == 1).all()) and found.facts["seconds"] == 1.5
        noticed[kind] += whole and found is not None and (found.step, found.damaged) == (1, ("step-00000002",))
    for kind in tried:
        print(f"checkpoint {kind}: noticed, the older one used: {noticed[kind]} of {tried[kind]}", flush=True)
    print(f"damaged checkpoints noticed: {noticed.total()} of {tried.total()}", flush=True)
    return noticed == tried


def damage(place: Path, kind: str, chance: random.Random) -> None:
    """Damage the newer checkpoint."""
    state, digests = place / "step-00000002.safetensors", place / "step-00000002.sha256"
    target = digests if kind.startswith("digest") else state
    data = bytearray(target.read_bytes())
    if kind in ("truncated", "digest cut"):
        target.write_bytes(data[: chance.randrange(1, len(data))])
    elif kind in ("flipped", "digest flipped"):
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
        target.write_bytes(data)
    elif kind == "emptied":
        chance.choice((state, digests)).write_bytes(b"")
    elif kind == "missing":
        chance.choice((state, digests)).unlink()
    elif kind == "older bytes":
        shutil.copyfile(place / "step-00000001.safetensors", state)
    else:
        shutil.copyfile(place / "step-00000001.safetensors", state)
        shutil.copyfile(place / "step-00000001.sha256", digests)


if __name__ == "__main__":
    sys.exit(main())
