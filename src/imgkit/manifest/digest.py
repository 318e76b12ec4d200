"""Say in one number what a manifest says, so that two data folders can be compared."""

import hashlib
import json
from typing import Final

from imgkit.manifest.opened import ROWS_AT_A_TIME
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
