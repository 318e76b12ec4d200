"""Tables of scores for a terminal: the comparison of models, and the labels with the lowest F1 first."""

from typing import TYPE_CHECKING

from imgkit import commands
from imgkit.cli import console

if TYPE_CHECKING:
    from imgkit.models.intervals import Interval
    from imgkit.models.metrics import Scores
    from imgkit.train.results import TrainReport

SHOWN_LABELS = 15  # rows of the label table; all are in the report


def show_report(report: "TrainReport") -> None:
    """Print what was compared, the labels, the verdict, and where the results are."""
    majority = f"{100 * report.plan.majority:.1f}"
    rows: list[list[object]] = [["always the largest label", "test", majority, ""]]
    if report.probe is not None:
        rows.append(["linear probe", "out-of-fold", span(report.probe.accuracy), span(report.probe.macro_f1)])
    if report.picked != "linear probe":
        rows.append(["linear probe", "test", span(report.probe_test.accuracy), span(report.probe_test.macro_f1)])
        if report.validation is not None:
            rows.append([report.picked, "val", span(report.validation.accuracy), span(report.validation.macro_f1)])
    rows.append([report.picked, "test", span(report.test.accuracy), span(report.test.macro_f1)])
    console.table(
        "Compared, in % with 95 % intervals", ["model", "judged on", "accuracy", "macro-F1"], rows, total=True
    )
    print_labels(report.best)
    console.out.print(report.verdict(), markup=False)
    if report.test_sets is not None:
        console.out.print(f"Likely: {report.test_sets.sentence()}.", markup=False)
    console.out.print(f"Report: {report.run / 'report.html'}", markup=False)
    console.out.print(f"Model:  {report.model}", markup=False)
    if report.label_issues:
        issues = report.run / "label_issues.csv"
        console.out.print(
            f"Doubts: {report.label_issues} labels, wrong are {report.wrong_labels}: {issues}", markup=False
        )
    console.out.print(f"Next:   {commands.command('predict', report.model, commands.PICTURES)}", markup=False)


def print_labels(scores: "Scores") -> None:
    """Print the scores of the weakest labels."""
    weakest = sorted(scores.per_label, key=lambda each: (each.f1, -each.support))[:SHOWN_LABELS]
    title = "Labels, weakest first, in %"
    console.table(
        title if len(weakest) == len(scores.per_label) else f"{title} ({len(weakest)} of {len(scores.per_label)})",
        ["label", "pictures", "F1", "recall", "precision"],
        [
            [each.label, each.support, f"{100 * each.f1:.1f}", span(each.recall), span(each.precision)]
            for each in weakest
        ],
    )


def span(interval: "Interval") -> str:
    """Return a share and its interval in percent."""
    return f"{100 * interval.value:.1f} [{100 * interval.low:.1f}, {100 * interval.high:.1f}]"
