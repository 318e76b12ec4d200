"""The manifest of a data folder: every query, candidate, image, finding, decision and run, and nothing forgotten."""

import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from types import TracebackType

from imgkit.errors import UsageError
from imgkit.manifest import rows
from imgkit.manifest.addresses import url_key
from imgkit.manifest.connection import Connection
from imgkit.manifest.folder import DataFolder
from imgkit.manifest.nouns import (
    Candidate,
    CandidateState,
    Count,
    Decision,
    Finding,
    Image,
    Item,
    Judgement,
    Proposal,
    Query,
    SearchState,
)

ROWS_AT_A_TIME = 2000


class Manifest:
    """The one place where stages leave what the next stage needs. Safe for threads; one writer at a time.

    Every writing method is a transaction of its own unless it is called inside ``with manifest.together():``.
    """

    def __init__(self, folder: DataFolder, *, clock: Callable[[], float] = time.time) -> None:
        self.folder = folder
        self._clock = clock
        self._db = Connection(folder.manifest)

    @classmethod
    def open(cls, data: Path, *, clock: Callable[[], float] = time.time) -> "Manifest":
        """Open the manifest of the data folder ``data``, creating folder and manifest if there is none.

        Raises:
            UsageError: the file is another program's, or a newer imgkit's.
            ResourceError: no permission or no space.
            IntegrityError: the file is damaged.
        """
        return cls(DataFolder(data), clock=clock)

    @classmethod
    def open_existing(cls, data: Path) -> "Manifest":
        """Open the manifest of ``data``, which must be there.

        Raises:
            UsageError: there is none; the sentence says which command makes one.
        """
        if not DataFolder(data).manifest.exists():
            raise UsageError(
                f"no manifest at {data}. Nothing was changed. Run first: imgkit harvest queries.csv --data {data}"
            )
        return cls.open(data)

    def __enter__(self) -> "Manifest":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    @property
    def connection(self) -> Connection:
        """The open file, for the other modules of this room."""
        return self._db

    def now(self) -> float:
        """Return the manifest's time in seconds since 1970."""
        return self._clock()

    @contextmanager
    def together(self, *, durable: bool = False) -> Iterator[None]:
        """Make all writes inside the block one transaction: all of them or none."""
        with self._db.write(durable=durable):
            yield

    # queries and searches

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

    # candidates

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
        """Store state, reason, detail, attempts, next try and image of these candidates in one transaction."""
        with self._db.write() as db:
            db.executemany(
                "UPDATE candidate SET state=?, reason=?, detail=?, attempts=?, next_try_at=?, image_id=? WHERE id=?",
                [
                    (
                        one.state,
                        one.reason,
                        one.detail,
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

    # images and items

    def put_image(self, image: Image) -> None:
        """Remember a picture whose bytes are safe in ``originals/``; known ones are left as they are."""
        with self._db.write() as db:
            db.execute(
                "INSERT INTO image VALUES (?,?,?,?,?,?,?,?,?) ON CONFLICT DO NOTHING",
                (
                    image.id,
                    image.sha256,
                    image.stored_sha256,
                    image.extension,
                    image.bytes,
                    image.width,
                    image.height,
                    image.frames,
                    rows.to_json(image.notes),
                ),
            )

    def remove_images(self, image_ids: Iterable[str]) -> None:
        """Forget pictures with their items, findings and judgements; no candidate may still refer to them.

        What people decided about them stays in the log.
        """
        keys = [(image_id,) for image_id in image_ids]
        with self._db.write() as db:
            for table in ("item", "finding", "judgement"):
                db.executemany(f"DELETE FROM {table} WHERE image_id=?", keys)
            db.executemany("DELETE FROM image WHERE id=?", keys)

    def images(self) -> dict[str, Image]:
        """Return every picture by id."""
        return {row["id"]: rows.image_from(row) for row in self._db.read("SELECT * FROM image ORDER BY id")}

    def image(self, image_id: str) -> Image | None:
        """Return one picture, or None."""
        found = self._db.read("SELECT * FROM image WHERE id=?", (image_id,))
        return rows.image_from(found[0]) if found else None

    def put_items(self, items: Iterable[Item]) -> None:
        """Remember materialised files; the same item again replaces its size and hash."""
        with self._db.write() as db:
            db.executemany(
                "INSERT INTO item VALUES (?,?,?,?,?) ON CONFLICT DO UPDATE SET width=excluded.width, "
                "height=excluded.height, file_sha256=excluded.file_sha256",
                [(one.label, one.image_id, one.width, one.height, one.file_sha256) for one in items],
            )

    def remove_items(self, items: Iterable[tuple[str, str]]) -> None:
        """Forget materialised files by (label, image id); the pictures and their candidates stay."""
        with self._db.write() as db:
            db.executemany("DELETE FROM item WHERE label=? AND image_id=?", list(items))

    def items(self, *, label: str | None = None) -> list[Item]:
        """Return the items by (label, image id), optionally of one label."""
        where, values = ("WHERE label=?", (label,)) if label is not None else ("", ())
        return [
            rows.item_from(row) for row in self._db.read(f"SELECT * FROM item {where} ORDER BY label, image_id", values)
        ]

    # findings, judgements, decisions

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

    # counts, runs, hosts, tombstones

    def item_counts(self) -> list[Count]:
        """Return how many items are in each final state for each reason, by label.

        State is the person's decision where there is one, else the machine's verdict, else "harvested".
        """
        return self._tally("item")

    def _tally(self, of: str) -> list[Count]:
        """Return the counts that the file keeps, those of 0 left out."""
        found = self._db.read(
            "SELECT label, provider, state, reason, count FROM tally WHERE of=? AND count<>0 "
            "ORDER BY label, provider, state, reason",
            (of,),
        )
        return [Count(**dict(row)) for row in found]

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

    def defer_host(self, host: str, until: datetime | None, reason: str) -> None:
        """Remember not to ask ``host`` before ``until``; None forgets it."""
        with self._db.write() as db:
            db.execute(
                "INSERT INTO host (name, deferred_until, reason) VALUES (?,?,?) ON CONFLICT DO UPDATE SET "
                "deferred_until=excluded.deferred_until, reason=excluded.reason",
                (host, rows.timestamp(until), reason),
            )

    def deferred_hosts(self) -> dict[str, datetime]:
        """Return the hosts not to be asked yet, and until when."""
        found = self._db.read("SELECT * FROM host WHERE deferred_until > ?", (self._clock(),))
        return {row["name"]: moment for row in found if (moment := rows.moment(row["deferred_until"]))}

    def put_robots(self, host: str, text: str) -> None:
        """Remember the robots.txt of a host."""
        with self._db.write() as db:
            db.execute(
                "INSERT INTO host (name, robots, robots_at) VALUES (?,?,?) ON CONFLICT DO UPDATE SET "
                "robots=excluded.robots, robots_at=excluded.robots_at",
                (host, text, self._clock()),
            )

    def robots(self, host: str, *, max_age_s: float) -> str | None:
        """Return a robots.txt that is at most ``max_age_s`` seconds old, or None."""
        found = self._db.read(
            "SELECT robots FROM host WHERE name=? AND robots_at>=?", (host, self._clock() - max_age_s)
        )
        return found[0]["robots"] if found else None

    def bury(self, kind: str, values: Iterable[str], *, reason: str) -> None:
        """Keep what was removed from ever coming back. ``kind`` is url, sha256, host, author or look."""
        with self._db.write(durable=True) as db:
            db.executemany(
                "INSERT INTO tombstone VALUES (?,?,?,?) ON CONFLICT DO NOTHING",
                [(kind, value, reason, self._clock()) for value in values],
            )

    def buried(self, kind: str) -> frozenset[str]:
        """Return the values under a kind of tombstone."""
        return frozenset(row["value"] for row in self._db.read("SELECT value FROM tombstone WHERE kind=?", (kind,)))

    # the file itself

    def check(self) -> str:
        """Return "ok", or what the database's own check found."""
        return self._db.check()

    def backup(self, target: Path) -> None:
        """Copy the manifest to ``target`` while others go on working."""
        self._db.backup(target)


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
