"""GBIF: photographs that come with records of where a species was seen; no key needed."""

import re
from collections.abc import Mapping
from typing import Final

from imgkit.harvest import excludes, licences
from imgkit.harvest.providers import bookmark
from imgkit.harvest.providers.answers import json_body, ready_at, refusal, unknown_layout
from imgkit.harvest.providers.bookmark import Bookmark
from imgkit.harvest.providers.inaturalist import sized
from imgkit.harvest.providers.interface import (
    Fetch,
    HostPolicy,
    Missing,
    Page,
    Provider,
    Ready,
    Request,
    Response,
    SearchQuery,
)
from imgkit.harvest.providers.json_fields import mapping, objects, text
from imgkit.manifest.nouns import Proposal

TITLE: Final = "GBIF"
HOME: Final = "https://api.gbif.org"
VARIABLE: Final = "IMGKIT_GBIF_URL"
PAGE_SIZE: Final = 300
MAX_OFFSET: Final = 10_000  # beyond it GBIF wants a download request instead
PHOTOS_PER_OCCURRENCE: Final = 2
_OBSERVATION = re.compile(r"inaturalist\.org/observations/(\d+)")


def check(environ: Mapping[str, str]) -> Ready | Missing:
    """GBIF needs no key."""
    return ready_at(environ, VARIABLE, HOME)


def page(query: SearchQuery, cursor: object, fetch: Fetch, ready: Ready) -> Page:
    """Ask for the photographs of the next 300 records; the first call also looks up the taxon.

    A query that is not a scientific name is ``empty``. Only what people saw outdoors: no museum scans.
    """
    mark = bookmark.read(cursor)
    if "taxon" not in mark.facts:
        found = _taxon(query, mark, fetch, ready)
        if isinstance(found, Page):
            return found
        mark = found
    params = {
        "taxonKey": mark.facts["taxon"],
        "mediaType": "StillImage",
        "basisOfRecord": "HUMAN_OBSERVATION",
        "limit": str(PAGE_SIZE),
        "offset": str(mark.page * PAGE_SIZE),
    }
    answer = fetch(Request(url=f"{ready.base}/v1/occurrence/search", params=params))
    page = refusal(answer, TITLE, mark.as_json())
    if page is not None or not isinstance(answer, Response):
        return page or Page(verdict="transient")
    body = json_body(answer)
    if not isinstance(body, dict) or not isinstance(body.get("results"), list):
        return unknown_layout(answer, TITLE, mark.as_json())
    hits = [pair for occurrence in objects(body, "results") for pair in _photos(occurrence)]
    if body["results"] and not hits:
        return unknown_layout(answer, TITLE, mark.as_json(), why="its results hold no picture address")
    return _results(hits, body, mark)


def _taxon(query: SearchQuery, mark: Bookmark, fetch: Fetch, ready: Ready) -> Bookmark | Page:
    name = excludes.without_negations(query.text).replace('"', "")
    answer = fetch(Request(url=f"{ready.base}/v1/species/match", params={"name": name}))
    if (page := refusal(answer, TITLE, mark.as_json())) is not None or not isinstance(answer, Response):
        return page or Page(verdict="transient")
    body = mapping(json_body(answer))
    if "matchType" not in body:
        return unknown_layout(answer, TITLE, mark.as_json())
    key = text(body, "usageKey")
    if body["matchType"] != "EXACT" or not key.isdecimal():
        return Page(verdict="empty", detail=f"'{name}' is not a scientific name at {TITLE}")
    return Bookmark(facts={"taxon": key})


def _results(
    hits: list[tuple[dict[str, object], dict[str, object]]], body: Mapping[str, object], mark: Bookmark
) -> Page:
    new = [hits[at] for at in mark.new([_address(media) for _, media in hits])]
    proposals = tuple(
        _proposal(occurrence, media, mark.given + rank) for rank, (occurrence, media) in enumerate(new, start=1)
    )
    following = mark.after([proposal.url for proposal in proposals])
    more = body.get("endOfRecords") is False and bool(body["results"])
    if more and following.page * PAGE_SIZE < MAX_OFFSET:
        return Page(verdict="ok", proposals=proposals, cursor=following.as_json())
    if not following.given:
        return Page(verdict="empty", detail=f"{TITLE} has no photographs of this taxon")
    return Page(verdict="end", proposals=proposals, detail=f"{TITLE} has {following.given} photographs")


def _photos(occurrence: dict[str, object]) -> list[tuple[dict[str, object], dict[str, object]]]:
    media = [one for one in objects(occurrence, "media") if text(one, "type") == "StillImage" and _address(one)]
    return [(occurrence, one) for one in media[:PHOTOS_PER_OCCURRENCE]]


def _address(media: Mapping[str, object]) -> str:
    """Return the photograph's address; most are iNaturalist's, in the size that its provider proposes too."""
    address = text(media, "identifier")
    return sized(address, "large") if "inaturalist" in address else address


def _proposal(occurrence: Mapping[str, object], media: Mapping[str, object], rank: int) -> Proposal:
    page_url = text(media, "references") or text(occurrence, "references")
    observed = _OBSERVATION.search(page_url)
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
