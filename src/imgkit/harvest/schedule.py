"""Run all labels at once: who is asked next, what follows each answer, when more candidates are needed.

One thread, the caller's, decides everything here; others only search, fetch and keep, and report with events.
"""

import contextlib
import queue
import time
from collections import deque
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Final

from imgkit.harvest import local
from imgkit.harvest.books import Books
from imgkit.harvest.gate import Gate
from imgkit.harvest.hands import Hands
from imgkit.harvest.jobs import Answered, Job, Kept, Probed, RobotsAnswered, RobotsJob
from imgkit.harvest.journey import Arrived, Journey, Timed
from imgkit.harvest.network import attempts, hosts
from imgkit.harvest.network.addresses import Refused, Target
from imgkit.harvest.network.answers import Failure, Fetched, Moved
from imgkit.harvest.network.attempts import Again, Attempt, Done
from imgkit.harvest.network.guard import Guard
from imgkit.harvest.network.hosts import Hosts
from imgkit.harvest.network.outage import UNREACHABLE
from imgkit.harvest.network.robots import RobotsBook
from imgkit.harvest.patience import Patience
from imgkit.harvest.ranking import Entry
from imgkit.harvest.reach import Reach
from imgkit.harvest.search import Asking, Broken, SearchDesk, Searched
from imgkit.harvest.shelves import Shelf
from imgkit.manifest import Manifest
from imgkit.progress import Progress

WORKERS: Final = 32
"""Threads that fetch. A host gets two of them at most, so a slow one leaves the others alone."""

DECODERS: Final = 2
IN_HAND: Final = 1
"""Requests under way beyond two for each decoder while all decoders have something to do. A crash costs as many."""

OPEN_JOBS: Final = 5_000
"""Addresses under way at most; bounds memory when hundreds of thousands wait."""

LONGEST_PAUSE_S: Final = 0.1
LAST_MOMENT_S: Final = 1.0
THIS_MACHINE: Final = ""
_LOCAL: Final = hosts.HostLimits(connections=4, gap_s=0.0)


class Schedule:
    """The loop of a harvest.

    Args:
        manifest: for hosts that are put off and robots.txt.
        shelves: the labels, in order.
        books: takes down what becomes of each candidate.
        desk: searches; reports to ``events``.
        journey: what a picture goes through.
        guard: says who may be contacted.
        robots: the book of robots.txt, None to ask none.
        load: label to its waiting entries in their fixed order, after a round of searching.
        patience: limits of waiting.
        events: where threads report.
        progress: who watches.
        workers: threads that fetch, or wait for other machines that do.
        decoders: pictures that can be decoded at once.
        clock: seconds.
    """

    def __init__(
        self,
        manifest: Manifest,
        shelves: Sequence[Shelf],
        *,
        books: Books,
        desk: SearchDesk,
        journey: Journey,
        guard: Guard,
        robots: RobotsBook | None,
        load: Callable[[str], list[Entry]],
        patience: Patience,
        events: "queue.SimpleQueue[object]",
        progress: Progress,
        workers: int = WORKERS,
        decoders: int = DECODERS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._manifest = manifest
        self._shelves = {shelf.label: shelf for shelf in shelves}
        self._books = books
        self._desk = desk
        self._guard = guard
        self._gate = Gate(robots, back_off_s=patience.back_off_s)
        self._hands = Hands(journey, guard, events, workers=workers)
        self._load = load
        self._patience = patience
        self._events = events
        self._progress = progress
        self._clock = clock
        self._hosts: Hosts[Job | RobotsJob] = Hosts()
        self._jobs: dict[str, Job] = {}
        self._stopping = False
        self._busy = 0  # threads
        self._decoding = 0  # of them, those whose picture is here
        self._workers = workers
        self._decoders = decoders
        self._reach = Reach(patience, progress)
        self._put_off = {
            name: Failure(
                reason="http.429",
                detail="the host asked to be left alone until then",
                transient=True,
                retry_after=max(0.0, (until - datetime.now(UTC)).total_seconds()),
            )
            for name, until in manifest.deferred_hosts().items()
        }
        self.requests = 0
        self.network_down = False

    def run(self) -> None:
        """Harvest until every label has its pictures or nobody is left to ask.

        Raises:
            ResourceError: no space or no permission; what was finished is in the manifest.
        """
        try:
            for shelf in self._shelves.values():
                self._search(shelf, max(0, shelf.round))
            while not (self.network_down or self._stopping):
                self._start_entries()
                self._dispatch()
                if not self._wait_for_events():
                    break
                self._books.flush()
            self._take_in()
        finally:
            self._books.flush(force=True)

    def stop(self) -> None:
        """Let ``run`` return soon, from any thread or signal handler."""
        self._stopping = True

    def close(self) -> None:
        """End the threads; call it after the connections were broken off."""
        self._hands.close()

    # what to start

    def _search(self, shelf: Shelf, round_: int) -> None:
        shelf.round, shelf.searching = round_, True
        self._desk.ask(shelf.label, round_)

    def _start_entries(self) -> None:
        """Take one entry from each label in turn until none needs more."""
        turn = deque(self._shelves.values())
        while turn and len(self._jobs) < OPEN_JOBS:
            shelf = turn.popleft()
            entry = shelf.next(self._books.ledger)
            if entry is not None:
                self._start(shelf, entry)
                turn.append(shelf)
            elif shelf.needs_search(self._books.ledger):
                self._search(shelf, shelf.round + 1)

    def _start(self, shelf: Shelf, entry: Entry) -> None:
        if self._books.recall(entry):
            self._show(shelf)
            return
        shelf.under_way += 1
        shelf.started = True
        if job := self._jobs.get(entry.key):
            job.entries.append(entry)  # another label asks for the same address
            return
        first = entry.first.proposal
        job = Job([entry], Attempt(url=first.url, page_url=entry.page_url, fallbacks=entry.fallbacks))
        self._jobs[entry.key] = job
        self._queue(job)

    def _queue(self, job: Job, *, after_s: float = 0.0) -> None:
        """Put a job into the queue of its host, or on to what follows when it has none."""
        if local.is_local(job.attempt.url):
            name, limits, job.target = THIS_MACHINE, _LOCAL, None
        else:
            try:
                job.target = self._guard.check(job.attempt.url)
            except Refused as refused:
                self._follow(job, Failure(reason=refused.reason, detail=refused.detail), 0.0)
                return
            own = self._guard.is_private(job.target)
            name = hosts.host_name(job.target)
            limits = self._patience.own if own else hosts.limits_for(job.target, own=False)
        if name in self._put_off:
            self._hosts.give_up(name, limits, self._put_off.pop(name))
        given_up = self._hosts.add(name, job, limits, now=self._clock(), after_s=after_s)
        if given_up is not None:
            self._finish(job, given_up)

    def _dispatch(self) -> None:
        """Hand out whatever may be asked now."""
        now = self._clock()
        while self._busy < self._room and not self._reach.away:
            taken = self._hosts.take(now)
            if taken is None:
                break
            name, job = taken
            self._hand_out(name, job)
        if (target := self._reach.due(now)) is not None:
            self._hands.probe(target)

    @property
    def _room(self) -> int:
        """The requests that may be under way: many while hosts are what we wait for, few while it is the decoders."""
        return self._workers if self._decoding < self._decoders else 2 * self._decoders + IN_HAND

    def _hand_out(self, name: str, job: Job | RobotsJob) -> None:
        """Use a connection that the host has free, or give it back."""
        verdict = job if isinstance(job, RobotsJob) else self._gate.judge(job)
        if verdict is None:
            assert isinstance(job, Job)
            self._busy += 1
            self._hands.ask(name, job)
        elif isinstance(verdict, RobotsJob) and (verdict is job or not verdict.sent):
            verdict.sent = True
            self._busy += 1
            self._hands.ask_robots(name, verdict)
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
        done = [self._is_done(shelf) for shelf in self._shelves.values()]
        if all(done) and not self._busy:
            return False
        times = [self._reach.next_probe] if self._reach.away else [self._hosts.next_time()]
        soonest = min((moment for moment in times if moment is not None), default=None)
        full = self._busy >= self._room
        wait = LONGEST_PAUSE_S if soonest is None or full else min(LONGEST_PAUSE_S, max(0.0, soonest - self._clock()))
        try:
            self._handle(self._events.get(timeout=wait) if wait > 0 else self._events.get_nowait())
            while True:
                self._handle(self._events.get_nowait())
        except queue.Empty:
            return True

    def _is_done(self, shelf: Shelf) -> bool:
        """Say whether a label needs nothing more, and tell whoever watches, once."""
        done = shelf.done(self._books.ledger)
        if done and shelf.started and not shelf.announced:
            shelf.announced = True
            kept = self._books.ledger.kept(shelf.label)
            self._progress.say(
                f"{shelf.name}: {kept:,} of {shelf.target:,}" if shelf.target else f"{shelf.name}: {kept:,}"
            )
        return done

    def _take_in(self) -> None:
        """Wait a moment for pictures that are being decoded when the loop ends early."""
        deadline = self._clock() + LAST_MOMENT_S
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
            case RobotsAnswered(host, robots_job, answer):
                self._busy -= 1
                self._robots_answered(host, robots_job, answer)
            case Searched(label, _, asked):
                self._searched(self._shelves[label], asked)
            case Asking(provider, text):
                self._progress.advance(0, note=f"asking {provider} for {text}")
            case Probed(reachable):
                self._probed(reachable)
            case Broken(error):
                raise error

    def _searched(self, shelf: Shelf, asked: int) -> None:
        shelf.searching = False
        shelf.exhausted = shelf.loaded and asked == 0
        self.network_down = self.network_down or self._desk.network_down
        if asked or not shelf.loaded:
            shelf.loaded = True
            self._books.flush(force=True)
            shelf.put(entry for entry in self._load(shelf.label) if not self._is_under_way(entry))

    def _is_under_way(self, entry: Entry) -> bool:
        job = self._jobs.get(entry.key)
        return job is not None and any(one.first.label == entry.first.label for one in job.entries)

    def _answered(self, name: str, job: Job, timed: Timed) -> None:
        self.requests += job.target is not None
        answer = timed.answer
        passing = answer if isinstance(answer, Failure) and answer.transient else None
        self._learn(name, job.target, passing)
        if isinstance(answer, Fetched):
            self._decoding += 1
        else:
            self._busy -= 1
            self._follow(job, answer, timed.seconds)

    def _learn(self, name: str, target: Target | None, failure: Failure | None) -> None:
        """Let the host's queue and the watch over the network know how a request ended."""
        now = self._clock()
        if target is not None:
            self._reach.note(name, target, failure, now=now)
        drained = self._hosts.answered(name, failure, now=now)
        given_up = self._hosts.given_up(name)
        if given_up is None:
            return
        if given_up.retry_after is not None:
            until = datetime.fromtimestamp(time.time() + given_up.retry_after, UTC)
            self._manifest.defer_host(name, until, given_up.reason)
        for waiting in drained:
            for one in waiting.waiting if isinstance(waiting, RobotsJob) else [waiting]:
                self._finish(one, given_up)

    def _follow(self, job: Job, answer: Moved | Failure, seconds: float) -> None:
        step = attempts.follow(
            job.attempt,
            answer,
            seconds=seconds,
            max_redirects=self._patience.fetch.max_redirects,
            back_off_s=self._patience.back_off_s,
        )
        job.attempt = step.attempt
        match step:
            case Again(_, after_s):
                self._queue(job, after_s=after_s)
            case Done(_, outcome):
                assert isinstance(outcome, Failure)
                self._finish(job, outcome)

    def _finish(self, job: Job, failure: Failure) -> None:
        self._settle(job, failure, job.attempt.requests)

    def _settle(self, job: Job, outcome: Arrived | Failure, requests: int) -> None:
        """Put down what became of a job, under every label that waited for it."""
        self._jobs.pop(job.entries[0].key, None)
        if isinstance(outcome, Arrived):
            thumbnail = job.attempt.origin_url == job.entries[0].thumbnail
            self._books.arrived(job.entries, outcome, requests=requests, thumbnail=thumbnail)
        else:
            self._books.failed(job.entries, outcome, requests=requests)
        for entry in job.entries:
            shelf = self._shelves[entry.first.label]
            shelf.under_way -= 1
            if isinstance(outcome, Failure):
                self._reach.lost(shelf.label, entry, outcome)
            self._show(shelf)
        if isinstance(outcome, Arrived):
            self._reach.arrived()

    def _robots_answered(self, name: str, job: RobotsJob, answer: str | Failure) -> None:
        self.requests += 1
        self._learn(name, job.target, answer if isinstance(answer, Failure) else None)
        if isinstance(answer, Failure) and self._hosts.given_up(name) is None:
            pause = self._gate.pause(job, answer)
            if pause is not None:
                limits = self._patience.own if self._guard.is_private(job.target) else hosts.PUBLIC
                self._hosts.add(name, job, limits, now=self._clock(), after_s=pause)
                return
        for waiting in self._gate.open(job, answer):
            self._queue(waiting)

    def _probed(self, reachable: bool) -> None:
        lost = self._reach.probed(reachable, now=self._clock())
        self.network_down = self.network_down or self._reach.gone
        if reachable:
            self._hosts.forgive(UNREACHABLE)
            self._gate.forget_failures()
            for label, entry in reversed(lost):
                self._books.forget(entry)
                self._shelves[label].put_back([entry])

    def _show(self, shelf: Shelf) -> None:
        kept = self._books.ledger.kept(shelf.label)
        steps = max(0, min(kept, shelf.target) - shelf.shown)
        shelf.shown += steps
        self._progress.advance(steps, note=f"{shelf.name}: {kept} of {shelf.target}")
