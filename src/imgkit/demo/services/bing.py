"""Bing Images as ``/images/async`` answers: an HTML fragment whose ``m`` attributes are JSON."""

import hashlib
import html
import json
from typing import Final
from urllib.parse import quote

from imgkit.demo.services.refusals import HTML, REFUSALS, refuse
from imgkit.demo.web.exchange import Exchange
from imgkit.demo.web.index import Index, ListedPicture

SERVICE_FAULTS: Final[dict[str, str]] = {
    **REFUSALS,
    "landing_page": "200 with the start page and no result: blocked",
    "page_one_again": "page 1 whatever was asked for: rate limited",
    "other_country": "302 to another country's start page",
    "new_layout": "200 with results in a form that nobody knows",
    "loose_markup": "results among them one without a link and one whose JSON is cut",
}
PAGE_SIZE = 35
LARGEST_PAGE = 150
LANDING = """<!DOCTYPE html><html lang="en"><head><title>Bing Images</title></head><body>
<form action="/images/search" id="sb_form"><input name="q" type="search"></form>
<div id="trending">Popular searches today</div></body></html>"""
NEW_LAYOUT = """<div class="gallery-v9" data-items="eyJpdGVtcyI6WzEsMiwzXX0="><ig-tile key="1"></ig-tile></div>"""


def answer(exchange: Exchange, index: Index, fault: str) -> None:
    """Answer a request to the service."""
    if exchange.path == "/th":
        _thumbnail(exchange, index)
    elif exchange.path != "/images/async":
        exchange.send(200, LANDING.encode(), content_type=HTML)
    elif not _refuse(exchange, fault):
        _results(exchange, index, fault)


def _refuse(exchange: Exchange, fault: str) -> bool:
    match fault:
        case "landing_page":
            exchange.send(200, LANDING.encode(), content_type=HTML)
        case "other_country":
            exchange.send(302, headers=[("Location", f"http://{exchange.sites['bing']}/cn.bing.com/")])
        case "new_layout":
            exchange.send(200, NEW_LAYOUT.encode(), content_type=HTML)
        case _:
            return refuse(exchange, fault)
    return True


def _results(exchange: Exchange, index: Index, fault: str) -> None:
    params = exchange.params
    first = 1 if fault == "page_one_again" else max(1, _number(params.get("first", ""), 1))
    count = min(LARGEST_PAGE, max(1, _number(params.get("count", ""), PAGE_SIZE)))
    hits = index.search("bing", params.get("q", ""))
    if first > len(hits):
        first = max(1, (len(hits) - 1) // count * count + 1)  # past the end the last page comes again
    page = hits[first - 1 : first - 1 + count]
    items = [_item(hit, index) for hit in page]
    if fault == "loose_markup":
        items[1:1] = ['<div class="imgpt"><div class="img_info"></div></div>', _link('{"murl":"http://cut')]
    rows = "".join(
        f'<li data-idx="{first + number}"><div class="iuscp isv">{item}</div></li>' for number, item in enumerate(items)
    )
    following = first + count
    words = quote(params.get("q", ""))
    onward = f"/images/async?q={words}&amp;first={following}&amp;count={count}" if following <= len(hits) else ""
    exchange.send(
        200,
        f'<div class="dgControl hover" data-nextUrl="{onward}"><ul class="dgControl_list">{rows}</ul></div>'.encode(),
        content_type=HTML,
    )


def _item(hit: ListedPicture, index: Index) -> str:
    picture = hit.picture
    digest = hashlib.md5(picture.id.encode(), usedforsecurity=False).hexdigest()
    thumbnail = f"http://{index.sites['bing']}/th?id=OIP.{picture.id}&pid=15.1"
    facts = {
        "sid": "",
        "cturl": "",
        "cid": digest[:16],
        "purl": hit.page_url,
        "murl": hit.url,
        "turl": thumbnail,
        "md5": digest,
        "shkey": digest[::-1],
        "t": picture.title,
        "mid": digest.upper(),
        "desc": f"{picture.title} by {picture.author}",
    }
    if hit.number % 3 == 0:
        del facts["desc"]  # often missing in the real answers too
    site = hit.page_url.split("/")[2].split(":")[0]
    kind = hit.url.split("?")[0].rpartition(".")[2].lower()
    kind = kind if kind in ("png", "gif", "webp") else "jpeg"
    return (
        f'<div class="imgpt">{_link(json.dumps(facts, ensure_ascii=False))}'
        f'<div class="img_info hon"><span class="nowrap">{hit.width} × {hit.height} · {kind}</span>'
        f'<div class="lnkw"><a href="{html.escape(hit.page_url)}">{site}</a></div></div></div>'
        f'<div class="infopt"><div class="infnmpt"><a href="{html.escape(hit.page_url)}">'
        f"{html.escape(picture.title)}</a></div></div>"
    )


def _link(facts: str) -> str:
    return f'<a class="iusc" m="{html.escape(facts)}" href="/images/search?view=detailV2"><img class="mimg"></a>'


def _thumbnail(exchange: Exchange, index: Index) -> None:
    try:
        picture = index.world.picture(exchange.params.get("id", "").removeprefix("OIP."))
    except KeyError:
        exchange.send(404)
    else:
        exchange.send(200, index.thumbnail(picture, 230), content_type="image/jpeg")


def _number(text: str, default: int) -> int:
    return int(text) if text.isdigit() else default
