"""DuckDuckGo: the page that holds a token for a query, and ``/i.js``, which gives results to who sends it."""

import hashlib
from typing import Final
from urllib.parse import quote

from imgkit.demo.services.refusals import HTML, REFUSALS, refuse
from imgkit.demo.services.replies import send_json, whole_number
from imgkit.demo.web.exchange import Exchange
from imgkit.demo.web.index import Index, ListedPicture

SERVICE_FAULTS: Final[dict[str, str]] = {**REFUSALS, "limited": "202 with nothing to read, instead of results"}
PAGE_SIZE: Final = 100


def answer(exchange: Exchange, index: Index, fault: str) -> None:
    """Answer a request to the service."""
    params = exchange.params
    text, token = params.get("q", ""), _token(params.get("q", ""))
    if refuse(exchange, fault):
        return
    if exchange.path == "/":
        page = f'<!doctype html><title>{quote(text)} at DuckDuckGo</title><script>DDG.ready();vqd="{token}";</script>'
        exchange.send(200, page.encode(), content_type=HTML)
    elif exchange.path != "/i.js":
        exchange.send(404, b"not found", content_type=HTML)
    elif fault == "limited":
        exchange.send(202, b"", content_type=HTML)
    elif params.get("vqd") != token:
        exchange.send(403, b"If this error persists, please let us know", content_type=HTML)
    else:
        _results(exchange, index.search("duckduckgo", text), start=max(0, whole_number(params, "s", 0)))


def _token(text: str) -> str:
    return f"4-{int(hashlib.sha256(text.encode()).hexdigest()[:24], 16)}"


def _results(exchange: Exchange, hits: list[ListedPicture], *, start: int) -> None:
    text = exchange.params.get("q", "")
    page = hits[start : start + PAGE_SIZE]
    body: dict[str, object] = {
        "ads": None,
        "query": text,
        "response_type": "images",
        "results": [_result(hit) for hit in page],
        "vqd": {text: _token(text)},
    }
    if start + PAGE_SIZE < len(hits):
        body["next"] = f"i.js?q={quote(text)}&o=json&p=1&s={start + PAGE_SIZE}&u=bing&f=,,,&l=us-en"
    send_json(exchange, body)


def _result(hit: ListedPicture) -> dict[str, object]:
    return {
        "height": hit.height,
        "image": hit.url,
        "source": "Bing",
        "thumbnail": f"https://tse1.mm.bing.net/th?id=OIP.{hit.number}&pid=Api",
        "title": hit.picture.title,
        "url": hit.page_url,
        "width": hit.width,
    }
