"""Write the manifest out as files that other programs read: ``manifest.csv`` and ``decisions.jsonl``."""

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from datetime import datetime
from pathlib import Path

from imgkit.errors import UsageError
from imgkit.files import write_text
from imgkit.manifest.nouns import Decision
from imgkit.manifest.store import Manifest
from imgkit.manifest.verdicts import final_state

COLUMNS = (
    "label",
    "provider",
    "rank",
    "query",
    "state",
    "reason",
    "detail",
    "image_id",
    "curate_state",
    "curate_reason",
    "url",
    "page_url",
    "title",
    "author",
    "license",
    "license_url",
    "sha256",
    "width",
    "height",
)


def write_exports(manifest: Manifest) -> list[Path]:
    """Write ``manifest.csv`` (a row per candidate) and ``decisions.jsonl`` (a line per decision); return both paths.

    The same manifest gives the same bytes.
    """
    root = manifest.folder.root
    table, log = root / "manifest.csv", root / "decisions.jsonl"
    write_text(table, manifest_csv(manifest))
    write_text(log, decisions_jsonl(manifest.decisions()))
    return [table, log]


def manifest_csv(manifest: Manifest) -> str:
    """Return every candidate with its state, reason and provenance as CSV."""
    queries, images = manifest.queries(), manifest.images()
    judged, decided = manifest.judgements(), manifest.current_decisions()
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for one in manifest.candidates():
        image = images.get(one.image_id or "")
        state, reason = final_state((one.label, one.image_id or ""), judged, decided) if image else ("", "")
        found = one.proposal
        writer.writerow(
            spreadsheet_safe(
                [
                    one.label,
                    one.provider,
                    found.rank,
                    queries[one.query_id].text,
                    one.state,
                    one.reason,
                    one.detail,
                    one.image_id or "",
                    state,
                    reason,
                    found.url,
                    found.page_url,
                    found.title,
                    found.author,
                    found.license,
                    found.license_url,
                    image.sha256 if image else "",
                    image.width if image else "",
                    image.height if image else "",
                ]
            )
        )
    return text.getvalue()


def spreadsheet_safe(row: Sequence[object]) -> list[object]:
    """Return the row with an apostrophe before any text that a spreadsheet would run as a formula."""
    return [f"'{cell}" if isinstance(cell, str) and cell[:1] in ("=", "+", "-", "@", "\t") else cell for cell in row]


def decisions_jsonl(log: Sequence[Decision]) -> str:
    """Return the log of decisions, a JSON object a line, in order."""
    lines = []
    for one in log:
        fields = {name: value for name, value in asdict(one).items() if value not in ("", None)}
        fields["at"] = one.at.isoformat() if one.at else ""
        lines.append(json.dumps(fields, ensure_ascii=False, sort_keys=True))
    return "".join(f"{line}\n" for line in lines)


def read_decisions(path: Path) -> list[Decision]:
    """Return the decisions in a file that ``decisions_jsonl`` wrote, with the ids they had there.

    Raises:
        UsageError: a line is not a decision; the sentence names file and line.
    """
    found = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        try:
            fields = json.loads(line)
            fields["at"] = datetime.fromisoformat(fields["at"]) if fields.get("at") else None
            found.append(Decision(**fields))
        except (ValueError, TypeError) as error:
            raise UsageError(
                f"{path}, line {number} is not a decision ({error}). Nothing was imported. "
                "Give a decisions.jsonl as imgkit wrote it."
            ) from error
    return found


def import_decisions(manifest: Manifest, decisions: Sequence[Decision]) -> int:
    """Append decisions from another manifest; those that are in the log already are left out.

    A decision is the same when time, item and action are the same, so importing a file twice adds nothing.

    Returns:
        how many were new.
    """
    known = {_identity(one): one.id for one in manifest.decisions()}
    before = len(known)
    ids_here: dict[int, int] = {}
    with manifest.together(durable=True):
        for one in decisions:
            if _identity(one) not in known:
                undoes = ids_here.get(one.undoes) if one.undoes is not None else None
                known[_identity(one)] = manifest.decide([replace(one, undoes=undoes, key="")])[0]
            ids_here[one.id] = known[_identity(one)]
    return len(known) - before


def _identity(one: Decision) -> tuple[datetime | None, str, str, str, str]:
    return (one.at, one.label, one.image_id, one.action, one.to_label)
