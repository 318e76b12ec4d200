"""What a run knows about its network: whether it is there, whom to ask to find out, and what was lost meanwhile."""

from imgkit.harvest.network.addresses import Target
from imgkit.harvest.network.answers import Failure
from imgkit.harvest.network.outage import UNREACHABLE, Outage
from imgkit.harvest.patience import Patience
from imgkit.harvest.ranking import Entry
from imgkit.progress import Progress


class Reach:
    """Watches how requests end. Used by one thread; times in seconds of any one clock.

    Args:
        patience: how many failures are an outage, and how long to wait for its end.
        progress: is told when an outage begins and ends.
    """

    def __init__(self, patience: Patience, progress: Progress) -> None:
        self._probe_s = patience.probe_s
        self._progress = progress
        self._outage = Outage(
            failures=patience.outage_failures,
            hosts=patience.outage_hosts,
            probe_s=patience.probe_s,
            patience_s=patience.outage_s,
        )
        self._last_reached: Target | None = None
        self._lost: list[tuple[str, Entry]] = []
        self.gone = False  # for too long to wait on

    @property
    def away(self) -> bool:
        """Whether the network is taken to be down."""
        return self._outage.under_way

    @property
    def next_probe(self) -> float:
        """When to look next whether it is back."""
        return self._outage.next_probe

    def note(self, host: str, target: Target, failure: Failure | None, *, now: float) -> None:
        """Take down how a request ended; ``failure`` is a passing one, None when the host answered."""
        if failure is None:
            self._last_reached = target
        if self._outage.note(host, failure, now=now):
            self._last_reached = self._last_reached or target
            self._progress.say(
                f"The network seems to be down. Looking again every {self._probe_s:.0f} s; nothing is lost, and Ctrl-C "
                "saves."
            )

    def due(self, now: float) -> Target | None:
        """Return whom to look for now, None when it is not time; then ``probed`` tells the result."""
        if self._last_reached is None or not self._outage.due(now):
            return None
        self._outage.probing = True
        return self._last_reached

    def lost(self, label: str, entry: Entry, failure: Failure) -> None:
        """Remember what failed for good, since it may have been the network."""
        if failure.reason in UNREACHABLE:
            self._lost.append((label, entry))

    def arrived(self) -> None:
        """Note that a picture came: what failed before it was not the network's doing."""
        self._lost.clear()

    def probed(self, reachable: bool, *, now: float) -> list[tuple[str, Entry]]:
        """Note whether the network is back; return the labels and entries that were lost to it, in their order."""
        if not reachable:
            self.gone = not self._outage.goes_on(now)
            return []
        self._outage.over()
        self._progress.say("The network is back.")
        lost, self._lost = self._lost, []
        return lost
