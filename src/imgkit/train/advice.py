"""Say what a person should know about a run, and what to do next, worst first."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from imgkit.train.mistakes import Galleries
from imgkit.train.results import TrainReport

Level = Literal["stop", "care", "note"]
LEVELS: tuple[Level, ...] = ("stop", "care", "note")

WIDE_HALF_WIDTH = 0.05  # of the test accuracy: five points either way is too much to compare models by
WEAK_F1 = 0.8
OVERFIT_GAP = 0.1  # training accuracy on varied pictures above that on val
DOUBTED_SHARE = 0.02  # of the labels, from which on a review pays


@dataclass(frozen=True, slots=True)
class Advice:
    """One thing to know: ``what`` is the fact, ``why`` it matters, ``do`` a command or "" where there is none."""

    level: Level
    what: str
    why: str
    do: str = ""


def advise(report: TrainReport, shown: Galleries) -> list[Advice]:
    """Return what to know about ``report``, worst first."""
    found = [*_about_test(report), *_about_copies(report, shown), *_about_labels(report), *_about_fit(report)]
    return sorted(found, key=lambda each: LEVELS.index(each.level))


def _about_test(report: TrainReport) -> Iterator[Advice]:
    test = report.test
    if test.accuracy.low <= report.plan.majority:
        yield Advice(
            "stop",
            "The model is not better than always saying the largest label.",
            f"The test accuracy may be as low as {100 * test.accuracy.low:.1f} %, and the largest label alone gives "
            f"{100 * report.plan.majority:.1f} %.",
        )
    if test.accuracy.half_width > WIDE_HALF_WIDTH:
        yield Advice(
            "care",
            f"The test set is small: the accuracy could be {100 * test.accuracy.low:.0f} or "
            f"{100 * test.accuracy.high:.0f} %.",
            f"It has {test.groups} pictures that are not copies of one another. Differences between runs that are "
            "smaller than the interval mean nothing.",
            "imgkit harvest --per-label 200",
        )


def _about_copies(report: TrainReport, shown: Galleries) -> Iterator[Advice]:
    without = report.test_without_crossing
    if without is not None:
        yield Advice(
            "care",
            f"{report.plan.crossing} groups of near-duplicates cross the given split.",
            f"Test pictures that have a copy among the others flatter the model: without them the accuracy is "
            f"{100 * without.accuracy.value:.1f} % instead of {100 * report.test.accuracy.value:.1f} %.",
        )
    elif shown.copies:
        yield Advice(
            "care",
            f"{'One test picture looks' if len(shown.copies) == 1 else f'{len(shown.copies)} test pictures look'} very "
            "much like a training picture.",
            "Crops and edited copies can escape the perceptual hash; a model finds those easy. They are shown below.",
        )


def _about_labels(report: TrainReport) -> Iterator[Advice]:
    weak = [each for each in report.test.per_label if each.support and each.f1 < WEAK_F1]
    if weak:
        worst = min(weak, key=lambda each: each.f1)
        names = ", ".join(each.label for each in sorted(weak, key=lambda each: each.f1)[:4])
        yield Advice(
            "care",
            f"Weak labels: {names}.",
            f"{worst.label} reaches F1 {100 * worst.f1:.0f} on {worst.support} test pictures. More and cleaner "
            "pictures of these labels help most.",
        )
    learning = report.learning
    if learning is not None and learning.rising:
        names = f", most of all of {' and '.join(learning.wanting[:2])}" if learning.wanting else ""
        yield Advice(
            "note",
            f"More pictures will help{names}.",
            f"The second half of the pictures raised the accuracy by {100 * learning.gain.value:.1f} points (95 % "
            f"interval {100 * learning.gain.low:.1f} to {100 * learning.gain.high:.1f}).",
            "imgkit harvest --per-label 200",
        )
    judged = report.probe.count
    if report.label_issues > DOUBTED_SHARE * judged:
        yield Advice(
            "care",
            f"{report.label_issues} labels of {judged} are doubted.",
            "A model that never saw the picture gives it another label. Many of these are wrong labels; the surest are "
            "shown below, all are in label_issues.csv.",
            "imgkit curate --review",
        )


def _about_fit(report: TrainReport) -> Iterator[Advice]:
    yield from (Advice("note", f"{note[0].upper()}{note[1:]}.", "") for note in report.notes)
    if report.tuning is None:
        yield Advice(
            "note",
            "The model is a linear probe: the backbone was not trained.",
            "That takes seconds and is hard to beat with few pictures. Fine-tuning trains all layers; it is used only "
            "if it is better on the validation pictures.",
            f"imgkit train {report.data} --finetune",
        )
        return
    if not report.tuning.rows:
        return
    last = report.tuning.rows[-1]
    gap = last.train_accuracy - last.validation.accuracy
    if gap > OVERFIT_GAP:
        yield Advice(
            "care",
            f"Over-fitting: {100 * last.train_accuracy:.0f} % right on training pictures, "
            f"{100 * last.validation.accuracy:.0f} % on val.",
            "More pictures help; so do a smaller backbone or fewer epochs.",
        )
