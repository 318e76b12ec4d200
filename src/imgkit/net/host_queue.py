"""Request queues by host with rate limits: which host may be asked next, and when. Time is an argument, in seconds."""

import heapq
import itertools
from collections import deque
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Final, Generic, TypeVar

from imgkit.net.addresses import Target
from imgkit.net.outcomes import Failure
from imgkit.net.retry import LONGEST_WAIT_S

QueuedJob = TypeVar("QueuedJob")


@dataclass(frozen=True, slots=True, kw_only=True)
class HostLimits:
    """Rate limits of a host. Times in seconds."""

    connections: int = 2
    gap_s: float = 0.25  # between the beginnings of two requests
    pause_after: int = 5  # failures in a row
    pause_s: float = 60.0
    pauses: int = 3  # then the host is given up until the next run


PUBLIC: Final = HostLimits()
OWN: Final = HostLimits(gap_s=0.0, pause_s=1.0)
"""For hosts that a person allowed by name: their own servers, or a test's."""

BY_DOMAIN: Final[dict[str, HostLimits]] = {
    "staticflickr.com": HostLimits(connections=1, gap_s=1.0),  # answers 429 after 20 to 30 fast requests
    "wikimedia.org": HostLimits(connections=2, gap_s=0.25),  # its robot policy: two connections
    "inaturalist-open-data.s3.amazonaws.com": HostLimits(connections=1, gap_s=1.0),
    "inaturalist.org": HostLimits(connections=1, gap_s=1.0),
}
"""Limits of domains that allow fewer requests than others."""

SLOWEST_GAP_S: Final = 10.0


def host_name(target: Target) -> str:
    """Return under which name a target's limits count: http and https of a host are one, other ports are not."""
    return target.host if target.port in (80, 443) else f"{target.host}:{target.port}"


def limits_for(target: Target, *, own: bool) -> HostLimits:
    """Return the limits of a target's host; ``own`` says that a person allowed it by name."""
    if own:
        return OWN
    labels = target.host.split(".")
    domains = (".".join(labels[start:]) for start in range(len(labels)))
    return next((BY_DOMAIN[domain] for domain in domains if domain in BY_DOMAIN), PUBLIC)


@dataclass(slots=True)
class _Host(Generic[QueuedJob]):
    limits: HostLimits
    gap_s: float
    ready: deque[QueuedJob] = field(default_factory=deque)
    active: int = 0
    not_before: float = float("-inf")
    before_that: float = float("-inf")  # not_before until the last request began
    failures: int = 0
    pauses: int = 0
    given_up: Failure | None = None
    entered: float | None = None  # when it is in the heap: for which time


class HostQueue(Generic[QueuedJob]):
    """Jobs waiting for their hosts."""

    def __init__(self) -> None:
        self._hosts: dict[str, _Host[QueuedJob]] = {}
        self._heap: list[tuple[float, int, str]] = []
        self._later: list[tuple[float, int, str, QueuedJob]] = []
        self._order = itertools.count()

    def add(self, name: str, job: QueuedJob, limits: HostLimits, *, now: float, after_s: float = 0.0) -> Failure | None:
        """Queue a job; return the failure instead when the host was given up in this run."""
        host = self._hosts.get(name)
        if host is None:
            host = self._hosts[name] = _Host(limits, limits.gap_s)
        if host.given_up is not None:
            return host.given_up
        if after_s > 0:
            heapq.heappush(self._later, (now + after_s, next(self._order), name, job))
        else:
            host.ready.append(job)
            self._enter(name, host, now)
        return None

    def take(self, now: float) -> tuple[str, QueuedJob] | None:
        """Begin a request: return a host that may be asked now, with its job; None when there is none."""
        self._wake(now)
        while self._heap and self._heap[0][0] <= now:
            _, _, name = heapq.heappop(self._heap)
            host = self._hosts[name]
            host.entered = None
            if not host.ready or host.active >= host.limits.connections:
                continue
            if host.not_before > now:
                self._enter(name, host, now)
                continue
            host.active += 1
            host.before_that, host.not_before = host.not_before, now + host.gap_s
            job = host.ready.popleft()
            self._enter(name, host, now)
            return name, job
        return None

    def next_time(self) -> float | None:
        """Return when ``take`` may have something again, unless an answer comes first; None when only answers can."""
        times = [heap[0][0] for heap in (self._heap, self._later) if heap]
        return min(times, default=None)

    def answered(self, name: str, failure: Failure | None, *, now: float) -> list[QueuedJob]:
        """Record that a request ended; ``failure`` is a transient one, or None when the host answered.

        Returns:
            the jobs of a host that is given up with this; why is in ``given_up``.
        """
        host = self._hosts[name]
        host.active -= 1
        if failure is None:
            host.failures = host.pauses = 0
        else:
            self._learn(host, failure, now)
        if host.given_up is not None:
            return self._drain(name, host)
        self._enter(name, host, now)
        return []

    def unused(self, name: str, *, now: float) -> None:
        """Undo a ``take`` whose request was not made."""
        host = self._hosts[name]
        host.active -= 1
        host.not_before = host.before_that
        self._enter(name, host, now)

    def give_up(self, name: str, limits: HostLimits, failure: Failure) -> None:
        """Make no more requests to a host in this run."""
        host = self._hosts.setdefault(name, _Host(limits, limits.gap_s))
        host.given_up = failure

    def reset_failures(self, reasons: Collection[str]) -> None:
        """Reset the failures of all hosts, and use those again that were given up for ``reasons``."""
        for host in self._hosts.values():
            host.failures = host.pauses = 0
            if host.given_up is not None and host.given_up.reason in reasons:
                host.given_up = None

    def given_up(self, name: str) -> Failure | None:
        """Return why a host was given up in this run, None when it was not."""
        host = self._hosts.get(name)
        return host.given_up if host else None

    def _learn(self, host: _Host[QueuedJob], failure: Failure, now: float) -> None:
        if failure.retry_after is not None:
            if failure.retry_after > LONGEST_WAIT_S:
                host.given_up = failure
                return
            host.not_before = max(host.not_before, now + failure.retry_after)
        if failure.reason == "http.429":
            host.gap_s = min(SLOWEST_GAP_S, max(2 * host.gap_s, 0.1 if host.limits.gap_s == 0 else 0.5))
        host.failures += 1
        if host.failures < host.limits.pause_after:
            return
        host.failures = 0
        host.pauses += 1
        host.not_before = max(host.not_before, now + host.limits.pause_s)
        if host.pauses >= host.limits.pauses:
            host.given_up = failure

    def _enter(self, name: str, host: _Host[QueuedJob], now: float) -> None:
        if not host.ready or host.active >= host.limits.connections:
            return
        when = max(now, host.not_before)
        if host.entered is None or when < host.entered:
            host.entered = when
            heapq.heappush(self._heap, (when, next(self._order), name))

    def _wake(self, now: float) -> None:
        while self._later and self._later[0][0] <= now:
            _, _, name, job = heapq.heappop(self._later)
            host = self._hosts[name]
            host.ready.append(job)
            self._enter(name, host, now)

    def _drain(self, name: str, host: _Host[QueuedJob]) -> list[QueuedJob]:
        jobs = list(host.ready)
        host.ready.clear()
        jobs += [job for _, _, where, job in self._later if where == name]
        self._later = [entry for entry in self._later if entry[2] != name]
        heapq.heapify(self._later)
        return jobs
