"""What is under way in a harvest, and the events by which threads report it."""

from dataclasses import dataclass, field

from imgkit.harvest.journey import Arrived, Timed
from imgkit.harvest.network.addresses import Target
from imgkit.harvest.network.answers import Failure
from imgkit.harvest.network.attempts import Attempt
from imgkit.harvest.ranking import Entry


@dataclass(slots=True, eq=False)
class Job:
    """One address under way, for every label that waits for it."""

    entries: list[Entry]
    attempt: Attempt
    target: Target | None = None  # None: a file of this machine


@dataclass(slots=True, eq=False)
class RobotsJob:
    """The robots.txt of an origin, with the jobs that wait for it. ``sent`` says that somebody is under way for it."""

    target: Target
    waiting: list[Job] = field(default_factory=list)
    tries: int = 1
    sent: bool = False


@dataclass(frozen=True, slots=True)
class Answered:
    """A host answered, or failed to."""

    host: str
    job: Job
    timed: Timed


@dataclass(frozen=True, slots=True)
class RobotsAnswered:
    """The robots.txt of an origin is here, or why it is not."""

    host: str
    job: RobotsJob
    answer: str | Failure


@dataclass(frozen=True, slots=True)
class Kept:
    """What was fetched is on disk, or is no picture; ``requests`` is how many it took."""

    job: Job
    outcome: Arrived | Failure
    requests: int


@dataclass(frozen=True, slots=True)
class Probed:
    """Somebody looked whether the network is back."""

    reachable: bool
