"""All pictures of a data folder with the machine's verdicts, as the columns that the page works on."""

import hashlib
import json
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Final

from imgkit.curate.grouping import groups_of
from imgkit.curate.pictures import Picture, gather
from imgkit.manifest import Finding, Judgement, Manifest
from imgkit.reasons import REASONS

Key = tuple[str, str]
InSet = Callable[[Judgement], bool]
"""Whether a picture that nobody decided about is in the curated set, by the machine's verdict and the policy."""

UNJUDGED: Final = Judgement(label="", image_id="", verdict="keep")
_ID_DIGITS: Final = 20
_SHOWN_REASONS: Final = ("bad.", "dup.", "user.", "img.")


class Listing:
    """A snapshot: pictures in order, what the machine said about each, and the labels there are.

    ``revision`` names the snapshot; it is another one when pictures or verdicts have changed.
    """

    def __init__(self, manifest: Manifest, in_set: InSet) -> None:
        self.pictures: list[Picture] = gather(manifest)
        self.judgements: list[Judgement] = []
        judged = manifest.judgements()
        self.judgements = [judged.get(picture.key, UNJUDGED) for picture in self.pictures]
        self.in_set = [in_set(judgement) for judgement in self.judgements]
        self.row = {picture.key: n for n, picture in enumerate(self.pictures)}
        self.by_id = {picture.image_id: picture for picture in self.pictures}
        self.findings: dict[Key, list[Finding]] = defaultdict(list)
        for finding in manifest.findings():
            self.findings[finding.label, finding.image_id].append(finding)
        self.labels: list[str] = []
        self.names: list[str] = []
        self.add_labels(manifest.labels())
        self.queries = manifest.queries()
        self.columns = json.dumps(self._columns(), ensure_ascii=False, separators=(",", ":")).encode()
        self.revision = hashlib.sha256(self.columns).hexdigest()[:16]

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

    def _columns(self) -> dict[str, object]:
        label_number = {slug: n for n, slug in enumerate(self.labels)}
        checks = _numbering([one.check for one in self.judgements])
        reasons = _numbering([one.reason for one in self.judgements])
        groups = self._copy_groups()
        providers = _numbering([one.provider for one in self.pictures])
        return {
            "rows": len(self.pictures),
            "checks": list(checks),
            "reasons": list(reasons),
            "groups": len(set(groups.values())),
            "providers": list(providers),
            "words": {
                code: text for code, text in REASONS.items() if code.startswith(("bad.", "dup.", "user.", "img."))
            },
            "id": "".join(one.image_id.ljust(_ID_DIGITS)[:_ID_DIGITS] for one in self.pictures),
            "label": [label_number[one.label] for one in self.pictures],
            "provider": [providers[one.provider] for one in self.pictures],
            "width": [one.width for one in self.pictures],
            "height": [one.height for one in self.pictures],
            "bytes": [one.bytes for one in self.pictures],
            "verdict": "".join(one.verdict[0] if one is not UNJUDGED else "-" for one in self.judgements),
            "in_set": "".join("1" if inside else "0" for inside in self.in_set),
            "check": [checks[one.check] for one in self.judgements],
            "reason": [reasons[one.reason] for one in self.judgements],
            "score": [round(one.score, 4) for one in self.judgements],
            "suggested": [label_number.get(one.suggested, -1) for one in self.judgements],
            "group": [groups.get(row, -1) for row in range(len(self.pictures))],
        }

    def _copy_groups(self) -> dict[int, int]:
        """Return the number of the group of copies for each row in one: what findings call a copy or a conflict."""
        links = []
        for key, findings in self.findings.items():
            for finding in findings:
                links += [(key, other) for other in _named_copies(finding)]
        rows = [(self.row[one], self.row[other]) for one, other in links if one in self.row and other in self.row]
        groups = groups_of(len(self.pictures), rows)
        return {row: number for number, members in enumerate(groups) for row in members}


def _named_copies(finding: Finding) -> list[Key]:
    """Return the items that a finding of the checks exact, near or conflict names."""
    detail = finding.detail
    named: list[object] = [[detail.get("copy_of_label"), detail.get("copy_of")]] if "copy_of" in detail else []
    others = detail.get("others", [])
    named += others if isinstance(others, list) else []
    return [(str(one[0]), str(one[1])) for one in named if isinstance(one, list) and len(one) == 2]


def _numbering(values: Sequence[str]) -> dict[str, int]:
    """Return a number for each different value, in order of first appearance."""
    return {value: n for n, value in enumerate(dict.fromkeys(values))}
