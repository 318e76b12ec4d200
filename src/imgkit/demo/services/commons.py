"""Wikimedia Commons: ``/w/api.php`` with a generator of search results and the rules of its robot policy."""

import hashlib
from typing import Final

from imgkit.demo.services.refusals import REFUSALS, refuse
from imgkit.demo.services.replies import LICENCES, send_json, whole_number
from imgkit.demo.web.exchange import Exchange
from imgkit.demo.web.index import Index, ListedPicture

SERVICE_FAULTS: Final[dict[str, str]] = {
    **REFUSALS,
    "ratelimited": "200 with the error 'ratelimited'",
    "maxlag": "503 with the error 'maxlag' and Retry-After 1",
}
LARGEST_PAGE = 50
POLICY = "Please set a user-agent and respect our robot policy https://w.wiki/4wJS. See also T400119."


def answer(exchange: Exchange, index: Index, fault: str) -> None:
    """Answer a request to the service."""
    params = exchange.params
    if exchange.path != "/w/api.php":
        exchange.send(404, b"<h1>Not found</h1>", content_type="text/html")
    elif not _says_who_it_is(exchange.headers.get("User-Agent", "")):
        exchange.send(403, POLICY.encode(), content_type="text/plain")
    elif fault == "ratelimited":
        _fail(exchange, "ratelimited", "You've exceeded your rate limit. Please wait some time and try again.")
    elif fault == "maxlag":
        _fail(exchange, "maxlag", "Waiting for 10.64.16.8: 6 seconds lagged.", status=503, retry_after="1")
    elif refuse(exchange, fault):
        return
    elif params.get("format") != "json":
        exchange.send(200, b"<!DOCTYPE html><title>MediaWiki API result</title>", content_type="text/html")
    elif params.get("action") != "query" or params.get("generator") != "search":
        _fail(exchange, "badvalue", "Unrecognized value for parameter.")
    else:
        _search(exchange, index)


def _says_who_it_is(user_agent: str) -> bool:
    """The policy: a name of one's own and a way to make contact; no library's default, no browser's name."""
    borrowed = ("python-requests", "curl/", "mozilla", "wget/", "python-urllib")
    return ("http" in user_agent or "@" in user_agent) and not user_agent.lower().startswith(borrowed)


def _search(exchange: Exchange, index: Index) -> None:
    params = exchange.params
    limit = min(LARGEST_PAGE, max(1, whole_number(params, "gsrlimit", 10)))
    offset = max(0, whole_number(params, "gsroffset", 0))
    hits = index.search("commons", params.get("gsrsearch", ""))
    page = hits[offset : offset + limit]
    body: dict[str, object] = {"batchcomplete": ""}
    if offset + limit < len(hits):
        body["continue"] = {"gsroffset": offset + limit, "continue": "gsroffset||"}
    if page:
        pages = [_page(hit, index, params, number) for number, hit in enumerate(page, start=offset + 1)]
        if offset == 0:  # a file that was deleted a moment ago: no imageinfo
            pages.append({"pageid": 1, "ns": 6, "title": "File:Deleted.jpg", "index": len(hits) + 1})
        pages.reverse()  # the order of pages means nothing, "index" does
        as_list = params.get("formatversion") == "2"
        body["query"] = {"pages": pages if as_list else {str(page["pageid"]): page for page in pages}}
    send_json(exchange, body)


def _page(hit: ListedPicture, index: Index, params: dict[str, str], number: int) -> dict[str, object]:
    picture = hit.picture
    info: dict[str, object] = {
        "url": hit.url,
        "descriptionurl": hit.page_url,
        "width": hit.width,
        "height": hit.height,
        "size": 90_000,
        "mime": "image/jpeg",
        "sha1": hashlib.sha1(picture.id.encode(), usedforsecurity=False).hexdigest(),
        "extmetadata": {
            "LicenseShortName": {"value": LICENCES[picture.license][0]},
            "LicenseUrl": {"value": LICENCES[picture.license][1]},
            "Artist": {"value": f'<a href="//commons.wikimedia.org/wiki/User:Ada">{picture.author}</a>'},
            "Credit": {"value": "Own work"},
            "AttributionRequired": {"value": "true"},
            "ImageDescription": {"value": picture.title},
            "Categories": {"value": "|".join(picture.tags)},
        },
    }
    if width := whole_number(params, "iiurlwidth", 0):
        smaller = width < hit.width
        info["thumburl"] = index.thumbnail_url(hit, width) if smaller else hit.url
        info["thumbwidth"] = width if smaller else hit.width
        info["thumbheight"] = round(hit.height * width / hit.width) if smaller else hit.height
    return {
        "pageid": hit.number,
        "ns": 6,
        "title": f"File:{picture.title} {number}.jpg",
        "index": number,
        "imageinfo": [info],
    }


def _fail(exchange: Exchange, code: str, text: str, *, status: int = 200, retry_after: str = "") -> None:
    headers = [("Retry-After", retry_after)] if retry_after else []
    send_json(exchange, {"error": {"code": code, "info": text}}, status=status, headers=headers)
