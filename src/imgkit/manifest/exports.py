"""Say in one number what a manifest says, so that two data folders can be compared.

Write the manifest out as files that other programs read: ``manifest.csv`` and ``decisions.jsonl``."""

import csv
import hashlib
import io
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Final

from imgkit.escaping import spreadsheet_safe
from imgkit.files import write_text
from imgkit.manifest.connection import ROWS_AT_A_TIME
from imgkit.manifest.nouns import Decision
from imgkit.manifest.store import Manifest

_TABLES: Final[dict[str, str]] = {
    "candidate": "label, (SELECT text FROM query WHERE query.id = query_id), "
    "provider, round, rank, url, state, reason, image_id",
    "image": "id, sha256, stored_sha256, extension, bytes, width, height, frames, notes",
    "item": "label, image_id, width, height, file_sha256",
    "judgement": "label, image_id, verdict, reason, check_name, suggested, group_name",
    "decision": "id, label, image_id, action, reason, to_label, actor",
}
"""Table to the columns that count."""


def digest(manifest: Manifest) -> str:
    """Return 64 hex digits that stand for every candidate, picture, verdict and decision, in whatever order they came.

    The same queries, answers and decisions give the same digest, whatever the machine, the engine, the timing and the
    number of interruptions. Left out is what may differ then: times, attempts, wordings of failures, and scores, whose
    last digits depend on the processor. It is the sum of the rows' SHA-256, which takes no memory and no sorting.
    """
    total = 0
    for table, columns in _TABLES.items():
        last = -1
        while rows := manifest.connection.read(
            f"SELECT rowid, {columns} FROM {table} WHERE rowid > ? ORDER BY rowid LIMIT {ROWS_AT_A_TIME}", (last,)
        ):
            last = rows[-1][0]
            for row in rows:
                text = json.dumps([table, *tuple(row)[1:]])
                total += int.from_bytes(hashlib.sha256(text.encode()).digest())
    return f"{total % 2**256:064x}"


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
    outcomes = manifest.outcomes()
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for one in manifest.candidates():
        image = images.get(one.image_id or "")
        outcome = outcomes.get((one.label, one.image_id or ""))
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
                    outcome.state if outcome else "",
                    outcome.reason if outcome else "",
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


def decisions_jsonl(log: Sequence[Decision]) -> str:
    """Return the log of decisions, a JSON object a line, in order."""
    lines = []
    for one in log:
        fields = {name: value for name, value in asdict(one).items() if value not in ("", None)}
        fields["at"] = one.at.isoformat() if one.at else ""
        lines.append(json.dumps(fields, ensure_ascii=False, sort_keys=True))
    return "".join(f"{line}\n" for line in lines)
