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
from imgkit.engine.chunks import NOBODYS_FAULT, worker_failed
from imgkit.errors import ResourceError
from imgkit.harvest.crawl.downloader import Downloader, StoredPicture, TimedAnswer
from imgkit.harvest.crawl.screening import Tombstones
from imgkit.harvest.storage.ingest import Ingested, Task, packed_ingest, unpacked_ingest
from imgkit.harvest.storage.originals import Originals
from imgkit.net import robots
from imgkit.net.addresses import Target
from imgkit.net.cookies import Cookie
from imgkit.net.fetch import Fetcher, FetchLimits
from imgkit.net.guard import Allowed, Guard
from imgkit.net.host_queue import host_name
from imgkit.net.outcomes import Failure, Fetched
from imgkit.net.retry import DownloadAttempt
from imgkit.vision.decode import Rejected

C = TypeVar("C")
R = TypeVar("R")


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteResult(Fetched):
    """A body that was decoded where it was fetched; ``body`` is empty, ``outcome`` what came of it or the error of
    the system.
    """

    outcome: Ingested | Rejected | ResourceError


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteTask:
    """One request: what the guard made of an address, the page to name, and the seconds that are left for it."""

    target: Target
    referer: str
    seconds: float
    cookies: tuple[Cookie, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteSettings:
    """How every machine fetches and decodes: as the driver would.

    ``removed_hosts`` are hashes of hosts that were removed on request: no redirect of a robots.txt leads to them.
    """

    allowed: Allowed
    user_agent: str
    limits: FetchLimits
    proxy: str
    size: int
    smallest_side: int
    looks: bool = False
    removed_hosts: tuple[str, ...] = ()

    def set_up(self, engine: Engine) -> "RemoteWorker":
        """Begin on a machine; ``engine`` decodes there."""
        guard = Guard(self.allowed, removed=Tombstones(hosts=frozenset(self.removed_hosts)).refuse)
        fetcher = Fetcher(guard, user_agent=self.user_agent, limits=self.limits, proxy=self.proxy)
        return RemoteWorker(fetcher, engine, self)


class RemoteWorker:
    """What one machine keeps for a harvest: connections, and a guard of its own. Safe for threads."""

    def __init__(self, fetcher: Fetcher, engine: Engine, settings: RemoteSettings) -> None:
        self._fetcher = fetcher
        self._engine = engine
        self._settings = settings

    def fetch(self, request: RemoteTask) -> TimedAnswer:
        """Ask once, and decode what comes in another process. ``seconds`` are those of the request alone."""
        began = time.monotonic()
        answer = self._fetcher.get(
            request.target, referer=request.referer, cookies=request.cookies, seconds=request.seconds
        )
        seconds = time.monotonic() - began
        if isinstance(answer, Fetched):
            settings = self._settings
            task = Task(
                body=answer.body, size=settings.size, smallest_side=settings.smallest_side, looks=settings.looks
            )
            outcome: Ingested | Rejected | ResourceError
            try:
                outcome = unpacked_ingest(self._engine.submit(packed_ingest, task).result(), answer.body)
            except ResourceError as error:  # raised again where the harvest runs
                outcome = error
            answer = RemoteResult(body=b"", url=answer.url, content_type=answer.content_type, outcome=outcome)
        return TimedAnswer(answer, seconds)

    def ask_robots(self, target: Target) -> str | Failure:
        """Return the robots.txt of a target's origin, or why it cannot be had now."""
        return robots.of_answer(self._fetcher.fetch(target.origin + robots.PATH, picture=False))


class RemoteDownloader(Downloader):
    """Downloads pictures on the machines of a cluster; each host belongs to one machine. Safe for threads.

    Args:
        fetcher: limits of a fetch, and files of this machine.
        engine: the machines.
        originals: keeps what was received.
        settings: settings that are sent to the machines.
        removed: what was removed on request.
    """

    def __init__(
        self,
        fetcher: Fetcher,
        engine: ClusterEngine,
        originals: Originals,
        *,
        settings: RemoteSettings,
        removed: Tombstones,
    ) -> None:
        super().__init__(
            fetcher, engine, originals, size=settings.size, smallest_side=settings.smallest_side, removed=removed
        )
        self._cluster = engine
        self._settings = settings
        self._pending: set[Future[Any]] = set()

    def request(self, attempt: DownloadAttempt, target: Target | None) -> TimedAnswer:
        """Ask once; a picture comes back decoded."""
        if target is None:
            return super().request(attempt, target)
        left = self._settings.limits.deadline_s - attempt.seconds
        answer = self._call_host(
            RemoteWorker.fetch,
            RemoteTask(target=target, referer=attempt.referer, cookies=attempt.cookies, seconds=left),
            target,
        )
        return answer if isinstance(answer, TimedAnswer) else TimedAnswer(answer, 0.0)

    def ask_robots(self, target: Target) -> str | Failure:
        """Return the robots.txt of a target's origin, or why it cannot be had now."""
        return self._call_host(RemoteWorker.ask_robots, target, target)

    def arrive(self, fetched: Fetched) -> StoredPicture | Failure:
        """Keep what was fetched; see :class:`Downloader`."""
        if isinstance(fetched, RemoteResult):
            if isinstance(fetched.outcome, ResourceError):
                raise fetched.outcome
            return self.keep(fetched.outcome, fetched.url)
        return super().arrive(fetched)

    def abort(self) -> None:
        """Wait no longer for what is under way."""
        for future in list(self._pending):
            with contextlib.suppress(InvalidStateError):
                future.set_result(WorkerFailure("killed", "the harvest was ended"))

    def _call_host(self, function: Callable[[RemoteWorker, C], R], argument: C, target: Target) -> R | Failure:
        future = self._cluster.run_with_state(self._settings.set_up, function, argument, affinity=host_name(target))
        self._pending.add(future)
        try:
            outcome = future.result()
        finally:
            self._pending.discard(future)
        if not isinstance(outcome, WorkerFailure):
            return outcome
        if outcome.kind in NOBODYS_FAULT:
            raise worker_failed(outcome)
        return Failure(reason="net.reset", detail=outcome.detail, transient=True)
