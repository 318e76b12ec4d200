"""Select test pictures for error analysis: wrong and uncertain ones, each with its nearest training picture."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from imgkit.dataset.picture import LabelledPicture
from imgkit.models.evaluate import Evaluated
from imgkit.vision.features.probe import unit_rows

SHOWN = 12  # pictures in each gallery
CONFIDENT = 0.8  # a mistake above this probability is a confident one
COPY_SIMILARITY = 0.95  # cosine of features from which two pictures are shown as possible copies


@dataclass(frozen=True, slots=True, kw_only=True)
class Neighbour:
    """The training picture nearest to a test picture; ``similarity`` is the cosine of their features, -1 to 1."""

    picture: LabelledPicture
    similarity: float

    @property
    def looks_like_a_copy(self) -> bool:
        """Whether the two may be the same picture, which the split should have kept together."""
        return self.similarity >= COPY_SIMILARITY


@dataclass(frozen=True, slots=True, kw_only=True)
class TestedPicture:
    """One test picture: its label, what it was called, how surely (0 to 1), and its nearest training picture."""

    picture: LabelledPicture
    predicted: str
    confidence: float
    given: float
    neighbour: Neighbour


@dataclass(frozen=True, slots=True, kw_only=True)
class Confusion:
    """Pictures of ``label`` that were called ``predicted``: how many, and some of them, the surest first."""

    label: str
    predicted: str
    count: int
    cases: tuple[TestedPicture, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorGalleries:
    """What to look at. ``copies`` are test pictures that look like a copy of a training picture."""

    wrong_confident: tuple[TestedPicture, ...]
    wrong_unsure: tuple[TestedPicture, ...]
    right_unsure: tuple[TestedPicture, ...]
    confusions: tuple[Confusion, ...]
    copies: tuple[TestedPicture, ...]


def galleries(
    evaluated: Evaluated,
    labels: Sequence[str],
    *,
    features: NDArray[np.float32],
    training: Sequence[LabelledPicture],
    training_features: NDArray[np.float32],
) -> ErrorGalleries:
    """Choose the pictures to show.

    Args:
        evaluated: N test pictures.
        labels: in the order of the outputs.
        features: (N, D) of the test pictures, by the frozen backbone.
        training: M training pictures.
        training_features: (M, D).
    """
    cases = _cases(evaluated, labels, nearest(features, training, training_features))
    wrong = [case for case in cases if case.predicted != case.picture.label]
    right = [case for case in cases if case.predicted == case.picture.label]
    confident = sorted((case for case in wrong if case.confidence >= CONFIDENT), key=_confidence, reverse=True)
    unsure = sorted((case for case in wrong if case.confidence < CONFIDENT), key=_confidence, reverse=True)
    copies = sorted((case for case in cases if case.neighbour.looks_like_a_copy), key=_similarity, reverse=True)
    return ErrorGalleries(
        wrong_confident=tuple(confident[:SHOWN]),
        wrong_unsure=tuple(unsure[:SHOWN]),
        right_unsure=tuple(sorted(right, key=_confidence)[:SHOWN]),
        confusions=tuple(_confusions(wrong)),
        copies=tuple(copies),
    )


def nearest(
    features: NDArray[np.float32], training: Sequence[LabelledPicture], training_features: NDArray[np.float32]
) -> list[Neighbour]:
    """Return, for each row of ``features``, the most similar training picture."""
    similarity = unit_rows(features) @ unit_rows(training_features).T
    places = similarity.argmax(axis=1)
    return [
        Neighbour(picture=training[place], similarity=float(similarity[row, place]))
        for row, place in enumerate(places.tolist())
    ]


def _cases(evaluated: Evaluated, labels: Sequence[str], neighbours: Sequence[Neighbour]) -> list[TestedPicture]:
    predictions = evaluated.predictions
    return [
        TestedPicture(
            picture=picture,
            predicted=labels[int(predictions.predicted[row])],
            confidence=float(predictions.probabilities[row].max()),
            given=float(predictions.probabilities[row, predictions.targets[row]]),
            neighbour=neighbours[row],
        )
        for row, picture in enumerate(evaluated.pictures)
    ]


def _confusions(wrong: Sequence[TestedPicture]) -> list[Confusion]:
    pairs: dict[tuple[str, str], list[TestedPicture]] = {}
    for case in wrong:
        pairs.setdefault((case.picture.label, case.predicted), []).append(case)
    found = [
        Confusion(
            label=label,
            predicted=predicted,
            count=len(cases),
            cases=tuple(sorted(cases, key=_confidence, reverse=True)[:4]),
        )
        for (label, predicted), cases in pairs.items()
    ]
    return sorted(found, key=lambda each: (-each.count, each.label, each.predicted))[:6]


def _confidence(case: TestedPicture) -> float:
    return case.confidence


def _similarity(case: TestedPicture) -> float:
    return case.neighbour.similarity
