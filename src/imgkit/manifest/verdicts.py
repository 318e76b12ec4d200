"""Findings, judgements and decisions: what checks, the machine and people say about items."""

from collections.abc import Iterable, Sequence

from imgkit.files import shown
from imgkit.manifest import rows
from imgkit.manifest.connection import OpenManifest
from imgkit.manifest.nouns import Decision, Finding, Judgement


class Verdicts(OpenManifest):
    """The part of a manifest that curate and review read and write. The log of decisions only grows."""

    def replace_findings(self, checks: Sequence[str], findings: Iterable[Finding]) -> None:
        """Put the findings of ``checks`` in place of all earlier findings of the same checks."""
        with self._db.write() as db:
            db.executemany("DELETE FROM finding WHERE check_name=?", [(check,) for check in checks])
            db.executemany(
                "INSERT INTO finding VALUES (?,?,?,?,?,?,?)",
                [
                    (
                        one.label,
                        one.image_id,
                        one.check,
                        one.score,
                        one.threshold,
                        rows.to_json(one.detail),
                        one.version,
                    )
                    for one in findings
                ],
            )

    def findings(self, *, check: str | None = None) -> list[Finding]:
        """Return the findings, worst first within each check."""
        where, values = ("WHERE check_name=?", (check,)) if check is not None else ("", ())
        return [
            rows.finding_from(row)
            for row in self._db.read(
                f"SELECT * FROM finding {where} ORDER BY check_name, score DESC, label, image_id", values
            )
        ]

    def replace_judgements(self, judgements: Iterable[Judgement]) -> None:
        """Put these verdicts of the machine in place of all earlier ones. Decisions of people are not touched."""
        with self._db.write(durable=True) as db:
            db.execute("DELETE FROM judgement")
            db.executemany(
                "INSERT INTO judgement VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
                [
                    (
                        one.label,
                        one.image_id,
                        one.verdict,
                        one.reason,
                        one.check,
                        one.score,
                        one.detail,
                        one.suggested,
                        one.group,
                        one.copies,
                        one.rank,
                        one.included,
                        one.placed,
                        one.probability,
                        one.why,
                    )
                    for one in judgements
                ],
            )

    def judgements(self) -> dict[tuple[str, str], Judgement]:
        """Return the machine's verdicts by (label, image id)."""
        found = self._db.read("SELECT * FROM judgement ORDER BY label, image_id")
        return {(row["label"], row["image_id"]): rows.judgement_from(row) for row in found}

    def decide(self, decisions: Sequence[Decision]) -> list[int]:
        """Append decisions to the log and return their ids; they survive a loss of power once this returns.

        A decision whose non-empty key is in the log already is not written again; its first id is returned.
        """
        ids = []
        with self._db.write(durable=True) as db:
            for one in decisions:
                db.execute(
                    "INSERT INTO decision (at, actor, command, image_id, label, action, reason, to_label, undoes, key) "
                    "VALUES (?,?,?,?,?,?,?,?,?,?) ON CONFLICT (key) DO NOTHING",
                    (
                        rows.timestamp(one.at) or self._clock(),
                        one.actor,
                        shown(one.command),
                        one.image_id,
                        one.label,
                        one.action,
                        one.reason,
                        one.to_label,
                        one.undoes,
                        shown(one.key) or None,
                    ),
                )
                last = db.execute(
                    "SELECT id FROM decision WHERE key=?" if one.key else "SELECT last_insert_rowid() AS id",
                    (shown(one.key),) if one.key else (),
                ).fetchone()
                ids.append(int(last["id"]))
        return ids

    def withdrawn(self, keys: Iterable[str]) -> set[str]:
        """Return those of the keys whose decision is in the log and was taken back."""
        return {key for key in keys if self._undone(key)}

    def take_back(self, keys: Iterable[str], *, command: str) -> int:
        """Undo the decisions with these keys that are in force or were replaced since; return how many were undone."""
        found = {one.key: one for one in self.decisions() if one.key}
        wanted = [found[key] for key in keys if key in found and self._undone(key) is False]
        self.decide([self._undo_of(one, command) for one in wanted])
        return len(wanted)

    def bring_back(self, keys: Iterable[str], *, command: str) -> int:
        """Undo the undoing of the decisions with these keys; return how many of them were brought back."""
        found = {one.key: one for one in self.decisions() if one.key}
        wanted = [found[key] for key in keys if key in found and self._undone(key)]
        for one in wanted:
            holders = self._db.read(
                "SELECT * FROM decision WHERE undoes=? AND action='undo' AND NOT undone ORDER BY id", (one.id,)
            )
            self.decide([self._undo_of(rows.decision_from(each), command) for each in holders])
        return len(wanted)

    def _undone(self, key: str) -> bool | None:
        """Whether the decision with a key was taken back, None where there is none."""
        found = self._db.read("SELECT undone FROM decision WHERE key=?", (key,))
        return bool(found[0]["undone"]) if found else None

    def _undo_of(self, one: Decision, command: str) -> Decision:
        return Decision(image_id=one.image_id, label=one.label, action="undo", undoes=one.id, command=command)

    def decisions(self, *, after: int = 0) -> list[Decision]:
        """Return the log of decisions in order, optionally only those with an id above ``after``."""
        found = self._db.read("SELECT * FROM decision WHERE id>? ORDER BY id", (after,))
        return [rows.decision_from(row) for row in found]

    def current_decisions(self) -> dict[tuple[str, str], Decision]:
        """Return the decision in force for each decided item, by (label, image id).

        The last decision that no undo takes back is in force; an undo of an undo brings the first one back.
        """
        found = self._db.read("SELECT decision.* FROM in_force JOIN decision ON id = in_force.decision ORDER BY id")
        return {(row["label"], row["image_id"]): rows.decision_from(row) for row in found}

    def count_decided_items(self) -> int:
        """Return how many items that are there a decision is in force for."""
        found = self._db.read("SELECT count(*) AS count FROM in_force JOIN item USING (label, image_id)")
        return int(found[0]["count"])
