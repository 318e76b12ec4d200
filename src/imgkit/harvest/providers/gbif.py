"""GBIF: photographs that come with records of where a species was seen; no key needed."""

import re
from collections.abc import Mapping
from typing import Final

from imgkit.harvest.providers.answers import json_body, ready_at, refusal, unknown_layout
from imgkit.harvest.providers.inaturalist import sized
from imgkit.harvest.providers.interface import (
    Fetch,
    HostPolicy,
    Missing,
    Provider,
    Ready,
    Response,
    ResultPage,
    SearchQuery,
    ServiceRequest,
)
from imgkit.harvest.providers.json_fields import mapping, objects, text
from imgkit.harvest.search import excludes, licences, paging
from imgkit.harvest.search.paging import Cursor
from imgkit.manifest.nouns import Proposal

TITLE: Final = "GBIF"
HOME: Final = "https://api.gbif.org"
VARIABLE: Final = "IMGKIT_GBIF_URL"
PAGE_SIZE: Final = 300
MAX_OFFSET: Final = 10_000  # beyond it GBIF wants a download request instead
PHOTOS_PER_OCCURRENCE: Final = 2
_OBSERVATION = re.compile(r"inaturalist\.[a-z.]+/observations/(\d+)")
"""The page of an observation; the pages of its photographs have another address."""


def check(environ: Mapping[str, str]) -> Ready | Missing:
    """GBIF needs no key."""
    return ready_at(environ, VARIABLE, HOME)


def page(query: SearchQuery, cursor: object, fetch: Fetch, ready: Ready) -> ResultPage:
    """Ask for the photographs of the next 300 records; the first call also looks up the taxon.

    A query that is not a scientific name is ``empty``. Only what people saw outdoors: no museum scans.
    """
    mark = paging.read(cursor)
    if "taxon" not in mark.facts:
        found = _taxon(query, mark, fetch, ready)
        if isinstance(found, ResultPage):
            return found
        mark = found
    params = {
        "taxonKey": mark.facts["taxon"],
        "mediaType": "StillImage",
        "basisOfRecord": "HUMAN_OBSERVATION",
        "limit": str(PAGE_SIZE),
        "offset": str(mark.page * PAGE_SIZE),
    }
    answer = fetch(ServiceRequest(url=f"{ready.base}/v1/occurrence/search", params=params))
    page = refusal(answer, TITLE, mark.as_json())
    if page is not None or not isinstance(answer, Response):
        return page or ResultPage(verdict="transient")
    body = json_body(answer)
    if not isinstance(body, dict) or not isinstance(body.get("results"), list):
        return unknown_layout(answer, TITLE, mark.as_json())
    hits = [pair for occurrence in objects(body, "results") for pair in _photos(occurrence)]
    if body["results"] and not hits:
        return unknown_layout(answer, TITLE, mark.as_json(), why="its results hold no picture address")
    return _results(hits, body, mark)


def _taxon(query: SearchQuery, mark: Cursor, fetch: Fetch, ready: Ready) -> Cursor | ResultPage:
    name = excludes.without_negations(query.text).replace('"', "")
    answer = fetch(ServiceRequest(url=f"{ready.base}/v1/species/match", params={"name": name}))
    if (page := refusal(answer, TITLE, mark.as_json())) is not None or not isinstance(answer, Response):
        return page or ResultPage(verdict="transient")
    body = mapping(json_body(answer))
    if "matchType" not in body:
        return unknown_layout(answer, TITLE, mark.as_json())
    key = _accepted(body)
    if body["matchType"] != "EXACT" or not key.isdecimal():
        return ResultPage(verdict="empty", detail=f"'{name}' is not a scientific name at {TITLE}")
    return Cursor(facts={"taxon": key})


def _accepted(match: Mapping[str, object]) -> str:
    """Return the key under which the records of a name stand: that of the accepted name where it is a synonym."""
    own = text(match, "usageKey")
    is_synonym = match.get("synonym") is True or "SYNONYM" in text(match, "status").upper()
    if not is_synonym:
        return own
    ranked = text(match, f"{text(match, 'rank').lower()}Key")  # "speciesKey" of a synonym is the accepted species
    return text(match, "acceptedUsageKey") or ranked or own


def _results(
    hits: list[tuple[dict[str, object], dict[str, object]]], body: Mapping[str, object], mark: Cursor
) -> ResultPage:
    new = [hits[at] for at in mark.new([_address(media) for _, media in hits])]
    proposals = tuple(
        _proposal(occurrence, media, mark.given + rank) for rank, (occurrence, media) in enumerate(new, start=1)
    )
    following = mark.after([proposal.url for proposal in proposals])
    ended = body.get("endOfRecords")
    more = not ended if isinstance(ended, bool) else None
    if more is not False and following.page * PAGE_SIZE >= MAX_OFFSET:
        return paging.at_most(proposals, MAX_OFFSET, title=TITLE, what="records")
    return paging.page_of(proposals, following, more=more, title=TITLE, what="photographs")


def _photos(occurrence: dict[str, object]) -> list[tuple[dict[str, object], dict[str, object]]]:
    media = [one for one in objects(occurrence, "media") if text(one, "type") == "StillImage" and _address(one)]
    return [(occurrence, one) for one in media[:PHOTOS_PER_OCCURRENCE]]


def _address(media: Mapping[str, object]) -> str:
    """Return the photograph's address; most are iNaturalist's, in the size that its provider proposes too."""
    address = text(media, "identifier")
    return sized(address, "large") if "inaturalist" in address else address


def _proposal(occurrence: Mapping[str, object], media: Mapping[str, object], rank: int) -> Proposal:
    pages = (text(occurrence, "references"), text(media, "references"), text(occurrence, "occurrenceID"))
    page_url = text(media, "references") or text(occurrence, "references")
    observed = next(filter(None, map(_OBSERVATION.search, pages)), None)
    licence = text(media, "license") or text(occurrence, "license")
    original = text(media, "identifier")
    return Proposal(
        url=_address(media),
        rank=rank,
        page_url=page_url or f"https://www.gbif.org/occurrence/{text(occurrence, 'key')}",
        title=text(media, "title") or text(occurrence, "scientificName"),
        tags=text(occurrence, "scientificName"),
        author=text(media, "creator") or text(media, "rightsHolder"),
        license=licences.written(licence),
        license_url=licence if licence.startswith(("http://", "https://")) else "",
        group=f"inaturalist:{observed[1]}" if observed else f"gbif:{text(occurrence, 'key')}",
        fallbacks=() if original == _address(media) else (original,),
    )


PROVIDER: Final = Provider(
    name="gbif",
    title=TITLE,
    page=page,
    check=check,
    homes={VARIABLE: HOME},
    page_size=PAGE_SIZE,
    max_results=MAX_OFFSET * PHOTOS_PER_OCCURRENCE,
    max_lookups=1,
    policy=HostPolicy(pause_seconds=1.0, quota="one request a second"),
)
