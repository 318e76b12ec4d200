"""Why a candidate is not fetched, or not kept though it was, and what was removed on request."""

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from hashlib import sha256
from typing import Final
from urllib.parse import urlsplit

from imgkit.manifest import Manifest
from imgkit.manifest.addresses import REMOVED, address_hash, removed
from imgkit.manifest.nouns import Proposal
from imgkit.net.addresses import RefusedAddress, parse


@dataclass(frozen=True, slots=True)
class Screened:
    """Why a candidate is not kept: a code of :mod:`imgkit.reasons`, and what exactly."""

    reason: str
    detail: str


SAME_LOOK_BITS: Final = 4
"""Bits of 63 in which the perceptual hashes of two copies may differ; re-encoded and shrunk ones differ in fewer."""

_HASH: Final = re.compile(r"[0-9a-f]{64}")

REVERSIBLE = frozenset({"policy.excluded", "policy.licence", "query.gone"})
"""Reasons that another row of a queries file or another command line may lift. What was fetched is kept for then."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tombstones:
    """What was removed on request, by kind. Addresses and authors are kept as hashes only.

    ``looks`` are perceptual hashes, 63 bits: a near-duplicate of a removed picture stays away too.
    """

    urls: frozenset[str] = frozenset()
    hosts: frozenset[str] = frozenset()
    authors: frozenset[str] = frozenset()
    sha256s: frozenset[str] = frozenset()
    looks: frozenset[int] = frozenset()

    @classmethod
    def of(cls, manifest: Manifest) -> "Tombstones":
        """Return those of a manifest."""
        return cls(
            urls=manifest.tombstones("url"),
            hosts=frozenset(map(as_hash, manifest.tombstones("host"))),
            authors=manifest.tombstones("author"),
            sha256s=manifest.tombstones("sha256"),
            looks=frozenset(int(one, 16) for one in manifest.tombstones("look")),
        )

    def hide(self, proposal: Proposal) -> Proposal:
        """Return the proposal, or what may be remembered of one that was removed on request: the hash of its address.

        A service goes on proposing what was removed; nothing else of it is written down again.
        """
        return Proposal(url=removed(proposal.url), rank=proposal.rank) if self.cover(proposal) else proposal

    def cover_picture(self, sha256: str, looks: Collection[int]) -> str:
        """Return what of a picture was removed on request, "" when nothing was.

        Args:
            sha256: of the bytes as received.
            looks: its perceptual hash in all orientations; none when they say nothing.
        """
        if sha256 in self.sha256s:
            return "picture removed on request"
        if any((own ^ other).bit_count() <= SAME_LOOK_BITS for own in looks for other in self.looks):
            return "a picture that looks the same was removed on request"
        return ""

    def cover(self, proposal: Proposal) -> str:
        """Return what of a proposal was removed on request, "" when nothing was: its picture, page, host or author."""
        if proposal.url.startswith(REMOVED):
            return "address"
        if what := self.cover_addresses((proposal.url, *proposal.fallbacks, proposal.page_url)):
            return what
        if self.authors and proposal.author and author_hash(proposal.author) in self.authors:
            return "author"
        return ""

    def cover_addresses(self, urls: Iterable[str]) -> str:
        """Return what of these addresses was removed on request: ``address``, ``host``, or "" for nothing."""
        if not (self.urls or self.hosts):
            return ""
        forms = {form for url in urls if url for form in spellings(url)}
        if self.urls and not self.urls.isdisjoint(map(url_hash, forms)):
            return "address"
        if self.hosts and any(host_hash(host) in self.hosts for url in forms for host in _domains(url)):
            return "host"
        return ""

    def refuse(self, url: str) -> str:
        """Return why an address must not be asked for, nor the robots.txt of its host; "" where it may be."""
        what = self.cover_addresses((url,))
        return f"{what} removed on request" if what else ""


def spellings(url: str) -> set[str]:
    """Return an address as it is written, and as it is asked for: in ASCII, blemishes mended."""
    try:
        return {url, parse(url).url}
    except RefusedAddress:
        return {url}


def url_hash(url: str) -> str:
    """Return the form in which a removed address is kept: a hash, so that the list does not reveal what was removed."""
    return address_hash(url)


def host_hash(host: str) -> str:
    """Return the form in which a removed host is kept: a hash."""
    return sha256(host.strip().lower().rstrip(".").encode("utf-8", "surrogatepass")).hexdigest()


def author_hash(author: str) -> str:
    """Return the form in which a removed author is kept: a hash."""
    return sha256(" ".join(author.casefold().split()).encode("utf-8", "surrogatepass")).hexdigest()


def as_hash(host: str) -> str:
    """Return the hash of a stored removed host; earlier versions stored some in plain text."""
    return host if _HASH.fullmatch(host) else host_hash(host)


def _domains(url: str) -> list[str]:
    """Return the host of an address and the domains above it: removing example.org removes img.example.org too."""
    try:
        labels = (urlsplit(url).hostname or "").split(".")
    except ValueError:
        return []
    return [".".join(labels[start:]) for start in range(len(labels))]
