"""Set up everything that searches and fetches, run it to its end, and leave nothing of it running."""

import queue
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import imgkit
from imgkit.engine import ClusterEngine, Engine
from imgkit.harvest.afar import JourneyAfar, Orders
from imgkit.harvest.books import Books
from imgkit.harvest.candidates import waiting
from imgkit.harvest.config import HarvestConfig, agent
from imgkit.harvest.interrupt import postponed
from imgkit.harvest.journey import Journey
from imgkit.harvest.network.fetch import Fetcher
from imgkit.harvest.network.guard import Guard
from imgkit.harvest.network.robots import MAX_AGE_S, RobotsBook
from imgkit.harvest.originals import Originals
from imgkit.harvest.patience import Patience
from imgkit.harvest.plan import Search
from imgkit.harvest.schedule import WORKERS, Schedule
from imgkit.harvest.screening import Tombstones
from imgkit.harvest.search import OpenFetch, Refusal, SearchDesk
from imgkit.harvest.shelves import Shelf
from imgkit.manifest import Manifest, Query
from imgkit.progress import Progress

FOLDER: Final = "folder"


@dataclass(frozen=True, slots=True, kw_only=True)
class Means:
    """What a harvest works with, beside its config."""

    guard: Guard
    engine: Engine
    progress: Progress
    patience: Patience
    open_search: OpenFetch


@dataclass(frozen=True, slots=True, kw_only=True)
class Gathered:
    """How it ended: providers that refused and that answered, requests to image hosts."""

    problems: tuple[Refusal, ...]
    answered: frozenset[str]
    requests: int
    nobody_to_ask: bool
    network_down: bool


def gather(
    manifest: Manifest,
    planned: Sequence[Search],
    query_ids: Mapping[Query, int],
    config: HarvestConfig,
    means: Means,
) -> Gathered:
    """Search and fetch until every label has its pictures or nobody is left to ask.

    Ctrl-C and SIGTERM take effect when everything that is here was written down.

    Raises:
        ResourceError: no space or no permission; what was finished is saved.
    """
    events: queue.SimpleQueue[object] = queue.SimpleQueue()
    tombstones = Tombstones.of(manifest)
    books = Books(manifest)
    books.load(manifest.each_candidate())
    shelves = _shelves(manifest, planned, config)
    limits = replace(means.patience.fetch, max_bytes=config.max_bytes)
    fetcher = Fetcher(means.guard, user_agent=agent(config, imgkit.__version__), limits=limits, proxy=config.proxy)
    desk = SearchDesk(
        manifest,
        planned,
        query_ids=query_ids,
        targets={shelf.label: shelf.target for shelf in shelves},
        put=events.put,
        patience=means.patience,
        open_fetch=means.open_search,
    )
    journey = _journey(fetcher, Originals(manifest.folder), config, means, tombstones)
    robots = RobotsBook(recall=lambda origin: manifest.robots(origin, max_age_s=MAX_AGE_S), store=manifest.put_robots)
    schedule = Schedule(
        manifest,
        shelves,
        books=books,
        desk=desk,
        journey=journey,
        guard=means.guard,
        robots=robots if config.robots else None,
        load=lambda label: waiting(manifest, label, config, tombstones),
        patience=means.patience,
        events=events,
        progress=means.progress,
        decoders=means.engine.workers,
        workers=WORKERS * (means.engine.machines if isinstance(means.engine, ClusterEngine) else 1),
    )
    means.progress.start("Harvesting", sum(shelf.target for shelf in shelves) or None)
    with postponed(schedule.stop):
        try:
            schedule.run()
        finally:
            desk.close()
            journey.break_off()
            schedule.close()
            fetcher.close()
    return Gathered(
        problems=tuple(desk.problems),
        answered=frozenset(desk.answered),
        requests=schedule.requests,
        nobody_to_ask=schedule.network_down or desk.nobody_to_ask,
        network_down=schedule.network_down,
    )


def _journey(
    fetcher: Fetcher, originals: Originals, config: HarvestConfig, means: Means, removed: Tombstones
) -> Journey:
    if not isinstance(means.engine, ClusterEngine):
        return Journey(
            fetcher, means.engine, originals, size=config.size, smallest_side=config.smallest_side, removed=removed
        )
    orders = Orders(
        allowed=means.guard.allowed,
        user_agent=agent(config, imgkit.__version__),
        limits=fetcher.limits,
        proxy=config.proxy,
        size=config.size,
        smallest_side=config.smallest_side,
        looks=bool(removed.looks),
    )
    return JourneyAfar(fetcher, means.engine, originals, orders=orders, removed=removed)


def targets(planned: Sequence[Search], config: HarvestConfig) -> dict[str, int]:
    """Return the pictures to end with for each label: 0 where only folders are adopted, which are taken whole."""
    wanted = {search.query.label: 0 for search in planned}
    wanted |= {search.query.label: config.per_label for search in planned if search.provider.name != FOLDER}
    return wanted


def _shelves(manifest: Manifest, planned: Sequence[Search], config: HarvestConfig) -> list[Shelf]:
    names = {search.query.label: search.query.name for search in planned}
    return [
        Shelf(label=label, name=names[label], target=target, round=manifest.last_round(label))
        for label, target in targets(planned, config).items()
    ]
