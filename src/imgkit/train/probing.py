"""The first model: a linear probe on the features of the frozen backbone, and what it says about the labels."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from imgkit.train.calibrate import Calibration, fit_temperature, softmax
from imgkit.train.metrics import Answers, Floats, Ints
from imgkit.train.model import Head
from imgkit.train.picture import Picture
from imgkit.vision.folds import grouped_folds
from imgkit.vision.probe import Probe, fit_probe
from imgkit.vision.side_by_side import side_by_side

Features = NDArray[np.float32]
UNSEEN_LOGIT = -30.0  # of a label that was in no training fold


@dataclass(frozen=True, slots=True, kw_only=True)
class OutOfFold:
    """Each picture judged by a probe that has seen neither it nor its near-duplicates.

    ``answers`` are calibrated with ``calibration``, which was fitted on the same held-out logits.
    """

    answers: Answers
    calibration: Calibration
    strength: float


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelIssue:
    """A picture whose label the probe doubts. ``given`` and ``suggested`` are probabilities, 0 to 1."""

    picture: Picture
    suggestion: str
    given: float
    suggested: float


def fit_head(
    features: Features, pictures: Sequence[Picture], *, strength: float | None = None, seed: int = 0
) -> tuple[Head, float]:
    """Return the probe of all ``pictures`` as a head for raw features, and its inverse regularisation."""
    probe = fit_probe(features, _labels(pictures), _groups(pictures), strength=strength, seed=seed)
    return Head(weight=probe.weights, bias=probe.bias), probe.strength


def out_of_fold(
    features: Features, pictures: Sequence[Picture], labels: Sequence[str], *, strength: float, folds: int, seed: int
) -> OutOfFold:
    """Judge each picture by a probe of the other folds; groups never part.

    Args:
        features: (N, D).
        pictures: N pictures.
        labels: K labels in the order of the outputs.
        strength: inverse regularisation, as ``fit_head`` chose it.
        folds: how many parts.
        seed: of the parts.
    """
    numbers = grouped_folds(_labels(pictures), _groups(pictures), k=folds, seed=seed)
    logits = held_out_logits(features, pictures, labels, numbers, strength=strength)
    targets, groups = numbers_of(pictures, labels), group_numbers(pictures)
    calibration = fit_temperature(logits, targets, groups)
    answers = Answers(probabilities=softmax(logits / calibration.temperature), targets=targets, groups=groups)
    return OutOfFold(answers=answers, calibration=calibration, strength=strength)


def held_out_logits(
    features: Features,
    pictures: Sequence[Picture],
    labels: Sequence[str],
    folds: Ints,
    *,
    strength: float,
    used: NDArray[np.bool_] | None = None,
) -> Floats:
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

    def judge(fold: int) -> tuple[NDArray[np.intp], list[int], Floats] | None:
        """Return the places of the fold's pictures, the columns of the labels that the others have, and the logits."""
        held = folds == fold
        learned = ~held if used is None else ~held & used
        rest = [picture for picture, taken in zip(pictures, learned, strict=True) if taken]
        if len(set(_labels(rest))) < 2:
            return None  # all of a label's pictures are copies of one another and in this fold: nothing to compare with
        probe = fit_probe(features[learned], _labels(rest), strength=strength)
        return np.flatnonzero(held), _columns(probe, labels), np.asarray(probe.logits(features[held]), np.float64)

    for judged in side_by_side(judge, np.unique(folds).tolist()):
        if judged is not None:
            rows, columns, found = judged
            logits[np.ix_(rows, np.array(columns, dtype=np.intp))] = found
    return logits


def label_issues(answers: Answers, pictures: Sequence[Picture], labels: Sequence[str]) -> list[LabelIssue]:
    """Return the pictures that get another label, the surest doubts first."""
    issues = []
    for row in np.flatnonzero(~answers.right).tolist():
        suggested = int(answers.predicted[row])
        issues.append(
            LabelIssue(
                picture=pictures[row],
                suggestion=labels[suggested],
                given=float(answers.probabilities[row, answers.targets[row]]),
                suggested=float(answers.probabilities[row, suggested]),
            )
        )
    return sorted(issues, key=lambda issue: issue.given - issue.suggested)


def numbers_of(pictures: Sequence[Picture], labels: Sequence[str]) -> Ints:
    """Return the (N,) label numbers of ``pictures``."""
    places = {label: place for place, label in enumerate(labels)}
    return np.array([places[picture.label] for picture in pictures], dtype=np.int64)


def group_numbers(pictures: Sequence[Picture]) -> Ints:
    """Return (N,) numbers that are equal for pictures of one group."""
    return np.unique([picture.group for picture in pictures], return_inverse=True)[1].astype(np.int64)


def logits(head: Head, features: Features) -> Floats:
    """Return the (N, K) logits of (N, D) features."""
    return np.asarray(features.astype(np.float64) @ head.weight.T.astype(np.float64) + head.bias)


def _columns(probe: Probe, labels: Sequence[str]) -> list[int]:
    places = {label: place for place, label in enumerate(labels)}
    return [places[label] for label in probe.classes]


def _labels(pictures: Sequence[Picture]) -> list[str]:
    return [picture.label for picture in pictures]


def _groups(pictures: Sequence[Picture]) -> list[str]:
    return [picture.group for picture in pictures]
