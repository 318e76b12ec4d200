"""Set up the search sessions, the downloader and the scheduler, run them and close them.

Harvest: search, fetch and materialise every label of a list of queries, and account for every candidate."""

import queue
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import imgkit
from imgkit.engine import ClusterEngine, Engine
from imgkit.harvest.changes import Changes, before, changes
from imgkit.harvest.config import HarvestConfig, agent
from imgkit.harvest.crawl.downloader import Downloader
from imgkit.harvest.crawl.frontier import LabelFrontier
from imgkit.harvest.crawl.remote_downloader import RemoteDownloader, RemoteSettings
from imgkit.harvest.crawl.result_writer import ResultWriter
from imgkit.harvest.crawl.scheduler import WORKERS, Scheduler
from imgkit.harvest.crawl.screening import Tombstones
from imgkit.harvest.plan import Search, searches
from imgkit.harvest.providers import PROVIDERS
from imgkit.harvest.report import HarvestReport, LabelResult, notes_of, yield_table
from imgkit.harvest.rules import RowRules
from imgkit.harvest.search.http import open_fetch
from imgkit.harvest.search.sessions import OpenFetch, ProviderStopped, SearchSessions
from imgkit.harvest.storage.candidates import reopen, settle, waiting
from imgkit.harvest.storage.materialise import materialise
from imgkit.harvest.storage.originals import RESERVE_BYTES, Originals, require_space, sweep
from imgkit.harvest.timeouts import DEFAULT_TIMEOUTS, Timeouts
from imgkit.manifest import Manifest, Query, exclusive_access, purge, sole_owner
from imgkit.manifest.exports import write_exports
from imgkit.manifest.renaming import case_changes, rename_label
from imgkit.net.fetch import Fetcher
from imgkit.net.guard import Guard, allowed_by
from imgkit.net.robots import MAX_AGE_S, RobotsCache
from imgkit.progress import Progress, Silent
from imgkit.signals import postponed
from imgkit.vision.guarded import guarded_engine


@dataclass(frozen=True, slots=True, kw_only=True)
class CrawlParts:
    """The objects that a harvest uses beside its config."""

    guard: Guard
    engine: Engine
    progress: Progress
    timeouts: Timeouts
    open_search: OpenFetch


@dataclass(frozen=True, slots=True, kw_only=True)
class CrawlResult:
    """How it ended: providers that refused and that answered, requests to image hosts."""

    problems: tuple[ProviderStopped, ...]
    answered: frozenset[str]
    requests: int
    no_provider_answered: bool
    network_down: bool


def search_and_fetch(
    manifest: Manifest,
    planned: Sequence[Search],
    query_ids: Mapping[Query, int],
    config: HarvestConfig,
    rules: RowRules,
    parts: CrawlParts,
) -> CrawlResult:
    """Search and fetch until every label has its pictures or no provider is left.

    Ctrl-C and SIGTERM take effect when everything that is here was written down.

    Raises:
        ResourceError: no space or no permission; what was finished is saved.
    """
    events: queue.SimpleQueue[object] = queue.SimpleQueue()
    writer = ResultWriter(manifest)
    writer.load(manifest.each_candidate())
    frontiers = _frontiers(manifest, planned, config)
    limits = replace(parts.timeouts.fetch, max_bytes=config.max_bytes)
    fetcher = Fetcher(parts.guard, user_agent=agent(config, imgkit.__version__), limits=limits, proxy=config.proxy)
    sessions = SearchSessions(
        manifest,
        planned,
        query_ids=query_ids,
        targets={frontier.label: frontier.target for frontier in frontiers},
        put=events.put,
        timeouts=parts.timeouts,
        open_fetch=parts.open_search,
        hide=rules.removed.hide,
    )
    downloader = _make_downloader(fetcher, Originals(manifest.folder), config, parts, rules.removed)
    robots = RobotsCache(recall=lambda origin: manifest.robots(origin, max_age_s=MAX_AGE_S), store=manifest.put_robots)
    schedule = Scheduler(
        manifest,
        frontiers,
        writer=writer,
        sessions=sessions,
        downloader=downloader,
        guard=parts.guard,
        robots=robots if config.robots else None,
        load=lambda label: waiting(manifest, label, config, rules, writer.ledger),
        timeouts=parts.timeouts,
        events=events,
        progress=parts.progress,
        decoders=parts.engine.workers,
        workers=WORKERS * (parts.engine.machines if isinstance(parts.engine, ClusterEngine) else 1),
    )
    parts.progress.start("Harvesting", sum(frontier.target for frontier in frontiers) or None)
    with postponed(schedule.stop):
        try:
            schedule.run()
        finally:
            sessions.close()
            downloader.abort()
            schedule.close()
            fetcher.close()
    return CrawlResult(
        problems=tuple(sessions.problems),
        answered=frozenset(sessions.answered),
        requests=schedule.requests,
        no_provider_answered=schedule.network_down or sessions.no_provider_answered,
        network_down=schedule.network_down,
    )


def _make_downloader(
    fetcher: Fetcher, originals: Originals, config: HarvestConfig, parts: CrawlParts, removed: Tombstones
) -> Downloader:
    if not isinstance(parts.engine, ClusterEngine):
        return Downloader(
            fetcher, parts.engine, originals, size=config.size, smallest_side=config.smallest_side, removed=removed
        )
    settings = RemoteSettings(
        allowed=parts.guard.allowed,
        user_agent=agent(config, imgkit.__version__),
        limits=fetcher.limits,
        proxy=config.proxy,
        size=config.size,
        smallest_side=config.smallest_side,
        looks=bool(removed.looks),
        removed_hosts=tuple(sorted(removed.hosts)),
    )
    return RemoteDownloader(fetcher, parts.engine, originals, settings=settings, removed=removed)


def targets(planned: Sequence[Search], config: HarvestConfig) -> dict[str, int]:
    """Return the pictures to end with for each label: 0 where only files are adopted, which are all taken."""
    wanted = {search.query.label: 0 for search in planned}
    wanted |= {search.query.label: config.per_label for search in planned if not search.provider.proposes_files}
    return wanted


def _frontiers(manifest: Manifest, planned: Sequence[Search], config: HarvestConfig) -> list[LabelFrontier]:
    names = {search.query.label: search.query.name for search in planned}
    return [
        LabelFrontier(label=label, name=names[label], target=target, round=manifest.last_round(label))
        for label, target in targets(planned, config).items()
    ]


def harvest(
    queries: Sequence[Query],
    config: HarvestConfig,
    *,
    environ: Mapping[str, str],
    progress: Progress | None = None,
    timeouts: Timeouts = DEFAULT_TIMEOUTS,
    retry: bool = False,
    open_search: OpenFetch | None = None,
    engine: Engine | None = None,
    file: Path | None = None,
) -> HarvestReport:
    """Bring every label of ``queries`` to ``config.per_label`` kept pictures in ``config.data``.

    The same queries and answers give the same pictures, whatever the timing and however often a run was killed; a run
    goes on where the last one ended. Pictures of this machine (``folder``, ``files``) are all taken.

    Args:
        queries: what to search for.
        config: how.
        environ: keys, base URLs and allowed private hosts.
        progress: is shown to the user.
        timeouts: limits of waiting.
        retry: try again what failed for good in earlier runs.
        open_search: the way to a provider's service; by default the network.
        engine: where pictures are decoded; by default in processes with limits of time and memory.
        file: the queries file: ``queries`` take the place of its earlier rows. None for words on the command line,
            which are added to what is asked for.

    Raises:
        UsageError: queries or config cannot be used; nothing was changed.
        LockedError: another harvest uses the data folder.
        ResourceError: no space or no permission; what was finished is saved.
        IntegrityError: the data folder contradicts itself.
    """
    progress = progress or Silent()
    planned = searches(queries, config, environ)
    allowed = allowed_by(environ, *config.allow_private_hosts)
    began = time.monotonic()
    with ExitStack() as stack:
        manifest = stack.enter_context(Manifest.open(config.data))
        stack.enter_context(sole_owner(manifest.folder.locks, "harvest"))
        require_space(manifest.folder, RESERVE_BYTES)
        sweep(manifest.folder)
        run_id = manifest.start_run("harvest", _asked(config, file))
        _follow_case(manifest, queries, file, progress)
        earlier = before(manifest)
        query_ids = dict(zip(queries, manifest.put_queries(_effective(queries, config), file=file), strict=True))
        rules = RowRules.of(manifest)
        parts = CrawlParts(
            guard=Guard(allowed, removed=rules.removed.refuse),
            engine=engine or stack.enter_context(guarded_engine()),
            progress=progress,
            timeouts=timeouts,
            open_search=open_search or (lambda provider, ready: open_fetch(provider, ready, config)),
        )
        reopen(manifest, config, rules, retry=retry)
        crawled = search_and_fetch(manifest, planned, query_ids, config, rules, parts)
        stack.enter_context(exclusive_access(manifest.folder.locks, "harvest", waiting=progress.say))
        purge.finish(manifest)
        kept = settle(manifest, rules)
        changed = changes(manifest, earlier, kept, mine={query.label for query in queries})
        made = materialise(manifest, kept, size=config.size, engine=parts.engine, progress=progress)
        report = _report(
            manifest, config, planned, crawled, changed=changed, made=made, seconds=time.monotonic() - began
        )
        write_exports(manifest)
        manifest.end_run(run_id, {"exit_code": report.exit_code, "summary": report.summary})
    return report


def _follow_case(manifest: Manifest, queries: Sequence[Query], file: Path | None, progress: Progress) -> None:
    """Rename labels that are written in other upper and lower case now, with their pictures and decisions."""
    changed = case_changes(manifest, {query.label: query.name for query in queries}, file)
    if changed:
        with exclusive_access(manifest.folder.locks, "harvest", waiting=progress.say):
            for old, name in changed:
                renamed = rename_label(manifest, old, name)
                progress.say(f"the label '{renamed.old}' is called '{renamed.new}' now")


def _effective(queries: Sequence[Query], config: HarvestConfig) -> list[Query]:
    """Return the queries with the licences that hold for them."""
    return [replace(query, licences=query.licences or config.licences) for query in queries]


def _asked(config: HarvestConfig, file: Path | None) -> dict[str, object]:
    """Return what is remembered of the settings, so that later advice can name a command that harvests more."""
    source = {"queries": str(file), "from": str(Path.cwd())} if file else {}
    return {"per_label": config.per_label, "size": config.size, **source}


def _report(
    manifest: Manifest,
    config: HarvestConfig,
    planned: Sequence[Search],
    crawled: CrawlResult,
    *,
    changed: Changes,
    made: int,
    seconds: float,
) -> HarvestReport:
    names = {search.query.label: search.query.name for search in planned}
    rows = yield_table(manifest.candidate_counts(), labels=list(names), providers=list(PROVIDERS))
    kept = {label: sum(row.kept for row in rows if row.label == label) for label in names}
    return HarvestReport(
        data=str(config.data),
        labels=tuple(
            LabelResult(label=label, name=names[label], target=target, kept=kept[label])
            for label, target in targets(planned, config).items()
        ),
        rows=tuple(rows),
        notes=notes_of(planned, crawled.problems),
        asked=tuple(name for name in PROVIDERS if name in crawled.answered),
        no_provider_answered=crawled.no_provider_answered,
        network_down=crawled.network_down,
        requests=crawled.requests,
        made=made,
        left_out=tuple(manifest.left_out()),
        waits=manifest.deferred_hosts(),
        changes=changed,
        seconds=seconds,
        in_folder={one.label: one.harvested for one in manifest.picture_counts().values() if one.harvested},
    )
