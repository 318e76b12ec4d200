"""How long a harvest waits for hosts, providers and the network; tests pass a shorter one."""

from dataclasses import dataclass, field
from typing import Final

from imgkit.net.fetch import FetchLimits
from imgkit.net.host_queue import OWN, HostLimits
from imgkit.net.retry import BACK_OFF_S


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeouts:
    """Limits of waiting, in seconds.

    Attributes:
        fetch: of one fetch.
        back_off_s: pauses before the second, third and further tries of an address.
        own: how hosts are asked that a person allowed by name.
        search_back_off_s: pauses before a provider is asked again after a failure that usually passes.
        longest_search_wait_s: a provider that asks for more is left to the next run.
        outage_failures, outage_hosts: connections that failed in a row, over how many hosts, before the network itself
            is taken to be down.
        probe_s: between two looks whether it is back.
        outage_s: then the run ends.
    """

    fetch: FetchLimits = field(default_factory=FetchLimits)
    back_off_s: tuple[float, ...] = BACK_OFF_S
    own: HostLimits = OWN
    search_back_off_s: tuple[float, ...] = (1.0, 4.0)
    longest_search_wait_s: float = 60.0
    outage_failures: int = 50
    outage_hosts: int = 10
    probe_s: float = 15.0
    outage_s: float = 600.0


DEFAULT_TIMEOUTS: Final = Timeouts()
