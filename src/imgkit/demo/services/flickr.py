"""Flickr's REST service: ``photos.search`` and ``photos.licenses.getInfo``, by GET with a key or by signed POST."""

import json
import re
from typing import Final

from imgkit.demo.services.refusals import REFUSALS, refuse
from imgkit.demo.services.replies import JSON, LICENCES, whole_number, words
from imgkit.demo.web.exchange import Exchange
from imgkit.demo.web.index import Index, ListedPicture

SERVICE_FAULTS: Final[dict[str, str]] = {
    **REFUSALS,
    "expired_key": "code 100 'Key has expired'",
    "unavailable": "code 105, to be asked again",
    "search_unavailable": "code 10, to be asked again",
    "bad_url": "code 116",
}
KEY = "0123456789abcdef0123456789abcdef"
DEEPEST = 4000  # results of one query; what lies beyond repeats
LARGEST_PAGE = 500
FAILURES = {
    "expired_key": (100, "Invalid API Key (Key has expired)"),
    "unavailable": (105, "Service currently unavailable"),
    "search_unavailable": (10, "The Flickr API search databases are temporarily unavailable."),
    "bad_url": (116, "Bad URL found"),
}
SIZES = {"sq": 75, "t": 100, "s": 240, "m": 500, "z": 640, "c": 800, "l": 1024, "h": 1600, "k": 2048}
LICENCE_IDS = {
    "arr": "0",
    "by-nc-sa": "1",
    "by-nc": "2",
    "by-nc-nd": "3",
    "by": "4",
    "by-sa": "5",
    "by-nd": "6",
    "cc0": "9",
    "pdm": "10",
}
CONSUMER = re.compile(r'oauth_consumer_key="([^"]*)"')


def answer(exchange: Exchange, index: Index, fault: str) -> None:
    """Answer a request to the service."""
    if exchange.path.rstrip("/") != "/services/rest":
        exchange.send(404, b"<h1>Not found</h1>", content_type="text/html")
    elif not refuse(exchange, fault):
        _send(exchange, _reply(exchange, index, fault))


def _reply(exchange: Exchange, index: Index, fault: str) -> dict[str, object]:
    params = exchange.params
    if fault in FAILURES:
        return _failure(*FAILURES[fault])
    if _key(exchange) != KEY:
        return _failure(100, "Invalid API Key (Key has invalid format)")
    if params.get("format") != "json":
        return _failure(111, f'Format "{params.get("format", "rest")}" not found')
    match params.get("method", ""):
        case "flickr.photos.search":
            return _search(params, index)
        case "flickr.photos.licenses.getInfo":
            return _licences()
        case name:
            return _failure(112, f'Method "{name}" not found')


def _key(exchange: Exchange) -> str:
    signed = CONSUMER.search(exchange.headers.get("Authorization", ""))
    return signed[1] if signed else exchange.params.get("api_key", "") or exchange.params.get("oauth_consumer_key", "")


def _search(params: dict[str, str], index: Index) -> dict[str, object]:
    text = params.get("text", "") or params.get("tags", "").replace(",", " ")
    if not text:
        return _failure(3, "Parameterless searches have been disabled. Please use flickr.photos.getRecent instead.")
    wanted = words(params, "license")
    hits = [h for h in index.search("flickr", text) if not wanted or LICENCE_IDS[h.picture.license] in wanted]
    per_page = min(LARGEST_PAGE, max(1, whole_number(params, "per_page", 100)))
    reachable = hits[:DEEPEST]
    pages = -(-len(hits) // per_page)
    last = -(-len(reachable) // per_page)
    page = max(1, whole_number(params, "page", 1))
    start = (min(page, last) - 1) * per_page if last else 0
    photos = [_photo(hit, index, words(params, "extras")) for hit in reachable[start : start + per_page]]
    found = {"page": page, "pages": pages, "perpage": per_page, "total": str(len(hits)), "photo": photos}
    return {"photos": found, "stat": "ok"}


def _photo(hit: ListedPicture, index: Index, extras: list[str]) -> dict[str, object]:
    picture = hit.picture
    photo: dict[str, object] = {
        "id": str(hit.number),
        "owner": "12037949754@N01",
        "secret": f"{hit.number:010x}"[-10:],
        "server": "65535",
        "farm": 66,
        "title": picture.title,
        "ispublic": 1,
        "isfriend": 0,
        "isfamily": 0,
    }
    known = {
        "license": LICENCE_IDS[picture.license],
        "tags": " ".join(picture.tags),
        "description": {"_content": ""},
        "media": "photo",
        "path_alias": "ada-example",
        "date_taken": "2023-05-17 10:12:00",
    }
    for name in extras:
        if name == "owner_name":
            photo["ownername"] = picture.author
        elif name in known:
            photo[name] = known[name]
        elif name.startswith("url_"):
            photo |= _size(hit, index, name.removeprefix("url_"))
    return photo


def _size(hit: ListedPicture, index: Index, name: str) -> dict[str, object]:
    """A size that exists: smaller ones than the picture, and the original unless it is over 1,024 px."""
    longest = max(hit.width, hit.height)
    if name == "o":
        url, size = (hit.url, longest) if longest <= SIZES["l"] else ("", 0)
    else:
        size = SIZES.get(name, 0)
        url = index.sized_url(hit, size) if 0 < size < longest else ""
    if not url:
        return {}
    width, height = round(hit.width * size / longest), round(hit.height * size / longest)
    as_text = hit.number % 2 == 0  # the service sends both
    return {
        f"url_{name}": url,
        f"width_{name}": str(width) if as_text else width,
        f"height_{name}": str(height) if as_text else height,
    }


def _licences() -> dict[str, object]:
    known = [{"id": id, "name": LICENCES[name][0], "url": LICENCES[name][1]} for name, id in LICENCE_IDS.items()]
    known.append({"id": "7", "name": "No known copyright restrictions", "url": "https://www.flickr.com/commons/usage/"})
    known.append({"id": "8", "name": "United States Government Work", "url": "https://www.usa.gov/copyright.shtml"})
    return {"licenses": {"license": sorted(known, key=lambda licence: int(licence["id"]))}, "stat": "ok"}


def _failure(code: int, message: str) -> dict[str, object]:
    return {"stat": "fail", "code": code, "message": message}


def _send(exchange: Exchange, reply: dict[str, object]) -> None:
    text = json.dumps(reply)
    if exchange.params.get("nojsoncallback") != "1":
        text = f"jsonFlickrApi({text})"
    exchange.send(200, text.encode(), content_type=JSON)
