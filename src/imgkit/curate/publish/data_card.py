"""Describe the curated set to people: what is in it, where it is from, what was left out and why, what to doubt."""

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import Final

from imgkit.curate.publish.summary import CurateReport
from imgkit.escaping import markdown_text
from imgkit.reasons import REASONS

FILE: Final = "DATACARD.md"


def summary(report: CurateReport, *, escape: Callable[[str], str] = str) -> str:
    """Return one sentence: how many pictures of what, chosen from how many; ``escape`` is applied to each label."""
    labels = [escape(row.name) for row in report.labels if row.in_set]
    totals = report.totals
    return (
        f"{totals['in_set']:,} pictures of {len(labels)} labels ({', '.join(labels)}), chosen by imgkit "
        f"{report.version} from {totals['harvested']:,} different ones that were harvested."
    )


def datacard_md(report: CurateReport, *, now: datetime) -> str:
    """Return ``DATACARD.md``; every number is one of the report.

    Args:
        report: what the curate did.
        now: when the set was made.
    """
    totals = report.totals
    lines = [
        "# Data card",
        "",
        summary(report, escape=markdown_text),
        "",
        f"Made {now.astimezone(UTC):%Y-%m-%d} with policy “{report.policy}”, "
        f"model: {markdown_text(report.backbone) or 'none'}. {totals['decided']:,} pictures were decided about by a "
        "person.",
        "",
        "## What is in it",
        "",
        *_table(
            ("label", "pictures", "train", "validation", "test"),
            [
                (row.name, row.in_set, row.splits["train"], row.splits["validation"], row.splits["test"])
                for row in report.labels
            ],
        ),
        "",
        "Upright RGB JPEG files, a folder for each label; `metadata.csv` has a row for each picture. Copies of one "
        f"picture, one scene or one album are in one split; groups that cross the splits: {report.crossing}.",
        "",
        "## Where it is from",
        "",
        *_table(
            ("provider", "found", "harvested", "in the set"),
            [(row.provider or "unknown", row.found, row.harvested, row.in_set) for row in report.providers],
        ),
        "",
        *_table(("licence", "pictures"), [(name or "not known", count) for name, count in report.licences.items()]),
        "",
        "Licences are what the providers say. Authors and pages are in `ATTRIBUTION.md`.",
        "",
        "## What was left out, and why",
        "",
        *_table(("reason", "code", "pictures"), _left_out(report)),
        "",
        "Nothing was deleted; `report.html` shows the pictures.",
        "",
        "## How much of it is wrong",
        "",
        _noise(report),
        "",
        "## What to know before using it",
        "",
        *([f"- {markdown_text(alert.what)}. {alert.why}" for alert in report.alerts] or ["Nothing stands out."]),
    ]
    return "\n".join(lines) + "\n"


def _left_out(report: CurateReport) -> list[tuple[str, str, int]]:
    codes = sorted({code for row in report.labels for code in row.left_out})
    counts = [(code, sum(row.left_out.get(code, 0) for row in report.labels)) for code in codes]
    moved = [("given another label by a person", "user.moved", report.totals["moved_out"])]
    found = [(REASONS.get(code, code), code, count) for code, count in counts]
    return found + [row for row in moved if row[2]]


def _noise(report: CurateReport) -> str:
    if report.noise:
        return f"{report.noise} by an audit of {report.audited:,} pictures drawn at random, with its 95 % interval."
    inside = sum(case.kept for case in report.suspects)
    return (
        "Not measured: nobody has audited the set. "
        f"{inside:,} of its pictures are suspects that nobody has looked at; "
        "an audit is part of the review page of imgkit."
    )


def _table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> list[str]:
    lines = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    for row in rows:
        cells = [f"{cell:,}" if isinstance(cell, int) else markdown_text(str(cell)) for cell in row]
        lines.append(f"| {' | '.join(cells)} |")
    return lines
