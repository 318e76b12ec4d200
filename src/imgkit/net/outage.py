"""Tell a network that is down from hosts that are down. Pure: time is an argument, in seconds."""

from typing import Final

from imgkit.net.outcomes import Failure

UNREACHABLE: Final = frozenset({"net.dns", "net.connect", "net.proxy"})


class OutageDetector:
    """Counts connections that failed in a row.

    Args:
        failures, hosts: this many consecutive failures, over this many hosts, are an outage.
        probe_s: seconds between two probes whether the network is back.
        longest_s: seconds after which an outage is given up.
    """

    def __init__(self, *, failures: int, hosts: int, probe_s: float, longest_s: float) -> None:
        self._least_failures = failures
        self._least_hosts = hosts
        self._probe_s = probe_s
        self._longest_s = longest_s
        self._failures = 0
        self._hosts: set[str] = set()
        self._began: float | None = None
        self._next_probe = 0.0
        self.probing = False

    @property
    def under_way(self) -> bool:
        """Whether the network is taken to be down."""
        return self._began is not None

    @property
    def next_probe(self) -> float:
        """Time of the next probe."""
        return self._next_probe

    def record(self, host: str, failure: Failure | None, *, now: float) -> bool:
        """Record the outcome of a request; return whether an outage begins with it."""
        if failure is None or failure.reason not in UNREACHABLE:
            self._failures = 0
            self._hosts.clear()
            return False
        self._failures += 1
        self._hosts.add(host)
        if self.under_way or self._failures < self._least_failures or len(self._hosts) < self._least_hosts:
            return False
        self._began = now
        self._next_probe = now + self._probe_s
        return True

    def probe_due(self, now: float) -> bool:
        """Return whether to probe the network now."""
        return self.under_way and not self.probing and now >= self._next_probe

    def recovered(self) -> None:
        """Record that the network is back."""
        self._began = None
        self.probing = False
        self._failures = 0
        self._hosts.clear()

    def still_down(self, now: float) -> bool:
        """Record a failed probe; return whether to keep waiting, False after ``longest_s``."""
        self.probing = False
        self._next_probe = now + self._probe_s
        return self._began is not None and now - self._began < self._longest_s
