"""What is under way in a harvest, and the events by which threads report it."""

from dataclasses import dataclass, field

from imgkit.harvest.crawl.downloader import StoredPicture, TimedAnswer
from imgkit.harvest.crawl.order import RankedAddress
from imgkit.net.addresses import Target
from imgkit.net.outcomes import Failure
from imgkit.net.retry import DownloadAttempt
from imgkit.net.robots import RobotsRules


@dataclass(slots=True, eq=False)
class Job:
    """One address under way, for every label that waits for it."""

    entries: list[RankedAddress]
    attempt: DownloadAttempt
    target: Target | None = None  # None: a file of this machine


@dataclass(slots=True, eq=False)
class RobotsJob:
    """The robots.txt of an origin, with the jobs that wait for it. ``sent``: the request has been sent."""

    target: Target
    waiting: list[Job] = field(default_factory=list)
    tries: int = 1
    sent: bool = False


@dataclass(frozen=True, slots=True)
class Answered:
    """A host answered, or failed to."""

    host: str
    job: Job
    timed: TimedAnswer


@dataclass(frozen=True, slots=True)
class RobotsAnswered:
    """The robots.txt of an origin is here with its rules, or why it is not."""

    host: str
    job: RobotsJob
    answer: str | Failure
    rules: RobotsRules


@dataclass(frozen=True, slots=True)
class Kept:
    """What was fetched is on disk, or is no picture; ``requests`` is how many it took."""

    job: Job
    outcome: StoredPicture | Failure
    requests: int


@dataclass(frozen=True, slots=True)
class NetworkProbed:
    """The result of a probe whether the network is back."""

    reachable: bool
