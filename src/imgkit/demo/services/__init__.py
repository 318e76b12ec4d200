"""The search services: a table of one file each."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from imgkit.demo.services import bing, commons, duckduckgo, flickr, gbif, google, google_api, inaturalist, openverse
from imgkit.demo.web.exchange import Exchange
from imgkit.demo.web.index import Index


@dataclass(frozen=True, slots=True)
class ServiceFault:
    """How a service misbehaves, and in which of its requests: ``first`` and ``last`` count from 1, None: for good."""

    name: str
    first: int = 1
    last: int | None = None

    def applies_to(self, number: int) -> bool:
        """Whether the service has this fault at its ``number``-th request."""
        return self.first <= number and (self.last is None or number <= self.last)


@dataclass(frozen=True, slots=True)
class Service:
    """A search service: how it answers with a fault ("": as it should), its faults, which variable leads to it."""

    answer: Callable[[Exchange, Index, str], None]
    faults: Mapping[str, str]
    variable: str


SERVICES: Final[dict[str, Service]] = {
    "bing": Service(bing.answer, bing.SERVICE_FAULTS, "IMGKIT_BING_URL"),
    "google": Service(google.answer, google.SERVICE_FAULTS, "IMGKIT_GOOGLE_URL"),
    "google_api": Service(google_api.answer, google_api.SERVICE_FAULTS, "IMGKIT_GOOGLE_API_URL"),
    "flickr": Service(flickr.answer, flickr.SERVICE_FAULTS, "IMGKIT_FLICKR_URL"),
    "openverse": Service(openverse.answer, openverse.SERVICE_FAULTS, "IMGKIT_OPENVERSE_URL"),
    "commons": Service(commons.answer, commons.SERVICE_FAULTS, "IMGKIT_COMMONS_URL"),
    "inaturalist": Service(inaturalist.answer, inaturalist.SERVICE_FAULTS, "IMGKIT_INATURALIST_URL"),
    "duckduckgo": Service(duckduckgo.answer, duckduckgo.SERVICE_FAULTS, "IMGKIT_DUCKDUCKGO_URL"),
    "gbif": Service(gbif.answer, gbif.SERVICE_FAULTS, "IMGKIT_GBIF_URL"),
}
