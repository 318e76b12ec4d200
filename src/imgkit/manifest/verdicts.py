"""Findings, judgements and decisions: what checks, the machine and people say about items."""

from collections.abc import Iterable, Mapping, Sequence

from imgkit.manifest import rows
from imgkit.manifest.nouns import Decision, Finding, Judgement
from imgkit.manifest.opened import Opened


class Verdicts(Opened):
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
                "INSERT INTO judgement VALUES (?,?,?,?,?,?,?,?,?)",
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
                        one.command,
                        one.image_id,
                        one.label,
                        one.action,
                        one.reason,
                        one.to_label,
                        one.undoes,
                        one.key or None,
                    ),
                )
                last = db.execute(
                    "SELECT id FROM decision WHERE key=?" if one.key else "SELECT last_insert_rowid() AS id",
                    (one.key,) if one.key else (),
                ).fetchone()
                ids.append(int(last["id"]))
        return ids

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

    def count_decided(self) -> int:
        """Return how many items a decision is in force for."""
        return int(self._db.read("SELECT count(*) AS count FROM in_force")[0]["count"])


def final_state(
    key: tuple[str, str],
    judged: dict[tuple[str, str], Judgement],
    decided: Mapping[tuple[str, str], Decision],
) -> tuple[str, str]:
    """Return (state, reason) of an item: keep, reject, relabel, suspect or harvested; a person outranks the machine."""
    if decision := decided.get(key):
        reasons = {"keep": "", "reject": decision.reason or "user.rejected", "relabel": "user.moved"}
        return decision.action, reasons[decision.action]
    if judgement := judged.get(key):
        return judgement.verdict, judgement.reason
    return "harvested", ""
