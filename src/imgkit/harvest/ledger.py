"""Who brought which picture: counts what is kept, and settles every candidate that brought one. Pure."""

import ipaddress
import posixpath
import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Final
from urllib.parse import unquote, urlsplit

from imgkit.harvest.ranking import Entry
from imgkit.manifest.nouns import Candidate

PLACEHOLDER_ADDRESSES: Final = 3
"""Addresses of one site with the same bytes: from here on it is a picture that stands in for others."""

MOVED: Final = "moved to "
"""Begins the detail of a candidate whose address led to another one."""

_STAND_IN: Final = re.compile(
    r"(^|[^a-z])(unavailable|removed|deleted|missing|placeholder|no[^a-z]?(image|photo|picture)|not[^a-z]?(found|"
    r"available)|404)([^a-z]|$)"
)
_PICTURE_NAME: Final = re.compile(r"\.(jpe?g|png|gif|webp|bmp|tiff?|avif)$", re.IGNORECASE)


def is_stand_in(url: str, final_url: str) -> bool:
    """Say whether an address was redirected to a picture that calls itself a stand-in ("photo_unavailable.jpg")."""
    asked, got = _file_name(url), _file_name(final_url)
    return asked != got and bool(_STAND_IN.search(got)) and not _STAND_IN.search(asked)


def site_and_address(url: str) -> tuple[str, str]:
    """Return (site, address within it) as far as they tell pictures apart.

    Hosts of one domain are one site. A query string does not count behind the name of a picture file, where it asks
    for a size or defeats a cache; behind anything else it chooses the picture.
    """
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        port = parts.port
    except ValueError:
        return url, ""
    query = "" if _PICTURE_NAME.search(parts.path) else parts.query
    return _site(host, port), f"{unquote(parts.path)}?{query}"


class Ledger:
    """Counts, for each label, the distinct pictures that are kept.

    Pictures may come in any order and the counts are the same in the end.
    """

    def __init__(self) -> None:
        self._labels: dict[str, set[str]] = defaultdict(set)  # image id to labels
        self._addresses: dict[tuple[str, str], set[str]] = defaultdict(set)  # (image id, site) to addresses
        self._stand_ins: set[str] = set()
        self._kept: dict[str, int] = defaultdict(int)

    def kept(self, label: str) -> int:
        """Return how many distinct pictures of a label are kept."""
        return self._kept[label]

    def is_placeholder(self, image_id: str) -> bool:
        """Say whether a picture stands in for others."""
        return image_id in self._stand_ins

    def add(self, label: str, image_id: str, urls: Iterable[str], *, stand_in: bool = False) -> bool:
        """Note that ``urls`` brought a picture for a label; return whether it is a new kept picture of the label."""
        if stand_in:
            self._expose(image_id)
        for url in urls:
            site, address = site_and_address(url)
            self._addresses[image_id, site].add(address)
            if site and len(self._addresses[image_id, site]) >= PLACEHOLDER_ADDRESSES:
                self._expose(image_id)
        if label in self._labels[image_id]:
            return False
        self._labels[image_id].add(label)
        if image_id in self._stand_ins:
            return False
        self._kept[label] += 1
        return True

    def _expose(self, image_id: str) -> None:
        if image_id in self._stand_ins:
            return
        self._stand_ins.add(image_id)
        for label in self._labels[image_id]:
            self._kept[label] -= 1


def settled(entries: Sequence[Entry], ledger: Ledger) -> list[Candidate]:
    """Return the candidates of one label that brought a picture, each in its final state.

    Of the candidates with the same picture the first in the fixed order is kept, the others are ``dup.exact``; those
    of a placeholder are all ``img.placeholder``.
    """
    outcome = []
    seen: set[str] = set()
    for entry in entries:
        for one in entry.candidates:
            if one.image_id is None or one.reason in ("policy.removed",):
                continue
            if ledger.is_placeholder(one.image_id):
                outcome.append(_in_state(one, "img.placeholder"))
            elif one.image_id in seen:
                outcome.append(_in_state(one, "dup.exact"))
            else:
                seen.add(one.image_id)
                outcome.append(_in_state(one, ""))
    return outcome


def _in_state(one: Candidate, reason: str) -> Candidate:
    return replace(one, state="rejected" if reason else "kept", reason=reason, next_try_at=None)


def _site(host: str, port: int | None) -> str:
    if not host:
        return ""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        labels = host.lower().rstrip(".").split(".")
        # co.uk, com.au: a short second level belongs to the ending
        depth = 3 if len(labels) > 2 and len(labels[-1]) == 2 and len(labels[-2]) <= 3 else 2
        return ".".join(labels[-depth:])
    return f"{host}:{port}" if port else host


def _file_name(url: str) -> str:
    try:
        return posixpath.basename(unquote(urlsplit(url).path)).lower()
    except ValueError:
        return ""
