"""Write the report of a curate as one page that opens anywhere, and its numbers as JSON."""

import base64
import hashlib
import io
import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import jinja2

from imgkit import commands
from imgkit.curate.config import CurateConfig
from imgkit.curate.pictures import ItemPicture
from imgkit.curate.publish.summary import CopyGroup, CurateReport, ReportedPicture
from imgkit.manifest.nouns import ItemKey
from imgkit.options import declared
from imgkit.progress import Progress, track
from imgkit.reasons import REASONS
from imgkit.vision.decode import UnreadablePictureError, open_picture

THUMBNAIL_PX: Final = 128
THUMBNAIL_QUALITY: Final = 68
SHOWN_SUSPECTS: Final = 48  # of each reason; all are in report.json
SHOWN_GROUPS: Final = 24
SHOWN_IN_GROUP: Final = 9
SHOWN_REMOVED: Final = 12  # of each reason
SHOWN_OF_LABEL: Final = 12
SHOWN_DOUBTFUL: Final = 6  # of each label
SHOWN_LABELS: Final = 40  # with pictures; the tables hold all


def report_files(
    report: CurateReport,
    pictures: Sequence[ItemPicture],
    scores: Mapping[ItemKey, float],
    *,
    now: datetime,
    progress: Progress,
) -> dict[str, str]:
    """Return the texts of ``report.html`` and ``report.json``.

    Args:
        report: all numbers; the page shows no other.
        pictures: where the files of the pictures are.
        scores: how doubtful each picture is, 0 to 1.
        now: the date on the page.
        progress: is told of the thumbnails.
    """
    facts = {"made": now.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC"), **report.as_json()}
    galleries = choose(report, pictures, scores)
    thumbnails = _thumbnails(galleries.shown(), {one.key: one.path for one in pictures}, progress)
    return {
        "report.json": json.dumps(facts, ensure_ascii=False, indent=1, sort_keys=True) + "\n",
        "report.html": render(report, facts, galleries, thumbnails, {one.key: one for one in pictures}),
    }


class ReportPictures:
    """Which pictures the page shows: there is room for some of each kind."""

    def __init__(self) -> None:
        self.suspects: dict[str, list[ReportedPicture]] = {}
        self.removed: dict[str, list[ReportedPicture]] = {}
        self.moved: list[ReportedPicture] = []
        self.groups: list[CopyGroup] = []
        self.leaks: list[CopyGroup] = []
        self.typical: dict[str, list[ItemKey]] = {}
        self.doubtful: dict[str, list[ItemKey]] = {}

    def shown(self) -> list[ItemKey]:
        """Return all of them once."""
        keys: dict[ItemKey, None] = {}
        for cases in (*self.suspects.values(), *self.removed.values(), self.moved):
            keys |= dict.fromkeys((case.label, case.image_id) for case in cases)
        for group in (*self.groups, *self.leaks):
            keys |= dict.fromkeys(group.members[:SHOWN_IN_GROUP])
            keys |= dict.fromkeys(group.kept)
        for chosen in (*self.typical.values(), *self.doubtful.values()):
            keys |= dict.fromkeys(chosen)
        return list(keys)


def choose(report: CurateReport, pictures: Sequence[ItemPicture], scores: Mapping[ItemKey, float]) -> ReportPictures:
    """Return the pictures to show: the worst suspects, the largest groups, and a chance sample of each label.

    The sample is drawn by a hash of the picture, so the same set shows the same pictures.
    """
    chosen = ReportPictures()
    by_reason: dict[str, list[ReportedPicture]] = defaultdict(list)
    for case in report.suspects:
        by_reason[case.reason].append(case)
    chosen.suspects = {reason: cases[:SHOWN_SUSPECTS] for reason, cases in sorted(by_reason.items())}
    removed: dict[str, list[ReportedPicture]] = defaultdict(list)
    for case in report.removed:
        removed[case.reason].append(case)
    chosen.removed = {reason: cases[:SHOWN_REMOVED] for reason, cases in sorted(removed.items())}
    chosen.moved = list(report.moved[:SHOWN_SUSPECTS])
    chosen.groups = list(report.copies[:SHOWN_GROUPS])
    chosen.leaks = list(report.leaks[:SHOWN_GROUPS])
    out = {(one.label, one.image_id) for one in (*report.removed, *report.suspects) if not one.kept}
    kept: dict[str, list[ItemKey]] = defaultdict(list)
    for picture in pictures:
        if picture.key not in out:
            kept[picture.label_now].append(picture.key)
    for label in sorted(kept)[:SHOWN_LABELS]:
        chosen.typical[label] = sorted(kept[label], key=_chance)[:SHOWN_OF_LABEL]
        doubtful = [key for key in kept[label] if scores.get(key, 0.0) > 0 and key not in chosen.typical[label]]
        chosen.doubtful[label] = sorted(doubtful, key=lambda key: -scores[key])[:SHOWN_DOUBTFUL]
    return chosen


def render(
    report: CurateReport,
    facts: Mapping[str, object],
    galleries: ReportPictures,
    thumbnails: Mapping[ItemKey, str],
    pictures: Mapping[ItemKey, ItemPicture],
) -> str:
    """Return the page. Every text from outside is escaped; nothing is loaded from anywhere."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("imgkit.curate.publish", "."),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["count"] = lambda value: f"{value:,}"
    environment.filters["percent"] = _percent
    names = {row.label: row.name for row in report.labels}
    environment.filters["name"] = lambda label: names.get(label, label)
    environment.filters["breakable"] = lambda text: str(text).replace("_", "_\u200b").replace("/", "/\u200b")
    environment.filters["reason"] = lambda code: REASONS.get(code, code)
    page: str = environment.get_template("report.html.jinja").render(
        report=report,
        facts=facts,
        galleries=galleries,
        thumbnails=thumbnails,
        sources={key: _web_address(picture) for key, picture in pictures.items()},
        given={key: picture.given_split for key, picture in pictures.items()},
        totals=report.totals,
        reasons=_reason_table(report),
        suspects_of=Counter(case.reason for case in report.suspects),
        removed_of=Counter(case.reason for case in report.removed),
        in_group=SHOWN_IN_GROUP,
        commands=commands,
        same_again=_same_again(report),
    )
    return page


def _reason_table(report: CurateReport) -> dict[str, dict[str, int]]:
    """Return reason to label to count of the pictures that were left out."""
    codes = sorted({code for row in report.labels for code in row.left_out})
    return {code: {row.label: row.left_out.get(code, 0) for row in report.labels} for code in codes}


def _thumbnails(keys: Iterable[ItemKey], paths: Mapping[ItemKey, Path], progress: Progress) -> dict[ItemKey, str]:
    wanted = list(keys)
    return {
        key: _thumbnail(paths[key])
        for key in track(wanted, progress, "drawing the report", len(wanted))
        if key in paths
    }


def _thumbnail(path: Path) -> str:
    try:
        image = open_picture(path, longest=THUMBNAIL_PX)
    except UnreadablePictureError:
        return ""
    image.thumbnail((THUMBNAIL_PX, THUMBNAIL_PX))
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=THUMBNAIL_QUALITY, optimize=True)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()


def _chance(key: ItemKey) -> str:
    return hashlib.sha256("/".join(key).encode()).hexdigest()


def _web_address(picture: ItemPicture) -> str:
    """Return the page where a picture was found, "" unless that is an address a browser should follow."""
    found = picture.source.proposal if picture.source else None
    address = (found.page_url or found.url) if found else ""
    return address if address.startswith(("http://", "https://")) else ""


def _same_again(report: CurateReport) -> str:
    """Return the command that curates with the settings of a report; what the command line does not know is usual."""
    usual, options = CurateConfig(data=Path(report.data)).as_json(), []
    for each in declared(CurateConfig).values():
        value = report.settings.get(each.name)
        if each.option.on_command_line and value is not None and value != usual[each.name]:
            options += [each.flag, ",".join(value) if isinstance(value, list | tuple) else str(value)]
    return commands.curate(report.data, *options)


def _percent(part: float, whole: float) -> str:
    if not whole:
        return "–"
    share = 100 * part / whole
    return f"{share:.1f} %" if 0 < share < 10 else f"{share:.0f} %"
