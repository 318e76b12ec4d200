"""Training by several processes that torchrun started, on loopback and without a GPU."""

import csv
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
import safetensors.torch
import timm
import torch
from drawing import draw_labels

from imgkit.train.config import TrainConfig
from imgkit.train.run import train

pytestmark = pytest.mark.long

PLACE = Path(__file__).parents[2] / "src"
STEPS, KILLED_AFTER_EPOCH = 40, 2


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    """What is trained: a tiny network on 60 drawn pictures, 10 epochs of 4 steps of 12 pictures."""
    folder = tmp_path_factory.mktemp("distributed")
    torch.manual_seed(0)
    network = timm.create_model("test_efficientnet")
    safetensors.torch.save_file(network.state_dict(), folder / "tiny.safetensors")
    return TrainConfig(
        data=draw_labels(folder / "pictures", per_label=24, labels=("coral", "king", "milk")),
        runs=folder / "runs",
        name="alone",
        backbone="test_efficientnet",
        weights=str(folder / "tiny.safetensors"),
        size=64,
        device="cpu",
        precision="fp32",
        finetune=True,
        steps=STEPS,
        batch=12,
        lr=3e-3,
        monitor="loss",
    )


@pytest.fixture(scope="module")
def alone(config):
    """The run of one process."""
    return train(config).run


def start(config: TrainConfig, name: str) -> subprocess.Popen:
    """Start the same training with two processes."""
    named = {**config.as_json(), "name": name}
    asked = ("backbone", "weights", "size", "device", "precision", "steps", "batch", "lr", "runs", "name")
    config.runs.mkdir(exist_ok=True)
    settings = config.runs / "settings.yaml"
    settings.write_text(f"monitor: {config.monitor}\n")  # torchrun takes --monitor for its own --monitor-interval
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    launcher = f"--nproc-per-node 2 --master-addr 127.0.0.1 --master-port {port} -m imgkit".split()
    options = [f"--config={settings}", "--finetune", *(f"--{each}={named[each]}" for each in asked)]
    return subprocess.Popen(
        [sys.executable, "-m", "torch.distributed.run", *launcher, "train", str(config.data), *options],
        env={**os.environ, "PYTHONPATH": str(PLACE), "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def helper_of(launcher: subprocess.Popen) -> int:
    """Return the process id of the process that does not lead."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            environment = (folder / "environ").read_bytes().split(b"\0")
        except OSError:
            continue
        if parent == launcher.pid and b"RANK=1" in environment:
            return int(folder.name)
    raise AssertionError("no such process")


def epochs_of(run: Path) -> list[dict]:
    try:
        events = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    except FileNotFoundError:
        return []
    return [event for event in events if event["event"] == "epoch"]


def predictions_of(run: Path) -> dict[str, tuple[str, float]]:
    with (run / "predictions.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["judged_by"] == "test"]
    return {row["file_name"]: (row["label_1"], float(row["probability_1"])) for row in rows}


def same_answers(run: Path, expected: Path) -> None:
    found, wanted = predictions_of(run), predictions_of(expected)
    assert {name: label for name, (label, _) in found.items()} == {name: label for name, (label, _) in wanted.items()}
    for name, (_, probability) in found.items():
        assert probability == pytest.approx(wanted[name][1], abs=0.005), name


def test_two_processes_take_the_steps_of_one_and_give_its_answers(config, alone):
    launcher = start(config, "together")
    told, _ = launcher.communicate(timeout=180)

    assert launcher.returncode == 0, told
    run = config.runs / "together"
    for found, wanted in zip(epochs_of(run), epochs_of(alone), strict=True):
        assert found["step"] == wanted["step"]
        assert found["train_loss"] == pytest.approx(wanted["train_loss"], abs=1e-3)
        assert found["gradient_norm"] == pytest.approx(wanted["gradient_norm"], rel=1e-2)
        for judged in ("validation", "average"):
            assert found[judged] == pytest.approx(wanted[judged], abs=1e-3)
    same_answers(run, alone)
    assert Counter(line.split()[0] for line in told.splitlines() if line)["data"] == 1  # only one process speaks


@pytest.mark.skipif(sys.platform != "linux", reason="finds the process to kill in /proc")
def test_when_a_process_is_killed_all_end_with_a_sentence_and_one_process_alone_goes_on(config, alone):
    launcher = start(config, "killed")
    run = config.runs / "killed"
    while len(epochs_of(run)) < KILLED_AFTER_EPOCH and launcher.poll() is None:
        time.sleep(0.01)
    os.kill(helper_of(launcher), signal.SIGKILL)
    told, _ = launcher.communicate(timeout=180)

    assert launcher.returncode != 0
    assert "another process of this training ended at step" in told
    assert "Run the same command again with --resume. [train.lost]" in told
    assert not (run / "report.json").exists()
    train(replace(config, name="killed", resume=True))
    assert [row["epoch"] for row in epochs_of(run)] == list(range(1, 11))
    same_answers(run, alone)
