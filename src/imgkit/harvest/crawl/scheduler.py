"""Run all labels at once: who is asked next, what follows each answer, when more candidates are needed.

One thread, the caller's, decides everything here; others only search, fetch and keep, and report with events.
"""

import contextlib
import queue
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

from imgkit.harvest.crawl import local_files
from imgkit.harvest.crawl.downloader import Downloader, StoredPicture, TimedAnswer
from imgkit.harvest.crawl.frontier import LabelFrontier
from imgkit.harvest.crawl.jobs import Answered, Job, Kept, NetworkProbed, RobotsAnswered, RobotsJob
from imgkit.harvest.crawl.network_monitor import NetworkMonitor
from imgkit.harvest.crawl.order import RankedAddress
from imgkit.harvest.crawl.result_writer import ResultWriter
from imgkit.harvest.crawl.robots_queue import RobotsQueue
from imgkit.harvest.crawl.workers import Workers
from imgkit.harvest.search.sessions import Asking, Searched, SearchSessions, WorkerFailed
from imgkit.harvest.timeouts import Timeouts
from imgkit.manifest import Manifest
from imgkit.net import host_queue, retry
from imgkit.net.addresses import RefusedAddress, Target
from imgkit.net.guard import Guard
from imgkit.net.host_queue import HostQueue
from imgkit.net.outage import UNREACHABLE
from imgkit.net.outcomes import Failure, Fetched, Redirect
from imgkit.net.retry import Completed, DownloadAttempt, NextAttempt
from imgkit.net.robots import RobotsCache, RobotsRules
from imgkit.progress import Progress

WORKERS: Final = 32
"""Threads that fetch. A host gets two of them at most, so a slow one leaves the others alone."""

DECODERS: Final = 2
EXTRA_REQUESTS: Final = 1
"""Requests under way beyond two for each decoder while all decoders have something to do. A crash costs as many."""

OPEN_JOBS: Final = 5_000
"""Addresses under way at most; bounds memory when hundreds of thousands wait."""

LONGEST_PAUSE_S: Final = 0.1
DECODE_GRACE_S: Final = 1.0
THIS_MACHINE: Final = ""
_LOCAL: Final = host_queue.HostLimits(connections=4, gap_s=0.0)


class Scheduler:
    """The loop of a harvest.

    Args:
        manifest: for hosts that are put off and robots.txt.
        frontiers: the labels, in order.
        writer: records the result of each candidate.
        sessions: searches; reports to ``events``.
        downloader: requests, decodes and stores pictures.
        guard: says who may be contacted.
        robots: the cache of robots.txt rules, None to ask for none.
        load: label to its waiting entries in their fixed order, after a round of searching.
        timeouts: limits of waiting.
        events: where threads report.
        progress: who watches.
        workers: threads that fetch, or wait for other machines that do.
        decoders: pictures that can be decoded at once.
        clock: seconds.
    """

    def __init__(
        self,
        manifest: Manifest,
        frontiers: Sequence[LabelFrontier],
        *,
        writer: ResultWriter,
        sessions: SearchSessions,
        downloader: Downloader,
        guard: Guard,
        robots: RobotsCache | None,
        load: Callable[[str], list[RankedAddress]],
        timeouts: Timeouts,
        events: "queue.SimpleQueue[object]",
        progress: Progress,
        workers: int = WORKERS,
        decoders: int = DECODERS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._manifest = manifest
        self._frontiers = {frontier.label: frontier for frontier in frontiers}
        self._writer = writer
        self._sessions = sessions
        self._guard = guard
        self._robots_queue = RobotsQueue(robots, back_off_s=timeouts.back_off_s)
        self._threads = Workers(downloader, guard, events, workers=workers)
        self._load = load
        self._timeouts = timeouts
        self._events = events
        self._progress = progress
        self._clock = clock
        self._hosts: HostQueue[Job | RobotsJob] = HostQueue()
        self._jobs: dict[str, Job] = {}
        self._stopping = False
        self._busy = 0  # threads
        self._decoding = 0  # of them, those whose picture is here
        self._workers = workers
        self._decoders = decoders
        self._network = NetworkMonitor(timeouts, progress)
        self._until: dict[str, datetime] = manifest.deferred_hosts()
        self._put_off = {
            name: Failure(
                reason="http.429",
                detail="the host asked to be left alone until then",
                transient=True,
                retry_after=max(0.0, (until - datetime.now(UTC)).total_seconds()),
            )
            for name, until in self._until.items()
        }
        self.requests = 0
        self.network_down = False

    def run(self) -> None:
        """Harvest until every label has its pictures or nobody is left to ask.

        Raises:
            ResourceError: no space or no permission; what was finished is in the manifest.
        """
        try:
            for frontier in self._frontiers.values():
                self._search(frontier, max(0, frontier.round))
            while not (self.network_down or self._stopping):
                self._start_entries()
                self._dispatch()
                if not self._wait_for_events():
                    break
                self._writer.flush()
            self._wait_for_decoders()
        finally:
            self._writer.flush(force=True)

    def stop(self) -> None:
        """Let ``run`` return soon, from any thread or signal handler."""
        self._stopping = True

    def close(self) -> None:
        """End the threads; call it after the connections were broken off."""
        self._threads.close()

    # what to start

    def _search(self, frontier: LabelFrontier, round_: int) -> None:
        short = round_ > frontier.round >= 0
        frontier.round, frontier.searching = round_, True
        self._sessions.ask(frontier.label, round_, short=short)

    def _start_entries(self) -> None:
        """Take one entry from each label in turn until none needs more."""
        turn = deque(self._frontiers.values())
        while turn and len(self._jobs) < OPEN_JOBS:
            frontier = turn.popleft()
            entry = frontier.next(self._writer.ledger)
            if entry is not None:
                self._start(frontier, entry)
                turn.append(frontier)
            elif frontier.needs_search(self._writer.ledger):
                self._search(frontier, frontier.round + 1)

    def _start(self, frontier: LabelFrontier, entry: RankedAddress) -> None:
        if self._writer.recall(entry):
            self._show_progress(frontier)
            return
        frontier.under_way += 1
        frontier.started = True
        if job := self._jobs.get(entry.key):
            job.entries.append(entry)  # another label asks for the same address
            return
        first = entry.first.proposal
        job = Job([entry], DownloadAttempt(url=first.url, page_url=entry.page_url, fallbacks=entry.fallbacks))
        self._jobs[entry.key] = job
        self._queue(job)

    def _queue(self, job: Job, *, after_s: float = 0.0) -> None:
        """Put a job into the queue of its host, or on to what follows when it has none."""
        if local_files.is_local(job.entries[0].first):
            name, limits, job.target = THIS_MACHINE, _LOCAL, None
        else:
            try:
                job.target = self._guard.check(job.attempt.url)
            except RefusedAddress as refused:
                self._follow(job, Failure(reason=refused.reason, detail=refused.detail), 0.0)
                return
            own = self._guard.is_private(job.target)
            name = host_queue.host_name(job.target)
            limits = self._timeouts.own if own else host_queue.limits_for(job.target, own=False)
        if name in self._put_off:
            self._hosts.give_up(name, limits, self._put_off.pop(name))
        given_up = self._hosts.add(name, job, limits, now=self._clock(), after_s=after_s)
        if given_up is not None:
            self._leave(name, job, given_up)

    def _dispatch(self) -> None:
        """Send the requests that are allowed now."""
        now = self._clock()
        while self._busy < self._request_limit and not self._network.is_down:
            taken = self._hosts.take(now)
            if taken is None:
                break
            name, job = taken
            self._send(name, job)
        if (target := self._network.probe_due(now)) is not None:
            self._threads.probe(target)

    @property
    def _request_limit(self) -> int:
        """The requests that may be under way: many while hosts are what we wait for, few while it is the decoders."""
        return self._workers if self._decoding < self._decoders else 2 * self._decoders + EXTRA_REQUESTS

    def _send(self, name: str, job: Job | RobotsJob) -> None:
        """Send a job on a free connection of its host, or release the connection."""
        verdict = job if isinstance(job, RobotsJob) else self._robots_queue.judge(job)
        if verdict is None:
            assert isinstance(job, Job)
            self._busy += 1
            self._threads.ask(name, job)
        elif isinstance(verdict, RobotsJob) and (verdict is job or not verdict.sent):
            verdict.sent = True
            self._busy += 1
            self._threads.ask_robots(name, verdict)
        else:
            self._free(name)
            if isinstance(verdict, Failure):
                assert isinstance(job, Job)
                self._finish(job, verdict)

    def _free(self, name: str) -> None:
        """Give back a connection that was not used."""
        self._hosts.unused(name, now=self._clock())

    # what follows

    def _wait_for_events(self) -> bool:
        """Handle at least one event, or wait until something may be started; False when all is done."""
        done = [self._is_done(frontier) for frontier in self._frontiers.values()]
        if all(done) and not self._busy:
            return False
        times = [self._network.next_probe] if self._network.is_down else [self._hosts.next_time()]
        soonest = min((moment for moment in times if moment is not None), default=None)
        full = self._busy >= self._request_limit
        wait = LONGEST_PAUSE_S if soonest is None or full else min(LONGEST_PAUSE_S, max(0.0, soonest - self._clock()))
        try:
            self._handle(self._events.get(timeout=wait) if wait > 0 else self._events.get_nowait())
            while True:
                self._handle(self._events.get_nowait())
        except queue.Empty:
            return True

    def _is_done(self, frontier: LabelFrontier) -> bool:
        """Say whether a label needs nothing more, and tell whoever watches, once."""
        done = frontier.done(self._writer.ledger)
        if done and frontier.started and not frontier.announced:
            frontier.announced = True
            kept = self._writer.ledger.kept(frontier.label)
            self._progress.say(
                f"{frontier.name}: {kept:,} of {frontier.target:,}" if frontier.target else f"{frontier.name}: {kept:,}"
            )
        return done

    def _wait_for_decoders(self) -> None:
        """Wait a moment for pictures that are being decoded when the loop ends early."""
        deadline = self._clock() + DECODE_GRACE_S
        while self._decoding and (left := deadline - self._clock()) > 0:
            with contextlib.suppress(queue.Empty):
                self._handle(self._events.get(timeout=left))

    def _handle(self, event: object) -> None:
        match event:
            case Answered(host, job, timed):
                self._answered(host, job, timed)
            case Kept(job, outcome, requests):
                self._busy -= 1
                self._decoding -= 1
                self._settle(job, outcome, requests)
            case RobotsAnswered(host, robots_job, answer, rules):
                self._busy -= 1
                self._robots_answered(host, robots_job, answer, rules)
            case Searched(label, _, asked):
                self._searched(self._frontiers[label], asked)
            case Asking(provider, text):
                self._progress.advance(0, note=f"asking {provider} for {text}")
            case NetworkProbed(reachable):
                self._probed(reachable)
            case WorkerFailed(error):
                raise error

    def _searched(self, frontier: LabelFrontier, asked: int) -> None:
        frontier.searching = False
        frontier.exhausted = frontier.loaded and asked == 0
        self.network_down = self.network_down or self._sessions.network_down
        if asked or not frontier.loaded:
            frontier.loaded = True
            self._writer.flush(force=True)
            frontier.put(entry for entry in self._load(frontier.label) if not self._is_under_way(entry))

    def _is_under_way(self, entry: RankedAddress) -> bool:
        job = self._jobs.get(entry.key)
        return job is not None and any(one.first.label == entry.first.label for one in job.entries)

    def _answered(self, name: str, job: Job, timed: TimedAnswer) -> None:
        self.requests += job.target is not None
        answer = timed.answer
        passing = answer if isinstance(answer, Failure) and answer.transient else None
        self._record_answer(name, job.target, passing)
        if isinstance(answer, Fetched):
            self._decoding += 1
        else:
            self._busy -= 1
            self._follow(job, answer, timed.seconds)

    def _record_answer(self, name: str, target: Target | None, failure: Failure | None) -> None:
        """Let the host's queue and the watch over the network know how a request ended."""
        now = self._clock()
        if target is not None:
            self._network.record(name, target, failure, now=now)
        drained = self._hosts.answered(name, failure, now=now)
        given_up = self._hosts.given_up(name)
        if given_up is None:
            return
        if given_up.retry_after is not None:
            until = datetime.fromtimestamp(time.time() + given_up.retry_after, UTC)
            self._until[name] = until
            self._manifest.defer_host(name, until, given_up.reason)
        for waiting in drained:
            for one in waiting.waiting if isinstance(waiting, RobotsJob) else [waiting]:
                self._leave(name, one, given_up)

    def _follow(self, job: Job, answer: Redirect | Failure, seconds: float) -> None:
        step = retry.follow(
            job.attempt,
            answer,
            seconds=seconds,
            max_redirects=self._timeouts.fetch.max_redirects,
            back_off_s=self._timeouts.back_off_s,
        )
        job.attempt = step.attempt
        match step:
            case NextAttempt(_, after_s):
                self._queue(job, after_s=after_s)
            case Completed(_, outcome):
                assert isinstance(outcome, Failure)
                self._finish(job, outcome)

    def _leave(self, name: str, job: Job, failure: Failure) -> None:
        """Finish a job whose host was given up with ``failure``; that nobody was asked for it is said."""
        if job.attempt.requests == 0 and failure.reason not in UNREACHABLE:
            failure = _not_asked(failure, self._until.get(name), datetime.now().astimezone())
        self._finish(job, failure)

    def _finish(self, job: Job, failure: Failure) -> None:
        self._settle(job, failure, job.attempt.requests)

    def _settle(self, job: Job, outcome: StoredPicture | Failure, requests: int) -> None:
        """Put down what became of a job, under every label that waited for it."""
        self._jobs.pop(job.entries[0].key, None)
        if isinstance(outcome, StoredPicture):
            thumbnail = job.attempt.origin_url == job.entries[0].thumbnail
            self._writer.arrived(job.entries, outcome, requests=requests, thumbnail=thumbnail)
        else:
            self._writer.failed(job.entries, outcome, requests=requests)
        for entry in job.entries:
            frontier = self._frontiers[entry.first.label]
            frontier.under_way -= 1
            if isinstance(outcome, Failure):
                self._network.lost(frontier.label, entry, outcome)
            self._show_progress(frontier)
        if isinstance(outcome, StoredPicture):
            self._network.arrived()

    def _robots_answered(self, name: str, job: RobotsJob, answer: str | Failure, rules: RobotsRules) -> None:
        self.requests += 1
        self._record_answer(name, job.target, answer if isinstance(answer, Failure) else None)
        if isinstance(answer, Failure) and self._hosts.given_up(name) is None:
            pause = self._robots_queue.pause(job, answer)
            if pause is not None:
                limits = self._timeouts.own if self._guard.is_private(job.target) else host_queue.PUBLIC
                self._hosts.add(name, job, limits, now=self._clock(), after_s=pause)
                return
        for waiting in self._robots_queue.open(job, answer, rules):
            self._queue(waiting)

    def _probed(self, reachable: bool) -> None:
        lost = self._network.probed(reachable, now=self._clock())
        self.network_down = self.network_down or self._network.given_up
        if reachable:
            self._hosts.reset_failures(UNREACHABLE)
            self._robots_queue.forget_failures()
            for label, entry in reversed(lost):
                self._writer.forget(entry)
                self._frontiers[label].put_back([entry])

    def _show_progress(self, frontier: LabelFrontier) -> None:
        kept = self._writer.ledger.kept(frontier.label)
        steps = max(0, min(kept, frontier.target) - frontier.shown)
        frontier.shown += steps
        self._progress.advance(steps, note=f"{frontier.name}: {kept} of {frontier.target}")


def _not_asked(failure: Failure, until: datetime | None, now: datetime) -> Failure:
    """Return the failure of a picture whose host was given up with ``failure`` before it was asked for it.

    ``until`` is when the host may be asked again, None where it failed too often; ``now`` is in local time.
    """
    if until is None:
        return replace(
            failure, reason="http.later", detail=f"its host failed too often: {failure.detail or failure.reason}"
        )
    local = until.astimezone(now.tzinfo)
    day = "" if local.date() == now.date() else f"{local:%Y-%m-%d} "
    return replace(
        failure,
        reason="http.later",
        detail=f"its host asks to wait until {day}{local:%H:%M}",
        retry_after=max(0.0, (until - now).total_seconds()),
    )
