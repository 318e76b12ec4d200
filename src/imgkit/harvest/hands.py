"""The threads of a harvest: they ask hosts, keep what comes, and report every step with an event."""

import queue
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from imgkit.harvest.jobs import Answered, Job, Kept, Probed, RobotsAnswered, RobotsJob
from imgkit.harvest.journey import Journey
from imgkit.harvest.network.addresses import Target
from imgkit.harvest.network.answers import Fetched
from imgkit.harvest.network.guard import Guard
from imgkit.harvest.search import Broken

PROBE_SECONDS: Final = 5.0


class Hands:
    """Carries out what is decided elsewhere; decides nothing itself.

    Args:
        journey: what a picture goes through.
        guard: makes the connection that tells whether the network is back.
        events: where the threads report.
        workers: threads at most.
    """

    def __init__(self, journey: Journey, guard: Guard, events: "queue.SimpleQueue[object]", *, workers: int) -> None:
        self._journey = journey
        self._guard = guard
        self._events = events
        self._threads = ThreadPoolExecutor(workers, thread_name_prefix="imgkit-fetch")

    def ask(self, host: str, job: Job) -> None:
        """Ask for a picture; ``Answered`` reports the answer, and ``Kept`` what became of a picture."""
        self._threads.submit(self._guarded, self._ask, host, job)

    def ask_robots(self, host: str, job: RobotsJob) -> None:
        """Ask for a robots.txt; ``RobotsAnswered`` reports it."""
        self._threads.submit(self._guarded, self._ask_robots, host, job)

    def probe(self, target: Target) -> None:
        """Look whether a host can be reached again; ``Probed`` reports it."""
        self._threads.submit(self._guarded, self._probe, target)

    def close(self) -> None:
        """End the threads; call it after the connections were broken off."""
        self._threads.shutdown(wait=True, cancel_futures=True)

    def _guarded(self, work: Callable[..., None], *arguments: object) -> None:
        try:
            work(*arguments)
        except BaseException as error:
            self._events.put(Broken(error))

    def _ask(self, host: str, job: Job) -> None:
        timed = self._journey.request(job.attempt, job.target)
        self._events.put(Answered(host, job, timed))
        if isinstance(timed.answer, Fetched):
            outcome = self._journey.arrive(timed.answer)
            self._events.put(Kept(job, outcome, job.attempt.requests + 1))

    def _ask_robots(self, host: str, job: RobotsJob) -> None:
        self._events.put(RobotsAnswered(host, job, self._journey.ask_robots(job.target)))

    def _probe(self, target: Target) -> None:
        self._guard.lookup.forget_failures()
        try:
            self._guard.connect(target, timeout_s=PROBE_SECONDS).close()
        except Exception:
            self._events.put(Probed(False))
        else:
            self._events.put(Probed(True))
