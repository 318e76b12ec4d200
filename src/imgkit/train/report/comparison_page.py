"""Render the comparison of runs as one self-contained HTML page."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import jinja2
from markupsafe import Markup

import imgkit
from imgkit.files import write_text
from imgkit.models.report import charts
from imgkit.models.report.explorer import copies
from imgkit.models.report.page import environment_of
from imgkit.train.comparison import RunComparison, file_of
from imgkit.train.plan import duration

SHOWN: Final = 24  # pictures of a run that only it gets right
SHOWN_OTHERS: Final = 48  # other pictures on which runs differ


def write_comparison(target: Path, found: RunComparison) -> None:
    """Write the page.

    Raises:
        ResourceError: the disk is full or not writable.
    """
    write_text(target, render(found))


def render(found: RunComparison) -> str:
    """Return the page as HTML; texts from outside are escaped, nothing is loaded from anywhere."""
    environment = environment_of(jinja2.PackageLoader("imgkit.train.report", "."))
    environment.filters |= {
        "duration": duration,
        "points": lambda value: f"{100 * value:+.1f}",
        "picture": lambda name: _picture(found, name),
    }
    differing = found.differing()
    alone = {
        run.name: [name for name in differing if _right_alone(found, name, place)]
        for place, run in enumerate(found.runs)
    }
    others = [name for name in differing if not any(name in names for names in alone.values())]
    text: str = environment.get_template("comparison.html.jinja").render(
        found=found,
        rows=list(zip(found.runs, found.scores, strict=True)),
        names=[run.name for run in found.runs],
        charts=_charts(found),
        alone=alone,
        others=others,
        shown=SHOWN,
        shown_others=SHOWN_OTHERS,
        version=imgkit.__version__,
    )
    return text


def _right_alone(found: RunComparison, name: str, place: int) -> bool:
    return [run.answers[name].right for run in found.runs] == [each == place for each in range(len(found.runs))]


def _picture(found: RunComparison, name: str) -> dict[str, Any]:
    """Return a picture on which runs differ: a small copy, its label, and each run's answer."""
    path = next((path for run in found.runs if (path := file_of(run, name)).is_file()), file_of(found.runs[0], name))
    small, _ = copies(path, small=True, large=False)
    answers = [(run.name, run.answers[name]) for run in found.runs]
    return {"small": small, "label": answers[0][1].label, "answers": answers}


def _charts(found: RunComparison) -> list[tuple[str, Markup]]:
    """Return accuracy against seconds, megabytes and millions of parameters, each where all runs say theirs."""
    costs: Sequence[tuple[str, str, list[float | None]]] = [
        ("Accuracy and time", "seconds of training, log10", [_log(run.seconds) for run in found.runs]),
        ("Accuracy and size", "MB on disk", [run.bytes / 1e6 if run.bytes else None for run in found.runs]),
        (
            "Accuracy and parameters",
            "millions of parameters",
            [run.parameters / 1e6 if run.parameters else None for run in found.runs],
        ),
    ]
    drawn = []
    for title, across, values in costs:
        points = [
            charts.ChartPoint(
                name=scores.name,
                across=value,
                value=100 * scores.accuracy.value,
                low=100 * scores.accuracy.low,
                high=100 * scores.accuracy.high,
            )
            for value, scores in zip(values, found.scores, strict=True)
            if value is not None
        ]
        if len(points) == len(found.runs):
            drawn.append((title, charts.scatter(points, across=across, up="% right")))
    return drawn


def _log(seconds: float | None) -> float | None:
    return math.log10(seconds) if seconds else None
