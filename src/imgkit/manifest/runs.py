"""Runs: which commands were at work, on what, and with what result."""

import json

from imgkit.manifest import rows
from imgkit.manifest.opened import Opened


class Runs(Opened):
    """The part of a manifest that remembers the commands."""

    def start_run(self, command: str, arguments: dict[str, object]) -> int:
        """Note that a command began and return the run's id."""
        with self._db.write() as db:
            db.execute(
                "INSERT INTO run (command, started, arguments, summary) VALUES (?,?,?,'{}')",
                (command, self._clock(), rows.to_json(arguments)),
            )
            return int(db.execute("SELECT last_insert_rowid()").fetchone()[0])

    def end_run(self, run_id: int, summary: dict[str, object]) -> None:
        """Note that a command ended, and with what result."""
        with self._db.write() as db:
            db.execute("UPDATE run SET ended=?, summary=? WHERE id=?", (self._clock(), rows.to_json(summary), run_id))

    def last_run(self, command: str) -> dict[str, object] | None:
        """Return arguments and summary of the last finished run of a command, or None."""
        found = self._db.read(
            "SELECT * FROM run WHERE command=? AND ended IS NOT NULL ORDER BY id DESC LIMIT 1", (command,)
        )
        if not found:
            return None
        row = found[0]
        return {
            "id": row["id"],
            "started": row["started"],
            "ended": row["ended"],
            "arguments": json.loads(row["arguments"]),
            "summary": json.loads(row["summary"]),
        }
