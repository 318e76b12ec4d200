"""The linear probe on the features of the frozen backbone, and label issues found by confident learning."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from imgkit.arrays import Float32Array, Float64Array, Int64Array
from imgkit.dataset.groups import group_numbers, numbers_of
from imgkit.dataset.picture import LabelledPicture
from imgkit.models.calibration import Calibration, fit_temperature
from imgkit.models.metrics import LabelledPredictions, score
from imgkit.models.network import Head
from imgkit.vision.features.confident_learning import (
    calibrated,
    calibrated_joint,
    estimate_wrong_labels,
    prune_by_noise_rate,
)
from imgkit.vision.features.folds import grouped_folds
from imgkit.vision.features.parallel_batches import map_batches
from imgkit.vision.features.probe import Probe, balances, fit_probe, nameable_of, softmax

UNSEEN_LOGIT = -30.0  # of a label that was in no training fold


IssueKind = Literal["doubted", "hard", "weak label"]
WEAK_F1 = 0.8  # of a label, out-of-fold


@dataclass(frozen=True, slots=True, kw_only=True)
class OutOfFold:
    """Each picture judged by a probe that has seen neither it nor its near-duplicates.

    ``answers`` are calibrated with ``calibration``, which was fitted on the same held-out logits. ``nameable`` says
    which of the N pictures have another group of their label to learn from in the other folds; about the others a
    probe of the other folds can say nothing, and they are in no score and in no calibration. The same holds of those
    that the network itself has learned from.
    """

    predictions: LabelledPredictions
    nameable: NDArray[np.bool_]
    calibration: Calibration
    strength: float

    @property
    def nameable_predictions(self) -> LabelledPredictions | None:
        """The predictions for the nameable pictures; None where there is none."""
        return part_of(self.predictions, self.nameable) if self.nameable.any() else None


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelIssue:
    """A picture that the probe gives another label. ``given`` and ``suggested`` are probabilities, 0 to 1.

    ``kind`` is "doubted" where confident learning calls the label an issue, as many as may be wrong; of the others it
    is "weak label" where the probe knows the whole label badly (F1 below 0.8), else "hard". ``wrong`` is the
    probability, 0 to 1, that the given label is wrong.
    """

    picture: LabelledPicture
    suggestion: str
    kind: IssueKind
    given: float
    suggested: float
    wrong: float


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelReview:
    """What the probe says about the labels: the issues, doubted ones first, and how many of ``judged`` are wrong.

    ``wrong`` is the estimated number of wrong labels, ``low`` to ``high`` its 95 % interval, in pictures.
    """

    issues: tuple[LabelIssue, ...]
    judged: int
    wrong: float
    low: float
    high: float

    def count(self, kind: IssueKind) -> int:
        """Return how many issues are of a kind."""
        return sum(issue.kind == kind for issue in self.issues)

    def estimate(self) -> str:
        """Return the estimate in words, such as "about 9 of 358 (95 % interval 3 to 17)"."""
        return (
            f"about {round(self.wrong)} of {self.judged:,} (95 % interval {math.floor(self.low)} to "
            f"{math.ceil(self.high)})"
        )


def fit_head(
    features: Float32Array, pictures: Sequence[LabelledPicture], *, strength: float | None = None, seed: int = 0
) -> tuple[Head, float]:
    """Return the probe of all ``pictures`` as a head for raw features, and its inverse regularisation.

    The head is not calibrated: only ``ProbeResult.calibrated`` divides by the temperature of the out-of-fold logits.
    """
    probe = fit_probe(features, _labels(pictures), _groups(pictures), strength=strength, seed=seed)
    return Head(weight=probe.weights, bias=probe.bias), probe.strength


def out_of_fold(
    features: Float32Array,
    pictures: Sequence[LabelledPicture],
    labels: Sequence[str],
    *,
    strength: float,
    folds: int,
    seed: int,
    learned: frozenset[str] = frozenset(),
) -> OutOfFold:
    """Judge each picture by a probe of the other folds; groups never part.

    Args:
        features: (N, D).
        pictures: N pictures.
        labels: K labels in the order of the outputs.
        strength: inverse regularisation, as ``fit_head`` chose it.
        folds: how many parts.
        seed: of the parts.
        learned: the SHA-256 of pictures that the network has learned from: no fold can judge them.
    """
    numbers = grouped_folds(_labels(pictures), _groups(pictures), k=folds, seed=seed)
    logits = held_out_logits(features, pictures, labels, numbers, strength=strength)
    targets, groups = numbers_of(pictures, labels), group_numbers(pictures)
    nameable = nameable_of(targets, numbers) & np.array([picture.sha256 not in learned for picture in pictures])
    rows = nameable if nameable.any() else np.ones(len(targets), np.bool_)
    calibration = fit_temperature(logits[rows], targets[rows], groups[rows])
    predictions = LabelledPredictions(
        probabilities=softmax(logits / calibration.temperature), targets=targets, groups=groups
    )
    return OutOfFold(predictions=predictions, nameable=nameable, calibration=calibration, strength=strength)


def held_out_logits(
    features: Float32Array,
    pictures: Sequence[LabelledPicture],
    labels: Sequence[str],
    folds: Int64Array,
    *,
    strength: float,
    used: NDArray[np.bool_] | None = None,
) -> Float64Array:
    """Return (N, K) logits: of each picture by the probe of the other folds.

    Args:
        features: (N, D).
        pictures: N pictures.
        labels: K labels in the order of the outputs.
        folds: (N,) the fold of each picture.
        strength: inverse regularisation.
        used: (N,) the pictures that may be learned from; None: all.
    """
    logits = np.full((len(pictures), len(labels)), UNSEEN_LOGIT)
    balanced = balances(_labels(pictures))

    def judge(fold: int) -> tuple[NDArray[np.intp], list[int], Float64Array] | None:
        """Return the places of the fold's pictures, the columns of the labels that the others have, and the logits."""
        held = folds == fold
        learned = ~held if used is None else ~held & used
        rest = [picture for picture, taken in zip(pictures, learned, strict=True) if taken]
        if len(set(_labels(rest))) < 2:
            return None  # all of a label's pictures are copies of one another and in this fold: nothing to compare with
        probe = fit_probe(features[learned], _labels(rest), strength=strength, balanced=balanced)
        return np.flatnonzero(held), _columns(probe, labels), np.asarray(probe.logits(features[held]), np.float64)

    for judged in map_batches(judge, np.unique(folds).tolist()):
        if judged is not None:
            rows, columns, found = judged
            logits[np.ix_(rows, np.array(columns, dtype=np.intp))] = found
    return logits


def review_labels(judged: OutOfFold, pictures: Sequence[LabelledPicture], labels: Sequence[str]) -> LabelReview:
    """Return the pictures that get another label, doubted ones first, the likeliest to be wrong first.

    Pictures that no fold can name are left out. Doubted are the issues of confident learning, the surest ones, as many
    as the upper end of the estimate.
    """
    predictions = judged.nameable_predictions
    if predictions is None:
        return LabelReview(issues=(), judged=0, wrong=0.0, low=0.0, high=0.0)
    targets, groups = predictions.targets, np.unique(predictions.groups, return_inverse=True)[1]
    estimate = estimate_wrong_labels(targets, predictions.probabilities, 1 / np.bincount(groups)[groups])
    calm = calibrated(targets, predictions.probabilities)
    flagged = prune_by_noise_rate(targets, calm, calibrated_joint(targets, calm))
    order = np.argsort(-estimate.chances, kind="stable")
    doubted = set([row for row in order.tolist() if flagged[row]][: math.ceil(estimate.high)])
    scores, known = score(predictions, labels).per_label, np.flatnonzero(judged.nameable).tolist()
    issues = []
    for row in order[~predictions.right[order]].tolist():
        weak = scores[int(targets[row])].f1 < WEAK_F1
        suggested = int(predictions.predicted[row])
        issues.append(
            LabelIssue(
                picture=pictures[known[row]],
                suggestion=labels[suggested],
                kind="doubted" if row in doubted else "weak label" if weak else "hard",
                given=float(predictions.probabilities[row, targets[row]]),
                suggested=float(predictions.probabilities[row, suggested]),
                wrong=float(estimate.chances[row]),
            )
        )
    issues.sort(key=lambda issue: issue.kind != "doubted")
    return LabelReview(
        issues=tuple(issues), judged=len(predictions), wrong=estimate.count, low=estimate.low, high=estimate.high
    )


def part_of(predictions: LabelledPredictions, rows: NDArray[np.bool_]) -> LabelledPredictions:
    """Return the predictions for the pictures that ``rows``, (N,), chooses."""
    return LabelledPredictions(
        probabilities=predictions.probabilities[rows],
        targets=predictions.targets[rows],
        groups=predictions.groups[rows],
    )


def logits(head: Head, features: Float32Array) -> Float64Array:
    """Return the (N, K) logits of (N, D) features."""
    return np.asarray(features.astype(np.float64) @ head.weight.T.astype(np.float64) + head.bias)


def _columns(probe: Probe, labels: Sequence[str]) -> list[int]:
    places = {label: place for place, label in enumerate(labels)}
    return [places[label] for label in probe.classes]


def _labels(pictures: Sequence[LabelledPicture]) -> list[str]:
    return [picture.label for picture in pictures]


def _groups(pictures: Sequence[LabelledPicture]) -> list[str]:
    return [picture.group for picture in pictures]
