"""Runs: which commands were at work, on what, and with what result."""

import json
from collections.abc import Collection
from pathlib import Path
from typing import Any

from imgkit.manifest import rows
from imgkit.manifest.connection import OpenManifest


class Runs(OpenManifest):
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

    def open_runs(self, command: str) -> list[tuple[int, dict[str, Any]]]:
        """Return id and arguments of the runs of a command that have not ended, oldest first."""
        found = self._db.read("SELECT id, arguments FROM run WHERE command=? AND ended IS NULL ORDER BY id", (command,))
        return [(int(row["id"]), dict(json.loads(row["arguments"]))) for row in found]

    def runs(self, command: str) -> list[dict[str, Any]]:
        """Return the arguments of all runs of a command, finished or not, oldest first."""
        found = self._db.read("SELECT arguments FROM run WHERE command=? ORDER BY id", (command,))
        return [dict(json.loads(row["arguments"])) for row in found]

    def forget_in_runs(self, texts: Collection[str]) -> None:
        """Forget the summaries of runs that hold one of these texts."""
        with self._db.write() as db:
            for row in self._db.read("SELECT id, summary FROM run"):
                if any(text in row["summary"] or rows.to_json(text)[1:-1] in row["summary"] for text in texts):
                    db.execute("UPDATE run SET summary='{}' WHERE id=?", (row["id"],))

    def last_harvest(self) -> dict[str, object]:
        """Return what the last harvest was asked for, finished or not: ``per_label``, ``queries``; {} for none."""
        found = self._db.read("SELECT arguments FROM run WHERE command='harvest' ORDER BY id DESC LIMIT 1", ())
        return dict(json.loads(found[0]["arguments"])) if found else {}

    def last_queries(self) -> Path | None:
        """Return the queries file of the last harvest as it can be named from here; None where it is gone."""
        arguments = self.last_harvest()
        if "queries" not in arguments:
            return None
        given = Path(str(arguments["queries"]))
        there = Path(str(arguments.get("from", "."))) / given
        return (given if given.absolute() == there else there) if there.is_file() else None

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
