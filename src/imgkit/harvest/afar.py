"""Fetch and decode on other machines: a host belongs to one of them, and only what is kept of a picture comes back.

The driver goes on deciding who is asked and when, so limits of hosts, robots.txt and the choice of pictures are those
of one machine, however many fetch.
"""

import contextlib
import time
from collections.abc import Callable
from concurrent.futures import Future, InvalidStateError
from dataclasses import dataclass
from typing import Any, TypeVar

from imgkit.engine import ClusterEngine, Engine, WorkerFailure
from imgkit.harvest.ingest import Ingested, Task, ingest
from imgkit.harvest.journey import Arrived, Journey, Timed
from imgkit.harvest.network import robots
from imgkit.harvest.network.addresses import Target
from imgkit.harvest.network.answers import Failure, Fetched
from imgkit.harvest.network.attempts import Attempt
from imgkit.harvest.network.fetch import Fetcher, FetchLimits
from imgkit.harvest.network.guard import Allowed, Guard
from imgkit.harvest.network.hosts import host_name
from imgkit.harvest.originals import Originals
from imgkit.harvest.screening import Tombstones
from imgkit.vision.decode import Rejected

C = TypeVar("C")
R = TypeVar("R")


@dataclass(frozen=True, slots=True, kw_only=True)
class Brought(Fetched):
    """A body that was decoded where it was fetched; ``body`` is empty, ``outcome`` is what came of it."""

    outcome: Ingested | Rejected | WorkerFailure


@dataclass(frozen=True, slots=True, kw_only=True)
class Errand:
    """One request: what the guard made of an address, the page to name, and the seconds that are left for it."""

    target: Target
    referer: str
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Orders:
    """How every machine fetches and decodes: as the driver would."""

    allowed: Allowed
    user_agent: str
    limits: FetchLimits
    proxy: str
    size: int
    smallest_side: int
    looks: bool = False

    def set_up(self, engine: Engine) -> "Outpost":
        """Begin on a machine; ``engine`` decodes there."""
        fetcher = Fetcher(Guard(self.allowed), user_agent=self.user_agent, limits=self.limits, proxy=self.proxy)
        return Outpost(fetcher, engine, self)


class Outpost:
    """What one machine keeps for a harvest: connections, and a guard of its own. Safe for threads."""

    def __init__(self, fetcher: Fetcher, engine: Engine, orders: Orders) -> None:
        self._fetcher = fetcher
        self._engine = engine
        self._orders = orders

    def fetch(self, errand: Errand) -> Timed:
        """Ask once, and decode what comes in another process. ``seconds`` are those of the request alone."""
        began = time.monotonic()
        answer = self._fetcher.get(errand.target, referer=errand.referer, seconds=errand.seconds)
        seconds = time.monotonic() - began
        if isinstance(answer, Fetched):
            orders = self._orders
            task = Task(body=answer.body, size=orders.size, smallest_side=orders.smallest_side, looks=orders.looks)
            outcome = self._engine.submit(ingest, task).result()
            answer = Brought(body=b"", url=answer.url, content_type=answer.content_type, outcome=outcome)
        return Timed(answer, seconds)

    def ask_robots(self, target: Target) -> str | Failure:
        """Return the robots.txt of a target's origin, or why it cannot be had now."""
        return robots.of_answer(self._fetcher.fetch(target.origin + robots.PATH, picture=False))


class JourneyAfar(Journey):
    """The way of a picture whose host belongs to another machine. Safe for threads.

    Args:
        fetcher: limits of a fetch, and files of this machine.
        engine: the machines.
        originals: keeps what was received.
        orders: what the machines are told.
        removed: what was removed on request.
    """

    def __init__(
        self,
        fetcher: Fetcher,
        engine: ClusterEngine,
        originals: Originals,
        *,
        orders: Orders,
        removed: Tombstones,
    ) -> None:
        super().__init__(
            fetcher, engine, originals, size=orders.size, smallest_side=orders.smallest_side, removed=removed
        )
        self._cluster = engine
        self._orders = orders
        self._waited_for: set[Future[Any]] = set()

    def request(self, attempt: Attempt, target: Target | None) -> Timed:
        """Ask once; a picture comes back decoded."""
        if target is None:
            return super().request(attempt, target)
        left = self._orders.limits.deadline_s - attempt.seconds
        answer = self._visit(Outpost.fetch, Errand(target=target, referer=attempt.referer, seconds=left), target)
        return answer if isinstance(answer, Timed) else Timed(answer, 0.0)

    def ask_robots(self, target: Target) -> str | Failure:
        """Return the robots.txt of a target's origin, or why it cannot be had now."""
        return self._visit(Outpost.ask_robots, target, target)

    def arrive(self, fetched: Fetched) -> Arrived | Failure:
        """Keep what was fetched; see :class:`Journey`."""
        if isinstance(fetched, Brought):
            return self.keep(fetched.outcome, fetched.url)
        return super().arrive(fetched)

    def break_off(self) -> None:
        """Wait no longer for what is under way."""
        for future in list(self._waited_for):
            with contextlib.suppress(InvalidStateError):
                future.set_result(WorkerFailure("killed", "the harvest was ended"))

    def _visit(self, function: Callable[[Outpost, C], R], argument: C, target: Target) -> R | Failure:
        future = self._cluster.visit(self._orders.set_up, function, argument, home=host_name(target))
        self._waited_for.add(future)
        try:
            outcome = future.result()
        finally:
            self._waited_for.discard(future)
        if not isinstance(outcome, WorkerFailure):
            return outcome
        if outcome.kind == "error":
            raise RuntimeError(f"fetching failed on another machine: {outcome.detail}")
        return Failure(reason="net.reset", detail=outcome.detail, transient=True)
