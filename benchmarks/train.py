"""Measure ``imgkit train`` on real photographs, with the packaged backbone on the CPU, and print one table.

    python benchmarks/train.py [--photos ../shared/photos] [--seeds 3] [--finetune-steps 120] [--only probe,unknown]

The photographs lie beside the checkout and are no part of the project. Parts: ``time`` (the command on 2,000 pictures
of 500 px, first answer and repeat), ``agree`` (predict, evaluate, ONNX and timm on 1,000 pictures), ``check`` (five
seeded bugs), ``copies`` (planted copies and the split),
``probe`` (accuracy over seeds of the split), ``given`` (the published split, with and without the copies across it),
``flips`` (10 % of the labels changed: how many are in the worst 15 % of the list), ``unknown`` (photographs of other
things), ``statistics`` (batch normalisation while fine-tuning), ``cache`` (an epoch from stored squares beside one that
decodes each picture again), ``finetune``. Other benchmarks of train: train_serve.py, train_peers.py, kill_train.py.
"""

import argparse
import json
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from PIL import Image
from scipy.stats import rankdata
from torch import nn
from train_photos import harvested

from imgkit.arrays import Float64Array
from imgkit.dataset.folder import scan
from imgkit.dataset.groups import group_numbers, numbers_of
from imgkit.dataset.picture import LabelledPicture
from imgkit.models.classifier import load_classifier
from imgkit.models.evaluate import evaluate_folder
from imgkit.models.export import export_onnx
from imgkit.models.model_folder import read_metadata
from imgkit.models.network import Normalise, set_head
from imgkit.models.out_of_distribution import fit_detector
from imgkit.models.predict import Prediction, predict
from imgkit.progress import Silent
from imgkit.train.config import TrainConfig
from imgkit.train.data.augment import Augmentation
from imgkit.train.data.batches import Batches
from imgkit.train.data.pixel_cache import SQUASH_RATIO, THREADS, PixelCache, squares, squash
from imgkit.train.data.split import divide
from imgkit.train.finetune.recipe import BATCH_ON_CPU, recipe
from imgkit.train.finetune.setup import network, seconds_per_step
from imgkit.train.probe.linear_probe import fit_head, logits, out_of_fold, review_labels
from imgkit.train.run import train
from imgkit.train.sanity_checks import Loss, SanityCheck, check, check_network, cross_entropy
from imgkit.vision.decode import open_picture
from imgkit.vision.features import torchvision_ops
from imgkit.vision.features.backbone import Backbone, load_backbone, preprocessing_of
from imgkit.vision.features.embeddings import embed

torchvision_ops.ensure()
import timm  # noqa: E402  (needs the line above)

PICTURES = 2000  # of the first answer
AGREE = 1000  # pictures that all ways of asking must agree on
CACHED = 640  # pictures of an epoch
BATCH = 8
T = TypeVar("T")


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
    """The command, from its start to its end, on 2,000 pictures: nothing cached, then everything cached."""
    data = harvested(world.photos, world.work / "harvested", PICTURES)
    for name, run in (("first answer", "cold"), ("repeat", "warm")):
        command = [
            sys.executable,
            "-m",
            "imgkit",
            "train",
            str(data),
            "--runs",
            str(world.work / "time"),
            "--name",
            run,
        ]
        started = time.monotonic()
        subprocess.run([*command, "--device", "cpu", "--weights", "packaged"], check=True, capture_output=True)
        wall = time.monotonic() - started
        parts = json.loads((world.work / "time" / run / "report.json").read_text())["seconds"]
        show("time", f"{name}, {PICTURES:,} pictures of 500 px", f"{wall:.1f} s", named_seconds(parts))


def named_seconds(parts: dict[str, float]) -> str:
    return ", ".join(f"{name} {seconds:.1f}" for name, seconds in parts.items())


def part_agree(world: World) -> None:
    """What predict, evaluate, an ONNX file and timm say about 1,000 pictures that the model has not learned from."""
    from onnxruntime import InferenceSession

    pictures = sorted((world.photos / "monkeys").glob("*/*"))
    random.Random(0).shuffle(pictures)
    split = world.work / "agree.csv"
    rows = [
        f"{each.relative_to(world.photos / 'monkeys')},{'test' if n < AGREE else 'train'}"
        for n, each in enumerate(pictures)
    ]
    split.write_text("\n".join(["file_name,split", *rows]) + "\n")
    model = train(world.config(name="agree", split_file=split)).run / "model"
    tested = pictures[:AGREE]
    labels = read_metadata(model).labels
    said = predict(model, tested, top=len(labels), device="cpu")
    ours = np.array([[dict(pairs(each))[label] for label in labels] for each in said])

    evaluated = evaluate_folder(model, world.photos / "monkeys", cache=world.work / "cache", device="cpu").predictions
    places = {path: place for place, path in enumerate(tested)}
    order = [places[each.path] for each in evaluated.pictures]
    show_agreement("evaluate", ours[order], evaluated.predictions.probabilities)

    prepared = prepared_pictures(model, tested)
    export_onnx(model, world.work / "model.onnx")
    session = InferenceSession(str(world.work / "model.onnx"), providers=["CPUExecutionProvider"])
    predictions = [session.run(None, {"pictures": part.numpy()})[0] for part in (prepared / 255).split(BATCH)]
    show_agreement("ONNX", ours, np.concatenate(predictions))

    net = timm.create_model(f"local-dir:{model}", pretrained=True).eval()
    normalise = Normalise(preprocessing_of(net))
    with torch.inference_mode():
        predictions = [net(normalise(part / 255)).softmax(dim=1).numpy() for part in prepared.split(BATCH)]
    show_agreement("timm local-dir", ours, np.concatenate(predictions))


def pairs(prediction: Prediction) -> list[tuple[str, float]]:
    return [(guess.label, guess.probability) for guess in prediction.guesses]


def prepared_pictures(model: Path, paths: Sequence[Path]) -> torch.Tensor:
    """Return (N, 3, S, S) bytes as floats, 0 to 255."""
    classifier = load_classifier(model, device="cpu")
    return torch.from_numpy(np.stack([classifier.preprocess(path) for path in paths])).permute(0, 3, 1, 2).float()


def show_agreement(name: str, ours: Float64Array, theirs: Float64Array) -> None:
    same = (ours.argmax(axis=1) == theirs.argmax(axis=1)).mean()
    show(
        "agree",
        f"predict and {name}, {len(ours):,} pictures",
        f"top-1 equal {100 * same:.1f} %",
        f"{np.abs(ours - theirs).max():.1e}",
    )


def part_check(world: World) -> None:
    """A sound set, and five bugs: which trials fail, and how long it takes to know."""
    sound = world.photos / "monkeys"
    files = sorted(sound.glob("*/*.jpg"))
    shuffled, noise = world.work / "shuffled", world.work / "noise"
    dice = random.Random(0)
    for path in files:
        link(path, shuffled / dice.choice(files).parent.name / path.name)
    for number in range(240):
        target = noise / ("coral", "king")[number % 2] / f"{number}.png"
        target.parent.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(number).integers(0, 256, (250, 250, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(target)
    for name, data in (("sound set", sound), ("shuffled labels", shuffled), ("noise for pictures", noise)):
        started = time.monotonic()
        show_trials(name, check(world.config(data=data, runs=world.work / f"check-{data.name}")), started)

    bugs: dict[str, tuple[bool, Loss, float]] = {
        "frozen body": (True, cross_entropy, 1e-3),
        "wrong loss: softmax twice": (
            False,
            lambda logits, targets: cross_entropy(logits.softmax(dim=1), targets),
            1e-3,
        ),
        "learning rate 0": (False, cross_entropy, 0.0),
    }
    for name, (frozen, loss, lr) in bugs.items():
        started = time.monotonic()
        backbone = load_backbone(weights="packaged", device="cpu")
        net = network(world.config(), backbone, 10).model
        if frozen:
            net.requires_grad_(False)
            net.get_classifier().requires_grad_(True)
        chosen = files[:: len(files) // 8][:8]
        pixels = torch.from_numpy(np.stack([backbone.prepare(open_picture(path)) for path in chosen]))
        images = Normalise(backbone.preprocessing)(pixels.permute(0, 3, 1, 2))
        targets = torch.arange(8) % 10
        show_trials(name, check_network(net, images, targets, 10, loss=loss, lr=lr), started)


def show_trials(name: str, trials: Sequence[SanityCheck], started: float) -> None:
    failed = [trial.name for trial in trials if not trial.passed]
    found = f"found: not true that {'; '.join(failed)}" if failed else f"all {len(trials)} trials passed"
    show("check", name, found, f"{time.monotonic() - started:.0f} s")


def part_copies(world: World) -> None:
    """Copies of 300 pictures, planted under the same label: how many are not in the split of their original."""
    plants = world.work / "planted"
    files = sorted((world.photos / "monkeys").glob("*/*"))
    for path in files:
        link(path, plants / path.parent.name / path.name)
    copies = {}
    for number, path in enumerate(random.Random(0).sample(files, 300)):
        copy = path.with_name(f"copy-{path.name}")
        copies[copy.name] = path.name
        change(open_picture(path), number).save(plants / path.parent.name / copy.name, "JPEG", quality=60)
    found = scan(plants, cache=world.work / "cache", progress=Silent())
    for seed in range(world.seeds):
        splits = divide(found.pictures, validation_share=0.15, test_share=0.15, seed=seed)
        split = {each.path.name: each.split for each in splits.pictures}
        apart = sum(split[copy] != split[original] for copy, original in copies.items() if copy in split)
        show(
            "copies",
            f"seed {seed}",
            f"{apart} of {len(copies)} copies in another split",
            f"{len(splits.crossing)} groups cross",
        )


def change(image: Image.Image, number: int) -> Image.Image:
    """Return a copy as the web makes them: smaller, mirrored, or only encoded again."""
    if number % 3 == 0:
        return image.resize((round(image.width * 0.6), round(image.height * 0.6)), Image.Resampling.BICUBIC)
    return image.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if number % 3 == 1 else image


def link(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    target.symlink_to(source.resolve())


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
        worst = review_labels(judged, wrong, labels).issues[: round(0.15 * len(wrong))]
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
    detector = fit_detector(features[~test], numbers_of(known, labels), group_numbers(known), len(labels))
    inside, outside = detector.similarity(features[test]), detector.similarity(others)
    head, strength = fit_head(features[~test], known)
    cooled = out_of_fold(features[~test], known, labels, strength=strength, folds=5, seed=0).calibration.temperature
    sure = [confidence(logits(head, each) / cooled) for each in (features[test], others)]
    show("unknown", "area under the curve: distance", f"{area(inside, outside):.4f}", f"confidence {area(*sure):.4f}")
    flagged = (outside < detector.threshold).mean(), (inside < detector.threshold).mean()
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
    """An epoch from squares that were decoded once, beside decoding each picture again, on pictures of 500 px.

    ``read`` is what caching replaces: from the disk to the squashed pixels. ``vary`` is crop, turn, colour and the
    rest, the same in both. ``learn`` is the step of the network in between.
    """
    data = harvested(world.photos, world.work / "harvested-cache", CACHED)
    found = scan(data, cache=world.work / "cache", progress=Silent())
    backbone = load_backbone(weights="packaged", device="cpu")
    config, targets = world.config(data=data), numbers_of(found.pictures, found.labels)
    side, place, batch = round(224 * SQUASH_RATIO), torch.device("cpu"), BATCH_ON_CPU
    started = time.monotonic()
    stored = squares(found.pictures, size=224, cache=world.work / "cache", device=place, progress=Silent())
    show("cache", f"decoded once, {CACHED} pictures", f"{time.monotonic() - started:.1f} s")
    sizes = stored.sizes

    def decoded(chosen: torch.Tensor) -> PixelCache:
        with ThreadPoolExecutor(THREADS) as pool:
            rows = pool.map(lambda at: squash(open_picture(found.pictures[at].path), side), chosen.tolist())
        return PixelCache(pixels=torch.from_numpy(np.stack(list(rows))), sizes=sizes[chosen])

    every = torch.randperm(CACHED, generator=torch.Generator().manual_seed(0)).split(batch)
    plan = recipe(config, targets.tolist(), on_gpu=False)
    cached = Batches(stored, targets.tolist(), recipe=plan, augmentation=Augmentation(size=224), device=place)
    read = {
        "stored": epoch(every, lambda chosen: stored.batch(chosen, place)),
        "decoded": epoch(every, lambda chosen: decoded(chosen).batch(torch.arange(len(chosen)), place)),
    }
    steps = range(CACHED // batch)
    vary = epoch(steps, lambda step: cached[step]) - read["stored"]
    net = network(config, backbone, len(found.labels))
    learn = seconds_per_step(net, backbone, batch=batch) * len(steps)
    for name, seconds in read.items():
        show("cache", f"epoch, {name}", f"read {seconds:.2f} s", f"vary {vary:.2f} s", f"learn {learn:.1f} s")
    old, new = read["decoded"], read["stored"]
    ratios = [
        f"{old / new:.1f} x",
        f"{(old + vary) / (new + vary):.1f} x",
        f"{(old + vary + learn) / (new + vary + learn):.2f} x",
    ]
    show("cache", "faster by", f"reading {ratios[0]}", f"with varying {ratios[1]}", f"with learning {ratios[2]}")


def epoch(batches: Iterable[T], work: Callable[[T], object]) -> float:
    """Return the seconds of doing ``work`` for every batch, after one round to warm up."""
    chosen = list(batches)
    for one in chosen[:4]:
        work(one)
    started = time.monotonic()
    for one in chosen:
        work(one)
    return time.monotonic() - started


def part_finetune(world: World) -> None:
    """All layers, from the probe on."""
    for seed in range(world.seeds):
        report = train(world.config(name=f"tuned-{seed}", seed=seed, finetune=True, steps=world.finetune_steps))
        assert report.tuning is not None
        before, after = report.tuning.probe, report.tuning.winner
        found = f"val macro-F1 {before.macro_f1:.4f} to {after.macro_f1:.4f}, loss {before.nll:.3f} to {after.nll:.3f}"
        show("finetune", f"seed {seed}, {world.finetune_steps} steps", f"{report.picked}: {found}", report.verdict())


def features_of(world: World) -> tuple[np.ndarray, tuple[LabelledPicture, ...], tuple[str, ...], Backbone]:
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


def ready_to_tune(world: World) -> tuple[Batches, object, list[LabelledPicture]]:
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


def confidence(values: Float64Array) -> Float64Array:
    odds = np.exp(values - values.max(axis=1, keepdims=True))
    return (odds / odds.sum(axis=1, keepdims=True)).max(axis=1)


def area(inside: Float64Array, outside: Float64Array) -> float:
    """The probability that a picture of the labels scores higher than one of something else."""
    ranks = rankdata(np.concatenate([inside, outside]))[: len(inside)]
    return float((ranks.sum() - len(inside) * (len(inside) + 1) / 2) / (len(inside) * len(outside)))


def mean(values: Sequence[float]) -> str:
    return f"{100 * np.mean(values):.2f} (spread {100 * np.ptp(values):.2f})"


def show(*cells: object) -> None:
    print("| " + " | ".join(str(cell) for cell in cells) + " |", flush=True)


PARTS = {
    "time": part_time,
    "agree": part_agree,
    "check": part_check,
    "copies": part_copies,
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
