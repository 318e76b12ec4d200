"""Which candidates are not fetched at all: excluded words, licences that were not asked for, what was removed."""

from collections.abc import Collection
from dataclasses import dataclass
from hashlib import sha256
from typing import Final
from urllib.parse import urlsplit

from imgkit.harvest import excludes, licences
from imgkit.manifest import Manifest
from imgkit.manifest.addresses import url_key
from imgkit.manifest.nouns import Proposal


@dataclass(frozen=True, slots=True)
class Screened:
    """Why a candidate is not fetched: a code of :mod:`imgkit.reasons`, and what exactly."""

    reason: str
    detail: str


SAME_LOOK_BITS: Final = 4
"""Bits of 63 in which the perceptual hashes of two copies may differ; re-encoded and shrunk ones differ in fewer."""

REVERSIBLE = frozenset({"policy.excluded", "policy.licence"})
"""Reasons that another query or another command line may lift."""


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
            urls=manifest.buried("url"),
            hosts=manifest.buried("host"),
            authors=manifest.buried("author"),
            sha256s=manifest.buried("sha256"),
            looks=frozenset(int(one, 16) for one in manifest.buried("look")),
        )

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
        """Return what of a proposal was removed on request, "" when nothing was."""
        if self.urls and not self.urls.isdisjoint(
            buried_url(url) for url in (proposal.url, *proposal.fallbacks, proposal.page_url) if url
        ):
            return "address"
        if self.hosts and any(buried_host(host) in self.hosts for host in _domains(proposal.url)):
            return "host"
        if self.authors and proposal.author and buried_author(proposal.author) in self.authors:
            return "author"
        return ""


def buried_url(url: str) -> str:
    """Return the form in which a removed address is kept: a hash, so that the list tells nobody what was removed."""
    return sha256(url_key(url).encode("utf-8", "surrogatepass")).hexdigest()


def buried_host(host: str) -> str:
    """Return the form in which a removed host is kept."""
    return host.strip().lower().rstrip(".")


def buried_author(author: str) -> str:
    """Return the form in which a removed author is kept: a hash."""
    return sha256(" ".join(author.casefold().split()).encode("utf-8", "surrogatepass")).hexdigest()


def screen(
    proposal: Proposal, *, exclude: tuple[str, ...], wanted_licences: tuple[str, ...], tombstones: Tombstones
) -> Screened | None:
    """Return why a proposal is not fetched, None when it is."""
    if what := tombstones.cover(proposal):
        return Screened("policy.removed", f"{what} removed on request")
    if word := excludes.excluded_by(proposal, exclude):
        return Screened("policy.excluded", word)
    if not licences.allowed(proposal.license, wanted_licences):
        return Screened("policy.licence", proposal.license or "not stated")
    return None


def _domains(url: str) -> list[str]:
    """Return the host of an address and the domains above it: removing example.org removes img.example.org too."""
    try:
        labels = (urlsplit(url).hostname or "").split(".")
    except ValueError:
        return []
    return [".".join(labels[start:]) for start in range(len(labels))]
