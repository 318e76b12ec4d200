"""One process and two that ``torchrun`` started, on the same pictures: steps, answers, and a run that loses one."""

import csv
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from scale import Figure, Setting

PHOTOS = Path(__file__).parents[2] / "shared" / "photos" / "monkeys"
STEPS, BATCH, PER_LABEL = 24, 16, 40
SAME_PROBABILITY = 0.01


def torchrun(setting: Setting) -> Iterator[Figure]:
    """Fine-tune the packaged backbone on photographs on the CPU; each process has one thread."""
    if not PHOTOS.exists():
        return
    work = setting.folder / "torchrun"
    pictures = some_pictures(work / "pictures", round(PER_LABEL * setting.size))
    shutil.rmtree(work / "runs", ignore_errors=True)
    started = time.monotonic()
    finish(start(work, pictures, "one", processes=1))
    yield Figure(what="one process, the whole command", value=time.monotonic() - started, unit="s")
    finish(start(work, pictures, "two", processes=2))
    killed = start(work, pictures, "killed", processes=2)
    while not rows_of(work / "runs" / "killed") and killed.poll() is None:
        time.sleep(0.05)
    os.kill(helper_of(killed), signal.SIGKILL)
    told = killed.communicate()[0]
    assert "another process of this training ended" in told, told
    finish(start(work, pictures, "killed", processes=2, more=("--resume",)))
    one = rows_of(work / "runs" / "one")
    for name, run in (("two processes", "two"), ("two, one killed, resumed", "killed")):
        rows, folder = rows_of(work / "runs" / run), work / "runs" / run
        loss = max(abs(a["train_loss"] - b["train_loss"]) for a, b in zip(one, rows, strict=True))
        yield Figure(what=f"{name}: largest difference of an epoch's training loss", value=loss, unit="nats")
        same, apart, count = compared(predictions_of(work / "runs" / "one"), predictions_of(folder))
        yield Figure(what=f"{name}: test pictures", value=count, unit="")
        yield Figure(what=f"{name}: of them named as by one process", value=same, unit="", bar=1.0, at_least=True)
        yield Figure(what=f"{name}: largest difference of a probability", value=apart, unit="", bar=SAME_PROBABILITY)
        yield Figure(what=f"{name}: seconds in steps, all epochs", value=sum(row["seconds"] for row in rows), unit="s")
    yield Figure(what="one process: seconds in steps, all epochs", value=sum(row["seconds"] for row in one), unit="s")
    assert json.loads((work / "runs" / "two" / "report.json").read_text())["picked"] != "linear probe"


def some_pictures(folder: Path, per_label: int) -> Path:
    """Link some photographs of each label."""
    for label in sorted(each for each in PHOTOS.iterdir() if each.is_dir()):
        (folder / label.name).mkdir(parents=True, exist_ok=True)
        for path in sorted(label.iterdir())[:per_label]:
            target = folder / label.name / path.name
            if not target.exists():
                target.symlink_to(path)
    return folder


def start(
    work: Path, pictures: Path, name: str, *, processes: int, more: tuple[str, ...] = ()
) -> subprocess.Popen[str]:
    """Start a training."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    launcher = ["-m", "torch.distributed.run", f"--nproc-per-node={processes}", "--master-addr=127.0.0.1"]
    settings = work / "settings.yaml"
    settings.write_text("monitor: loss\n")  # torchrun takes --monitor for its own --monitor-interval
    options = [
        f"--steps={STEPS}",
        f"--batch={BATCH}",
        "--lr=3e-4",
        "--precision=fp32",
        "--device=cpu",
        f"--config={settings}",
    ]
    train = ["train", str(pictures), "--finetune", "--weights=packaged", f"--name={name}", f"--runs={work / 'runs'}"]
    return subprocess.Popen(
        [sys.executable, *launcher, f"--master-port={port}", "-m", "imgkit", *train, *options, *more],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def finish(training: subprocess.Popen[str]) -> None:
    """Wait for the end of a training that has to end well."""
    told = training.communicate()[0]
    if training.returncode:
        raise SystemExit(told)


def helper_of(launcher: subprocess.Popen[str]) -> int:
    """Return the process id of the process that does not lead."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            environment = (folder / "environ").read_bytes().split(b"\0")
        except OSError:
            continue
        if parent == launcher.pid and b"RANK=1" in environment:
            return int(folder.name)
    raise SystemExit("the second process was not found")


def rows_of(run: Path) -> list[dict[str, float]]:
    """Return the epochs in the log of a run."""
    log = run / "log.jsonl"
    events = [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
    return [event for event in events if event["event"] == "epoch"]


def predictions_of(run: Path) -> dict[str, dict[str, str]]:
    """Return what a run says about its test pictures."""
    with (run / "predictions.csv").open(newline="") as file:
        return {row["file_name"]: row for row in csv.DictReader(file) if row["judged_by"] == "test"}


def compared(one: dict[str, dict[str, str]], other: dict[str, dict[str, str]]) -> tuple[float, float, int]:
    """Return the share of pictures with the same name, the largest difference of a probability, and the count."""
    assert one.keys() == other.keys()
    same = sum(one[file]["label_1"] == other[file]["label_1"] for file in one) / len(one)
    apart = max(abs(float(one[file]["probability_1"]) - float(other[file]["probability_1"])) for file in one)
    return same, apart, len(one)
