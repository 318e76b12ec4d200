"""The search services: a table of one file each."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from imgkit.demo.exchange import Exchange
from imgkit.demo.index import Index
from imgkit.demo.services import bing, commons, flickr, gbif, google, google_api, inaturalist, openverse


@dataclass(frozen=True, slots=True)
class Mood:
    """How a service misbehaves, and in which of its requests: ``first`` and ``last`` count from 1, None: for good."""

    name: str
    first: int = 1
    last: int | None = None

    def applies_to(self, number: int) -> bool:
        """Whether the service is in this mood at its ``number``-th request."""
        return self.first <= number and (self.last is None or number <= self.last)


@dataclass(frozen=True, slots=True)
class Service:
    """A search service: how it answers in a mood ("" is good), which moods it has, which variable leads to it."""

    answer: Callable[[Exchange, Index, str], None]
    moods: Mapping[str, str]
    variable: str


SERVICES: Final[dict[str, Service]] = {
    "bing": Service(bing.answer, bing.MOODS, "IMGKIT_BING_URL"),
    "google": Service(google.answer, google.MOODS, "IMGKIT_GOOGLE_URL"),
    "google_api": Service(google_api.answer, google_api.MOODS, "IMGKIT_GOOGLE_API_URL"),
    "flickr": Service(flickr.answer, flickr.MOODS, "IMGKIT_FLICKR_URL"),
    "openverse": Service(openverse.answer, openverse.MOODS, "IMGKIT_OPENVERSE_URL"),
    "commons": Service(commons.answer, commons.MOODS, "IMGKIT_COMMONS_URL"),
    "inaturalist": Service(inaturalist.answer, inaturalist.MOODS, "IMGKIT_INATURALIST_URL"),
    "gbif": Service(gbif.answer, gbif.MOODS, "IMGKIT_GBIF_URL"),
}
