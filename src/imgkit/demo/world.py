"""A small web as a frozen description: every picture with its address, its truth and what a polite client ends with."""

import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal, TypeAlias
from urllib.parse import unquote, urlsplit

from imgkit.demo.web.faults import FAULTS

Kind: TypeAlias = Literal[
    "good", "wrong_label", "offtopic", "exact_copy", "near_copy", "placeholder", "excluded", "damaged", "lost"
]
"""What was planted. ``lost`` is a picture that no polite client can get, for the reason of its fault; ``damaged`` one
that it gets, with a fault that only a look at the picture finds."""

HOP = re.compile(r"[?&]hop=\d+$")
"""What redirects append to an address; it does not count when a picture is looked up."""

SIZE = re.compile(r"^/(?:thumb|sized)/\d+px(?=/)")
"""What addresses of smaller versions have in front."""

PHOTO = re.compile(r"^/photos/(\d+)/\w+\.(?:jpe?g|png)(?:\?\d*)?$")
"""Addresses that name a size of a photo, with an optional time stamp."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawing:
    """All that decides the bytes of a picture: equal drawings are equal bytes.

    ``change`` names what a near-copy did to the drawing, ``encoding`` how it is written; ``salt`` changes the bytes
    and not the pixels.
    """

    subject: str
    seed: int
    width: int = 640
    height: int = 480
    change: str = ""
    encoding: str = "jpeg"
    salt: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchListing:
    """That a provider returns a picture at a rank (1 is best) for the queries of a label.

    ``phrases`` are the phrases of the label that find it; empty means every one.
    """

    provider: str
    rank: int
    phrases: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class WorldPicture:
    """One address of the world and the truth about it.

    ``label`` is what the picture shows ("" when it shows none of the world's labels), ``listed_as`` the label whose
    queries return it. ``path`` is unique in the world, whatever the host. ``copy_of`` is the id of the picture that an
    exact or near copy repeats. ``fault`` is a name of :data:`imgkit.demo.web.faults.FAULTS`, "" for an honest answer.
    """

    id: str
    kind: Kind
    label: str
    listed_as: str
    drawing: Drawing
    host: str
    path: str
    listings: tuple[SearchListing, ...]
    fault: str = ""
    copy_of: str = ""
    title: str = ""
    tags: tuple[str, ...] = ()
    author: str = "Ada Example"
    license: str = "by"
    group: str = ""

    @property
    def number(self) -> int:
        """A number for services and addresses that name pictures by one; stable for an id."""
        return zlib.crc32(self.id.encode())

    @property
    def address(self) -> str:
        """The path on its host, or a whole address with ``{…}`` for a port where the fault lies in the address."""
        template = FAULTS[self.fault].address if self.fault else ""
        return template.replace("{id}", self.id) if template else self.path

    @property
    def reason(self) -> str:
        """The reason code with which harvest loses the address, "" when it keeps it (exact copies included)."""
        if self.fault:
            return FAULTS[self.fault].reason
        if self.kind == "placeholder":
            return "img.placeholder"
        return "policy.excluded" if self.kind == "excluded" else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """An image host: a nickname and how it behaves for every address.

    ``robots`` is the text of its robots.txt, None for 404; ``delay`` is in seconds and comes before each picture.
    """

    name: str
    robots: str | None = None
    delay: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Topic:
    """A label with the phrases that find it and its taxon, where it is one (``taxon_id`` 0: it is not)."""

    label: str
    phrases: tuple[str, ...]
    scientific_name: str = ""
    common_name: str = ""
    taxon_id: int = 0


@dataclass(frozen=True, kw_only=True)
class World:
    """Everything that the loopback web serves. Frozen: counters and faults of services belong to the running web."""

    topics: tuple[Topic, ...]
    hosts: tuple[Host, ...]
    pictures: tuple[WorldPicture, ...]
    seed: int = 0

    def search(self, provider: str, text: str) -> list[WorldPicture]:
        """Return what a provider lists for a query, best rank first; an unknown query finds nothing.

        Case, quotes and operators (``-word``, ``filetype:bitmap``) do not matter. The longest phrase that the query
        contains decides, so "scarlet king snake" is asked under "king snake".
        """
        topic, phrase = self.topic_of(text)
        if topic is None:
            return []
        return self.listed(provider, topic.label, phrase)

    def listed(self, provider: str, label: str, phrase: str = "") -> list[WorldPicture]:
        """Return what a provider lists for a label, best rank first; a phrase narrows it to what that phrase finds."""
        return [
            picture
            for listing, picture in self._ranked.get((provider, label), ())
            if not phrase or not listing.phrases or phrase in listing.phrases
        ]

    def topic_of(self, text: str) -> tuple[Topic | None, str]:
        """Return the topic a query is about with the phrase that said so; (None, "") when it is about none."""
        words = f" {' '.join(query_words(text))} "
        found = [
            (len(phrase), phrase, topic)
            for topic in self.topics
            for phrase in topic.phrases
            if f" {' '.join(query_words(phrase))} " in words
        ]
        if not found:
            return None, ""
        _, phrase, topic = max(found, key=lambda entry: entry[0])
        return topic, phrase

    def picture(self, id: str) -> WorldPicture:
        """Return the picture with this id.

        Raises:
            KeyError: there is none.
        """
        return self._by_id[id]

    def find(self, url: str) -> WorldPicture | None:
        """Return the picture at an address, whatever host and port serve it; None for an address not of this world."""
        return self._by_address.get(_place(url))

    def with_faults(self, faults: Mapping[str, str]) -> "World":
        """Return this world with the named faults at the pictures with these ids."""
        unknown = set(faults) - set(self._by_id)
        if unknown:
            raise KeyError(f"no such picture: {', '.join(sorted(unknown))}")
        pictures = tuple(replace(p, fault=faults.get(p.id, p.fault)) for p in self.pictures)
        return replace(self, pictures=pictures)

    def of_kind(self, *kinds: Kind) -> list[WorldPicture]:
        """Return the pictures of these kinds in the order of the world."""
        return [picture for picture in self.pictures if picture.kind in kinds]

    @cached_property
    def _ranked(self) -> dict[tuple[str, str], list[tuple[SearchListing, WorldPicture]]]:
        ranked: dict[tuple[str, str], list[tuple[SearchListing, WorldPicture]]] = {}
        for picture in self.pictures:
            for listing in picture.listings:
                ranked.setdefault((listing.provider, picture.listed_as), []).append((listing, picture))
        for entries in ranked.values():
            entries.sort(key=lambda entry: entry[0].rank)
        return ranked

    @cached_property
    def _by_id(self) -> dict[str, WorldPicture]:
        return {picture.id: picture for picture in self.pictures}

    @cached_property
    def _by_address(self) -> dict[str, WorldPicture]:
        return {_place(picture.address): picture for picture in self.pictures}


def query_words(text: str) -> list[str]:
    """Return the words a query asks for in lower case, without quotes, operators and excluded words."""
    return [word for word in text.lower().replace('"', " ").split() if not word.startswith("-") and ":" not in word]


def _place(address: str) -> str:
    """What is left of an address when host, port and redirects do not count."""
    parts = urlsplit(address)
    if parts.scheme not in ("", "http", "https"):
        return address
    place = HOP.sub("", unquote(parts.path) + (f"?{parts.query}" if parts.query else ""))
    return PHOTO.sub(r"/photos/\1/original.jpg", SIZE.sub("", place))
