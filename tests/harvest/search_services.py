"""Small stand-ins for the search services, as functions of a request: every layout of the protocol sheets once."""

import html
import json
from urllib.parse import parse_qsl

from imgkit.harvest.providers.interface import Response, ServiceRequest

KEYS = {"FLICKR_API_KEY": "0123456789abcdef"}


def params(request: ServiceRequest) -> dict[str, str]:
    """The parameters of a request, wherever they stand."""
    form = request.body.decode() if request.method == "POST" else ""
    return {**request.params, **dict(parse_qsl(form, keep_blank_values=True))}


def ok(value: object) -> Response:
    """A JSON answer."""
    body = value if isinstance(value, bytes) else json.dumps(value).encode()
    return Response(status=200, body=body)


def page_text(value: str) -> Response:
    """An HTML answer."""
    return Response(status=200, body=value.encode())


def iusc(metadata: dict[str, object] | str, size: str = "1600 x 1200 · jpeg") -> str:
    """One result of Bing's page."""
    m = metadata if isinstance(metadata, str) else json.dumps(metadata)
    return (
        f'<li><div class="iuscp"><div class="imgpt"><a class="iusc" m="{html.escape(m)}"></a>'
        f'<div class="img_info"><span class="nowrap">{size}</span><div class="lnkw"><a>s.test</a></div></div></div>'
        '<div class="infopt"><div class="infnmpt"><a>title</a></div></div></div></li>'
    )


def bing_list(items: str) -> Response:
    """Bing's fragment around some results."""
    return page_text(f'<ul class="dgControl_list">{items}</ul>')


def bing(request: ServiceRequest, total: int) -> Response:
    """Bing's fragments; nothing at all past the end."""
    first, count = int(request.params["first"]), int(request.params["count"])
    numbers = range(first, min(first + count, total + 1))
    hits = (
        {"murl": f"https://h.test/{n}.webp?w=1&h=2", "purl": f"https://p.test/{n}", "t": f"Micrurus snake {n}"}
        for n in numbers
    )
    return bing_list("".join(iusc(hit) for hit in hits)) if numbers else page_text("")


def google(request: ServiceRequest, total: int) -> Response:
    """Google's asynchronous JSON layout."""
    start = int(request.params["start"])
    metadata = [
        {
            "result": {
                "referrer_url": f"https://p.test/{n}",
                "page_title": f"snake {n}",
                "iptc": {"creator": ["Ada"], "copyright_notice": "c"},
            },
            "original_image": {"url": f"https://h.test/{n}.webp", "width": 640, "height": 480},
        }
        for n in range(start + 1, min(start + 100, total) + 1)
    ]
    return page_text(")]}'\n" + json.dumps({"ischj": {"metadata": metadata} if metadata else {}}))


def openverse(request: ServiceRequest, total: int) -> Response:
    """Openverse's pages of 20."""
    page, size = int(request.params["page"]), int(request.params["page_size"])
    if size > (240 if request.headers.get("Authorization") else 20):
        return Response(status=401, body=b'{"detail":"page_size may not exceed 20 for anonymous requests"}')
    results = [
        {
            "url": f"https://h.test/{n}.jpg",
            "title": f"snake {n}",
            "foreign_landing_url": f"https://p.test/{n}",
            "creator": None,
            "license": "by-sa",
            "license_version": "2.0",
            "license_url": "https://creativecommons.org/licenses/by-sa/2.0/",
            "tags": [{"name": "reptile", "accuracy": None}],
            "height": None,
            "width": 800,
        }
        for n in range((page - 1) * size + 1, min(page * size, total) + 1)
    ]
    return ok({"result_count": total, "page_count": -(-total // size), "page": page, "results": results})


def commons(request: ServiceRequest, total: int) -> Response:
    """Commons' search with its continuation; no ``query`` when nothing is found; no category of any name."""
    if "titles" in request.params:
        titles = request.params["titles"].split("|")
        return ok({"batchcomplete": True, "query": {"pages": [{"title": one, "missing": True} for one in titles]}})
    offset, limit = int(request.params["gsroffset"]), int(request.params["gsrlimit"])
    numbers = range(offset + 1, min(offset + limit, total) + 1)
    body: dict[str, object] = {"batchcomplete": True}
    if numbers:
        body["query"] = {"pages": [commons_page(n) for n in reversed(numbers)]}
    if offset + limit < total:
        body["continue"] = {"gsroffset": offset + limit, "continue": "gsroffset||"}
    return ok(body)


def commons_page(n: int) -> dict[str, object]:
    """One file of Commons."""
    return {
        "pageid": n,
        "title": f"File:Snake {n}.jpg",
        "index": n,
        "imageinfo": [
            {
                "url": f"https://u.test/{n}.jpg",
                "thumburl": f"https://u.test/thumb/{n}/960px-{n}.jpg",
                "descriptionurl": f"https://c.test/wiki/File:{n}",
                "width": 4000,
                "height": 3000,
                "extmetadata": {
                    "LicenseShortName": {"value": "CC BY-SA 4.0"},
                    "LicenseUrl": {"value": "https://creativecommons.org/licenses/by-sa/4.0"},
                    "Artist": {"value": '<a href="//c.test/User:Ada">Ada &amp; Bob</a>'},
                    "Categories": {"value": "Reptiles|Snakes"},
                },
            }
        ],
    }


def inaturalist(request: ServiceRequest, total: int) -> Response:
    """iNaturalist's taxa and observations, one photograph each."""
    if request.url.endswith("/v1/taxa"):
        near = {"id": 9, "name": "Othername", "rank": "species", "preferred_common_name": "Other"}
        coral = {"id": 30, "name": "Micrurus fulvius", "rank": "species", "preferred_common_name": "Harlequin"}
        king = {"id": 31, "name": "Lampropeltis", "rank": "genus", "preferred_common_name": "King-Snake"}
        name = request.params["q"].lower()
        found = {"micrurus fulvius": [near, coral], "king snakes": [king]}.get(name, [near])
        return ok({"total_results": len(found), "results": found})
    page, size = int(request.params.get("page", "1")), int(request.params["per_page"])
    if page * size > 10_000:
        return Response(status=403, body=b"too deep")
    start = (page - 1) * size + int(request.params.get("id_above", "0"))
    results = [
        inaturalist_observation(n, [inaturalist_photo(n)]) for n in range(start + 1, min(start + size, total) + 1)
    ]
    behind = max(0, total - int(request.params.get("id_above", "0")))
    return ok({"total_results": behind, "page": page, "per_page": size, "results": results})


def inaturalist_photo(n: int, licence: str | None = "cc-by-nc") -> dict[str, object]:
    """One photograph, its address with a time stamp behind."""
    return {
        "id": n,
        "license_code": licence,
        "url": f"https://inaturalist-open-data.s3.amazonaws.com/photos/{n}/square.jpeg?1545",
        "original_dimensions": {"width": 2048, "height": 1365},
    }


def inaturalist_observation(n: int, photos: list[dict[str, object]]) -> dict[str, object]:
    """One observation."""
    return {
        "id": n,
        "uri": f"https://www.inaturalist.org/observations/{n}",
        "taxon": {"id": 30, "name": "Micrurus fulvius", "preferred_common_name": "Harlequin Coralsnake"},
        "user": {"login": "ada"},
        "photos": photos,
    }


def flickr(request: ServiceRequest, total: int) -> Response:
    """Flickr's REST answers, by GET with a key or by signed POST; what lies beyond 4,000 repeats."""
    asked = params(request)
    if asked["method"] == "flickr.photos.licenses.getInfo":
        by = {"id": "4", "name": "Attribution License", "url": "https://creativecommons.org/licenses/by/2.0/"}
        return ok({"licenses": {"license": [by]}, "stat": "ok"})
    page, size = int(asked["page"]), int(asked["per_page"])
    start = min((page - 1) * size, 4000 - size)
    photos = [flickr_photo(n) for n in range(start + 1, min(start + size, total) + 1)]
    return ok(
        {
            "photos": {
                "page": page,
                "pages": -(-total // size),
                "perpage": size,
                "total": str(total),
                "photo": photos if (page - 1) * size < total else [],
            },
            "stat": "ok",
        }
    )


def flickr_photo(n: int, **fields: object) -> dict[str, object]:
    """One photograph of Flickr; numbers come as texts or as numbers."""
    photo = {
        "id": str(n),
        "owner": "12@N01",
        "title": f"snake {n}",
        "ownername": "Ada",
        "license": "4",
        "tags": "reptile red",
        "url_l": f"https://live.test/{n}_l.jpg",
        "width_l": "1024",
        "height_l": 683,
        "url_m": f"https://live.test/{n}_m.jpg",
        "width_m": 500,
        "height_m": "333",
    }
    return {**photo, **fields}


def gbif(request: ServiceRequest, total: int) -> Response:
    """GBIF's name match and records, one photograph each."""
    if request.url.endswith("/v1/species/match"):
        if request.params["name"].lower() == "micrurus fulvius":
            return ok({"usageKey": 5224, "matchType": "EXACT", "confidence": 99})
        return ok({"matchType": "NONE", "confidence": 100})
    offset, limit = int(request.params["offset"]), int(request.params["limit"])
    results = [
        {
            "key": n,
            "scientificName": "Micrurus fulvius (Linnaeus, 1766)",
            "media": [
                {
                    "type": "StillImage",
                    "identifier": f"https://m.test/{n}.jpg",
                    "references": f"https://p.test/{n}",
                    "creator": "Ada",
                    "license": "http://creativecommons.org/licenses/by-nc/4.0/",
                }
            ],
        }
        for n in range(offset + 1, min(offset + limit, total) + 1)
    ]
    return ok({"offset": offset, "limit": limit, "endOfRecords": offset + limit >= total, "results": results})


def duckduckgo(request: ServiceRequest, total: int) -> Response:
    """DuckDuckGo's page with a token, and its results in pages of 100 to who sends it."""
    if request.url.endswith("/"):
        return page_text("<script>vqd='4-123456789';</script>")
    if request.params["vqd"] != "4-123456789":
        return Response(status=403)
    start = int(request.params.get("s", "0"))
    results = [
        {
            "image": f"https://h.test/{n}.jpg",
            "title": f"Micrurus snake {n}",
            "url": f"https://p.test/{n}",
            "thumbnail": f"https://t.test/{n}",
            "width": 640,
            "height": 480,
            "source": "Bing",
        }
        for n in range(start + 1, min(start + 100, total) + 1)
    ]
    more = {"next": f"i.js?q=x&o=json&p=1&s={start + 100}&u=bing"} if start + 100 < total else {}
    return ok({"results": results, "query": request.params["q"], **more})


SERVICES = {
    "bing": bing,
    "google": google,
    "openverse": openverse,
    "commons": commons,
    "inaturalist": inaturalist,
    "flickr": flickr,
    "gbif": gbif,
    "duckduckgo": duckduckgo,
}
"""Name of a provider to its service; a new provider of the table needs a line here to pass its conformance suite."""
