"""Sanity checks of data, backbone and training step (``imgkit train --check``), and validation of the settings."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest
from pathlib import Path
from typing import Final

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from imgkit.arrays import Float32Array, Int64Array
from imgkit.dataset.folder import scan
from imgkit.dataset.groups import numbers_of
from imgkit.dataset.picture import LabelledPicture
from imgkit.errors import UsageError
from imgkit.models.intervals import Z95
from imgkit.models.model_folder import architecture_of, find_model
from imgkit.models.network import Normalise, parameter_counts, set_training_mode
from imgkit.options import declared, require_allowed
from imgkit.progress import Progress, Silent
from imgkit.train.config import FINE_TUNING, TrainConfig
from imgkit.train.finetune.setup import backbone_of, network
from imgkit.train.probe.linear_probe import held_out_logits
from imgkit.train.run_folder import cache_folder
from imgkit.train.tracking import find_program
from imgkit.vision.decode import open_picture
from imgkit.vision.features.backbone import Backbone
from imgkit.vision.features.device import choose_device
from imgkit.vision.features.embeddings import embed
from imgkit.vision.features.folds import grouped_folds
from imgkit.vision.features.probe import unit_rows
from imgkit.vision.features.weights import PACKAGED_MODEL

MOST_PICTURES = 240  # for the probe: enough to tell 10 labels from chance
Loss = Callable[[Tensor, Tensor], Tensor]

BATCH = 8  # pictures that a network must be able to learn by heart
STEPS = 40
FASTER = 10.0  # than the learning rate of the run: eight pictures, by heart
STRENGTH = 0.01
FOLDS = 3
CHANCE_TOLERANCE = 0.1  # of ln K, for the first loss of a head of zeros
ALIKE = 0.9  # likeness of two pictures: 0.98 of noise, 0.6 of photographs of one monkey species, 0.3 of ten
NOTHING_TO_SEE = "pictures without content: noise, or all nearly the same"
WRONG_LABELS = "labels that do not belong to their pictures (shuffled, or in another order), or labels nobody can see"
LEARNED_LOSS = 0.1  # of ln K: below, the batch is known by heart


@dataclass(frozen=True, slots=True, kw_only=True)
class SanityCheck:
    """The result of one check: measured and expected value as text, and the likely causes of a failure."""

    name: str
    passed: bool
    found: str
    expected: str
    causes: str


def check(config: TrainConfig, *, progress: Progress | None = None) -> list[SanityCheck]:
    """Try training on some of the pictures that ``config`` names, with its backbone and learning rate.

    Raises:
        UsageError: the data or the backbone cannot be used at all.
    """
    progress, config = progress or Silent(), checked(config)
    cache = cache_folder(config)
    found = scan(config.data, cache=cache, progress=progress, layout=config.layout, wanted=config.selection())
    backbone = backbone_of(config, progress)
    some = _sample_per_label(found.pictures, MOST_PICTURES)
    features = embed(
        [picture.path for picture in some],
        backbone,
        cache=cache,
        keys=[each.sha256 for each in some],
        progress=progress,
    )
    progress.start("noise for comparison")
    trials = check_features(
        features,
        lambda draw: _noise_features(backbone, len(some), seed=config.seed + draw),
        some,
        found.labels,
        seed=config.seed,
    )
    progress.start("learning one batch by heart", STEPS)
    net = network(config, backbone, len(found.labels))
    images, targets = _one_batch(some, found.labels, backbone)
    model = net.model.to(images.device)
    return [
        *trials,
        *check_network(
            model, images, targets, len(found.labels), loss=cross_entropy, lr=FASTER * config.lr, progress=progress
        ),
    ]


def check_features(
    features: Float32Array,
    noise: Callable[[int], Float32Array],
    pictures: Sequence[LabelledPicture],
    labels: Sequence[str],
    *,
    seed: int = 0,
) -> list[SanityCheck]:
    """Try whether the pictures tell their labels, and whether nothing else does.

    Args:
        features: (N, D) of the pictures by a frozen backbone.
        noise: returns (N, D) of as many squares of noise, made the same way; other ones for another number.
        pictures: N pictures.
        labels: K labels.
        seed: of the folds and of the shuffling.
    """
    targets = numbers_of(pictures, labels)
    majority = float(np.bincount(targets).max() / len(targets))
    limit = majority + Z95 * 1.3 * math.sqrt(majority * (1 - majority) / len(targets))  # one-sided 99.5 %

    def from_shuffled(draw: int) -> float:
        shuffled = np.random.default_rng(seed + draw).permutation(targets)
        return _accuracy(features, shuffled, pictures, labels, seed=seed)

    def from_noise(draw: int) -> float:
        return _accuracy(noise(draw), targets, pictures, labels, seed=seed)

    right, alike = _accuracy(features, targets, pictures, labels, seed=seed), _likeness(features)
    by_chance, by_noise = _lower_of_two_draws(from_shuffled, limit), _lower_of_two_draws(from_noise, limit)
    return [
        SanityCheck(
            name="the pictures tell their labels",
            passed=right > limit,
            found=f"{100 * right:.1f} % right, out-of-fold; likeness of two pictures {alike:.2f}",
            expected=f"more than {100 * limit:.1f} %",
            causes=NOTHING_TO_SEE if alike > ALIKE else WRONG_LABELS,
        ),
        SanityCheck(
            name="shuffled labels cannot be told",
            passed=by_chance <= limit,
            found=f"{100 * by_chance:.1f} % right, out-of-fold",
            expected=f"at most {100 * limit:.1f} %",
            causes="held-out pictures are learned from",
        ),
        SanityCheck(
            name="noise tells nothing",
            passed=by_noise <= limit,
            found=f"{100 * by_noise:.1f} % right from noise",
            expected=f"at most {100 * limit:.1f} %",
            causes="the answer reaches the model by another way than the picture",
        ),
    ]


def _lower_of_two_draws(trial: Callable[[int], float], limit: float) -> float:
    """Return the result of draw 0; if it is above ``limit``, the lower one of draws 0 and 1.

    Chance alone passes the limit once in 200 times, a leak every time.
    """
    first = trial(0)
    return first if first <= limit else min(first, trial(1))


def _likeness(features: Float32Array) -> float:
    """Return the mean cosine of the features of two different pictures, -1 to 1."""
    unit = unit_rows(features).astype(np.float64)
    count = len(unit)
    return float((np.square(unit.sum(axis=0)).sum() - np.square(unit).sum()) / (count * (count - 1)))


def check_network(
    model: nn.Module,
    images: Tensor,
    targets: Tensor,
    labels: int,
    *,
    loss: Loss,
    lr: float,
    progress: Progress | None = None,
) -> list[SanityCheck]:
    """Try whether a network learns one batch by heart, and whether all of it learns.

    Args:
        model: with a head of zeros.
        images: (B, 3, S, S), normalised; nothing varies.
        targets: (B,) label numbers.
        labels: K.
        loss: mean loss of (B, K) logits, nats, without label smoothing.
        lr: of AdamW.
        progress: told of each step.
    """
    progress = progress or Silent()
    chance = math.log(labels)
    before = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
    optimizer = torch.optim.AdamW(
        [parameter for parameter in model.parameters() if parameter.requires_grad], lr=lr, weight_decay=0.0
    )
    set_training_mode(model)
    first, last, hits = math.nan, math.nan, 0.0
    for step in range(STEPS):
        logits = model(images)
        value = loss(logits, targets)
        optimizer.zero_grad(set_to_none=True)
        value.backward()
        optimizer.step()
        last, hits = float(value.detach()), float((logits.argmax(dim=1) == targets).float().mean())
        first = last if step == 0 else first
        progress.advance()
        if hits == 1.0 and last < LEARNED_LOSS * chance:
            break
    still = sum(
        parameter.numel() for name, parameter in model.named_parameters() if torch.equal(before[name], parameter)
    )
    share = parameter_counts(model)
    moved = 1 - still / share.total
    return [
        SanityCheck(
            name="the first loss is that of knowing nothing",
            passed=abs(first - chance) <= CHANCE_TOLERANCE * chance,
            found=f"{first:.3f}",
            expected=f"ln {labels} = {chance:.3f} ± {100 * CHANCE_TOLERANCE:.0f} %",
            causes="another loss than cross-entropy of raw outputs, a softmax too many, or a wrong number of labels",
        ),
        SanityCheck(
            name="one batch can be learned by heart",
            passed=hits == 1.0 and last < LEARNED_LOSS * chance,
            found=f"{100 * hits:.0f} % right, loss {last:.3f} after at most {STEPS} steps",
            expected=f"100 %, below {LEARNED_LOSS * chance:.3f}",
            causes="a learning rate of 0 or far too high, a wrong loss, frozen layers, or pictures that change",
        ),
        SanityCheck(
            name="every layer learns",
            passed=still == 0,
            found=f"{100 * moved:.1f} % of the parameters moved; {share}",
            expected="all of them",
            causes="a frozen backbone, a layer that is not used, or a learning rate of 0",
        ),
    ]


def cross_entropy(logits: Tensor, targets: Tensor) -> Tensor:
    """Return the loss that training uses, without smoothing."""
    return F.cross_entropy(logits.float(), targets)


def _accuracy(
    features: NDArray[np.float32],
    targets: Int64Array,
    pictures: Sequence[LabelledPicture],
    labels: Sequence[str],
    *,
    seed: int,
) -> float:
    """Return the out-of-fold accuracy of a probe for ``targets``; copies of a picture stay together."""
    named = [labels[target] for target in targets.tolist()]
    folds = grouped_folds(named, [picture.group for picture in pictures], k=FOLDS, seed=seed)
    relabelled = [replace(picture, label=label) for picture, label in zip(pictures, named, strict=True)]
    logits = held_out_logits(features, relabelled, labels, folds, strength=STRENGTH)
    return float((logits.argmax(axis=1) == targets).mean())


def _sample_per_label(pictures: Sequence[LabelledPicture], most: int) -> list[LabelledPicture]:
    """Choose pictures by a hash, as many of each label as of any other while they last."""
    by_label: dict[str, list[LabelledPicture]] = {}
    for picture in sorted(pictures, key=lambda each: each.sha256):
        by_label.setdefault(picture.label, []).append(picture)
    rounds = zip_longest(*by_label.values())
    chosen = [picture for each in rounds for picture in each if picture is not None]
    return chosen[: max(most, len(by_label) * FOLDS)]


def _noise_features(backbone: Backbone, count: int, *, seed: int) -> Float32Array:
    random, size = np.random.default_rng(seed), backbone.preprocessing.size
    parts = [
        backbone.features(random.integers(0, 256, (min(BATCH, count - start), size, size, 3), dtype=np.uint8))
        for start in range(0, count, BATCH)
    ]
    return np.concatenate(parts)


def _one_batch(pictures: Sequence[LabelledPicture], labels: Sequence[str], backbone: Backbone) -> tuple[Tensor, Tensor]:
    """Return (B, 3, S, S) normalised pictures of as many labels as there are, and their label numbers."""
    chosen = list(pictures[:BATCH])
    pixels = np.stack([backbone.prepare(open_picture(picture.path)) for picture in chosen])
    normalise = Normalise(backbone.preprocessing).to(backbone.device)
    images = normalise(torch.from_numpy(pixels).permute(0, 3, 1, 2).to(backbone.device))
    return images, torch.from_numpy(numbers_of(chosen, labels)).to(backbone.device)


PRESETS: Final = {
    ("cpu", "fast"): PACKAGED_MODEL,
    ("cpu", "best"): "mobilenetv4_conv_medium.e500_r256_in1k",
    ("gpu", "fast"): "convnext_nano.in12k_ft_in1k",
    ("gpu", "best"): "convnext_base.fb_in22k_ft_in1k",
}
SMALLEST_SIZE, LARGEST_SIZE = 32, 2048


def checked(config: TrainConfig) -> TrainConfig:
    """Return the settings, with what follows from them filled in.

    Raises:
        UsageError: they cannot work.
    """
    require_allowed(config)
    if not (0 < config.validation_share < 1 and 0 < config.test_share < 1):
        raise UsageError("the shares for validation and test lie between 0 and 1. Nothing was changed.")
    if config.validation_share + config.test_share > 0.8:
        raise UsageError("validation and test take more than 80 % of the pictures. Nothing was changed.")
    if config.track is not None:
        find_program(config.track)
    if config.start_from is not None:
        config = _started_from(config, config.start_from)
    if config.weights not in ("auto", "packaged", "hub") and not Path(config.weights).exists():
        raise UsageError(
            f"--weights {config.weights} is no file. Nothing was changed. Give a file, or auto, packaged or hub."
        )
    return _sized(_named(config))


def _started_from(config: TrainConfig, start: Path) -> TrainConfig:
    """Return the settings with the network and the weights of a model folder."""
    folder = find_model(start)
    architecture, weights = architecture_of(folder), str(folder.absolute())
    if config.backbone not in (None, architecture) or config.weights not in ("auto", weights):
        raise UsageError(
            f"--from {start} says which network and which weights ({architecture}). Nothing was changed. Leave "
            "--backbone and --weights out."
        )
    return replace(config, backbone=architecture, weights=weights)


def _named(config: TrainConfig) -> TrainConfig:
    """Return the settings with the backbone of the preset; that of the usual one may depend on what can be had."""
    if config.backbone is not None or config.preset == "default":
        return config
    place = "gpu" if choose_device(config.device).type != "cpu" else "cpu"
    return replace(config, backbone=PRESETS[place, config.preset])


def ignored_settings(config: TrainConfig) -> list[str]:
    """Return the settings that were changed and do nothing where only the probe is trained."""
    return [
        each.name
        for each in declared(TrainConfig).values()
        if each.option.group == FINE_TUNING and getattr(config, each.name) != each.default
    ]


def _sized(config: TrainConfig) -> TrainConfig:
    sizes = config.progressive
    for size in (*sizes, *([config.size] if config.size else [])):
        if not SMALLEST_SIZE <= size <= LARGEST_SIZE:
            raise UsageError(
                f"a size of {size} px cannot be used. Nothing was changed. Give {SMALLEST_SIZE} to {LARGEST_SIZE}."
            )
    if not sizes:
        return config
    if list(sizes) != sorted(set(sizes)):
        raise UsageError(
            f"--progressive {','.join(map(str, sizes))} does not grow. Nothing was changed. Write it as 160,192,224."
        )
    if config.size not in (None, sizes[-1]):
        raise UsageError(
            f"--progressive ends at {sizes[-1]} px and --size is {config.size}. Nothing was changed. Leave one out."
        )
    return replace(config, size=sizes[-1])
