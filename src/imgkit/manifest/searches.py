"""Labels, queries and searches: what was asked for, and how far each search has come."""

from collections.abc import Iterable, Sequence

from imgkit.errors import UsageError
from imgkit.manifest import rows
from imgkit.manifest.addresses import url_key
from imgkit.manifest.nouns import Proposal, Query, SearchState
from imgkit.manifest.opened import Opened


class Searches(Opened):
    """The part of a manifest that harvest's searching reads and writes."""

    def put_queries(self, queries: Iterable[Query]) -> list[int]:
        """Remember queries and return their ids in order; a query that is known keeps its id.

        Raises:
            UsageError: a label of these queries exists under another display name.
        """
        with self._db.write(durable=True) as db:
            ids = []
            for query in queries:
                self._put_label(query.label, query.name)
                values = (
                    query.label,
                    query.text,
                    rows.to_json(query.exclude),
                    rows.to_json(query.providers),
                    rows.to_json(query.licences),
                )
                db.execute(
                    "INSERT INTO query (label, text, exclude, providers, licences, max_candidates) "
                    "VALUES (?,?,?,?,?,?) ON CONFLICT DO UPDATE SET max_candidates=excluded.max_candidates",
                    (*values, query.limit),
                )
                found = db.execute(
                    "SELECT id FROM query WHERE label=? AND text=? AND exclude=? AND providers=? AND licences=?",
                    values,
                ).fetchone()
                ids.append(int(found["id"]))
        return ids

    def _put_label(self, slug: str, name: str) -> None:
        with self._db.write() as db:
            db.execute("INSERT INTO label VALUES (?,?) ON CONFLICT DO NOTHING", (slug, name))
            known = db.execute("SELECT name FROM label WHERE slug=?", (slug,)).fetchone()["name"]
        if known != name:
            raise UsageError(
                f'the labels "{known}" and "{name}" share the folder name {slug}. Nothing was changed. '
                "Rename one of them in the queries file."
            )

    def add_label(self, slug: str, name: str) -> None:
        """Make a label known that no query names, such as one that a person invents in the review."""
        self._put_label(slug, name)

    def labels(self) -> dict[str, str]:
        """Return folder name to display name, in order of first appearance."""
        return {row["slug"]: row["name"] for row in self._db.read("SELECT * FROM label ORDER BY rowid")}

    def queries(self) -> dict[int, Query]:
        """Return every query ever asked, by id."""
        found = self._db.read("SELECT query.*, name FROM query JOIN label ON slug = label ORDER BY id")
        return {row["id"]: rows.query_from(row) for row in found}

    def search_state(self, query_id: int, provider: str) -> SearchState:
        """Return how far a search has come; a fresh state if it has not begun."""
        found = self._db.read("SELECT * FROM search WHERE query_id=? AND provider=?", (query_id, provider))
        return rows.search_from(found[0]) if found else SearchState(query_id=query_id, provider=provider)

    def search_states(self) -> list[SearchState]:
        """Return the state of every search that has begun."""
        return [rows.search_from(row) for row in self._db.read("SELECT * FROM search ORDER BY query_id, provider")]

    def put_page(self, state: SearchState, proposals: Sequence[Proposal], *, label: str, round_: int) -> int:
        """Store one page of search results and the bookmark behind it, both or neither.

        An address that this provider proposed before for the label is the same candidate and is not stored twice.

        Returns:
            how many candidates are new.
        """
        with self._db.write() as db:
            stored = db.executemany(
                "INSERT INTO candidate (label, query_id, provider, round, rank, url, url_key, proposal, state) "
                "VALUES (?,?,?,?,?,?,?,?,'pending') ON CONFLICT DO NOTHING",
                [
                    (
                        label,
                        state.query_id,
                        state.provider,
                        round_,
                        proposal.rank,
                        proposal.url,
                        url_key(proposal.url),
                        rows.proposal_json(proposal),
                    )
                    for proposal in proposals
                ],
            )
            new = stored.rowcount
            db.execute(
                "INSERT INTO search VALUES (?,?,?,?,?,?) ON CONFLICT DO UPDATE SET cursor=excluded.cursor, "
                "verdict=excluded.verdict, detail=excluded.detail, found=excluded.found",
                (
                    state.query_id,
                    state.provider,
                    rows.to_json(state.cursor),
                    state.verdict,
                    state.detail,
                    state.found,
                ),
            )
        return new
