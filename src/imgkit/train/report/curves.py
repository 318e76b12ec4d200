"""Draw how a fine-tuning went: scores, losses and rates by epoch, and the search for a learning rate."""

import csv
import json
import math
from collections.abc import Sequence
from pathlib import Path

from markupsafe import Markup

from imgkit.models.report import charts
from imgkit.train.finetune.history import EpochRow
from imgkit.train.finetune.validator import ValidationScore


def curves(rows: Sequence[EpochRow], probe: ValidationScore, run: Path) -> list[tuple[str, Markup]]:
    """Return the titled charts of a fine-tuning, as far as it went; none before the first epoch.

    Args:
        rows: the epochs.
        probe: the scores of the linear probe that it started from.
        run: the folder of the run, whose lr_find.csv is drawn where there is one.
    """
    if not rows:
        return []
    epochs = [row.epoch for row in rows]
    ends = [(float(epochs[0]), probe.macro_f1), (float(epochs[-1]), probe.macro_f1)]
    score_lines = [
        charts.ChartLine(name="weights", points=[(row.epoch, row.validation.macro_f1) for row in rows], tone="copy"),
        charts.ChartLine(
            name="moving average", points=[(row.epoch, row.average.macro_f1) for row in rows], tone="keep"
        ),
        charts.ChartLine(name="linear probe", points=ends, tone="soft", dashed=True),
    ]
    loss_lines = [
        charts.ChartLine(
            name="train (varied pictures, smoothed labels)",
            points=[(row.epoch, row.train_loss) for row in rows],
            tone="out",
        ),
        charts.ChartLine(name="val, calibrated", points=[(row.epoch, row.validation.nll) for row in rows], tone="copy"),
        charts.ChartLine(
            name="val, calibrated, moving average", points=[(row.epoch, row.average.nll) for row in rows], tone="keep"
        ),
    ]
    rate = [charts.ChartLine(name="of the head", points=[(row.epoch, 1e5 * row.lr) for row in rows], tone="move")]
    return [
        ("Macro-F1 on val", charts.line_chart(score_lines, across="epoch", up="macro-F1")),
        ("Loss", charts.line_chart(loss_lines, across="epoch", up="nats", low=0.0)),
        ("Learning rate", charts.line_chart(rate, across="epoch", up="× 10⁻⁵", low=0.0)),
        *_rate_curve(run),
    ]


def _rate_curve(run: Path) -> list[tuple[str, Markup]]:
    """Return the chart of the search for a learning rate, with the rate that was chosen; [] where none was searched."""
    try:
        table = list(csv.DictReader((run / "lr_find.csv").read_text("utf-8").splitlines()))
        points = [(math.log10(float(row["learning_rate"])), float(row["loss"])) for row in table]
        chosen = math.log10(float(json.loads((run / "recipe.json").read_text("utf-8"))["lr"]))
    except (OSError, ValueError, KeyError, TypeError):
        return []
    if not points:
        return []
    low, high = min(loss for _, loss in points), max(loss for _, loss in points)
    lines = [
        charts.ChartLine(name="loss before a step", points=points, tone="out"),
        charts.ChartLine(
            name=f"chosen: {10**chosen:.2g}", points=[(chosen, low), (chosen, high)], tone="keep", dashed=True
        ),
    ]
    return [("Search for the rate", charts.line_chart(lines, across="rate, log10", up="nats"))]
