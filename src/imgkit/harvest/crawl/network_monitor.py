"""The network state of a run: whether it is down, which host to probe, and which candidates failed meanwhile."""

from imgkit.harvest.crawl.order import RankedAddress
from imgkit.harvest.timeouts import Timeouts
from imgkit.net.addresses import Target
from imgkit.net.outage import UNREACHABLE, OutageDetector
from imgkit.net.outcomes import Failure
from imgkit.progress import Progress


class NetworkMonitor:
    """Watches how requests end. Used by one thread; times in seconds of any one clock.

    Args:
        timeouts: how many failures are an outage, and how long to wait for its end.
        progress: is told when an outage begins and ends.
    """

    def __init__(self, timeouts: Timeouts, progress: Progress) -> None:
        self._probe_s = timeouts.probe_s
        self._progress = progress
        self._outage = OutageDetector(
            failures=timeouts.outage_failures,
            hosts=timeouts.outage_hosts,
            probe_s=timeouts.probe_s,
            longest_s=timeouts.outage_s,
        )
        self._last_reached: Target | None = None
        self._lost: list[tuple[str, RankedAddress]] = []
        self.given_up = False  # for too long to wait on

    @property
    def is_down(self) -> bool:
        """Whether the network is taken to be down."""
        return self._outage.under_way

    @property
    def next_probe(self) -> float:
        """Time of the next probe whether it is back."""
        return self._outage.next_probe

    def record(self, host: str, target: Target, failure: Failure | None, *, now: float) -> None:
        """Record the outcome of a request; ``failure`` is a transient one, None when the host answered."""
        if failure is None:
            self._last_reached = target
        if self._outage.record(host, failure, now=now):
            self._last_reached = self._last_reached or target
            self._progress.say(
                f"The network seems to be down. Looking again every {self._probe_s:.0f} s; nothing is lost, and Ctrl-C "
                "saves."
            )

    def probe_due(self, now: float) -> Target | None:
        """Return the target to probe now, None when no probe is due; ``probed`` takes the result."""
        if self._last_reached is None or not self._outage.probe_due(now):
            return None
        self._outage.probing = True
        return self._last_reached

    def lost(self, label: str, entry: RankedAddress, failure: Failure) -> None:
        """Remember an address that failed for good, since the network may have been the cause."""
        if failure.reason in UNREACHABLE:
            self._lost.append((label, entry))

    def arrived(self) -> None:
        """Record that a picture arrived: earlier failures were not caused by the network."""
        self._lost.clear()

    def probed(self, reachable: bool, *, now: float) -> list[tuple[str, RankedAddress]]:
        """Record the result of a probe; return the labels and entries that were lost to it, in their order."""
        if not reachable:
            self.given_up = not self._outage.still_down(now)
            return []
        self._outage.recovered()
        self._progress.say("The network is back.")
        lost, self._lost = self._lost, []
        return lost
