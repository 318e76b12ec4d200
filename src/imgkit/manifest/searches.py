"""Labels, queries and searches: what was asked for, and how far each search has come."""

import os
from collections.abc import Collection, Iterable, Sequence, Set
from pathlib import Path
from typing import Final

from imgkit.errors import UsageError
from imgkit.files import shown
from imgkit.manifest import rows
from imgkit.manifest.addresses import url_key
from imgkit.manifest.connection import OpenManifest
from imgkit.manifest.nouns import Proposal, Query, QueryRow, SearchState

WORDS: Final = 1
"""The id of the "file" of words on the command line."""

LEFT_OUT: Final = "; left out: "
"""Begins the part of a search's detail that names what of a list is no candidate."""


class Searches(OpenManifest):
    """The part of a manifest that harvest's searching reads and writes."""

    def put_queries(self, queries: Iterable[Query], *, file: Path | None = None) -> list[int]:
        """Put the rows of a queries file in place of its earlier ones; return the ids of the queries in order.

        A query that is known keeps its id. It is known by label, text, excluded words and licences; providers and
        limit belong to the row.

        Args:
            queries: the rows, in order; their licences are those that hold for them, the command line's included.
            file: the queries file. None for words on the command line: they replace the earlier ones with the same
                label and text, and no others.

        Raises:
            UsageError: a label of these queries shares its folder with another label that somebody still asks for.
        """
        with self._db.write(durable=True) as db:
            newest = db.execute("SELECT coalesce(max(ran), 0) + 1 AS ran FROM query_row").fetchone()["ran"]
            file_id = WORDS if file is None else self._file_id(file)
            if file is not None:
                db.execute("DELETE FROM query_row WHERE file_id=?", (file_id,))
            asked = list(queries)
            for query, other in zip(asked, _first_of_folder(asked), strict=True):
                if (query.label, query.name) != (other.label, other.name):
                    raise _shared_folder(query.label, other.name, query.name)
            ids = [self._put_query(query) for query in asked]
            if file is None:
                db.executemany(
                    "DELETE FROM query_row WHERE file_id=? AND query_id IN "
                    "(SELECT id FROM query WHERE label=? AND text=?)",
                    [(file_id, query.label, query.text) for query in asked],
                )
            last = db.execute("SELECT coalesce(max(position), 0) AS last FROM query_row WHERE file_id=?", (file_id,))
            first = int(last.fetchone()["last"]) + 1
            db.executemany(
                "INSERT INTO query_row VALUES (?,?,?,?,?,?)",
                [
                    (file_id, position, query_id, rows.to_json(query.providers), query.limit, newest)
                    for position, (query_id, query) in enumerate(zip(ids, asked, strict=True), start=first)
                ],
            )
        return ids

    def _file_id(self, file: Path) -> int:
        """Return the id of a queries file, known by its path or by its place beside the data folder."""
        path, beside = self._places(file)
        with self._db.write() as db:
            found = db.execute(
                "SELECT id FROM query_file WHERE id<>? AND (path=? OR beside=?) ORDER BY path<>? LIMIT 1",
                (WORDS, path, beside, path),
            ).fetchone()
            if found:
                db.execute("UPDATE query_file SET path=?, beside=? WHERE id=?", (path, beside, found["id"]))
                return int(found["id"])
            added = db.execute("INSERT INTO query_file (path, beside) VALUES (?,?) RETURNING id", (path, beside))
            return int(added.fetchone()["id"])

    def _places(self, file: Path) -> tuple[str, str]:
        path = str(file.resolve())
        try:
            return path, os.path.relpath(path, self._db.file.parent.resolve())
        except ValueError:  # another drive
            return path, path

    def _put_query(self, query: Query) -> int:
        self._put_label(query.label, query.name)
        values = (query.label, query.text, rows.to_json(query.exclude), rows.to_json(query.licences))
        with self._db.write() as db:
            db.execute(
                "INSERT INTO query (label, text, exclude, licences) VALUES (?,?,?,?) ON CONFLICT DO NOTHING", values
            )
            found = db.execute("SELECT id FROM query WHERE label=? AND text=? AND exclude=? AND licences=?", values)
            return int(found.fetchone()["id"])

    def _put_label(self, slug: str, name: str) -> None:
        known = {one.casefold(): (one, written) for one, written in self.labels().items()}
        folder, written = known.get(slug.casefold(), (slug, name))
        if (folder, written) == (slug, name):
            with self._db.write() as db:
                db.execute("INSERT INTO label VALUES (?,?) ON CONFLICT DO NOTHING", (slug, name))
                db.execute("DELETE FROM renamed_label WHERE old=?", (slug,))
            return
        if folder != slug or self._is_asked_for(slug):
            raise _shared_folder(slug, written, name)
        with self._db.write() as db:
            db.execute("UPDATE label SET name=? WHERE slug=?", (name, slug))

    def _is_asked_for(self, label: str) -> bool:
        return bool(
            self._db.read("SELECT 1 FROM query_row JOIN query ON query.id = query_id WHERE label=? LIMIT 1", (label,))
        )

    def add_label(self, slug: str, name: str) -> None:
        """Make a label known that no query names, such as one that a person invents in the review."""
        self._put_label(slug, name)

    def drop_rows(self, label: str) -> None:
        """Forget the rows of all queries files that ask for a label; a file that is run again asks again."""
        with self._db.write(durable=True) as db:
            db.execute("DELETE FROM query_row WHERE query_id IN (SELECT id FROM query WHERE label=?)", (label,))

    def rows_in_force(self) -> list[QueryRow]:
        """Return the rows of all queries files, oldest first; for the same label and text only those of the newest."""
        found = self._db.read(
            "SELECT query_row.*, path, label, text, exclude, licences, name FROM query_row "
            "JOIN query ON query.id = query_id JOIN query_file ON query_file.id = file_id JOIN label ON slug = label "
            "ORDER BY ran, file_id, position"
        )
        newest = {(row["label"], row["text"]): row["ran"] for row in found}
        return [rows.query_row_from(row) for row in found if row["ran"] == newest[row["label"], row["text"]]]

    def rows_of(self, file: Path | None) -> list[QueryRow]:
        """Return the rows in force of one queries file, in order; None for words on the command line."""
        paths = {""} if file is None else set(self._places(file))
        known = self._db.read("SELECT path, beside FROM query_file")
        mine = {row["path"] for row in known if paths & {row["path"], row["beside"]}}
        return [row for row in self.rows_in_force() if row.file in mine]

    def labels(self) -> dict[str, str]:
        """Return folder name to display name, in order of first appearance."""
        return {
            rows.checked_label(row["slug"]): str(row["name"])
            for row in self._db.read("SELECT * FROM label ORDER BY rowid")
        }

    def queries(self) -> dict[int, Query]:
        """Return every query ever asked, by id. Providers and limit are empty: they belong to ``rows_in_force``."""
        found = self._db.read("SELECT query.*, name FROM query JOIN label ON slug = label ORDER BY id")
        return {row["id"]: rows.query_from(row) for row in found}

    def proposed(self, label: str) -> list[tuple[int, int, int]]:
        """Return (candidate id, query id, rank) for each query of a label that proposed a candidate."""
        found = self._db.read(
            "SELECT candidate_id, query_id, proposed.rank AS rank FROM proposed JOIN query ON query.id = query_id "
            "WHERE label=? ORDER BY candidate_id, query_id",
            (label,),
        )
        return [(row["candidate_id"], row["query_id"], row["rank"]) for row in found]

    def search_state(self, query_id: int, provider: str) -> SearchState:
        """Return how far a search has come; a fresh state if it has not begun."""
        found = self._db.read("SELECT * FROM search WHERE query_id=? AND provider=?", (query_id, provider))
        return rows.search_from(found[0]) if found else SearchState(query_id=query_id, provider=provider)

    def search_states(self) -> list[SearchState]:
        """Return the state of every search that has begun."""
        return [rows.search_from(row) for row in self._db.read("SELECT * FROM search ORDER BY query_id, provider")]

    def left_out(self) -> list[str]:
        """Return a sentence for each list that somebody asks for with rows that are no candidates."""
        asked = {row.query_id: row.query.text for row in self.rows_in_force()}
        return list(
            dict.fromkeys(
                f"{asked[state.query_id]}: left out are {state.detail.partition(LEFT_OUT)[2]}"
                for state in self.search_states()
                if state.query_id in asked and LEFT_OUT in state.detail
            )
        )

    def put_page(
        self, state: SearchState, proposals: Sequence[Proposal], *, label: str, round_: int, anew: bool = False
    ) -> int:
        """Store one page of search results and the bookmark behind it, both or neither.

        An address that this provider proposed before for the label is the same candidate and is not stored twice; it
        is noted that this query proposes it too.

        Args:
            state: the search, behind this page.
            proposals: the page.
            label: whose candidates they are.
            round_: of searching.
            anew: what is said about known addresses (rank, title, licence...) replaces what was said before: the page
                is of a list that a person may have edited.

        Returns:
            how many candidates are new.
        """
        keyed = [(url_key(one.url), one) for one in proposals]
        with self._db.write() as db:
            if anew:
                db.executemany(
                    "UPDATE candidate SET url=?, rank=?, proposal=? WHERE label=? AND provider=? AND url_key=?",
                    [
                        (one.url, one.rank, rows.proposal_json(one), label, state.provider, key)
                        for key, one in reversed(keyed)  # of an address that is listed twice the first counts
                    ],
                )
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
                        key,
                        rows.proposal_json(proposal),
                    )
                    for key, proposal in keyed
                ],
            )
            new = stored.rowcount
            db.executemany(
                "INSERT INTO proposed SELECT id, ?, ? FROM candidate WHERE label=? AND provider=? AND url_key=? "
                f"ON CONFLICT DO {'UPDATE SET rank=excluded.rank' if anew else 'NOTHING'}",
                [
                    (state.query_id, one.rank, label, state.provider, key)
                    for key, one in (reversed(keyed) if anew else keyed)
                ],
            )
            db.execute(
                "INSERT INTO search VALUES (?,?,?,?,?,?) ON CONFLICT DO UPDATE SET cursor=excluded.cursor, "
                "verdict=excluded.verdict, detail=excluded.detail, found=excluded.found",
                (
                    state.query_id,
                    state.provider,
                    rows.to_json(state.cursor),
                    state.verdict,
                    shown(state.detail),
                    state.found,
                ),
            )
        return new

    def withdraw_others(self, state: SearchState, keys: Set[str]) -> None:
        """Note that a list proposes nothing any more but the addresses with these keys, which it holds now.

        This goes for all queries of the same label and text: they are the same list.
        """
        with self._db.write() as db:
            same = "SELECT other.id FROM query AS one JOIN query AS other USING (label, text) WHERE one.id=?"
            found = db.execute(
                "SELECT DISTINCT id, url_key FROM candidate JOIN proposed ON candidate_id = id WHERE provider=? "
                f"AND proposed.query_id IN ({same})",
                (state.provider, state.query_id),
            ).fetchall()
            db.executemany(
                f"DELETE FROM proposed WHERE candidate_id=? AND query_id IN ({same})",
                [(row["id"], state.query_id) for row in found if row["url_key"] not in keys],
            )

    def forget_in_searches(self, texts: Collection[str]) -> None:
        """Begin those searches anew whose bookmark holds one of these texts: a path or an address that was removed."""
        with self._db.write() as db:
            for state in self.search_states():
                if any(text in f"{state.cursor}{state.detail}" for text in texts):
                    db.execute(
                        "UPDATE search SET cursor='null', verdict='ok', detail='' WHERE query_id=? AND provider=?",
                        (state.query_id, state.provider),
                    )


def _first_of_folder(queries: Sequence[Query]) -> list[Query]:
    """Return for each query the first one whose label has the same folder; case does not part two folders."""
    first: dict[str, Query] = {}
    return [first.setdefault(query.label.casefold(), query) for query in queries]


def _shared_folder(slug: str, name: str, other: str) -> UsageError:
    return UsageError(
        f'the labels "{name}" and "{other}" share the folder name {slug}. Nothing was changed. '
        "Rename one of them in the queries file."
    )
