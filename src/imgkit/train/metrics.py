"""Scores of predictions, each with a 95 % interval."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from imgkit.train.intervals import Interval, macro_f1_interval, wilson

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

SMALLEST_PROBABILITY = 1e-12  # a probability of 0 would make one mistake cost infinity


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """What one model says about N pictures whose labels are known.

    ``probabilities`` is (N, K) with rows summing to 1; ``targets`` is (N,) label numbers; ``groups`` is (N,) numbers
    that are equal for near-duplicates.
    """

    probabilities: Floats
    targets: Ints
    groups: Ints

    def __len__(self) -> int:
        return len(self.targets)

    @property
    def predicted(self) -> Ints:
        """The most probable label of each picture, (N,)."""
        return np.asarray(self.probabilities.argmax(axis=1), dtype=np.int64)

    @property
    def right(self) -> NDArray[np.bool_]:
        """Whether the most probable label is the given one, (N,)."""
        return np.asarray(self.predicted == self.targets)

    @property
    def losses(self) -> Floats:
        """The negative log probability of the given label, (N,), nats; high is bad."""
        given = self.probabilities[np.arange(len(self.targets)), self.targets]
        return np.asarray(-np.log(np.maximum(given, SMALLEST_PROBABILITY)))


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelScore:
    """How one label fares. ``support`` counts its pictures; precision is 0 where nothing was called so."""

    label: str
    support: int
    predicted: int
    precision: Interval
    recall: Interval
    f1: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Scores:
    """The scores of one model on one set of pictures. All shares are 0 to 1; ``nll`` is in nats.

    ``top_k`` is the share whose label is among the ``k`` most probable; it is left out (None) for fewer than
    ``k + 2`` labels, where it would flatter. ``confusion[i][j]`` counts pictures of label i that were called j.
    """

    count: int
    groups: int
    accuracy: Interval
    macro_f1: Interval
    top_k: Interval | None
    k: int
    nll: float
    ece: float
    per_label: tuple[LabelScore, ...]
    confusion: tuple[tuple[int, ...], ...]

    def as_json(self) -> dict[str, object]:
        """Return the scores as JSON-ready values."""
        return asdict(self)


def score(answers: Answers, labels: Sequence[str], *, k: int = 3, seed: int = 0) -> Scores:
    """Score predictions.

    Intervals of shares are Wilson's with the number of groups as the sample size, because copies are no independent
    evidence; that of macro-F1 is a bootstrap over groups.
    """
    confusion = confusion_matrix(answers.targets, answers.predicted, len(labels))
    groups = len(np.unique(answers.groups))
    return Scores(
        count=len(answers),
        groups=groups,
        accuracy=share(answers.right, answers.groups),
        macro_f1=macro_f1_interval(answers.targets, answers.predicted, answers.groups, len(labels), seed=seed),
        top_k=share(in_top_k(answers, k), answers.groups) if len(labels) >= k + 2 else None,
        k=k,
        nll=float(answers.losses.mean()),
        ece=calibration_error(answers),
        per_label=tuple(_label_scores(answers, labels)),
        confusion=tuple(tuple(int(count) for count in row) for row in confusion),
    )


def confusion_matrix(targets: Ints, predicted: Ints, labels: int) -> Ints:
    """Return (K, K) counts: row = given label, column = predicted label."""
    flat = np.bincount(targets * labels + predicted, minlength=labels * labels)
    return flat.reshape(labels, labels).astype(np.int64)


def share(hits: NDArray[np.bool_], groups: Ints) -> Interval:
    """Return the share of hits with Wilson's interval, each group of copies counted as one trial."""
    return wilson(float(hits.mean()), len(np.unique(groups)))


def in_top_k(answers: Answers, k: int) -> NDArray[np.bool_]:
    """Return, for each picture, whether fewer than ``k`` labels are more probable than the given one."""
    given = answers.probabilities[np.arange(len(answers)), answers.targets]
    return np.asarray((answers.probabilities > given[:, None]).sum(axis=1) < k)


def calibration_error(answers: Answers, bins: int = 15) -> float:
    """Return the expected calibration error: how far confidence and accuracy part on average, 0 to 1, high is bad.

    Bins hold equally many pictures, so that a confident model is not judged by a few pictures in empty bins.

    Source: Guo et al. 2017, "On Calibration of Modern Neural Networks"; equal-mass bins as in Nixon et al. 2019.
    """
    confidence = answers.probabilities.max(axis=1)
    count = max(1, min(bins, len(confidence) // 10))
    edges = np.unique(np.quantile(confidence, np.linspace(0, 1, count + 1)[1:-1]))
    bin_of = np.digitize(confidence, edges)
    parts = [bin_of == number for number in np.unique(bin_of)]
    gaps = [abs(float(answers.right[part].mean() - confidence[part].mean())) * int(part.sum()) for part in parts]
    return sum(gaps) / len(confidence)


def _label_scores(answers: Answers, labels: Sequence[str]) -> list[LabelScore]:
    scores = []
    for number, label in enumerate(labels):
        given, called = answers.targets == number, answers.predicted == number
        both = given & called
        scores.append(
            LabelScore(
                label=label,
                support=int(given.sum()),
                predicted=int(called.sum()),
                precision=_part(both, called, answers.groups),
                recall=_part(both, given, answers.groups),
                f1=_f1(int(both.sum()), int(given.sum()), int(called.sum())),
            )
        )
    return scores


def _part(hits: NDArray[np.bool_], among: NDArray[np.bool_], groups: Ints) -> Interval:
    if not among.any():
        return Interval(value=0.0, low=0.0, high=1.0)
    return share(hits[among], groups[among])


def _f1(both: int, given: int, called: int) -> float:
    return 2 * both / (given + called) if given + called else 0.0
