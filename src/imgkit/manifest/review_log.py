"""What people did on the review page: actions with their decisions, and the samples of audits."""

import json
from collections.abc import Sequence
from dataclasses import replace

from imgkit.manifest import rows
from imgkit.manifest.nouns import Audit, Decision, Question, ReviewAction
from imgkit.manifest.store import Manifest


class ReviewLog:
    """The append-only log of a manifest's reviews. An action and its decisions are written together or not at all."""

    def __init__(self, manifest: Manifest) -> None:
        self._manifest = manifest
        self._db = manifest.connection

    def append(self, action: ReviewAction, decisions: Sequence[Decision]) -> bool:
        """Write an action with its decisions; both survive a loss of power once this returns.

        The decisions get the keys that tie them to the action.

        Returns:
            False where the key of the action is in the log already; nothing is written then.
        """
        with self._db.write(durable=True) as db:
            known = db.execute("SELECT 1 FROM review WHERE key=?", (action.key,)).fetchone()
            if known:
                return False
            db.execute(
                "INSERT INTO review (at, key, reviewer, mode, kind, label, image_id, answer, undoes, audit, dwell_ms) "
                "VALUES (?,?,?,?,?,?,?,?,?,?,?)",
                (
                    rows.timestamp(action.at) or self._manifest.now(),
                    action.key,
                    action.reviewer,
                    action.mode,
                    action.kind,
                    action.label,
                    action.image_id,
                    action.answer,
                    action.undoes,
                    action.audit,
                    action.dwell_ms,
                ),
            )
            self._manifest.decide([replace(one, key=f"{action.key}.{n}") for n, one in enumerate(decisions)])
        return True

    def actions(self, *, after: int = 0) -> list[ReviewAction]:
        """Return the actions in order, optionally only those with an id above ``after``."""
        found = self._db.read("SELECT * FROM review WHERE id>? ORDER BY id", (after,))
        return [rows.review_action_from(row) for row in found]

    def put_audit(self, audit: Audit) -> int:
        """Remember the sample of an audit and return its id."""
        sample = [[one.label, one.image_id, one.trial] for one in audit.questions]
        with self._db.write(durable=True) as db:
            db.execute(
                "INSERT INTO audit (at, kept, unseen, sample) VALUES (?,?,?,?)",
                (rows.timestamp(audit.at) or self._manifest.now(), audit.kept, audit.unseen, rows.to_json(sample)),
            )
            return int(db.execute("SELECT last_insert_rowid()").fetchone()[0])

    def last_audit(self) -> Audit | None:
        """Return the newest audit, finished or not; None if there was none."""
        found = self._db.read("SELECT * FROM audit ORDER BY id DESC LIMIT 1")
        if not found:
            return None
        row = found[0]
        return Audit(
            id=row["id"],
            at=rows.moment(row["at"]),
            kept=row["kept"],
            unseen=row["unseen"],
            questions=tuple(
                Question(label=label, image_id=image_id, trial=trial)
                for label, image_id, trial in json.loads(row["sample"])
            ),
        )
