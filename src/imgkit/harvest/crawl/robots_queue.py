"""The queue of robots.txt: each origin is asked for its rules once, and its jobs wait until they have arrived."""

from collections.abc import Sequence

from imgkit.harvest.crawl.jobs import Job, RobotsJob
from imgkit.net import retry
from imgkit.net.outcomes import Failure
from imgkit.net.robots import RobotsCache, RobotsRules


class RobotsQueue:
    """Says who may be asked. Used by one thread.

    Args:
        cache: the rules of origins, None to allow every request.
        back_off_s: pauses before the second, third and further tries for a robots.txt.
    """

    def __init__(self, cache: RobotsCache | None, *, back_off_s: Sequence[float]) -> None:
        self._cache = cache
        self._back_off_s = back_off_s
        self._under_way: dict[str, RobotsJob] = {}
        self._failures: dict[str, Failure] = {}

    def judge(self, job: Job) -> Failure | RobotsJob | None:
        """Return None when a job may ask; the failure that ends it; or the robots.txt that it now waits for.

        A robots.txt that nobody was sent for yet is not ``sent``.
        """
        target = job.target
        if target is None or self._cache is None:
            return None
        if failure := self._failures.get(target.origin):
            return failure
        rules = self._cache.rules(target)
        if rules is not None:
            return rules.refuses(target.path)
        asking = self._under_way.get(target.origin)
        if asking is None:
            asking = self._under_way[target.origin] = RobotsJob(target)
        asking.waiting.append(job)
        return asking

    def pause(self, job: RobotsJob, failure: Failure) -> float | None:
        """Return the seconds until a robots.txt is asked for again, None when that was tried often enough."""
        if job.tries >= retry.FEW_TRIES.get(failure.reason, retry.TRIES):
            return None
        pause = self._back_off_s[min(job.tries, len(self._back_off_s)) - 1]
        job.tries += 1
        return failure.retry_after or pause

    def open(self, job: RobotsJob, answer: str | Failure, rules: RobotsRules) -> list[Job]:
        """Take down what a host said with its rules, or that it said nothing; return the jobs that waited for it."""
        if isinstance(answer, Failure):
            self._failures[job.target.origin] = answer
        elif self._cache is not None:
            self._cache.learn(job.target.origin, answer, rules)
        self._under_way.pop(job.target.origin, None)
        return job.waiting

    def forget_failures(self) -> None:
        """Let hosts that could not be reached be asked again."""
        self._failures.clear()
