"""Write the report of a run: one page that opens anywhere, shows its pictures and says how far to believe it."""

import base64
import io
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import jinja2
import numpy as np
from markupsafe import Markup, escape

import imgkit
from imgkit.files import write_text
from imgkit.reasons import REASONS
from imgkit.train import charts
from imgkit.train.advice import advise
from imgkit.train.config import TrainConfig
from imgkit.train.evaluate import Evaluated
from imgkit.train.folder import Scan
from imgkit.train.intervals import Interval
from imgkit.train.metrics import Answers, Scores
from imgkit.train.mistakes import Galleries
from imgkit.train.picture import Picture
from imgkit.train.plan import duration, extras
from imgkit.train.probing import LabelIssue
from imgkit.train.results import TrainReport
from imgkit.train.settings import settings_text
from imgkit.vision.decode import UnreadablePictureError, open_picture

THUMBNAIL_PX = 144
THUMBNAIL_QUALITY = 70
SHOWN_ISSUES = 24
LARGEST_MATRIX = 30  # labels; beyond, the matrix says nothing and the pairs say all
RELIABILITY_BINS, CONFIDENCE_BINS = 8, 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Everything that the page shows."""

    report: TrainReport
    config: TrainConfig
    found: Scan
    evaluated: Evaluated
    shown: Galleries
    issues: Sequence[LabelIssue]


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the comparison: a model, and its scores on one set of pictures."""

    name: str
    on: str
    accuracy: Interval
    macro_f1: Interval | None
    final: bool = False


def write_report(target: Path, page: Page) -> None:
    """Write the page; texts from outside are escaped, nothing is loaded from anywhere."""
    write_text(target, render(page))


def render(page: Page) -> str:
    """Return the page as HTML."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("imgkit.train", "."),
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
        "duration": duration,
        "thumbnail": thumbnail,
        "file": lambda picture: picture.name_in(page.found.root),
        "address": web_address,
        "name": lambda label: escape(label).replace("_", Markup("_<wbr>")),
    }
    report = page.report
    text: str = environment.get_template("report.html.jinja").render(
        page=page,
        report=report,
        plan=report.plan,
        test=report.test,
        advice=advise(report, page.shown),
        rows=comparison(report),
        labels=sorted(report.test.per_label, key=lambda each: (each.f1, -each.support)),
        left_out=Counter(each.reason for each in page.found.quarantine).most_common(),
        issues=page.issues[:SHOWN_ISSUES],
        matrix=len(report.labels) <= LARGEST_MATRIX,
        curves=curves(report),
        learning=learning_chart(report),
        reliability=charts.reliability(reliability_bins(page.evaluated.answers)),
        confidence=charts.histogram(confidence_bins(page.evaluated.answers), across="confidence"),
        settings=settings_text(page.config),
        extras=extras(report.plan.recipe) if report.plan.recipe else "",
        version=imgkit.__version__,
    )
    return text


def comparison(report: TrainReport) -> list[Row]:
    """Return the baselines and the model, weakest first."""
    majority = report.plan.majority
    rows = [Row("always the largest label", "test", Interval(value=majority, low=majority, high=majority), None)]
    tuned = report.picked != "linear probe"
    rows.append(Row("linear probe", "train and val, out-of-fold", report.probe.accuracy, report.probe.macro_f1))
    if tuned:
        rows.append(Row("linear probe", "test", report.probe_test.accuracy, report.probe_test.macro_f1))
        rows.append(Row(report.picked, "val", report.validation.accuracy, report.validation.macro_f1))
    rows.append(Row(report.picked, "test", report.test.accuracy, report.test.macro_f1, final=True))
    if report.test_without_crossing is not None:
        scores: Scores = report.test_without_crossing
        rows.append(Row(report.picked, "test without copies of training pictures", scores.accuracy, scores.macro_f1))
    return rows


def curves(report: TrainReport) -> list[tuple[str, Markup]]:
    """Return the titled charts of a fine-tuning; none for a probe."""
    if report.tuning is None or not report.tuning.rows:
        return []
    rows, probe = report.tuning.rows, report.tuning.probe
    epochs = [row.epoch for row in rows]
    ends = [(float(epochs[0]), probe.macro_f1), (float(epochs[-1]), probe.macro_f1)]
    score_lines = [
        charts.Line(name="weights", points=[(row.epoch, row.validation.macro_f1) for row in rows], tone="copy"),
        charts.Line(name="moving average", points=[(row.epoch, row.average.macro_f1) for row in rows], tone="keep"),
        charts.Line(name="linear probe", points=ends, tone="soft", dashed=True),
    ]
    loss_lines = [
        charts.Line(
            name="train (varied pictures, smoothed labels)",
            points=[(row.epoch, row.train_loss) for row in rows],
            tone="out",
        ),
        charts.Line(name="val, calibrated", points=[(row.epoch, row.validation.nll) for row in rows], tone="copy"),
        charts.Line(
            name="val, calibrated, moving average", points=[(row.epoch, row.average.nll) for row in rows], tone="keep"
        ),
    ]
    rate = [charts.Line(name="of the head", points=[(row.epoch, 1e5 * row.lr) for row in rows], tone="move")]
    return [
        ("Macro-F1 on val", charts.line_chart(score_lines, across="epoch", up="macro-F1")),
        ("Loss", charts.line_chart(loss_lines, across="epoch", up="nats", low=0.0)),
        ("Learning rate", charts.line_chart(rate, across="epoch", up="× 10⁻⁵", low=0.0)),
    ]


def learning_chart(report: TrainReport) -> Markup | None:
    """Return the learning curve of the probe, with its interval."""
    if report.learning is None:
        return None
    points = report.learning.points
    lines = [
        charts.Line(name="accuracy", points=[(each.pictures, each.accuracy.value) for each in points], tone="keep"),
        charts.Line(
            name="95 % interval",
            points=[(each.pictures, each.accuracy.low) for each in points],
            tone="soft",
            dashed=True,
        ),
        charts.Line(name="", points=[(each.pictures, each.accuracy.high) for each in points], tone="soft", dashed=True),
    ]
    return charts.line_chart(lines, across="pictures to learn from", up="accuracy")


def reliability_bins(answers: Answers) -> list[tuple[float, float, int]]:
    """Return (mean confidence, accuracy, pictures) of bins of about equally many pictures."""
    confidence = answers.probabilities.max(axis=1)
    order = np.argsort(confidence, kind="stable")
    bins = []
    for part in np.array_split(order, min(RELIABILITY_BINS, len(order))):
        bins.append((float(confidence[part].mean()), float(answers.right[part].mean()), len(part)))
    return bins


def confidence_bins(answers: Answers) -> list[tuple[float, int, int]]:
    """Return (left edge, right answers, wrong answers) of equally wide bins of confidence."""
    place = np.minimum((answers.probabilities.max(axis=1) * CONFIDENCE_BINS).astype(int), CONFIDENCE_BINS - 1)
    return [
        (
            number / CONFIDENCE_BINS,
            int((answers.right & (place == number)).sum()),
            int((~answers.right & (place == number)).sum()),
        )
        for number in range(CONFIDENCE_BINS)
    ]


def thumbnail(picture: Picture) -> str:
    """Return a small copy as a data address; "" where the file is gone."""
    try:
        image = open_picture(picture.path, longest=THUMBNAIL_PX)
    except UnreadablePictureError:
        return ""
    image.thumbnail((THUMBNAIL_PX, THUMBNAIL_PX))
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=THUMBNAIL_QUALITY, optimize=True)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()


def web_address(picture: Picture) -> str:
    """Return the page where a picture was found, "" unless that is an address that a browser should follow."""
    return picture.page_url if picture.page_url.startswith(("https://", "http://")) else ""
