"""What a person should know before training on the set, worst first, each with the command that helps."""

from pathlib import Path
from typing import Final

from imgkit import commands
from imgkit.curate.publish.summary import Alert, CurateReport

FEW_PER_LABEL: Final = 50
LARGEST_IMBALANCE: Final = 10.0
ONE_PROVIDER_SHARE: Final = 0.8  # of a set; more, and a model may learn the provider's look
UNKNOWN_LICENCE_SHARE: Final = 0.2
STATING_LICENCES: Final = ("openverse", "commons")  # providers without a key that state the licence of each picture


def alerts_of(report: CurateReport) -> tuple[Alert, ...]:
    """Return the alerts of a report, worst first."""
    found = [
        *_labels(report),
        *_leaks(report),
        *_conflicts(report),
        *_suspects(report),
        *_sources(report),
        *_model(report),
    ]
    order = ("stop", "care", "note")
    return tuple(sorted(found, key=lambda alert: order.index(alert.level)))


def _labels(report: CurateReport) -> list[Alert]:
    sizes = {row.label: row.in_set for row in report.labels}
    filled = {label: size for label, size in sizes.items() if size}
    found = []
    if len(filled) < 2:
        found.append(
            Alert(
                level="stop",
                what=f"{_counted(len(filled), 'label')} with pictures",
                why="A classifier needs two labels or more.",
                do=commands.harvest(report.data),
            )
        )
    empty = sorted(set(sizes) - set(filled))
    if empty:
        found.append(
            Alert(
                level="stop",
                what=f"no picture is left of {_named(empty)}",
                why="The model cannot learn a label that has no pictures.",
                do=commands.curate(report.data, "--review"),
            )
        )
    small = sorted(label for label, size in filled.items() if size < FEW_PER_LABEL)
    if small:
        found.append(
            Alert(
                level="care",
                what=f"fewer than {FEW_PER_LABEL} pictures of {_named(small)}",
                why="With so few, the test score of the label says little.",
                do=commands.harvest(report.data, queries=_queries(report), per_label=_more(report)),
            )
        )
    if len(filled) > 1 and max(filled.values()) > LARGEST_IMBALANCE * min(filled.values()):
        largest, smallest = max(filled, key=filled.__getitem__), min(filled, key=filled.__getitem__)
        found.append(
            Alert(
                level="care",
                what=f"{largest} has {filled[largest] / filled[smallest]:.0f} times as many pictures as {smallest}",
                why="The model leans towards the larger label.",
                do="Harvest more of the smaller label; training weighs labels alike.",
            )
        )
    return found


def _leaks(report: CurateReport) -> list[Alert]:
    if not report.leaks:
        return []
    divided = f"{_counted(len(report.leaks), 'group')} of copies {'is' if len(report.leaks) == 1 else 'are'} divided"
    return [
        Alert(
            level="care",
            what=f"{divided} by the split that the folders say ({', '.join(report.given_splits)})",
            why="Scores on that split are too high. The split in the curated set keeps copies together.",
            do=commands.train(f"{report.data}/curated"),
        )
    ]


def _conflicts(report: CurateReport) -> list[Alert]:
    undecided = sum(one.reason == "bad.conflict" and not one.kept for one in report.suspects)
    if not undecided:
        return []
    return [
        Alert(
            level="care",
            what=f"{_counted(undecided, 'picture')} under more than one label, left out until decided",
            why="One of the labels is wrong; training on both teaches the model a contradiction.",
            do=commands.curate(report.data, "--review"),
        )
    ]


def _suspects(report: CurateReport) -> list[Alert]:
    inside = sum(one.kept for one in report.suspects)
    outside = len(report.suspects) - inside
    if not report.suspects:
        return []
    return [
        Alert(
            level="care" if inside else "note",
            what=f"{_counted(len(report.suspects), 'suspect')} that nobody has looked at: {inside} in the set, "
            f"{outside} left out",
            why="The machine is not certain about these. Looking at them is the best use of ten minutes.",
            do=commands.curate(report.data, "--review"),
        )
    ]


def _sources(report: CurateReport) -> list[Alert]:
    total = report.totals["in_set"]
    found = []
    main = max(report.providers, key=lambda row: row.in_set, default=None)
    if main is not None and total and len(report.providers) > 1 and main.in_set > ONE_PROVIDER_SHARE * total:
        found.append(
            Alert(
                level="note",
                what=f"{main.in_set / total:.0%} of the set come from {main.provider or 'an unknown provider'}",
                why="A model may learn the look of one source instead of the subject.",
                do=commands.harvest(report.data, queries=_queries(report), providers=STATING_LICENCES),
            )
        )
    unknown = report.licences.get("", 0)
    if total and unknown > UNKNOWN_LICENCE_SHARE * total:
        found.append(
            Alert(
                level="note",
                what=f"{_counted(unknown, 'picture')} ({unknown / total:.0%}) without a known licence",
                why="They may be looked at and trained on where the law allows it, but not passed on.",
                do=commands.harvest(report.data, queries=_queries(report), providers=STATING_LICENCES),
            )
        )
    return found


def _model(report: CurateReport) -> list[Alert]:
    if report.backbone:
        return []
    return [
        Alert(
            level="care",
            what="no model was asked",
            why="Wrong labels and off-topic pictures were not looked for.",
            do=commands.curate(report.data),
        )
    ]


def _queries(report: CurateReport) -> Path | None:
    return Path(report.queries) if report.queries else None


def _more(report: CurateReport) -> int:
    """Return a number of pictures of each label that a harvest would have to ask for to get more than it has."""
    return 2 * max(FEW_PER_LABEL, report.asked_per_label)


def _counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def _named(labels: list[str]) -> str:
    shown = ", ".join(labels[:6])
    return f"{shown} and {len(labels) - 6} more" if len(labels) > 6 else shown
