"""GBIF: ``/v1/species/match`` and ``/v1/occurrence/search`` with the media of occurrences."""

from typing import Final

from imgkit.demo.services.refusals import REFUSALS, refuse
from imgkit.demo.services.replies import LICENCES, send_json, whole_number
from imgkit.demo.web.exchange import Exchange
from imgkit.demo.web.index import Index, ListedPicture
from imgkit.demo.world import query_words

SERVICE_FAULTS: Final[dict[str, str]] = {**REFUSALS}
LARGEST_PAGE = 300
DEEPEST = 10_000  # offsets from here on are restricted


def answer(exchange: Exchange, index: Index, fault: str) -> None:
    """Answer a request to the service."""
    if refuse(exchange, fault):
        return
    if exchange.path == "/v1/species/match":
        _match(exchange, index)
    elif exchange.path == "/v1/occurrence/search":
        _occurrences(exchange, index)
    else:
        exchange.send(404, b"Not Found", content_type="text/plain")


def _match(exchange: Exchange, index: Index) -> None:
    """Scientific names only: a common name matches nothing."""
    name = " ".join(query_words(exchange.params.get("name", "")))
    for topic in index.world.topics:
        scientific = topic.scientific_name.lower()
        if name and topic.taxon_id and name in (scientific, scientific.split()[0]):
            exact = name == scientific
            body = {
                "usageKey": topic.taxon_id,
                "scientificName": topic.scientific_name,
                "canonicalName": topic.scientific_name,
                "rank": "SPECIES",
                "status": "ACCEPTED",
                "confidence": 98 if exact else 90,
                "matchType": "EXACT" if exact else "FUZZY",
            }
            send_json(exchange, body)
            return
    send_json(exchange, {"confidence": 100, "matchType": "NONE", "synonym": False})


def _occurrences(exchange: Exchange, index: Index) -> None:
    params = exchange.params
    limit = min(LARGEST_PAGE, max(1, whole_number(params, "limit", 20)))
    offset = max(0, whole_number(params, "offset", 0))
    if offset >= DEEPEST:
        text = b"Max offset exceeded, see https://www.gbif.org/restricted"
        exchange.send(400, text, content_type="text/plain")
        return
    labels = [t.label for t in index.world.topics if t.taxon_id and str(t.taxon_id) == params.get("taxonKey")]
    hits = [index.hit(picture) for label in labels for picture in index.world.listed("gbif", label)]
    page = hits[offset : offset + limit]
    body = {
        "offset": offset,
        "limit": limit,
        "endOfRecords": offset + limit >= len(hits),
        "count": len(hits),
        "results": [_occurrence(hit) for hit in page],
    }
    send_json(exchange, body)


def _occurrence(hit: ListedPicture) -> dict[str, object]:
    licence = LICENCES[hit.picture.license][1]
    medium = {
        "type": "StillImage",
        "format": "image/jpeg",
        "identifier": hit.url,
        "references": hit.page_url,
        "title": hit.picture.title,
        "creator": hit.picture.author,
        "publisher": "iNaturalist",
        "license": licence,
        "rightsHolder": hit.picture.author,
    }
    return {
        "key": hit.number,
        "scientificName": hit.picture.title,
        "basisOfRecord": "HUMAN_OBSERVATION",
        "license": licence,
        "media": [medium],
    }
