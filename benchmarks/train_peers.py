"""Compare ``imgkit train`` with fastai's ``fine_tune`` and a timm recipe: same backbone, same pictures, same wall time.

    python benchmarks/train_peers.py --fastai VENV/bin/python --timm VENV/bin/python [--seconds 60] [--seeds 3]

All start from the packaged weights of ``tf_efficientnet_lite0`` and see the same training and test pictures, on the
CPU. Sets: ``monkeys`` with its published split (near-duplicates cross it), and ``bears``, a web harvest without the
files that a person called junk, split by near-duplicate group, another split for each seed.

* ``imgkit``: ``--finetune``, with ``--minutes`` so that everything fits: scan, near-duplicates, probe, fine-tuning,
  calibration, test and report. ``imgkit probe`` is what a CPU does without ``--finetune``. Both set aside a part of the
  training pictures for validation and choose by it.
* ``fastai``: ``vision_learner(...).fine_tune(n)`` with its defaults and ``aug_transforms``, n as large as fits.
* ``timm``: the defaults of timm's train.py (augmentation, smoothing, cosine per update, moving average) with AdamW at
  5e-4 through timm's API, since train.py itself is not in timm's packages; as many updates as fit.

The peers train on all training pictures; loading their libraries, measuring their pace beforehand and scoring the test
pictures is not counted. Each peer runs in an environment of its own, given by its interpreter.
"""

import argparse
import csv
import json
import math
import os
import random
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

ARCHITECTURE = "tf_efficientnet_lite0"
SIZE = 224
TEST_SHARE = 0.3  # of the bears
PACE_STEPS = 3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=Path, default=Path(__file__).parents[2] / "shared" / "photos")
    parser.add_argument("--fastai", type=Path, help="interpreter of an environment with fastai and timm")
    parser.add_argument("--timm", type=Path, help="interpreter of an environment with timm")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--sets", default="monkeys,bears")
    parser.add_argument("--tools", default="imgkit,imgkit probe,fastai,timm")
    parser.add_argument("--results", type=Path, help="JSON lines: what is there is not run again")
    parser.add_argument("--peer", nargs=2, help=argparse.SUPPRESS)  # how a peer is started in its environment
    options = parser.parse_args()
    if options.peer:
        name, job = options.peer
        print(json.dumps(PEERS[name](**json.loads(job))))
        return
    compare(options)


def compare(options: argparse.Namespace) -> None:
    """Run what is not in the results yet, then print the table."""
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        results = options.results or work / "results.jsonl"
        done = [json.loads(line) for line in results.read_text().splitlines()] if results.exists() else []
        known = {(one["set"], one["tool"], one["seed"]) for one in done}
        for seed in range(options.seeds):
            for name in options.sets.split(","):
                data = SETS[name](options.photos, work / f"{name}-{seed}", seed)
                for tool in options.tools.split(","):
                    if (name, tool, seed) in known:
                        continue
                    one = {"set": name, "tool": tool, "seed": seed, **run(tool, data, work, seed, options)}
                    print({key: one[key] for key in ("set", "tool", "seed", "seconds", "note")}, flush=True)
                    with results.open("a") as file:
                        file.write(json.dumps(one) + "\n")
                    done.append(one)
    table(done, options.sets.split(","), options.tools.split(","))


def table(done: list[dict], sets: list[str], tools: list[str]) -> None:
    import numpy as np

    from imgkit.models.intervals import macro_f1, wilson

    print("| set | tool | seeds | test pictures | accuracy | macro-F1 | wall, mean |\n|---|---|---|---|---|---|---|")
    for name in sets:
        for tool in tools:
            runs = [one for one in done if (one["set"], one["tool"]) == (name, tool)]
            if not runs:
                continue
            hits, f1 = [], []
            for one in runs:
                labels = sorted({label for label, _ in one["answers"].values()})
                pairs = [(labels.index(truth), labels.index(said)) for truth, said in one["answers"].values()]
                truth, said = np.array(pairs, dtype=np.int64).T
                hits.append(float((truth == said).mean()))
                f1.append(macro_f1(truth, said, len(labels)))
            count = len(runs[0]["answers"])
            interval = wilson(float(np.mean(hits)), count)
            each = ", ".join(f"{100 * hit:.1f}" for hit in hits)
            found = f"{100 * interval.value:.2f} [{100 * interval.low:.1f}, {100 * interval.high:.1f}] ({each})"
            taken = np.mean([one["seconds"] for one in runs])
            print(f"| {name} | {tool} | {len(runs)} | {count} | {found} | {100 * np.mean(f1):.2f} | {taken:.0f} s |")


def monkeys(photos: Path, target: Path, seed: int) -> Path:
    """Link the published split."""
    with (photos / "monkeys_split.csv").open() as file:
        for row in csv.DictReader(file):
            part = "test" if row["source_split"] == "validation" else "train"
            name = row["file"] if "." in row["file"] else f"{row['file']}.jpg"  # peers look at names only
            link(photos / "monkeys" / row["class"] / row["file"], target / part / row["class"] / name)
    return target


def bears(photos: Path, target: Path, seed: int) -> Path:
    """Link the pictures that a person kept, whole groups of near-duplicates in one part."""
    groups: dict[tuple[str, str], list[Path]] = defaultdict(list)
    with (photos / "bears_harvest_labels.csv").open() as file:
        for row in csv.DictReader(file):
            if row["label"] == "keep":
                path = photos / "bears_harvest" / row["class"] / row["file"]
                groups[row["class"], row["dup_group"] or row["file"]].append(path)
    keys = sorted(groups)
    random.Random(seed).shuffle(keys)
    for place, key in enumerate(keys):
        part = "test" if place < TEST_SHARE * len(keys) else "train"
        for path in groups[key]:
            link(path, target / part / key[0] / path.name)
    return target


def link(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if not target.exists():
        target.symlink_to(source.resolve())


def run(tool: str, data: Path, work: Path, seed: int, options: argparse.Namespace) -> dict:
    """Train with one tool; return its seconds, what it says about each test picture, and a note."""
    if tool.startswith("imgkit"):
        return run_imgkit(data, work / f"runs-{data.name}-{tool.replace(' ', '-')}", seed, tool == "imgkit", options)
    weights = work / "weights.safetensors"
    if not weights.exists():
        write_weights(weights)
    job = {"data": str(data), "weights": str(weights), "seconds": options.seconds, "seed": seed}
    command = [str(getattr(options, tool)), __file__, "--peer", tool, json.dumps(job)]
    environ = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1] / "src"), "HF_HUB_OFFLINE": "1"}
    finished = subprocess.run(command, capture_output=True, text=True, env=environ)
    if finished.returncode:
        raise SystemExit(f"{tool} failed:\n{finished.stderr[-3000:]}")
    return json.loads(finished.stdout.splitlines()[-1])


def write_weights(path: Path) -> None:
    """Write the packaged weights under timm's names."""
    import safetensors.torch

    from imgkit.vision.features.weights import build_model

    state = build_model(ARCHITECTURE, weights="packaged").model.state_dict()
    safetensors.torch.save_file({name: tensor.contiguous() for name, tensor in state.items()}, path)


def run_imgkit(data: Path, runs: Path, seed: int, finetune: bool, options: argparse.Namespace) -> dict:
    from imgkit.train.config import TrainConfig
    from imgkit.train.run import train

    config = TrainConfig(
        data=data, runs=runs, name="run", seed=seed, device="cpu", weights="packaged", finetune=finetune,
        minutes=max(0.1, (options.seconds - options.seconds * 0.5) / 60) if finetune else None,
    )  # fmt: skip
    started = time.monotonic()
    report = train(config)
    seconds = time.monotonic() - started
    with (report.run / "predictions.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["judged_by"] == "test"]
    answers = {row["file_name"]: (row["label"], row["label_1"]) for row in rows}
    steps = report.tuning.rows[-1].step if report.tuning and report.tuning.rows else 0
    note = f"{report.picked}; {steps} steps; {report.plan.crossing} groups cross; {report.seconds}"
    return {"seconds": seconds, "answers": answers, "note": note}


def run_fastai(data: str, weights: str, seconds: float, seed: int) -> dict:
    """``fine_tune`` with as many epochs as fit."""
    from imgkit.vision.features import torchvision_ops

    torchvision_ops.ensure()
    import torch
    from fastai.vision.all import ImageDataLoaders, Resize, accuracy, aug_transforms, set_seed, vision_learner

    set_seed(seed, reproducible=True)
    root = Path(data)

    def learner():
        loaders = ImageDataLoaders.from_folder(
            root, train="train", valid="test", item_tfms=Resize(256), batch_tfms=aug_transforms(size=SIZE), bs=32
        )
        overlay = {"file": weights, "custom_load": False}
        return vision_learner(loaders, ARCHITECTURE, metrics=accuracy, pretrained_cfg_overlay=overlay)

    learn = learner()
    batches = len(learn.dls.train)
    frozen, whole = fastai_pace(learn, freeze=True), fastai_pace(learn, freeze=False)
    epochs = max(1, math.floor((seconds - frozen * batches) / (whole * batches)))
    learn = learner()
    learn._do_epoch_validate = lambda *given, **named: None  # scoring between epochs would take its time away
    started = time.monotonic()
    with learn.no_bar(), learn.no_logging():
        learn.fine_tune(epochs)
    taken = time.monotonic() - started
    del learn._do_epoch_validate
    files = sorted(path for path in (root / "test").rglob("*.*") if path.is_file())
    learn.model.eval()
    with torch.inference_mode():  # what get_preds does, without callbacks
        places = [learn.model(batch[0]).argmax(dim=1) for batch in learn.dls.test_dl(files, num_workers=0)]
    said = [learn.dls.vocab[place] for place in torch.cat(places).tolist()]
    answers = {
        path.relative_to(root).as_posix(): (path.parent.name, guess) for path, guess in zip(files, said, strict=True)
    }
    return {"seconds": taken, "answers": answers, "note": f"fine_tune({epochs}), {batches} batches of 32"}


def fastai_pace(learn, *, freeze: bool) -> float:
    """Return the seconds of one training step."""
    (learn.freeze if freeze else learn.unfreeze)()
    learn.create_opt()
    learn.model.train()
    started = 0.0
    for number, (images, targets) in enumerate(learn.dls.train):
        learn.loss_func(learn.model(images), targets).backward()
        learn.opt.step()
        learn.opt.zero_grad()
        if number == 0:
            started = time.monotonic()  # the first one warms up
        if number == PACE_STEPS:
            break
    return (time.monotonic() - started) / PACE_STEPS


def run_timm(data: str, weights: str, seconds: float, seed: int) -> dict:
    """The loop of train.py with its defaults for pictures and loss, AdamW, for as many updates as fit."""
    from imgkit.vision.features import torchvision_ops

    torchvision_ops.ensure()
    import timm
    import torch
    from timm.data import create_dataset, create_loader, resolve_model_data_config
    from timm.loss import LabelSmoothingCrossEntropy
    from timm.optim import create_optimizer_v2
    from timm.scheduler import CosineLRScheduler
    from timm.utils import ModelEmaV3, random_seed

    random_seed(seed)
    root, device = Path(data), torch.device("cpu")
    classes = sorted(path.name for path in (root / "train").iterdir())
    overlay = {"file": weights, "custom_load": False}

    def network():
        return timm.create_model(
            ARCHITECTURE, pretrained=True, num_classes=len(classes), pretrained_cfg_overlay=overlay
        )

    model = network()
    form = resolve_model_data_config(model)
    shared = {"input_size": form["input_size"], "mean": form["mean"], "std": form["std"], "num_workers": 2}
    shared |= {"use_prefetcher": False, "device": device, "batch_size": 32, "interpolation": form["interpolation"]}
    training = create_loader(
        create_dataset("", root=str(root), split="train"), is_training=True, color_jitter=0.4, **shared
    )
    criterion = LabelSmoothingCrossEntropy(0.1)

    def step(model, optimizer, images, targets) -> None:
        optimizer.zero_grad()
        criterion(model(images), targets).backward()
        optimizer.step()

    optimizer, started = create_optimizer_v2(model, opt="adamw", lr=5e-4, weight_decay=0.05), 0.0
    model.train()
    for number, (images, targets) in enumerate(training):
        step(model, optimizer, images, targets)
        if number == 0:
            started = time.monotonic()  # the first one warms up
        if number == PACE_STEPS:
            break
    updates = max(1, math.floor(seconds * PACE_STEPS / (time.monotonic() - started)))

    model = network()
    optimizer = create_optimizer_v2(model, opt="adamw", lr=5e-4, weight_decay=0.05)
    schedule = CosineLRScheduler(
        optimizer, t_initial=updates, warmup_t=max(1, updates // 10), warmup_lr_init=1e-5, t_in_epochs=False,
        warmup_prefix=True,
    )  # fmt: skip
    average = ModelEmaV3(model, decay=1 - 1 / max(2.0, 0.05 * updates), use_warmup=True)
    started, done = time.monotonic(), 0
    schedule.step_update(0)
    while done < updates and time.monotonic() - started < seconds:
        model.train()
        for images, targets in training:
            step(model, optimizer, images, targets)
            done += 1
            average.update(model, step=done)
            schedule.step_update(done)
            if done >= updates or time.monotonic() - started >= seconds:
                break
    taken = time.monotonic() - started
    testing = create_dataset("", root=str(root), split="test")
    scoring = create_loader(testing, is_training=False, crop_pct=form["crop_pct"], **shared)
    files = [Path(name) for name in testing.filenames(absolute=True)]
    said: dict[str, list[int]] = {}
    for name, each in (("weights", model), ("average", average.module)):
        each.eval()
        with torch.inference_mode():
            said[name] = [place for images, _ in scoring for place in each(images).argmax(dim=1).tolist()]
    right = {
        name: sum(path.parent.name == classes[place] for path, place in zip(files, places, strict=True))
        for name, places in said.items()
    }
    best = max(right, key=lambda name: right[name])  # a gift: chosen by the test pictures themselves
    answers = {
        path.relative_to(root).as_posix(): (path.parent.name, classes[place])
        for path, place in zip(files, said[best], strict=True)
    }
    return {"seconds": taken, "answers": answers, "note": f"{done} of {updates} updates of 32; {best} of {right}"}


SETS: dict[str, Callable[[Path, Path, int], Path]] = {"monkeys": monkeys, "bears": bears}
PEERS: dict[str, Callable[..., dict]] = {"fastai": run_fastai, "timm": run_timm}

if __name__ == "__main__":
    sys.exit(main())
