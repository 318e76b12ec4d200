"""Which addresses led to which picture: counts kept pictures and gives candidates with a picture their state. Pure."""

import functools
import ipaddress
import posixpath
import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Final
from urllib.parse import unquote, urlsplit

from imgkit.harvest.crawl.order import RankedAddress
from imgkit.manifest.nouns import Candidate, CandidateState

PLACEHOLDER_ADDRESSES: Final = 4
"""Addresses of one site with the same bytes: from here on it is a picture that stands in for others. Up to three are
taken for one photograph in several albums or under several keys."""

MOVED: Final = "moved to "
"""Begins the detail of a candidate whose address led to another one."""

_PLACEHOLDER_NAME: Final = re.compile(
    r"(^|[^a-z0-9])(unavailable|removed|deleted|missing|placeholder|no[^a-z]?(image|photo|picture)|not[^a-z]?(found|"
    r"available)|404)([^a-z0-9]|$)"
)
_SECOND_LEVELS: Final = frozenset(
    {"asso", "firm", "gouv", "govt", "info", "name", "parliament", "police", "press", "school"}
)
"""Second levels of public suffixes ("gouv.fr", "govt.nz") that are longer than three letters."""

_SIGNING: Final = re.compile(
    r"(x-(amz|goog|oss|cos)-.*|sig|signature|sign|token|auth|auth_key|hmac|hdnea|policy|key-pair-id|expires?|expiry|exp|"
    r"expiration|e|ts|timestamp|nonce|md5|st|se|sp|sv|sr|spr|sks?|skoid|sktid|skt|ske|skv|ex|is|hm|oh|oe|_nc_.*|ccb|stp|"
    r"googleaccessid|ossaccesskeyid|awsaccesskeyid|verify|secret|q-.*|cb|cachebuster|_)"
)
"""Parameters of an address that only say who may fetch it, and until when."""

_PICTURE_NAME: Final = re.compile(r"\.(jpe?g|png|gif|webp|bmp|tiff?|avif)$", re.IGNORECASE)


def is_placeholder_redirect(url: str, final_url: str) -> bool:
    """Say whether an address was redirected to a placeholder by its file name ("photo_unavailable.jpg")."""
    asked, got = _file_name(url), _file_name(final_url)
    return asked != got and bool(_PLACEHOLDER_NAME.search(got))


def site_and_address(url: str) -> tuple[str, str]:
    """Return (site, address within it) as far as they tell pictures apart.

    Hosts of one domain are one site. A query string does not count behind the name of a picture file, where it asks
    for a size or defeats a cache; behind anything else it chooses the picture, except for signatures and their times.
    """
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        port = parts.port
    except ValueError:
        return url, ""
    query = "" if _PICTURE_NAME.search(parts.path) else _unsigned(parts.query)
    return _site(host, port), f"{unquote(parts.path)}?{query}"


def _unsigned(query: str) -> str:
    parameters = query.split("&")
    return "&".join(one for one in parameters if not _SIGNING.fullmatch(one.partition("=")[0].lower()))


class DuplicateTracker:
    """Counts, for each label, the distinct pictures that are kept.

    Pictures may come in any order and the counts are the same in the end.
    """

    def __init__(self) -> None:
        # compact, since there may be hundreds of thousands of pictures: hashes instead of texts, sets only where needed
        self._labels: dict[str, tuple[str, ...]] = {}  # image id to labels
        self._addresses: dict[int, set[int] | int] = {}  # hash of (image id, site) to hashes of addresses
        self._placeholders: set[str] = set()
        self._kept: dict[str, int] = defaultdict(int)

    def kept(self, label: str) -> int:
        """Return how many distinct pictures of a label are kept."""
        return self._kept[label]

    def is_placeholder(self, image_id: str) -> bool:
        """Say whether a picture stands in for others."""
        return image_id in self._placeholders

    def note(self, one: Candidate) -> None:
        """Take over what an earlier run found out about a candidate."""
        if one.image_id is not None:
            moved_to = one.detail.removeprefix(MOVED) if one.detail.startswith(MOVED) else ""
            placeholder = bool(moved_to) and is_placeholder_redirect(one.proposal.url, moved_to)
            self.add(one.label, one.image_id, (one.proposal.url,), placeholder=placeholder)

    def add(self, label: str, image_id: str, urls: Iterable[str], *, placeholder: bool = False) -> bool:
        """Note that ``urls`` brought a picture for a label; return whether it is a new kept picture of the label."""
        if placeholder:
            self._mark_placeholder(image_id)
        for url in urls:
            self._note_address(image_id, url)
        labels = self._labels.get(image_id, ())
        if label in labels:
            return False
        self._labels[image_id] = (*labels, label)
        if image_id in self._placeholders:
            return False
        self._kept[label] += 1
        return True

    def remove(self, label: str, image_id: str) -> None:
        """Note that a label has a picture no more, since nobody asks for it or it is not allowed."""
        labels = self._labels.get(image_id, ())
        if label not in labels:
            return
        self._labels[image_id] = tuple(one for one in labels if one != label)
        if image_id not in self._placeholders:
            self._kept[label] -= 1

    def _note_address(self, image_id: str, url: str) -> None:
        site, address = site_and_address(url)
        if not site:
            return  # a file of this machine: its copies are copies
        key, this = hash((image_id, site)), hash(address)
        known = self._addresses.setdefault(key, this)
        if isinstance(known, int):
            if known == this:
                return
            known = self._addresses[key] = {known}
        known.add(this)
        if len(known) >= PLACEHOLDER_ADDRESSES:
            self._mark_placeholder(image_id)

    def _mark_placeholder(self, image_id: str) -> None:
        if image_id in self._placeholders:
            return
        self._placeholders.add(image_id)
        for label in self._labels.get(image_id, ()):
            self._kept[label] -= 1


def settled(entries: Sequence[RankedAddress], ledger: DuplicateTracker) -> list[Candidate]:
    """Return the final state of the candidates of one label whose address was asked for.

    Of the candidates with the same picture the first in the fixed order is kept, the others are ``dup.exact``; those
    of a placeholder are all ``img.placeholder``. A candidate that turned up while its address was being asked for
    shares what became of it.
    """
    outcome: list[Candidate] = []
    seen: set[str] = set()
    for entry in entries:
        told = next((one for one in entry.candidates if one.image_id is not None), None)
        if told is None:
            outcome += _with_shared_failure(entry)
            continue
        assert told.image_id is not None
        for one in entry.candidates:
            if one.image_id is None and one.state != "pending":
                continue  # screened out by its own query
            if ledger.is_placeholder(told.image_id):
                outcome.append(_with_picture(one, told, "img.placeholder"))
            elif told.image_id in seen:
                outcome.append(_with_picture(one, told, "dup.exact"))
            else:
                seen.add(told.image_id)
                outcome.append(_with_picture(one, told, ""))
    return outcome


def _with_shared_failure(entry: RankedAddress) -> list[Candidate]:
    told = next((one for one in entry.candidates if one.attempts or one.reason.startswith(("net.", "http."))), None)
    if told is None or told.state == "pending":
        return []
    return [
        replace(one, state=told.state, reason=told.reason, detail=told.detail, next_try_at=told.next_try_at)
        for one in entry.candidates
        if one.state == "pending"
    ]


def _with_picture(one: Candidate, told: Candidate, reason: str) -> Candidate:
    """Return a candidate in its final state: the very same object where it was in it already."""
    state: CandidateState = "rejected" if reason else "kept"
    if (one.image_id, one.state, one.reason) == (told.image_id, state, reason):
        return one
    return replace(one, state=state, reason=reason, detail=told.detail, image_id=told.image_id, next_try_at=None)


@functools.lru_cache(maxsize=1024)
def _site(host: str, port: int | None) -> str:
    if not host:
        return ""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        labels = host.lower().rstrip(".").split(".")
        # co.uk, com.au, gouv.fr: below a country a short second level belongs to the ending, and so do some others
        ending = len(labels) > 2 and len(labels[-1]) == 2 and (len(labels[-2]) <= 3 or labels[-2] in _SECOND_LEVELS)
        depth = 3 if ending else 2
        return ".".join(labels[-depth:])
    return f"{host}:{port}" if port else host


def _file_name(url: str) -> str:
    try:
        return posixpath.basename(unquote(urlsplit(url).path)).lower()
    except ValueError:
        return ""
