"""The threads of a harvest: they ask hosts, keep what comes, and report every step with an event."""

import queue
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from imgkit.harvest.crawl.downloader import Downloader
from imgkit.harvest.crawl.jobs import Answered, Job, Kept, NetworkProbed, RobotsAnswered, RobotsJob
from imgkit.harvest.search.sessions import WorkerFailed
from imgkit.net.addresses import Target
from imgkit.net.guard import Guard
from imgkit.net.outcomes import Fetched
from imgkit.net.robots import RobotsRules, read_robots

PROBE_SECONDS: Final = 5.0


class Workers:
    """The pool of threads that send requests for the scheduler.

    Args:
        downloader: requests, decodes and stores pictures.
        guard: makes the connection that tells whether the network is back.
        events: where the threads report.
        workers: threads at most.
    """

    def __init__(
        self, downloader: Downloader, guard: Guard, events: "queue.SimpleQueue[object]", *, workers: int
    ) -> None:
        self._downloader = downloader
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
        """Look whether a host can be reached again; ``NetworkProbed`` reports it."""
        self._threads.submit(self._guarded, self._probe, target)

    def close(self) -> None:
        """End the threads; call it after the connections were broken off."""
        self._threads.shutdown(wait=True, cancel_futures=True)

    def _guarded(self, work: Callable[..., None], *arguments: object) -> None:
        try:
            work(*arguments)
        except BaseException as error:
            self._events.put(WorkerFailed(error))

    def _ask(self, host: str, job: Job) -> None:
        timed = self._downloader.request(job.attempt, job.target)
        self._events.put(Answered(host, job, timed))
        if isinstance(timed.answer, Fetched):
            outcome = self._downloader.arrive(timed.answer)
            self._events.put(Kept(job, outcome, job.attempt.requests + 1))

    def _ask_robots(self, host: str, job: RobotsJob) -> None:
        answer = self._downloader.ask_robots(job.target)
        # read here, since a long one would hold up the thread that decides
        rules = read_robots(answer) if isinstance(answer, str) else RobotsRules()
        self._events.put(RobotsAnswered(host, job, answer, rules))

    def _probe(self, target: Target) -> None:
        self._guard.lookup.forget_failures()
        try:
            self._guard.connect(target, timeout_s=PROBE_SECONDS).close()
        except Exception:
            self._events.put(NetworkProbed(False))
        else:
            self._events.put(NetworkProbed(True))
