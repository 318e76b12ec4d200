"""Measure ``imgkit train`` on real photographs, with the packaged backbone on the CPU, and print one table.

    python benchmarks/train.py [--photos ../shared/photos] [--seeds 3] [--finetune-steps 120] [--only probe,unknown]

The photographs lie beside the checkout and are no part of the project. Parts: ``time`` (first answer and repeat),
``probe`` (accuracy over seeds of the split), ``given`` (the published split, with and without the copies across it),
``flips`` (10 % of the labels changed: how many are in the worst 15 % of the list), ``unknown`` (photographs of other
things), ``statistics`` (batch normalisation while fine-tuning), ``cache`` (training pictures a second), ``finetune``.
"""

import argparse
import random
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from scipy.stats import rankdata
from torch import nn

from imgkit.progress import Silent
from imgkit.train.augment import Augmentation
from imgkit.train.batches import Batches
from imgkit.train.config import TrainConfig
from imgkit.train.familiar import fit_familiar
from imgkit.train.folder import scan
from imgkit.train.metrics import Floats
from imgkit.train.model import Normalise, set_head
from imgkit.train.picture import Picture
from imgkit.train.pixels import squares, squash
from imgkit.train.probing import (
    fit_head,
    group_numbers,
    label_issues,
    logits,
    numbers_of,
    out_of_fold,
)
from imgkit.train.recipe import recipe
from imgkit.train.run import train
from imgkit.train.split import divide
from imgkit.train.tuning import network
from imgkit.vision.backbone import Backbone, load_backbone, preprocessing_of
from imgkit.vision.decode import open_picture
from imgkit.vision.embeddings import embed


@dataclass(frozen=True)
class World:
    """What every part needs: the photographs, a folder for runs and caches, and how often to repeat."""

    photos: Path
    work: Path
    seeds: int
    finetune_steps: int

    def config(self, **changes) -> TrainConfig:
        """Return the settings that all parts share, with ``changes``."""
        config = TrainConfig(data=self.photos / "monkeys", runs=self.work, device="cpu", weights="packaged")
        return replace(config, **changes)


def part_time(world: World) -> None:
    """Time from a folder to the report, with nothing cached and with everything cached."""
    count = sum(1 for path in (world.photos / "monkeys").rglob("*.jpg"))
    for name, run in (("first answer", "cold"), ("repeat", "warm")):
        started, busy = time.monotonic(), time.process_time()
        train(world.config(name=run))
        wall, cpu = time.monotonic() - started, time.process_time() - busy
        show(
            "time",
            f"{name}, {count} pictures",
            f"{wall:.1f} s",
            f"{cpu:.1f} s of CPU, {cpu * 2000 / count:.1f} for 2,000",
        )


def part_probe(world: World) -> None:
    """The probe on splits of several seeds."""
    accuracies, f1 = [], []
    for seed in range(world.seeds):
        report = train(world.config(name=f"probe-{seed}", seed=seed))
        accuracies.append(report.test.accuracy.value)
        f1.append(report.test.macro_f1.value)
        show("probe", f"seed {seed}", report.verdict())
    show("probe", f"mean of {world.seeds} seeds", f"accuracy {mean(accuracies)}", f"macro-F1 {mean(f1)}")


def part_given(world: World) -> None:
    """The published split, whose near-duplicates cross it."""
    report = train(world.config(name="given", split_file=world.photos / "monkeys_split.csv"))
    show("given", "groups that cross", report.plan.crossing)
    show("given", "as published", report.verdict())
    if report.test_without_crossing is not None:
        accuracy = report.test_without_crossing.accuracy
        found = f"{100 * accuracy.value:.1f} [{100 * accuracy.low:.1f}, {100 * accuracy.high:.1f}]"
        show("given", "without those copies", found, f"{report.test_without_crossing.count} pictures")


def part_flips(world: World) -> None:
    """Labels changed at random: how many of them the list of doubts has in its worst 15 %."""
    features, pictures, labels, _ = features_of(world)
    for seed in range(world.seeds):
        dice = random.Random(seed)
        flipped = set(dice.sample(range(len(pictures)), len(pictures) // 10))
        wrong = [
            replace(each, label=dice.choice([label for label in labels if label != each.label]))
            if place in flipped
            else each
            for place, each in enumerate(pictures)
        ]
        _, strength = fit_head(features, wrong)
        judged = out_of_fold(features, wrong, labels, strength=strength, folds=5, seed=0)
        worst = label_issues(judged.answers, wrong, labels)[: round(0.15 * len(wrong))]
        found = {each.picture.path for each in worst} & {pictures[place].path for place in flipped}
        show(
            "flips",
            f"seed {seed}",
            f"{len(found)} of {len(flipped)} in the worst 15 %",
            f"{len(found) / len(flipped):.3f}",
        )


def part_unknown(world: World) -> None:
    """Photographs of other things against test pictures: distance from the labels beside low confidence."""
    features, pictures, labels, backbone = features_of(world)
    splits = divide(pictures, validation_share=0.15, test_share=0.15, seed=0)
    test = np.array([each.split == "test" for each in splits.pictures])
    known = splits.of("train", "val")
    files = sorted(path for path in (world.photos / "offtopic").iterdir() if path.is_file())
    others = embed(files, backbone, cache=world.work / "cache")
    familiar = fit_familiar(features[~test], numbers_of(known, labels), group_numbers(known), len(labels))
    inside, outside = familiar.of(features[test]), familiar.of(others)
    head, strength = fit_head(features[~test], known)
    cooled = out_of_fold(features[~test], known, labels, strength=strength, folds=5, seed=0).calibration.temperature
    sure = [confidence(logits(head, each) / cooled) for each in (features[test], others)]
    show("unknown", "area under the curve: distance", f"{area(inside, outside):.4f}", f"confidence {area(*sure):.4f}")
    flagged = (outside < familiar.threshold).mean(), (inside < familiar.threshold).mean()
    show(
        "unknown",
        "flagged",
        f"{flagged[0]:.3f} of {len(files)} others",
        f"{flagged[1]:.3f} of {test.sum()} test pictures",
    )


def part_statistics(world: World) -> None:
    """The network with the probe as its head, on its own training pictures: which statistics normalise a batch."""
    batches, net, _ = ready_to_tune(world)
    normalise = Normalise(preprocessing_of(net.model))
    for name in ("pretrained", "of the batch"):
        net.model.train(name != "pretrained")
        for module in net.model.modules():
            if not isinstance(module, nn.modules.batchnorm._BatchNorm):
                module.training = False  # no dropped paths: only the statistics differ
        hits = count = 0
        with torch.inference_mode():
            for step in range(4):
                batch = batches[step]
                hits += int((net.model(normalise(batch.images)).argmax(dim=1) == batch.targets).sum())
                count += len(batch.targets)
        show("statistics", f"{name}, batch of {len(batch.targets)}", f"{100 * hits / count:.1f} % of {count} right")


def part_cache(world: World) -> None:
    """Training pictures a second: from the squares on disk, beside decoding each one again."""
    batches, _, training = ready_to_tune(world)
    cached = rate(lambda step: len(batches[step].targets), 8)
    side = 314

    def decode(step: int) -> int:
        for picture in training[32 * step : 32 * step + 32]:
            squash(open_picture(picture.path), side)
        return len(batches[step].targets)

    decoded = rate(decode, 8)
    show(
        "cache",
        "decoded once",
        f"{cached:.0f} pictures/s",
        f"decoded each time {decoded:.0f}: {cached / decoded:.1f} x",
    )


def part_finetune(world: World) -> None:
    """All layers, from the probe on."""
    for seed in range(world.seeds):
        report = train(world.config(name=f"tuned-{seed}", seed=seed, finetune=True, steps=world.finetune_steps))
        assert report.tuning is not None
        before, after = report.tuning.probe, report.tuning.winner
        found = f"val macro-F1 {before.macro_f1:.4f} to {after.macro_f1:.4f}, loss {before.nll:.3f} to {after.nll:.3f}"
        show("finetune", f"seed {seed}, {world.finetune_steps} steps", f"{report.picked}: {found}", report.verdict())


def features_of(world: World) -> tuple[np.ndarray, tuple[Picture, ...], tuple[str, ...], Backbone]:
    cache = world.work / "cache"
    found = scan(world.photos / "monkeys", cache=cache, progress=Silent())
    backbone = load_backbone(weights="packaged", device="cpu")
    keys = [each.sha256 for each in found.pictures]
    return (
        embed([each.path for each in found.pictures], backbone, cache=cache, keys=keys),
        found.pictures,
        found.labels,
        backbone,
    )


def ready_to_tune(world: World) -> tuple[Batches, object, list[Picture]]:
    features, pictures, labels, backbone = features_of(world)
    splits = divide(pictures, validation_share=0.15, test_share=0.15, seed=0)
    training = splits.of("train")
    head, _ = fit_head(features[[each.split == "train" for each in splits.pictures]], training)
    net = network(world.config(), backbone, len(labels))
    set_head(net.model, head)
    targets = numbers_of(training, labels).tolist()
    stored = squares(training, size=224, cache=world.work / "cache", device=torch.device("cpu"), progress=Silent())
    plan = recipe(world.config(), targets, on_gpu=False)
    augmentation = Augmentation(size=224)
    return Batches(stored, targets, recipe=plan, augmentation=augmentation, device=torch.device("cpu")), net, training


def confidence(values: Floats) -> Floats:
    odds = np.exp(values - values.max(axis=1, keepdims=True))
    return (odds / odds.sum(axis=1, keepdims=True)).max(axis=1)


def area(inside: Floats, outside: Floats) -> float:
    """The probability that a picture of the labels scores higher than one of something else."""
    ranks = rankdata(np.concatenate([inside, outside]))[: len(inside)]
    return float((ranks.sum() - len(inside) * (len(inside) + 1) / 2) / (len(inside) * len(outside)))


def rate(work: Callable[[int], int], steps: int) -> float:
    work(0)
    started = time.process_time()
    done = sum(work(step) for step in range(1, steps))
    return done / (time.process_time() - started)


def mean(values: Sequence[float]) -> str:
    return f"{100 * np.mean(values):.2f} (spread {100 * np.ptp(values):.2f})"


def show(*cells: object) -> None:
    print("| " + " | ".join(str(cell) for cell in cells) + " |", flush=True)


PARTS = {
    "time": part_time,
    "probe": part_probe,
    "given": part_given,
    "flips": part_flips,
    "unknown": part_unknown,
    "statistics": part_statistics,
    "cache": part_cache,
    "finetune": part_finetune,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=Path, default=Path(__file__).parents[2] / "shared" / "photos")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--finetune-steps", type=int, default=120)
    parser.add_argument("--only", default=",".join(PARTS))
    options = parser.parse_args()
    if not (options.photos / "monkeys").is_dir():
        raise SystemExit(f"no photographs in {options.photos}: give --photos")
    show("machine", f"{torch.get_num_threads()} threads", f"torch {torch.__version__}")
    with tempfile.TemporaryDirectory() as folder:
        world = World(options.photos, Path(folder), options.seeds, options.finetune_steps)
        for name in options.only.split(","):
            PARTS[name](world)


if __name__ == "__main__":
    main()
