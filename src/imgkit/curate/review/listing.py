"""All pictures of a data folder with the machine's verdicts, as the columns that the page works on."""

import hashlib
import json
from collections.abc import Callable, Sequence
from typing import Final

from imgkit.curate.grouping import groups_of
from imgkit.curate.pictures import Picture
from imgkit.errors import UsageError
from imgkit.manifest import Finding, Judgement, Manifest
from imgkit.manifest.overview import Detail, Line, details, findings_about_others, lines
from imgkit.reasons import REASONS

Key = tuple[str, str]
InSet = Callable[[Judgement], bool]
"""Whether a picture that nobody decided about is in the curated set, by the machine's verdict and the policy.

Only of suspects it may ask for more than verdict and reason.
"""

UNJUDGED: Final = Judgement(label="", image_id="", verdict="keep")
COLUMNS: Final = ("label", "provider", "width", "height", "bytes", "check", "reason", "score", "suggested")
_ID_DIGITS: Final = 20
_SHOWN_REASONS: Final = ("bad.", "dup.", "user.", "img.")


class Listing:
    """A snapshot: the pictures in order, what the machine said about each, and the labels there are.

    It holds what the page works on, some hundred bytes for each picture; the rest is asked of the manifest for the few
    that are looked at. ``revision`` names the snapshot; it is another one when pictures or verdicts have changed.

    Raises:
        UsageError: there is no picture.
    """

    def __init__(self, manifest: Manifest, in_set: InSet) -> None:
        self._manifest = manifest
        self.row: dict[Key, int] = {}
        self.in_set: list[bool] = []
        self.suspects: dict[int, float] = {}  # row to the score of its check
        self.labels: list[str] = []
        self.names: list[str] = []
        self.add_labels(manifest.labels())
        self.queries = manifest.queries()
        self.columns = json.dumps(self._columns(in_set), ensure_ascii=False, separators=(",", ":")).encode()
        self.revision = hashlib.sha256(self.columns).hexdigest()[:16]
        if not self.row:
            raise UsageError(
                f"no pictures to curate in {manifest.folder.root}. Nothing was changed. "
                f"Run first: imgkit harvest queries.csv --data {manifest.folder.root}"
            )

    def add_labels(self, known: dict[str, str]) -> None:
        """Append labels that came since; the number of a label never changes."""
        for slug, name in known.items():
            if slug not in self.labels:
                self.labels.append(slug)
                self.names.append(name)

    def key_of(self, reference: str) -> Key | None:
        """Return the item behind the page's ``<label number>.<image id>``, None if there is none."""
        number, _, image_id = reference.partition(".")
        if not number.isascii() or not number.isdigit() or len(number) > 6 or int(number) >= len(self.labels):
            return None
        key = (self.labels[int(number)], image_id)
        return key if key in self.row else None

    def details(self, keys: Sequence[Key]) -> dict[Key, Detail]:
        """Return all that is known about some items; those that have gone since are left out."""
        return details(self._manifest, keys)

    def picture(self, image_id: str) -> Picture | None:
        """Return the picture with this id under any of its labels, None if there is none."""
        keys = [key for label in self.labels if (key := (label, image_id)) in self.row][-1:]
        for key, known in self.details(keys).items():
            return Picture(
                label=key[0],
                image_id=image_id,
                path=self._manifest.folder.harvested_file(*key),
                file_sha256=known.item.file_sha256,
                sha256=known.image.sha256,
                width=known.image.width,
                height=known.image.height,
                bytes=known.image.bytes,
                label_now=key[0],
            )
        return None

    def _columns(self, in_set: InSet) -> dict[str, object]:
        labels = {slug: slug for slug in self.labels}  # one text for each, not one for each picture
        numbers = {slug: n for n, slug in enumerate(self.labels)}
        checks, reasons, providers = _Numbers(), _Numbers(), _Numbers()
        columns: dict[str, list[float]] = {name: [] for name in COLUMNS}
        verdicts: list[str] = []
        settled: dict[tuple[str, str], bool] = {}  # verdicts other than suspect, of which there are few
        for line in lines(self._manifest):
            said = (line.verdict, line.reason)
            if line.verdict == "suspect":
                self.suspects[len(self.row)] = line.score
                inside = in_set(_judgement(line))
            elif said in settled:
                inside = settled[said]
            else:
                inside = settled[said] = in_set(_judgement(line))
            self.row[labels[line.label], line.image_id] = len(self.row)
            self.in_set.append(inside)
            verdicts.append(line.verdict[:1] or "-")
            values = (
                numbers[line.label],
                providers[line.provider],
                line.width,
                line.height,
                line.bytes,
                checks[line.check],
                reasons[line.reason],
                round(line.score, 4),
                numbers.get(line.suggested, -1),
            )
            for column, value in zip(columns.values(), values, strict=True):
                column.append(value)
        groups = self._copy_groups()
        return {
            "rows": len(self.row),
            "checks": list(checks),
            "reasons": list(reasons),
            "groups": len(set(groups.values())),
            "providers": list(providers),
            "words": {code: text for code, text in REASONS.items() if code.startswith(_SHOWN_REASONS)},
            "id": "".join(image_id.ljust(_ID_DIGITS)[:_ID_DIGITS] for _, image_id in self.row),
            **columns,
            "verdict": "".join(verdicts),
            "in_set": "".join("1" if inside else "0" for inside in self.in_set),
            "group": [groups.get(row, -1) for row in range(len(self.row))],
        }

    def _copy_groups(self) -> dict[int, int]:
        """Return the number of the group of copies for each row in one: what findings call a copy or a conflict."""
        links = []
        for finding in findings_about_others(self._manifest):
            key = (finding.label, finding.image_id)
            links += [(key, other) for other in _named_copies(finding)]
        linked = [(self.row[one], self.row[other]) for one, other in links if one in self.row and other in self.row]
        places = sorted({row for link in linked for row in link})
        place_of = {row: place for place, row in enumerate(places)}
        groups = groups_of(len(places), [(place_of[one], place_of[other]) for one, other in linked])
        return {places[place]: number for number, members in enumerate(groups) for place in members}


def _judgement(line: Line) -> Judgement:
    """Return the verdict of a line; what is not judged yet is kept."""
    return Judgement(
        label=line.label,
        image_id=line.image_id,
        verdict=line.verdict or "keep",
        reason=line.reason,
        check=line.check,
        score=line.score,
        suggested=line.suggested,
    )


def _named_copies(finding: Finding) -> list[Key]:
    """Return the items that a finding of the checks exact, near or conflict names."""
    detail = finding.detail
    named: list[object] = [[detail.get("copy_of_label"), detail.get("copy_of")]] if "copy_of" in detail else []
    others = detail.get("others", [])
    named += others if isinstance(others, list) else []
    return [(str(one[0]), str(one[1])) for one in named if isinstance(one, list) and len(one) == 2]


class _Numbers(dict[str, int]):
    """A number for each different value, in order of first appearance."""

    def __missing__(self, value: str) -> int:
        self[value] = len(self)
        return self[value]
