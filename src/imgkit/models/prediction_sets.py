"""Prediction sets: the labels of which one is right nine times in ten, by split conformal prediction."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from imgkit.arrays import Float64Array, Int64Array
from imgkit.models.intervals import Interval
from imgkit.models.metrics import LabelledPredictions, share

COVERAGE: Final = 0.9


@dataclass(frozen=True, slots=True, kw_only=True)
class PredictionSets:
    """The rule of the sets: every label with a probability of ``least`` (0 to 1) or more, and always the most probable.

    ``coverage`` is the share of pictures, 0 to 1, whose label is to be in its set; ``pictures`` counts those that the
    rule was fitted on, without copies.
    """

    coverage: float
    least: float
    pictures: int

    def members(self, probabilities: Float64Array) -> NDArray[np.bool_]:
        """Return (N, K): which labels are in the set of each of (N, K) calibrated probabilities."""
        best = np.arange(probabilities.shape[1]) == probabilities.argmax(axis=1)[:, None]
        return np.asarray((probabilities >= self.least) | best)

    def places(self, probabilities: Float64Array) -> list[int]:
        """Return the places of the labels in the set of (K,) probabilities, the most probable first."""
        order = np.argsort(-probabilities, kind="stable").tolist()
        inside = self.members(probabilities[None])[0]
        return [place for place in order if inside[place]]

    def as_json(self) -> dict[str, object]:
        """Return the rule as JSON-ready values."""
        return {"coverage": self.coverage, "least": self.least, "pictures": self.pictures}

    @classmethod
    def from_json(cls, stored: Mapping[str, object]) -> "PredictionSets":
        """Return the rule that ``as_json`` gave.

        Raises:
            KeyError, TypeError, ValueError: it is none.
        """
        coverage, least, pictures = (float(str(stored[name])) for name in ("coverage", "least", "pictures"))
        if not (0 < coverage < 1 and 0 <= least <= 1 and math.isfinite(pictures)):
            raise ValueError("prediction sets that imgkit does not write")
        return cls(coverage=coverage, least=least, pictures=int(pictures))


@dataclass(frozen=True, slots=True, kw_only=True)
class SetScores:
    """How the sets did on labelled pictures: ``covered`` is the share whose label is in its set, with its interval.

    ``asked`` is the coverage that was asked for; ``mean_size`` counts labels in a set, ``single`` is the share of sets
    of one label, and ``sizes`` the share of sets of 1, 2, ... labels. Shares are 0 to 1.
    """

    asked: float
    covered: Interval
    mean_size: float
    single: float
    sizes: tuple[float, ...]

    def sentence(self) -> str:
        """Return the result in one sentence."""
        return (
            f"{100 * self.covered.value:.1f} % of the labels ({100 * self.covered.low:.1f} to "
            f"{100 * self.covered.high:.1f} %) are among those named as likely, where {100 * self.asked:.0f} % were "
            f"asked for; that is {self.mean_size:.1f} labels on average, one alone for {100 * self.single:.0f} % of "
            "the pictures"
        )


def fit_sets(predictions: LabelledPredictions, *, coverage: float = COVERAGE) -> PredictionSets:
    """Return the rule by which ``coverage`` of new pictures have their label in its set, on average over such samples.

    Each group of copies counts as one picture. With too few pictures to promise that (fewer than 9 for nine in ten),
    every label is in the set.

    Args:
        predictions: calibrated probabilities of pictures that the model has not learned from.
        coverage: share of pictures, above 0 and below 1.

    Source: Sadinle, Lei and Wasserman 2019, "Least ambiguous set-valued classifiers with bounded error levels".
    """
    given = predictions.probabilities[np.arange(len(predictions)), predictions.targets]
    _, group, counts = np.unique(predictions.groups, return_inverse=True, return_counts=True)
    weights, groups = 1 / counts[group], len(counts)
    order = np.argsort(-given, kind="stable")
    reached = np.cumsum(weights[order]) >= coverage * (groups + 1) - 1e-9
    least = float(given[order][reached.argmax()]) if reached.any() else 0.0
    return PredictionSets(coverage=coverage, least=least, pictures=groups)


def score_sets(sets: PredictionSets, predictions: LabelledPredictions) -> SetScores:
    """Score the sets on pictures that neither the model nor the rule was fitted on."""
    members = sets.members(predictions.probabilities)
    targets: Int64Array = predictions.targets
    inside = members[np.arange(len(predictions)), targets]
    sizes = members.sum(axis=1)
    shares = np.bincount(sizes, minlength=2)[1:] / len(sizes)
    return SetScores(
        asked=sets.coverage,
        covered=share(inside, predictions.groups),
        mean_size=float(sizes.mean()),
        single=float((sizes == 1).mean()),
        sizes=tuple(float(each) for each in shares),
    )
