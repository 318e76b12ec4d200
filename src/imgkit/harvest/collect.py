"""Harvest: search, fetch and materialise every label of a list of queries, and account for every candidate."""

import os
import queue
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import Final

import imgkit
from imgkit.engine import Engine, LocalEngine
from imgkit.harvest.books import Books
from imgkit.harvest.candidates import reopen, settle, waiting
from imgkit.harvest.config import HarvestConfig, agent
from imgkit.harvest.fetch import Fetcher
from imgkit.harvest.guard import Allowed, Guard
from imgkit.harvest.http import open_fetch
from imgkit.harvest.interrupt import postponed
from imgkit.harvest.journey import Journey
from imgkit.harvest.materialise import materialise
from imgkit.harvest.originals import RESERVE_BYTES, Originals, require_space, sweep
from imgkit.harvest.patience import PATIENCE, Patience
from imgkit.harvest.plan import Search, searches
from imgkit.harvest.providers import PROVIDERS
from imgkit.harvest.report import HarvestReport, LabelResult, notes_of
from imgkit.harvest.robots import MAX_AGE_S, RobotsBook
from imgkit.harvest.schedule import Schedule
from imgkit.harvest.screening import Tombstones
from imgkit.harvest.search import OpenFetch, SearchDesk
from imgkit.harvest.shelves import Shelf
from imgkit.harvest.yields import yield_table
from imgkit.manifest import Manifest, Query, sole_owner
from imgkit.manifest.exports import write_exports
from imgkit.progress import Progress, Silent

DECODE_SECONDS: Final = 20.0
DECODE_BYTES: Final = 1024**3
ALLOW_VARIABLE: Final = "IMGKIT_ALLOW_PRIVATE_HOSTS"


def harvest(
    queries: Sequence[Query],
    config: HarvestConfig,
    *,
    environ: Mapping[str, str],
    progress: Progress | None = None,
    patience: Patience = PATIENCE,
    retry: bool = False,
    open_search: OpenFetch | None = None,
    engine: Engine | None = None,
) -> HarvestReport:
    """Bring every label of ``queries`` to ``config.per_label`` kept pictures in ``config.data``.

    The same queries and answers give the same pictures, whatever the timing and however often a run was killed; a run
    goes on where the last one ended. Pictures of the provider ``folder`` are all taken, whatever the target.

    Args:
        queries: what to search for.
        config: how.
        environ: keys, base URLs and allowed private hosts.
        progress: who watches.
        patience: limits of waiting.
        retry: try again what failed for good in earlier runs.
        open_search: the way to a provider's service; by default the network.
        engine: where pictures are decoded; by default in processes with limits of time and memory.

    Raises:
        UsageError: queries or config cannot be used; nothing was changed.
        LockedError: another harvest uses the data folder.
        ResourceError: no space or no permission; what was finished is saved.
        IntegrityError: the data folder contradicts itself.
    """
    progress = progress or Silent()
    planned = searches(queries, config, environ)
    guard = Guard(Allowed.read([*config.allow_private_hosts, *environ.get(ALLOW_VARIABLE, "").split(",")]))
    open_search = open_search or (lambda provider, ready: open_fetch(provider, ready, config))
    began = time.monotonic()
    with ExitStack() as stack:
        manifest = stack.enter_context(Manifest.open(config.data))
        stack.enter_context(sole_owner(manifest.folder.locks, "harvest"))
        engine = engine or stack.enter_context(_decoders())
        require_space(manifest.folder, RESERVE_BYTES)
        sweep(manifest.folder)
        run_id = manifest.start_run("harvest", {"per_label": config.per_label, "size": config.size})
        query_ids = dict(zip(queries, manifest.put_queries(queries), strict=True))
        reopen(manifest, config, retry=retry)
        with _gathering(manifest, config, planned, query_ids, guard, engine, progress, patience, open_search) as (
            schedule,
            desk,
        ):
            schedule.run()
        made = materialise(manifest, settle(manifest), size=config.size, engine=engine, progress=progress)
        report = _report(manifest, config, planned, schedule, desk, made=made, seconds=time.monotonic() - began)
        write_exports(manifest)
        manifest.end_run(run_id, {"exit_code": report.exit_code, "summary": report.summary})
    return report


def _decoders() -> LocalEngine:
    workers = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return LocalEngine(workers, timeout_s=DECODE_SECONDS, memory_bytes=DECODE_BYTES)


@contextmanager
def _gathering(
    manifest: Manifest,
    config: HarvestConfig,
    planned: Sequence[Search],
    query_ids: Mapping[Query, int],
    guard: Guard,
    engine: Engine,
    progress: Progress,
    patience: Patience,
    open_search: OpenFetch,
) -> Iterator[tuple[Schedule, SearchDesk]]:
    """Set up everything that searches and fetches; when the block is left, however, nothing of it goes on."""
    events: queue.SimpleQueue[object] = queue.SimpleQueue()
    books = Books(manifest)
    for label in manifest.labels():
        books.load(manifest.candidates(label=label))
    shelves = _shelves(manifest, config, query_ids)
    tombstones = Tombstones.of(manifest)
    limits = replace(patience.fetch, max_bytes=config.max_bytes)
    fetcher = Fetcher(guard, user_agent=agent(config, imgkit.__version__), limits=limits, proxy=config.proxy)
    desk = SearchDesk(
        manifest,
        planned,
        query_ids=query_ids,
        targets={shelf.label: shelf.target for shelf in shelves},
        put=events.put,
        patience=patience,
        open_fetch=open_search,
    )
    journey = Journey(
        fetcher,
        engine,
        Originals(manifest.folder),
        size=config.size,
        smallest_side=config.smallest_side,
        removed=tombstones.sha256s,
    )
    robots = RobotsBook(recall=lambda origin: manifest.robots(origin, max_age_s=MAX_AGE_S), store=manifest.put_robots)
    schedule = Schedule(
        manifest,
        shelves,
        books=books,
        desk=desk,
        journey=journey,
        guard=guard,
        robots=robots if config.robots else None,
        load=lambda label: waiting(manifest, label, config, tombstones),
        patience=patience,
        events=events,
        progress=progress,
    )
    progress.start("Harvesting", sum(shelf.target for shelf in shelves))
    with postponed(schedule.stop):
        try:
            yield schedule, desk
        finally:
            desk.close()
            fetcher.break_off()
            schedule.close()
            fetcher.close()


def _shelves(manifest: Manifest, config: HarvestConfig, queries: Mapping[Query, int]) -> list[Shelf]:
    names = {query.label: query.name for query in queries}
    shelves = []
    for label, name in names.items():
        last_round = max((one.round for one in manifest.candidates(label=label)), default=0)
        shelves.append(Shelf(label=label, name=name, target=config.per_label, round=last_round))
    return shelves


def _report(
    manifest: Manifest,
    config: HarvestConfig,
    planned: Sequence[Search],
    schedule: Schedule,
    desk: SearchDesk,
    *,
    made: int,
    seconds: float,
) -> HarvestReport:
    names = {search.query.label: search.query.name for search in planned}
    rows = yield_table(manifest.candidate_counts(), labels=list(names), providers=list(PROVIDERS))
    kept = {label: sum(row.kept for row in rows if row.label == label) for label in names}
    return HarvestReport(
        data=str(config.data),
        labels=tuple(
            LabelResult(label=label, name=name, target=config.per_label, kept=kept[label])
            for label, name in names.items()
        ),
        rows=tuple(rows),
        notes=notes_of(planned, desk.problems),
        asked=tuple(name for name in PROVIDERS if name in desk.answered),
        nobody_to_ask=schedule.network_down or desk.nobody_to_ask,
        network_down=schedule.network_down,
        requests=schedule.requests,
        made=made,
        seconds=seconds,
    )
