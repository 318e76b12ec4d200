"""Candidates: what providers proposed, each in exactly one state with one reason."""

from collections.abc import Iterable, Iterator, Sequence, Set
from typing import Final

from imgkit.files import shown
from imgkit.manifest import rows
from imgkit.manifest.addresses import REMOVED, address_hash, removed
from imgkit.manifest.connection import ROWS_AT_A_TIME, OpenManifest
from imgkit.manifest.nouns import Candidate, CandidateState, Count

REMOVED_REASON: Final = "policy.removed"


class Candidates(OpenManifest):
    """The part of a manifest that harvest's fetching reads and writes."""

    def candidates(self, *, label: str | None = None, states: Sequence[CandidateState] = ()) -> list[Candidate]:
        """Return candidates by (label, round, rank, provider, id), optionally of one label and some states."""
        conditions, values = ["1"], []
        if label is not None:
            conditions.append("label=?")
            values.append(label)
        if states:
            conditions.append(f"state IN ({','.join('?' * len(states))})")
            values.extend(states)
        found = self._db.read(
            f"SELECT * FROM candidate WHERE {' AND '.join(conditions)} ORDER BY label, round, rank, provider, id",
            tuple(values),
        )
        return [rows.candidate_from(row) for row in found]

    def each_candidate(self, *, label: str | None = None, among: Set[int] | None = None) -> Iterator[Candidate]:
        """Yield candidates by id, a few thousand in memory at a time; for those who look at each of very many once.

        Optionally of one label, and only those with an id in ``among``.
        """
        where, values = ("label=? AND", (label,)) if label is not None else ("", ())
        last = -1
        while found := self._db.read(
            f"SELECT * FROM candidate WHERE {where} id>? ORDER BY id LIMIT {ROWS_AT_A_TIME}", (*values, last)
        ):
            for row in found:
                if among is None or row["id"] in among:
                    yield rows.candidate_from(row)
            last = found[-1]["id"]

    def last_round(self, label: str) -> int:
        """Return the number of the last round of searching that brought a candidate of ``label``, 0 without any."""
        found = self._db.read("SELECT max(round) AS last FROM candidate WHERE label=?", (label,))
        return int(found[0]["last"] or 0)

    def candidates_of(self, image_id: str) -> list[Candidate]:
        """Return every candidate that brought this picture: its provenance, in order of round, rank and provider."""
        found = self._db.read(
            "SELECT * FROM candidate WHERE image_id=? ORDER BY round, rank, provider, id", (image_id,)
        )
        return [rows.candidate_from(row) for row in found]

    def settle(self, outcomes: Iterable[Candidate]) -> None:
        """Store state, reason, detail, attempts, next try and image of these candidates in one transaction.

        Of a candidate that is ``policy.removed`` nothing but hashes stays: neither its addresses, which are known by
        their hashes from then on, nor title, author or tags.
        """
        outcomes = list(outcomes)
        gone = [one for one in outcomes if one.reason == REMOVED_REASON]
        with self._db.write() as db:
            db.executemany(
                "UPDATE candidate SET url=?, url_key=?, proposal='{}' WHERE id=?",
                [(*[removed(one.proposal.url)] * 2, one.id) for one in gone],
            )
            db.executemany(
                "INSERT INTO tombstone VALUES ('url',?,?,?) ON CONFLICT DO NOTHING",
                [
                    (address_hash(url), REMOVED_REASON, self._clock())
                    for one in gone
                    for url in (one.proposal.url, *one.proposal.fallbacks)
                    if not url.startswith(REMOVED)
                ],
            )
            db.executemany(
                "UPDATE candidate SET state=?, reason=?, detail=?, attempts=?, next_try_at=?, image_id=? WHERE id=?",
                [
                    (
                        one.state,
                        one.reason,
                        shown(one.detail),
                        one.attempts,
                        rows.timestamp(one.next_try_at),
                        one.image_id,
                        one.id,
                    )
                    for one in outcomes
                ],
            )

    def candidate_counts(self) -> list[Count]:
        """Return how many candidates are in each state for each reason, by label and provider."""
        return self._tally("candidate")
