"""Compare ways of fine-tuning on real photographs: each changes one thing, with the same pictures, seeds and steps.

    python benchmarks/train_recipe.py [--photos ../shared/photos] [--seeds 3] [--steps 80] [--size 64] [--batch 16]
                                      [--only NAME,NAME] [--keep RESULTS.jsonl] [--cache FOLDER]

The ten monkey species, few pictures to learn from and small ones, so that there is something to gain: about a quarter
is learned from, a tenth chosen by, and half of the rest tested on. ``--keep`` remembers results, so that a comparison
can be made in parts. Printed: means over the seeds on the test pictures, and the paired difference to the reference
with its 95 % interval.
"""

import argparse
import copy
import json
import math
import statistics
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import t as student

from imgkit.dataset.folder import Scan, scan
from imgkit.dataset.groups import numbers_of
from imgkit.dataset.picture import LabelledPicture
from imgkit.models.network import Head, head_of, set_head
from imgkit.progress import Silent
from imgkit.signals import StopFlag
from imgkit.train.config import TrainConfig
from imgkit.train.data.split import divide
from imgkit.train.finetune.distributed import ProcessGroup
from imgkit.train.finetune.lr_finder import find_rate
from imgkit.train.finetune.model_selection import copy_of
from imgkit.train.finetune.recipe import recipe
from imgkit.train.finetune.setup import backbone_of, network, set_up
from imgkit.train.finetune.validator import ValidationScore, score_logits
from imgkit.train.probe.linear_probe import fit_head, logits
from imgkit.vision.features.backbone import Backbone
from imgkit.vision.features.embeddings import embed
from imgkit.vision.features.weights import LoadedModel

VALIDATION, TEST = 0.1, 0.65
RATE = 5e-4  # of the comparisons: so few steps at the default rate change too little to compare
REFERENCE = "reference"
VARIANTS: dict[str, dict[str, Any]] = {
    REFERENCE: {},
    "default rate 1e-4": {"lr": 1e-4},
    "rate 1e-3": {"lr": 1e-3},
    "rate by --lr-find": {"lr_find": True},
    "head of zeros": {"zeros": True},
    "crops from 0.2": {"crop_area": 0.2},
    "crops from 0.5": {"crop_area": 0.5},
    "weight decay 0.001": {"weight_decay": 0.001},
    "layer decay 0.9": {"layer_decay": 0.9},
    "mixed pictures": {"recipe": "long"},
}


@dataclass(frozen=True)
class World:
    """The photographs and where things are kept."""

    found: Scan
    cache: Path
    size: int
    steps: int
    batch: int


@dataclass(frozen=True, kw_only=True)
class Result:
    """One fine-tuning on the test pictures: the probe it began with, its last weights, their average, and the soup."""

    variant: str
    seed: int
    probe: float
    weights: float
    average: float
    chosen: float
    loss: float
    rate: float
    seconds: float


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--photos", type=Path, default=Path(__file__).resolve().parents[2] / "shared" / "photos")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=80)
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--only", default=",".join(VARIANTS))
    parser.add_argument("--keep", type=Path)
    parser.add_argument("--cache", type=Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        cache = arguments.cache or Path(temporary)
        found = scan(arguments.photos / "monkeys", cache=cache, progress=Silent())
        world = World(found, cache, arguments.size, arguments.steps, arguments.batch)
        results = kept(arguments.keep)
        for seed in range(arguments.seeds):
            for variant in arguments.only.split(","):
                if not any((each.variant, each.seed) == (variant, seed) for each in results):
                    results.append(measure(world, variant, seed))
                    remember(arguments.keep, results[-1])
        table(results)


def measure(world: World, variant: str, seed: int) -> Result:
    changes = {"lr": RATE, **VARIANTS[variant]}
    zeros = changes.pop("zeros", False)
    config = TrainConfig(
        data=world.found.root, seed=seed, size=world.size, steps=world.steps, batch=world.batch, device="cpu", **changes
    )
    splits = divide(world.found.pictures, validation_share=VALIDATION, test_share=TEST, seed=seed)
    backbone = backbone_of(config)
    net = network(config, backbone, len(world.found.labels))
    training = splits.of("train")
    head, _ = fit_head(features(world, backbone, training), training, seed=seed)
    original = copy_of(net.model)
    set_head(net.model, Head(weight=0 * head.weight, bias=0 * head.bias) if zeros else head)
    targets = numbers_of(training, world.found.labels).tolist()
    wanted = recipe(config, targets, on_gpu=False)
    started = time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        fit = set_up(
            config,
            wanted,
            net,
            backbone,
            training=training,
            validation=splits.of("val"),
            labels=world.found.labels,
            cache=world.cache,
            folder=Path(folder),
            progress=Silent(),
            processes=ProcessGroup(),
        )
        if config.lr_find:
            suggestion = find_rate(fit, Silent(), StopFlag()).suggestion
            fit.recipe = replace(wanted, lr=suggestion or wanted.lr)
        fitted = fit.run(stop=StopFlag(), progress=Silent(), log=lambda row: None)
    seconds = time.process_time() - started
    held_out = splits.of("test")[::2]
    weights = tested(world, net, held_out, backbone)
    average = tested(world, replace(net, model=fit.average.module), held_out, backbone)
    net.model.load_state_dict(fitted.winner.state)
    chosen = tested(world, net, held_out, backbone)
    net.model.load_state_dict(original)
    set_head(net.model, head)
    probe = tested(world, net, held_out, backbone)
    return Result(
        variant=variant,
        seed=seed,
        probe=probe.macro_f1,
        weights=weights.macro_f1,
        average=average.macro_f1,
        chosen=chosen.macro_f1,
        loss=average.nll,
        rate=fit.recipe.lr,
        seconds=seconds,
    )


def features(world: World, backbone: Backbone, pictures: Sequence[LabelledPicture]) -> np.ndarray:
    keys = [picture.sha256 for picture in pictures]
    return embed([picture.path for picture in pictures], backbone, cache=world.cache, keys=keys)


def tested(world: World, net: LoadedModel, pictures: Sequence[LabelledPicture], backbone: Backbone) -> ValidationScore:
    """Score the network as it is, on pictures that it has not seen."""
    frozen = replace(net, model=copy.deepcopy(net.model).eval())  # a frozen backbone changes the network it is given
    head = head_of(net.model)
    embedder = Backbone(frozen, device=backbone.device, precision=backbone.precision)
    found = embed([picture.path for picture in pictures], embedder, cache=None)
    targets = numbers_of(pictures, world.found.labels)
    return score_logits(logits(head, found), targets, len(world.found.labels))


def kept(path: Path | None) -> list[Result]:
    if path is None or not path.exists():
        return []
    return [Result(**json.loads(line)) for line in path.read_text("utf-8").splitlines()]


def remember(path: Path | None, result: Result) -> None:
    print(
        f"{result.variant}, seed {result.seed}: average {100 * result.average:.2f}, {result.seconds:.0f} s", flush=True
    )
    if path is not None:
        with path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(vars(result)) + "\n")


def table(results: Sequence[Result]) -> None:
    base = {each.seed: each for each in results if each.variant == REFERENCE}
    print(
        f"{'way':20} {'n':>2} {'probe':>7} {'weights':>8} {'average':>8} {'chosen':>7} {'loss':>6} {'rate':>8} "
        f"{'CPU s':>6}   "
        "average against the reference, points"
    )
    for variant in dict.fromkeys(each.variant for each in results):
        own = [each for each in results if each.variant == variant]
        means = {
            name: statistics.mean(getattr(each, name) for each in own)
            for name in ("probe", "weights", "average", "chosen", "loss", "rate", "seconds")
        }
        gains = [100 * (each.average - base[each.seed].average) for each in own if each.seed in base]
        print(
            f"{variant:20} {len(own):2} {100 * means['probe']:7.2f} {100 * means['weights']:8.2f} "
            f"{100 * means['average']:8.2f} {100 * means['chosen']:7.2f} {means['loss']:6.3f} {means['rate']:8.1e} "
            f"{means['seconds']:6.1f}   {interval(gains) if variant != REFERENCE else ''}"
        )


def interval(gains: Sequence[float]) -> str:
    mean = statistics.mean(gains) if gains else math.nan
    if len(gains) < 2:
        return f"{mean:+.2f}"
    half = float(student.ppf(0.975, len(gains) - 1)) * statistics.stdev(gains) / math.sqrt(len(gains))
    return f"{mean:+.2f} [{mean - half:+.2f}, {mean + half:+.2f}]"


if __name__ == "__main__":
    main()
