"""Render the report of a run as one self-contained HTML page."""

import base64
import io
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import jinja2
from markupsafe import Markup, escape

import imgkit
from imgkit import commands
from imgkit.dataset.folder import Scan
from imgkit.dataset.picture import LabelledPicture
from imgkit.files import write_text
from imgkit.manifest.folder import data_folder_of
from imgkit.models.evaluate import Evaluated
from imgkit.models.intervals import Interval
from imgkit.models.metrics import Scores
from imgkit.models.model_folder import loading_lines
from imgkit.models.report import charts
from imgkit.models.report.error_analysis import ErrorGalleries
from imgkit.models.report.explorer import References, explorer_data
from imgkit.models.report.page import confidence_charts, environment_of, explorer_parts
from imgkit.train.config import TrainConfig
from imgkit.train.config_file import settings_text
from imgkit.train.plan import duration, extras
from imgkit.train.probe.linear_probe import LabelReview
from imgkit.train.report.advice import advise
from imgkit.train.report.curves import curves
from imgkit.train.results import TrainReport
from imgkit.vision.decode import UnreadablePictureError, open_picture

THUMBNAIL_PX = 144
THUMBNAIL_QUALITY = 70
SHOWN_ISSUES = 24
LARGEST_MATRIX = 30  # labels; beyond, the matrix says nothing and the pairs say all


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportPage:
    """Everything that the page shows."""

    report: TrainReport
    config: TrainConfig
    found: Scan
    evaluated: Evaluated
    shown: ErrorGalleries
    review: LabelReview
    references: References


@dataclass(frozen=True, slots=True)
class ComparisonRow:
    """A line of the comparison: a model, and its scores on one set of pictures."""

    name: str
    on: str
    accuracy: Interval
    macro_f1: Interval | None
    final: bool = False


def write_report(target: Path, page: ReportPage) -> None:
    """Write the page; texts from outside are escaped, nothing is loaded from anywhere."""
    write_text(target, render(page))


def render(page: ReportPage) -> str:
    """Return the page as HTML."""
    environment = environment_of(jinja2.PackageLoader("imgkit.train.report", "."))
    environment.filters |= {
        "duration": duration,
        "thumbnail": thumbnail,
        "file": lambda picture: picture.name_in(page.found.root),
        "address": web_address,
        "name": lambda label: escape(label).replace("_", Markup("_<wbr>")),
    }
    report = page.report
    tested = explorer_data(
        page.evaluated, report.labels, page.references, name=lambda picture: picture.name_in(page.found.root)
    )
    text: str = environment.get_template("report.html.jinja").render(
        page=page,
        report=report,
        plan=report.plan,
        test=report.test,
        advice=advise(report, page.shown),
        rows=comparison(report),
        best=report.best,
        labels=sorted(report.best.per_label, key=lambda each: (each.f1, -each.support)),
        left_out=Counter(each.reason for each in page.found.quarantine).most_common(),
        issues=[issue for issue in page.review.issues if issue.kind == "doubted"][:SHOWN_ISSUES],
        matrix=len(report.labels) <= LARGEST_MATRIX,
        curves=curves(report.tuning.rows, report.tuning.probe, report.run) if report.tuning else [],
        learning=learning_chart(report),
        **confidence_charts(page.evaluated.predictions),
        **explorer_parts(tested),
        settings=settings_text(page.config),
        extras=extras(report.plan.recipe) if report.plan.recipe else "",
        version=imgkit.__version__,
        again=commands.command("train", "--config", report.run / "run.yaml", "--split", report.run / "split.csv"),
        use=commands.command("predict", report.model, commands.PICTURES),
        python=loading_lines(report.model),
        review=commands.curate(data, "--review") if (data := data_folder_of(report.data)) else "",
    )
    return text


def comparison(report: TrainReport) -> list[ComparisonRow]:
    """Return the baselines and the model, weakest first."""
    majority = report.plan.majority
    rows = [
        ComparisonRow("always the largest label", "test", Interval(value=majority, low=majority, high=majority), None)
    ]
    tuned = report.picked != "linear probe"
    if report.probe is not None:
        probe, on = report.probe, "train and val, out-of-fold"
        rows.append(ComparisonRow("linear probe", on, probe.accuracy, probe.macro_f1, final=report.out_of_fold))
    if tuned:
        rows.append(ComparisonRow("linear probe", "test", report.probe_test.accuracy, report.probe_test.macro_f1))
        if report.validation is not None:
            rows.append(ComparisonRow(report.picked, "val", report.validation.accuracy, report.validation.macro_f1))
    on_test = ComparisonRow(
        report.picked, "test", report.test.accuracy, report.test.macro_f1, final=not report.out_of_fold
    )
    rows.append(on_test)
    if report.test_without_crossing is not None:
        scores: Scores = report.test_without_crossing
        rows.append(
            ComparisonRow(report.picked, "test without copies of training pictures", scores.accuracy, scores.macro_f1)
        )
    return rows


def learning_chart(report: TrainReport) -> Markup | None:
    """Return the learning curve of the probe, with its interval."""
    if report.learning is None:
        return None
    points = report.learning.points
    lines = [
        charts.ChartLine(
            name="accuracy", points=[(each.pictures, each.accuracy.value) for each in points], tone="keep"
        ),
        charts.ChartLine(
            name="95 % interval",
            points=[(each.pictures, each.accuracy.low) for each in points],
            tone="soft",
            dashed=True,
        ),
        charts.ChartLine(
            name="", points=[(each.pictures, each.accuracy.high) for each in points], tone="soft", dashed=True
        ),
    ]
    return charts.line_chart(lines, across="pictures to learn from", up="accuracy")


def thumbnail(picture: LabelledPicture) -> str:
    """Return a small copy as a data address; "" where the file is gone."""
    try:
        image = open_picture(picture.path, longest=THUMBNAIL_PX)
    except UnreadablePictureError:
        return ""
    image.thumbnail((THUMBNAIL_PX, THUMBNAIL_PX))
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=THUMBNAIL_QUALITY, optimize=True)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()


def web_address(picture: LabelledPicture) -> str:
    """Return the page where a picture was found, "" unless that is an address that a browser should follow."""
    return picture.page_url if picture.page_url.startswith(("https://", "http://")) else ""
