"""The settings of a harvest and their defaults; nothing else holds a default."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

PROJECT = "imgkit-datasets"  # said to every host: the name under which its owner finds the program
MIB = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class HarvestConfig:
    """What one harvest is asked to do.

    Attributes:
        data: the data folder.
        providers: names of the providers of queries that name none; empty: the defaults that are ready.
        per_label: *kept* images to end with, for each label.
        size: longest side of a harvested picture in pixels; smaller pictures are never enlarged.
        smallest_side: pictures whose shorter side has fewer pixels are ``img.small``.
        max_bytes: bytes of one image, counted after decompression.
        filters: what to ask of services that can filter, such as {"size": "large"}; see ``harvest.filters``.
        licences: codes such as "by", "by-sa", "cc0", "pdm"; empty: any licence. A picture whose licence is unknown
            is not among them.
        language: language and country of the searcher, such as "en-US".
        safe_search: ask services to leave out explicit pictures.
        thumbnails: where a picture cannot be had any more, keep the small copy of the service that found it.
        robots: obey robots.txt of image hosts.
        allow_private_hosts: hosts or CIDR blocks, each with an optional ``:port``, that may be contacted although
            their addresses are private.
        proxy: address of an HTTP proxy for every request; "" means none. The environment's is not used unasked.
        user_agent: said to every host; "" means ours, see ``agent``.
        contact: an e-mail address or page for the owners of hosts, added to our user agent.
    """

    data: Path = Path("data")
    providers: tuple[str, ...] = ()
    per_label: int = 200
    size: int = 500
    smallest_side: int = 64
    max_bytes: int = 20 * MIB
    filters: Mapping[str, str] = field(default_factory=dict)
    licences: tuple[str, ...] = ()
    language: str = "en-US"
    safe_search: bool = True
    thumbnails: bool = False
    robots: bool = True
    allow_private_hosts: tuple[str, ...] = ()
    proxy: str = ""
    user_agent: str = ""
    contact: str = ""


def agent(config: HarvestConfig, version: str) -> str:
    """Return the honest user agent: who we are, which version, and where the owner of a host can reach someone."""
    if config.user_agent:
        return config.user_agent
    contact = config.contact or "no contact given"
    return f"imgkit/{version} ({PROJECT}; {contact})"
