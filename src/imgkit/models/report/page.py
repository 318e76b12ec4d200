"""Write the report of an evaluation: one self-contained HTML page, predictions.csv, per_label.csv and confusion.csv."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import jinja2
import numpy as np
from markupsafe import Markup

import imgkit
from imgkit.dataset.picture import LabelledPicture
from imgkit.errors import UsageError
from imgkit.files import write_text
from imgkit.models.evaluate import EvaluateReport
from imgkit.models.metrics import LabelledPredictions
from imgkit.models.report import charts
from imgkit.models.report.explorer import References, explorer_data, json_data, script, script_hash
from imgkit.models.report.tables import write_predictions, write_scores
from imgkit.reasons import REASONS

RELIABILITY_BINS, CONFIDENCE_BINS = 8, 10
COVERAGE_POINTS: Final = 40
SUMMARY: Final = "evaluation.json"
LARGEST_MATRIX: Final = 30  # labels; beyond, the matrix says nothing and the pairs say all


def refuse_foreign_folder(target: Path) -> None:
    """Refuse a folder that holds anything but an earlier report.

    Raises:
        UsageError: it is a file, or holds other files.
    """
    if target.exists() and (not target.is_dir() or (any(target.iterdir()) and not (target / SUMMARY).is_file())):
        raise UsageError(
            f"{target} is no folder of an earlier report. Nothing was scored. Give an empty folder, or a new name."
        )


def write_evaluation(target: Path, report: EvaluateReport, references: References | None) -> None:
    """Write ``report.html``, the tables and ``evaluation.json`` into ``target``, which is made if needed.

    Args:
        target: a folder.
        report: what was scored.
        references: training pictures to show beside mistakes; None where they are not at hand.

    Raises:
        ResourceError: the disk is full or not writable.
    """
    labels, evaluated, root = report.labels, report.predictions, report.root
    write_predictions(target, root, labels, [("evaluate", evaluated.pictures, evaluated.predictions)])
    write_scores(target, report.scores)
    write_text(target / "report.html", render(report, references))
    write_text(target / SUMMARY, json.dumps(report.as_json(), indent=2, ensure_ascii=False) + "\n")


def render(report: EvaluateReport, references: References | None) -> str:
    """Return the page as HTML; texts from outside are escaped, nothing is loaded from anywhere."""

    def name(picture: LabelledPicture) -> str:
        return picture.name_in(report.root)

    scores = report.scores
    template = environment_of().get_template("evaluation.html.jinja")
    text: str = template.render(
        report=report,
        scores=scores,
        names=report.labels,
        rows=sorted((each for each in scores.per_label if each.support), key=lambda each: (each.f1, -each.support)),
        matrix=len(report.labels) <= LARGEST_MATRIX,
        neighbours=references is not None,
        version=imgkit.__version__,
        **confidence_charts(report.predictions.predictions),
        **explorer_parts(explorer_data(report.predictions, report.labels, references, name=name)),
    )
    return text


def environment_of(*loaders: jinja2.BaseLoader) -> jinja2.Environment:
    """Return an environment with the parts that pages share, and the templates of ``loaders``."""
    environment = jinja2.Environment(
        loader=jinja2.ChoiceLoader([*loaders, jinja2.PackageLoader("imgkit.models.report", ".")]),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "count": lambda value: f"{value:,}",
        "percent": lambda value: f"{100 * value:.1f}",
        "whole": lambda value: f"{100 * value:.0f} %",
        "reason": lambda code: REASONS.get(code, code),
    }
    return environment


def explorer_parts(tested: Mapping[str, Any]) -> dict[str, object]:
    """Return what a template with the explorer needs: its data, its script and the hash of that."""
    return {"tested": json_data(tested), "script": Markup(script()), "script_hash": script_hash()}


def confidence_charts(predictions: LabelledPredictions) -> dict[str, Markup]:
    """Return the charts of how far probabilities can be trusted: reliability, histogram, precision by coverage."""
    return {
        "reliability": charts.reliability(reliability_bins(predictions)),
        "confidence": charts.histogram(confidence_bins(predictions), across="confidence"),
        "coverage": coverage_chart(predictions),
    }


def coverage_chart(predictions: LabelledPredictions) -> Markup:
    """Return the share that is right among the surest pictures, by the share of pictures that are answered."""
    right = predictions.right[np.argsort(-predictions.confidence, kind="stable")]
    count = len(right)
    answered = np.unique(np.linspace(1, count, min(count, COVERAGE_POINTS)).round().astype(int))
    precision = np.cumsum(right)[answered - 1] / answered
    points = [(100 * float(kept) / count, 100 * float(share)) for kept, share in zip(answered, precision, strict=True)]
    line = charts.ChartLine(name="right among the answered", points=points, tone="keep")
    return charts.line_chart([line], across="% of the pictures answered, the surest first", up="% right")


def reliability_bins(predictions: LabelledPredictions) -> list[tuple[float, float, int]]:
    """Return (mean confidence, accuracy, pictures) of bins of about equally many pictures."""
    confidence = predictions.probabilities.max(axis=1)
    order = np.argsort(confidence, kind="stable")
    bins = []
    for part in np.array_split(order, min(RELIABILITY_BINS, len(order))):
        bins.append((float(confidence[part].mean()), float(predictions.right[part].mean()), len(part)))
    return bins


def confidence_bins(predictions: LabelledPredictions) -> list[tuple[float, int, int]]:
    """Return (left edge, correct predictions, wrong predictions) of equally wide bins of confidence."""
    place = np.minimum((predictions.probabilities.max(axis=1) * CONFIDENCE_BINS).astype(int), CONFIDENCE_BINS - 1)
    return [
        (
            number / CONFIDENCE_BINS,
            int((predictions.right & (place == number)).sum()),
            int((~predictions.right & (place == number)).sum()),
        )
        for number in range(CONFIDENCE_BINS)
    ]
