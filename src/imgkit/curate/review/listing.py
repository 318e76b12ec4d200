"""All pictures of a data folder with the machine's verdicts, as the columns that the page works on."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Final

from imgkit import commands
from imgkit.curate.checks import CHECK_REASONS, CHECKS
from imgkit.curate.pictures import ItemPicture
from imgkit.errors import UsageError
from imgkit.manifest import Judgement, Manifest, Standing
from imgkit.manifest.nouns import ItemKey
from imgkit.manifest.overview import Detail, ItemLine, details, lines
from imgkit.manifest.standings import UNREADABLE, copy_groups, standing_of
from imgkit.reasons import REASONS

InSet = Callable[[Judgement], bool]
"""Whether a picture that nobody decided about is in the curated set, by the machine's verdict and the policy.

Only of suspects it may ask for more than verdict and reason.
"""

UNJUDGED: Final = Judgement(label="", image_id="", verdict="keep")
COLUMNS: Final = (
    *("label", "provider", "width", "height", "bytes", "check", "reason", "score", "suggested"),
    *("group", "rank", "probability"),
)
_ID_DIGITS: Final = 20
_SHOWN_REASONS: Final = ("bad.", "dup.", "user.", "img.")


class ReviewListing:
    """A snapshot: the pictures that a curate judged in order, what it said about each, and the labels there are.

    It holds what the page works on, some hundred bytes for each picture; the rest is asked of the manifest for the few
    that are looked at. ``revision`` names the snapshot; it is another one when pictures or verdicts have changed.

    Raises:
        UsageError: there is no picture.
    """

    def __init__(self, manifest: Manifest, in_set: InSet) -> None:
        self._manifest = manifest
        self.row: dict[ItemKey, int] = {}
        self.in_set: list[bool] = []
        self.suspects: dict[int, float] = {}  # row to the score of its check
        self.probabilities: list[float] = []  # that a person would throw the picture out, by the checks
        self.asked_as: dict[int, int] = {}  # row to the row of the copy under its label that a person is asked about
        self.group_of: dict[int, str] = {}  # row of a copy to its group
        self.copies: dict[str, dict[ItemKey, Standing]] = {}  # group of copies to its members, without decisions
        self.unusable: set[ItemKey] = set()  # files that no decision can bring into the set
        self.labels: list[str] = []
        self.names: list[str] = []
        self.add_labels(manifest.labels())
        self.queries = manifest.queries()
        self.columns = json.dumps(self._columns(in_set), ensure_ascii=False, separators=(",", ":")).encode()
        self.revision = hashlib.sha256(self.columns).hexdigest()[:16]
        if not self.row and any(True for _ in lines(manifest)):
            raise UsageError(
                f"no picture in {manifest.folder.root} is judged yet. Nothing was changed. "
                f"Run first: {commands.curate(manifest.folder.root)}"
            )
        if not self.row:
            raise UsageError(
                f"no pictures to curate in {manifest.folder.root}. Nothing was changed. "
                f"Run first: {commands.harvest(manifest.folder.root, queries=manifest.last_queries())}"
            )

    def add_labels(self, known: dict[str, str]) -> None:
        """Append labels that came since; the number of a label never changes."""
        for slug, name in known.items():
            if slug not in self.labels:
                self.labels.append(slug)
                self.names.append(name)

    def key_of(self, reference: str) -> ItemKey | None:
        """Return the item behind the page's ``<label number>.<image id>``, None if there is none."""
        number, _, image_id = reference.partition(".")
        if not number.isascii() or not number.isdigit() or len(number) > 6 or int(number) >= len(self.labels):
            return None
        key = (self.labels[int(number)], image_id)
        return key if key in self.row else None

    def details(self, keys: Sequence[ItemKey]) -> dict[ItemKey, Detail]:
        """Return all that is known about some items; those that have gone since are left out."""
        return details(self._manifest, keys)

    def picture(self, image_id: str) -> ItemPicture | None:
        """Return the picture with this id under any of its labels, None if there is none."""
        keys = [key for label in self.labels if (key := (label, image_id)) in self.row][-1:]
        for key, known in self.details(keys).items():
            return ItemPicture(
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
        groups = copy_groups(self._manifest.connection)
        numbered = _Numbers()
        best: dict[tuple[str, str], list[tuple[int, int]]] = {}  # group and label to rank and row of its members
        for line in lines(self._manifest):
            if not line.verdict:
                continue  # harvested since the last curate
            said = (line.verdict, line.reason)
            copies = groups.get((line.label, line.image_id), "")
            judgement = _judgement(line, copies)
            if line.verdict == "suspect":
                self.suspects[len(self.row)] = line.score
                inside = in_set(judgement)
            elif said in settled:
                inside = settled[said]
            else:
                inside = settled[said] = in_set(judgement)
            key = (labels[line.label], line.image_id)
            if copies or line.check == UNREADABLE:
                standing = standing_of(replace(judgement, included=inside), None)
                if copies:
                    self.copies.setdefault(copies, {})[key] = standing
                if not standing.usable:
                    self.unusable.add(key)
            row = self.row[key] = len(self.row)
            if copies:
                self.group_of[row] = copies
            if key not in self.unusable and not (line.verdict != "keep" and line.reason.startswith("dup.")):
                if copies:
                    best.setdefault((copies, key[0]), []).append((line.rank, row))
                elif line.verdict != "reject":
                    self.asked_as[row] = row
            self.probabilities.append(line.probability)
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
                numbered[copies] if copies else -1,
                line.rank,
                round(line.probability, 4),
            )
            for column, value in zip(columns.values(), values, strict=True):
                column.append(value)
        self._ask_about_the_best(best)
        return {
            "rows": len(self.row),
            "checks": list(checks),
            "reasons": list(reasons),
            "groups": len(numbered),
            "providers": list(providers),
            "words": {code: text for code, text in REASONS.items() if code.startswith(_SHOWN_REASONS)},
            "titles": {name: check.title for name, check in CHECKS.items()},
            "choices": choices(),
            "id": "".join(image_id.ljust(_ID_DIGITS)[:_ID_DIGITS] for _, image_id in self.row),
            **columns,
            "verdict": "".join(verdicts),
            "in_set": "".join("1" if inside else "0" for inside in self.in_set),
            "usable": "".join("0" if key in self.unusable else "1" for key in self.row),
        }

    def _ask_about_the_best(self, members: Mapping[tuple[str, str], Sequence[tuple[int, int]]]) -> None:
        """Let the best judged copy under each label stand for all members of its group under that label."""
        asked = {place: min(ranked)[1] for place, ranked in members.items()}
        for row, (label, _) in enumerate(self.row):
            if (found := asked.get((self.group_of.get(row, ""), label))) is not None:
                self.asked_as[row] = found


def choices() -> list[tuple[str, str, str]]:
    """Return what a person can reject a picture for: a letter, the code of the reason, and words."""
    of_checks = [(one.key, one.code, one.choice) for one in reversed(CHECK_REASONS.values()) if one.key]
    return [*of_checks, ("o", "user.rejected", "something else")]


def _judgement(line: ItemLine, copies: str) -> Judgement:
    """Return the verdict of a line, whose group of copies is ``copies``."""
    assert line.verdict
    return Judgement(
        label=line.label,
        image_id=line.image_id,
        verdict=line.verdict,
        reason=line.reason,
        check=line.check,
        score=line.score,
        suggested=line.suggested,
        copies=copies,
        rank=line.rank,
    )


class _Numbers(dict[str, int]):
    """A number for each different value, in order of first appearance."""

    def __missing__(self, value: str) -> int:
        self[value] = len(self)
        return self[value]
