"""Scores of predictions, each with a 95 % interval."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from imgkit.arrays import Float64Array, Int64Array
from imgkit.models.intervals import Interval, macro_f1_interval, wilson
from imgkit.notebook import TableReport

SMALLEST_PROBABILITY = 1e-12  # a probability of 0 would make one mistake cost infinity
CHANCE_DRAWS = 1000  # for the calibration error that chance gives
CHANCE_LEVEL = 0.95  # of these draws are below it


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelledPredictions:
    """The predictions of one model for N pictures whose labels are known.

    ``probabilities`` is (N, K) with rows summing to 1; ``targets`` is (N,) label numbers; ``groups`` is (N,) numbers
    that are equal for near-duplicates.
    """

    probabilities: Float64Array
    targets: Int64Array
    groups: Int64Array

    def __len__(self) -> int:
        return len(self.targets)

    @property
    def predicted(self) -> Int64Array:
        """The most probable label of each picture, (N,)."""
        return np.asarray(self.probabilities.argmax(axis=1), dtype=np.int64)

    @property
    def confidence(self) -> Float64Array:
        """The probability of the most probable label of each picture, (N,)."""
        return np.asarray(self.probabilities.max(axis=1))

    @property
    def right(self) -> NDArray[np.bool_]:
        """Whether the most probable label is the given one, (N,)."""
        return np.asarray(self.predicted == self.targets)

    @property
    def losses(self) -> Float64Array:
        """The negative log probability of the given label, (N,), nats; high is bad."""
        given = self.probabilities[np.arange(len(self.targets)), self.targets]
        return np.asarray(-np.log(np.maximum(given, SMALLEST_PROBABILITY)))


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelScore:
    """Scores of one label. ``support`` counts its pictures, ``predicted`` its predictions (none: precision 0)."""

    label: str
    support: int
    predicted: int
    precision: Interval
    recall: Interval
    f1: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Scores(TableReport):
    """The scores of one model on one set of pictures. All shares are 0 to 1; ``nll`` is in nats.

    ``top_k`` is the share whose label is among the ``k`` most probable; it is None for fewer than ``k + 2``
    labels, where it says little. ``confidence`` is the mean probability of the most probable label;
    ``ece`` is the calibration error, and 95 % of samples of this size stay below ``ece_by_chance`` where probabilities
    are right. ``confusion[i][j]`` counts pictures of label i that were called j.
    """

    count: int
    groups: int
    accuracy: Interval
    macro_f1: Interval
    top_k: Interval | None
    k: int
    nll: float
    confidence: float
    ece: float
    ece_by_chance: float
    per_label: tuple[LabelScore, ...]
    confusion: tuple[tuple[int, ...], ...]

    @property
    def miscalibrated(self) -> bool:
        """Whether the calibration error is larger than chance explains."""
        return self.ece > self.ece_by_chance

    def table(self) -> tuple[Sequence[str], Sequence[Sequence[object]]]:
        """Return one row for each label: test pictures, F1, recall and precision with 95 % intervals, 0 to 1."""
        rows = [
            [
                *(each.label, each.support, each.f1),
                *(each.recall.value, each.recall.low, each.recall.high),
                *(each.precision.value, each.precision.low, each.precision.high),
            ]
            for each in self.per_label
        ]
        columns = ["label", "pictures", "F1", "recall", "recall low", "recall high"]
        return [*columns, "precision", "precision low", "precision high"], rows

    def as_json(self) -> dict[str, object]:
        """Return the scores as JSON-ready values."""
        return asdict(self)


def score(predictions: LabelledPredictions, labels: Sequence[str], *, k: int = 3, seed: int = 0) -> Scores:
    """Score predictions.

    Intervals of shares are Wilson's with the number of groups as the sample size, because copies are no independent
    evidence; that of macro-F1 is a bootstrap over groups.
    """
    confusion = confusion_matrix(predictions.targets, predictions.predicted, len(labels))
    groups = len(np.unique(predictions.groups))
    return Scores(
        count=len(predictions),
        groups=groups,
        accuracy=share(predictions.right, predictions.groups),
        macro_f1=macro_f1_interval(
            predictions.targets, predictions.predicted, predictions.groups, len(labels), seed=seed
        ),
        top_k=share(in_top_k(predictions, k), predictions.groups) if len(labels) >= k + 2 else None,
        k=k,
        nll=float(predictions.losses.mean()),
        confidence=float(predictions.confidence.mean()),
        ece=calibration_error(predictions),
        ece_by_chance=calibration_error_by_chance(predictions, seed=seed),
        per_label=tuple(_label_scores(predictions, labels)),
        confusion=tuple(tuple(int(count) for count in row) for row in confusion),
    )


def confusion_matrix(targets: Int64Array, predicted: Int64Array, labels: int) -> Int64Array:
    """Return (K, K) counts: row = given label, column = predicted label."""
    flat = np.bincount(targets * labels + predicted, minlength=labels * labels)
    return flat.reshape(labels, labels).astype(np.int64)


def share(hits: NDArray[np.bool_], groups: Int64Array) -> Interval:
    """Return the share of hits with Wilson's interval, each group of copies counted as one trial."""
    return wilson(float(hits.mean()), len(np.unique(groups)))


def in_top_k(predictions: LabelledPredictions, k: int) -> NDArray[np.bool_]:
    """Return, for each picture, whether fewer than ``k`` labels are more probable than the given one."""
    given = predictions.probabilities[np.arange(len(predictions)), predictions.targets]
    return np.asarray((predictions.probabilities > given[:, None]).sum(axis=1) < k)


def calibration_error(predictions: LabelledPredictions, bins: int = 15) -> float:
    """Return the expected calibration error: the mean distance of confidence and accuracy, 0 to 1, high is bad.

    Bins hold equally many pictures, so that a confident model is not judged by a few pictures in empty bins.

    Source: Guo et al. 2017, "On Calibration of Modern Neural Networks"; equal-mass bins as in Nixon et al. 2019.
    """
    return _gap(predictions.confidence, predictions.right, _bins(predictions.confidence, bins))


def calibration_error_by_chance(predictions: LabelledPredictions, bins: int = 15, *, seed: int = 0) -> float:
    """Return the calibration error, 0 to 1, that 95 % of samples stay below where every confidence is right.

    In each of 1,000 samples a picture is right with the probability that the model gave to its answer; pictures of one
    group are right or wrong together, as far as their confidences are alike.
    """
    draws = np.random.default_rng(seed)
    group = np.unique(predictions.groups, return_inverse=True)[1]
    confidence, count = predictions.confidence, int(group.max()) + 1
    bin_of = _bins(confidence, bins)
    errors = [_gap(confidence, draws.random(count)[group] < confidence, bin_of) for _ in range(CHANCE_DRAWS)]
    return float(np.quantile(errors, CHANCE_LEVEL))


def _bins(confidence: Float64Array, bins: int) -> Int64Array:
    """Return the bin of each confidence, (N,): about equally many in each, ten at least."""
    count = max(1, min(bins, len(confidence) // 10))
    edges = np.unique(np.quantile(confidence, np.linspace(0, 1, count + 1)[1:-1]))
    return np.digitize(confidence, edges)


def _gap(confidence: Float64Array, right: NDArray[np.bool_], bin_of: Int64Array) -> float:
    """Return the mean over all pictures of the distance of confidence and accuracy in their bin, 0 to 1."""
    return float(np.abs(np.bincount(bin_of, weights=right - confidence)).sum()) / len(confidence)


def _label_scores(predictions: LabelledPredictions, labels: Sequence[str]) -> list[LabelScore]:
    scores = []
    for number, label in enumerate(labels):
        given, called = predictions.targets == number, predictions.predicted == number
        both = given & called
        scores.append(
            LabelScore(
                label=label,
                support=int(given.sum()),
                predicted=int(called.sum()),
                precision=_part(both, called, predictions.groups),
                recall=_part(both, given, predictions.groups),
                f1=_f1(int(both.sum()), int(given.sum()), int(called.sum())),
            )
        )
    return scores


def _part(hits: NDArray[np.bool_], among: NDArray[np.bool_], groups: Int64Array) -> Interval:
    if not among.any():
        return Interval(value=0.0, low=0.0, high=1.0)
    return share(hits[among], groups[among])


def _f1(both: int, given: int, called: int) -> float:
    return 2 * both / (given + called) if given + called else 0.0
