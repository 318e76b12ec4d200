"""The settings of a harvest and their defaults; nothing else holds a default."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from imgkit.options import option, require_allowed

PROJECT = "imgkit-datasets"  # said to every host: the name under which its owner finds the program
MIB = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class HarvestConfig:
    """What one harvest is asked to do; each field says what it is for.

    ``filters`` is what to ask of services that can filter, such as {"size": "large"} (``harvest.search.filters``).
    ``licences`` are codes such as "by", "by-sa", "cc0", "pdm", or empty for any; a picture whose licence is unknown is
    not among them. ``proxy`` "" means none: the environment's is not used unasked. ``user_agent`` "" means ours, see
    ``agent``.
    """

    data: Path = option(Path("data"), variable="IMGKIT_DATA", help="The data folder.")
    per_label: int = option(200, aliases=("--limit",), minimum=1, help="Kept pictures to end with, for each label.")
    size: int = option(500, minimum=64, help="Longest side of a picture in pixels; never enlarged.")
    providers: tuple[str, ...] = option(
        (), flag="--provider", repeated=True, help="Ask this provider; repeat for more. Default: all that are ready."
    )
    filters: Mapping[str, str] = option(
        factory=dict,
        flag="--filter",
        repeated=True,
        help="Ask services to filter, as name=value: size=large, type=photo, color=red.",
    )
    licences: tuple[str, ...] = option(
        (),
        flag="--license",
        aliases=("--licence",),
        repeated=True,
        help="Keep only this licence (cc0, by, by-sa, ...); repeat for more. Default: any.",
    )
    max_bytes: int = option(20 * MIB, minimum=1, help="Bytes of one picture at most.")
    thumbnails: bool = option(False, help="Where a picture is gone, keep the small copy that its service has.")
    robots: bool = option(
        True, flag="--robots/--no-robots", default_text="robots", help="Obey robots.txt of image hosts."
    )
    allow_private_hosts: tuple[str, ...] = option(
        (),
        repeated=True,
        help="Host, address or CIDR block, with an optional :port, that may be contacted although private.",
    )
    proxy: str = option("", help="Address of an HTTP proxy for every request.")
    user_agent: str = option("", help="What to say to every host instead of imgkit's own name.")
    contact: str = option(
        "", variable="IMGKIT_CONTACT", help="E-mail address or page for the owners of hosts, said to them."
    )
    smallest_side: int = option(
        64, minimum=1, on_command_line=False, help="Pixels of the shorter side below which a picture is img.small."
    )
    language: str = option("en-US", on_command_line=False, help="Language and country of the searcher.")
    safe_search: bool = option(True, on_command_line=False, help="Ask services to leave out explicit pictures.")

    def __post_init__(self) -> None:
        require_allowed(self)


def agent(config: HarvestConfig, version: str) -> str:
    """Return the honest user agent: who we are, which version, and where the owner of a host can reach someone."""
    if config.user_agent:
        return config.user_agent
    contact = config.contact or "no contact given"
    return f"imgkit/{version} ({PROJECT}; {contact})"
