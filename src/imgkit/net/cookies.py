"""Cookies that a redirect sets, for the other requests of the same fetch: without them some hosts redirect for ever."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from imgkit.net.addresses import Target

MOST: Final = 20
LONGEST: Final = 4096  # characters of all that are sent
_PAIR: Final = re.compile(
    r"\s*([!#$%&'*+.^_`|~0-9A-Za-z-]{1,256})\s*=\s*([\x21\x23-\x2b\x2d-\x3a\x3c-\x5b\x5d-\x7e\"]*)"
)


@dataclass(frozen=True, slots=True)
class Cookie:
    """A cookie of one fetch, for paths that begin with ``path`` at ``host`` and, if ``below``, at hosts below it."""

    name: str
    value: str
    host: str
    path: str = "/"
    below: bool = False
    secure: bool = False

    def goes_to(self, target: Target) -> bool:
        """Whether it is sent with a request."""
        is_host = target.host == self.host or (self.below and target.host.endswith(f".{self.host}"))
        path = target.path.partition("?")[0]
        below = self.path.rstrip("/")
        is_path = path == self.path or path.startswith(f"{below}/")
        return is_host and is_path and (target.scheme == "https" or not self.secure)


def received(lines: Iterable[str], target: Target) -> tuple[Cookie, ...]:
    """Return the cookies that an answer of ``target`` sets with these ``Set-Cookie`` lines.

    A domain counts only where the host is below it and it has a dot; lines that are none are left out.
    """
    found = []
    for line in lines:
        pair, *attributes = line.split(";")
        match = _PAIR.fullmatch(pair.rstrip())
        if match is None:
            continue
        parts = [one.partition("=") for one in attributes]
        named = {name.strip().lower(): value.strip() for name, _, value in parts}
        domain = named.get("domain", "").lstrip(".").lower()
        below = "." in domain and (target.host == domain or target.host.endswith(f".{domain}"))
        below = below and target.literal is None
        path = named.get("path", "")
        found.append(
            Cookie(
                name=match[1],
                value=match[2],
                host=domain if below else target.host,
                path=path if path.startswith("/") else "/",
                below=below,
                secure="secure" in named,
            )
        )
    return tuple(found)


def merged(known: Iterable[Cookie], new: Iterable[Cookie]) -> tuple[Cookie, ...]:
    """Return the cookies of a fetch after an answer; a new one takes the place of one with its name and place."""
    found = {(one.name, one.host, one.path): one for one in (*known, *new)}
    return tuple(found.values())[-MOST:]


def cookie_header(cookies: Iterable[Cookie], target: Target) -> str:
    """Return the ``Cookie`` header for a request, "" when none is sent."""
    text = "; ".join(f"{one.name}={one.value}" for one in cookies if one.goes_to(target))
    return text if len(text) <= LONGEST else ""
