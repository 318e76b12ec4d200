"""Warnings and advice about a finished run, the most severe first."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from imgkit import commands
from imgkit.manifest.folder import data_folder_of
from imgkit.models.report.error_analysis import ErrorGalleries
from imgkit.train.results import TrainReport

AdviceLevel = Literal["stop", "care", "note"]
LEVELS: tuple[AdviceLevel, ...] = ("stop", "care", "note")

WIDE_HALF_WIDTH = 0.05  # of the test accuracy: five points either way is too much to compare models by
WEAK_F1 = 0.8
OVERFIT_GAP = 0.1  # training accuracy on varied pictures above that on val
DOUBTED_SHARE = 0.02  # of the labels, from which on a review pays


@dataclass(frozen=True, slots=True)
class Advice:
    """One thing to know: ``what`` is the fact, ``why`` it matters, ``do`` a command or "" where there is none."""

    level: AdviceLevel
    what: str
    why: str
    do: str = ""


def advise(report: TrainReport, shown: ErrorGalleries) -> list[Advice]:
    """Return what to know about ``report``, worst first."""
    found = [
        *_about_test(report),
        *_about_calibration(report),
        *_about_copies(report, shown),
        *_about_labels(report),
        *_about_fit(report),
    ]
    return sorted(found, key=lambda each: LEVELS.index(each.level))


def _about_test(report: TrainReport) -> Iterator[Advice]:
    best = report.best
    if best.accuracy.low <= report.plan.majority:
        yield Advice(
            "stop",
            "The model is not better than always saying the largest label.",
            f"The accuracy may be as low as {100 * best.accuracy.low:.1f} %, and the largest label alone gives "
            f"{100 * report.plan.majority:.1f} %.",
        )
    if best.accuracy.half_width > WIDE_HALF_WIDTH:
        yield Advice(
            "care",
            f"Few pictures were judged: the accuracy could be {100 * best.accuracy.low:.0f} or "
            f"{100 * best.accuracy.high:.0f} %.",
            f"They are {best.groups}, copies left aside. Differences between runs that are "
            "smaller than the interval mean nothing.",
            *_harvest_more(report),
        )


def _about_calibration(report: TrainReport) -> Iterator[Advice]:
    test = report.test
    if test.miscalibrated:
        yield Advice(
            "care",
            f"Its probabilities are off: on the test pictures it is {100 * test.confidence:.0f} % sure on average and "
            f"right {100 * test.accuracy.value:.0f} % of the time.",
            f"The calibration error is {100 * test.ece:.1f} points, and chance alone would give no more than "
            f"{100 * test.ece_by_chance:.1f} with {test.groups} pictures that are not copies. Use the order of its "
            "answers, but put no threshold on its probabilities.",
        )


def _about_copies(report: TrainReport, shown: ErrorGalleries) -> Iterator[Advice]:
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
    weak = [each for each in report.best.per_label if each.support and each.f1 < WEAK_F1]
    if weak:
        worst = min(weak, key=lambda each: each.f1)
        names = ", ".join(each.label for each in sorted(weak, key=lambda each: each.f1)[:4])
        yield Advice(
            "care",
            f"Weak labels: {names}.",
            f"{worst.label} reaches F1 {100 * worst.f1:.0f} on {worst.support} pictures. More and cleaner "
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
            *_harvest_more(report),
        )
    judged = report.probe.count if report.probe else 0
    if report.label_issues > DOUBTED_SHARE * judged:
        yield Advice(
            "care",
            f"{report.label_issues} labels of {judged} are doubted; wrong are {report.wrong_labels}.",
            "A model that never saw the picture contradicts its label outright. The surest are shown below, all are in "
            "label_issues.csv, beside pictures that are only hard and labels that it knows badly.",
            *_review(report),
        )


def _about_fit(report: TrainReport) -> Iterator[Advice]:
    yield from (Advice("note", f"{note[0].upper()}{note[1:]}.", "") for note in report.notes)
    if report.tuning is None:
        yield Advice(
            "note",
            "The model is a linear probe: the backbone was not trained.",
            "That takes seconds and is hard to beat with few pictures. Fine-tuning trains all layers; it is used only "
            "if it is better on the validation pictures.",
            commands.train(report.data, "--finetune"),
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


def _harvest_more(report: TrainReport) -> Iterator[str]:
    """Yield the command that brings more pictures, where the pictures came from a data folder of imgkit."""
    data = data_folder_of(report.data)
    if data is not None:
        most = max(label.total for label in report.plan.labels)
        yield commands.harvest(data, per_label=100 * math.ceil(2 * most / 100))


def _review(report: TrainReport) -> Iterator[str]:
    data = data_folder_of(report.data)
    if data is not None:
        yield commands.curate(data, "--review")
