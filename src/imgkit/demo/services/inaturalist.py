"""iNaturalist: ``/v1/taxa`` and ``/v1/observations`` with their photos."""

import zlib
from typing import Final

from imgkit.demo.services.refusals import REFUSALS, refuse
from imgkit.demo.services.replies import send_json, whole_number, words
from imgkit.demo.web.exchange import Exchange
from imgkit.demo.web.index import Index, ListedPicture
from imgkit.demo.world import Topic

SERVICE_FAULTS: Final[dict[str, str]] = {**REFUSALS}
WINDOW = 10_000  # page × per_page
LARGEST_PAGE = 200


def answer(exchange: Exchange, index: Index, fault: str) -> None:
    """Answer a request to the service."""
    if refuse(exchange, fault):
        return
    if exchange.path == "/v1/taxa":
        _taxa(exchange, index)
    elif exchange.path == "/v1/observations":
        _observations(exchange, index)
    else:
        send_json(exchange, {"error": "Not Found", "status": 404}, status=404)


def _taxa(exchange: Exchange, index: Index) -> None:
    topic, _ = index.world.topic_of(exchange.params.get("q", ""))
    results = [_taxon(topic)] if topic and topic.taxon_id else []
    send_json(exchange, {"total_results": len(results), "page": 1, "per_page": 30, "results": results})


def _taxon(topic: Topic) -> dict[str, object]:
    return {
        "id": topic.taxon_id,
        "name": topic.scientific_name,
        "rank": "species",
        "preferred_common_name": topic.common_name,
        "matched_term": topic.common_name,
        "observations_count": 4821,
        "is_active": True,
    }


def _observations(exchange: Exchange, index: Index) -> None:
    params = exchange.params
    page = max(1, whole_number(params, "page", 1))
    per_page = min(LARGEST_PAGE, max(1, whole_number(params, "per_page", 30)))
    if page * per_page > WINDOW:
        text = "Result window is too large, page x per_page must be less than or equal to 10000"
        send_json(exchange, {"error": text, "status": 403}, status=403)
        return
    found = _grouped(index, params)
    shown = list(found.items())[(page - 1) * per_page : page * per_page]
    results = [_observation(id, hits, index) for id, hits in shown]
    send_json(exchange, {"total_results": len(found), "page": page, "per_page": per_page, "results": results})


def _grouped(index: Index, params: dict[str, str]) -> dict[int, list[ListedPicture]]:
    wanted = words(params, "taxon_id")
    topics = [topic for topic in index.world.topics if str(topic.taxon_id) in wanted]
    licences = words(params, "photo_license")
    found: dict[int, list[ListedPicture]] = {}
    for topic in topics:
        for picture in index.world.listed("inaturalist", topic.label):
            if not licences or f"cc-{picture.license}" in licences or picture.license in licences:
                id = zlib.crc32((picture.group or picture.id).encode())
                found.setdefault(id, []).append(index.hit(picture))
    below, above = whole_number(params, "id_below", 2**33), whole_number(params, "id_above", 0)
    chosen = {id: hits for id, hits in found.items() if above < id < below}
    if params.get("order_by") == "id":
        down = params.get("order", "desc") == "desc"
        return dict(sorted(chosen.items(), reverse=down))
    return chosen


def _observation(id: int, hits: list[ListedPicture], index: Index) -> dict[str, object]:
    topic = next(topic for topic in index.world.topics if topic.label == hits[0].picture.listed_as)
    return {
        "id": id,
        "uri": f"http://{index.sites[hits[0].picture.host]}/observations/{id}",
        "quality_grade": "research",
        "license_code": _code(hits[0]),
        "taxon": {"id": topic.taxon_id, "name": topic.scientific_name},
        "user": {"login": "ada_example", "name": hits[0].picture.author},
        "observed_on": "2023-05-17",
        "place_guess": "Alachua County, FL, USA",
        "photos": [_photo(hit) for hit in hits],
    }


def _photo(hit: ListedPicture) -> dict[str, object]:
    stamp = "?1545368983" if hit.number % 4 == 0 else ""
    return {
        "id": hit.number,
        "license_code": _code(hit),
        "url": hit.url.replace("/original.", "/square.") + stamp,
        "attribution": f"(c) {hit.picture.author}, some rights reserved",
        "original_dimensions": None if hit.number % 5 == 0 else {"width": hit.width, "height": hit.height},
        "hidden": False,
        "flags": [],
    }


def _code(hit: ListedPicture) -> str | None:
    licence = hit.picture.license
    if licence == "arr":
        return None
    return licence if licence in ("cc0", "pdm") else f"cc-{licence}"
