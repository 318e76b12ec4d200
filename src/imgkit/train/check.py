"""Try in a minute whether training can work at all here: the faults that otherwise show after days, each looked for.

Every trial says what it did, what came out and what should have. A trial that fails names the likely causes.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from imgkit.progress import Progress, Silent
from imgkit.train.checked import checked
from imgkit.train.config import TrainConfig
from imgkit.train.folder import scan
from imgkit.train.intervals import Z95
from imgkit.train.metrics import Ints
from imgkit.train.model import Normalise, learn, learning_share
from imgkit.train.picture import Picture
from imgkit.train.probing import Features, held_out_logits, numbers_of
from imgkit.train.runfolder import cache_folder
from imgkit.train.tuning import backbone_of, network
from imgkit.vision.backbone import Backbone
from imgkit.vision.decode import open_picture
from imgkit.vision.embeddings import embed
from imgkit.vision.folds import grouped_folds
from imgkit.vision.probe import unit_rows

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
class Trial:
    """One thing that was tried: what came out, what should have, and the likely causes if it did not."""

    name: str
    passed: bool
    found: str
    expected: str
    causes: str


def check(config: TrainConfig, *, progress: Progress | None = None) -> list[Trial]:
    """Try training on some of the pictures that ``config`` names, with its backbone and learning rate.

    Raises:
        UsageError: the data or the backbone cannot be used at all.
    """
    progress, config = progress or Silent(), checked(config)
    cache = cache_folder(config)
    found = scan(config.data, cache=cache, progress=progress)
    backbone = backbone_of(config, progress)
    some = _some(found.pictures, MOST_PICTURES)
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
    features: Features,
    noise: Callable[[int], Features],
    pictures: Sequence[Picture],
    labels: Sequence[str],
    *,
    seed: int = 0,
) -> list[Trial]:
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
    by_chance, by_noise = _not_by_luck(from_shuffled, limit), _not_by_luck(from_noise, limit)
    return [
        Trial(
            name="the pictures tell their labels",
            passed=right > limit,
            found=f"{100 * right:.1f} % right, out-of-fold; likeness of two pictures {alike:.2f}",
            expected=f"more than {100 * limit:.1f} %",
            causes=NOTHING_TO_SEE if alike > ALIKE else WRONG_LABELS,
        ),
        Trial(
            name="shuffled labels cannot be told",
            passed=by_chance <= limit,
            found=f"{100 * by_chance:.1f} % right, out-of-fold",
            expected=f"at most {100 * limit:.1f} %",
            causes="held-out pictures are learned from",
        ),
        Trial(
            name="noise tells nothing",
            passed=by_noise <= limit,
            found=f"{100 * by_noise:.1f} % right from noise",
            expected=f"at most {100 * limit:.1f} %",
            causes="the answer reaches the model by another way than the picture",
        ),
    ]


def _not_by_luck(trial: Callable[[int], float], limit: float) -> float:
    """Return what a trial finds; where that is above ``limit``, the lower one of it and of a second draw.

    Chance alone passes the limit once in 200 times, a leak every time.
    """
    first = trial(0)
    return first if first <= limit else min(first, trial(1))


def _likeness(features: Features) -> float:
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
) -> list[Trial]:
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
    learn(model)
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
    share = learning_share(model)
    moved = 1 - still / share.total
    return [
        Trial(
            name="the first loss is that of knowing nothing",
            passed=abs(first - chance) <= CHANCE_TOLERANCE * chance,
            found=f"{first:.3f}",
            expected=f"ln {labels} = {chance:.3f} ± {100 * CHANCE_TOLERANCE:.0f} %",
            causes="another loss than cross-entropy of raw outputs, a softmax too many, or a wrong number of labels",
        ),
        Trial(
            name="one batch can be learned by heart",
            passed=hits == 1.0 and last < LEARNED_LOSS * chance,
            found=f"{100 * hits:.0f} % right, loss {last:.3f} after at most {STEPS} steps",
            expected=f"100 %, below {LEARNED_LOSS * chance:.3f}",
            causes="a learning rate of 0 or far too high, a wrong loss, frozen layers, or pictures that change",
        ),
        Trial(
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
    features: NDArray[np.float32], targets: Ints, pictures: Sequence[Picture], labels: Sequence[str], *, seed: int
) -> float:
    """Return the out-of-fold accuracy of a probe for ``targets``; copies of a picture stay together."""
    named = [labels[target] for target in targets.tolist()]
    folds = grouped_folds(named, [picture.group for picture in pictures], k=FOLDS, seed=seed)
    relabelled = [replace(picture, label=label) for picture, label in zip(pictures, named, strict=True)]
    logits = held_out_logits(features, relabelled, labels, folds, strength=STRENGTH)
    return float((logits.argmax(axis=1) == targets).mean())


def _some(pictures: Sequence[Picture], most: int) -> list[Picture]:
    """Choose pictures by a hash, as many of each label as of any other while they last."""
    by_label: dict[str, list[Picture]] = {}
    for picture in sorted(pictures, key=lambda each: each.sha256):
        by_label.setdefault(picture.label, []).append(picture)
    rounds = zip_longest(*by_label.values())
    chosen = [picture for each in rounds for picture in each if picture is not None]
    return chosen[: max(most, len(by_label) * FOLDS)]


def _noise_features(backbone: Backbone, count: int, *, seed: int) -> Features:
    random, size = np.random.default_rng(seed), backbone.preprocessing.size
    parts = [
        backbone.features(random.integers(0, 256, (min(BATCH, count - start), size, size, 3), dtype=np.uint8))
        for start in range(0, count, BATCH)
    ]
    return np.concatenate(parts)


def _one_batch(pictures: Sequence[Picture], labels: Sequence[str], backbone: Backbone) -> tuple[Tensor, Tensor]:
    """Return (B, 3, S, S) normalised pictures of as many labels as there are, and their label numbers."""
    chosen = list(pictures[:BATCH])
    pixels = np.stack([backbone.prepare(open_picture(picture.path)) for picture in chosen])
    normalise = Normalise(backbone.preprocessing).to(backbone.device)
    images = normalise(torch.from_numpy(pixels).permute(0, 3, 1, 2).to(backbone.device))
    return images, torch.from_numpy(numbers_of(chosen, labels)).to(backbone.device)
