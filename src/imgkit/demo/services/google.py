"""Google Images as ``/search`` answers today, a wall of JavaScript, and in the forms it had before."""

import json
from typing import Final
from urllib.parse import quote

from imgkit.demo.services.refusals import HTML, REFUSALS, refuse
from imgkit.demo.web.exchange import Exchange
from imgkit.demo.web.index import Index, ListedPicture

SERVICE_FAULTS: Final[dict[str, str]] = {
    **REFUSALS,
    "consent": "302 to the page that asks for consent",
    "sorry": "302 to the page with the captcha, which answers 429",
    "sorry_page": "429 with the captcha at once",
    "sorry_stub": "200 with a stub under 2,000 bytes that leads to the captcha",
    "nothing_found": "200 with a page of no results",
    "access_denied": "403 'access denied'",
    "legacy_page": "200 with results in the arrays of scripts (variant A)",
    "async_json": "200 with results as JSON behind a prefix (variant C)",
    "wml": "200 with links to /imgres (variant D)",
    "logo_first": "variant A with a script before the results that names the page's logo",
}
WALL = """<!DOCTYPE html><html lang="en"><head><title>Google Search</title><style>body{background:#fff}</style></head>
<body><noscript><style>table,div,span,p{display:none}</style>
<meta content="0;url=/httpservice/retry/enablejs?sei=3kQ0aL7XN8" http-equiv="refresh">
<div style="display:block">Please click <a href="/httpservice/retry/enablejs?sei=3kQ0aL7XN8">here</a> if you are not
redirected within a few seconds.</div></noscript>
<script nonce="a1">(function(){var p='wall';})();</script></body></html>"""
CAPTCHA = """<html><head><title>Sorry...</title></head><body><h1>Our systems have detected unusual traffic from your
computer network.</h1>
<form id="captcha-form" action="index" method="post"><div class="g-recaptcha"></div></form></body></html>"""
CONSENT = """<html><head><title>Before you continue to Google</title></head><body><form action="/save" method="post">
<button>Reject all</button><button>Accept all</button></form></body></html>"""
STUB = '<html><body>302 Moved <a href="/sorry/index?continue=/search">here</a></body></html>'
EMPTY = "<!DOCTYPE html><html><head><title>Google Search</title></head><body>{}</body></html>"
PAGE_SIZES = {"legacy_page": 100, "logo_first": 100, "async_json": 10, "wml": 10}


def answer(exchange: Exchange, index: Index, fault: str) -> None:
    """Answer a request to the service."""
    if exchange.path.startswith("/sorry/"):
        exchange.send(429, CAPTCHA.encode(), content_type=HTML)
    elif exchange.path.startswith("/consent.google.com/"):
        exchange.send(200, CONSENT.encode(), content_type=HTML)
    elif exchange.path not in ("/search", "/wml/search"):
        exchange.send(404, b"<title>Error 404</title>", content_type=HTML)
    elif fault in PAGE_SIZES:
        _results(exchange, index, fault)
    elif not _refuse(exchange, fault):
        exchange.send(200, WALL.encode(), content_type=HTML)


def _refuse(exchange: Exchange, fault: str) -> bool:
    back = quote(exchange.target, safe="")
    match fault:
        case "consent":
            place = f"http://{exchange.sites['google']}/consent.google.com/ml?continue={back}&gl=DE"
            exchange.send(302, headers=[("Location", place)])
        case "sorry":
            exchange.send(302, headers=[("Location", f"/sorry/index?continue={back}")])
        case "sorry_page":
            exchange.send(429, CAPTCHA.encode(), content_type=HTML)
        case "sorry_stub":
            exchange.send(200, STUB.encode(), content_type=HTML)
        case "nothing_found":
            text = "Your search did not match any image results."
            exchange.send(200, EMPTY.format(f"<p>{text}</p>").encode(), content_type=HTML)
        case "access_denied":
            exchange.send(403, b"<html><title>403</title>Access denied.</html>", content_type=HTML)
        case _:
            return refuse(exchange, fault)
    return True


def _results(exchange: Exchange, index: Index, fault: str) -> None:
    params = exchange.params
    size = PAGE_SIZES[fault]
    start = _start(params, size)
    hits = index.search("google", params.get("q", ""))[start : start + size]
    if fault == "async_json":
        exchange.send(200, _async_json(hits).encode(), content_type="application/json; charset=utf-8")
    elif fault == "wml":
        exchange.send(200, _wml(hits).encode(), content_type="application/xhtml+xml; charset=utf-8")
    else:
        exchange.send(200, _legacy(hits, logo=fault == "logo_first").encode(), content_type=HTML)


def _start(params: dict[str, str], size: int) -> int:
    if (start := params.get("start", "")).isdigit():
        return int(start)
    for part in params.get("async", "").split(","):
        if part.startswith("ijn:") and part[4:].isdigit():
            return int(part[4:]) * size
    page = params.get("ijn", "")
    return int(page) * size if page.isdigit() else 0


def _legacy(hits: list[ListedPicture], *, logo: bool) -> str:
    entries = ",".join(
        f'[1,[0,"{hit.number}",["{_escaped(_thumbnail(hit))}",183,275],["{_escaped(hit.url)}",{hit.height},{hit.width}]]]'
        for hit in hits
    )
    first = '<script>var logo="https://www.example.com/images/branding/logo.png";</script>' if logo else ""
    script = f"<script>AF_initDataCallback({{key: 'ds:1', data:[{entries}]}});</script>" if hits else ""
    return EMPTY.format(first + script)


def _escaped(url: str) -> str:
    return url.replace("=", "\\u003d").replace("&", "\\u0026")


def _thumbnail(hit: ListedPicture) -> str:
    return f"https://encrypted-tbn0.gstatic.com/images?q=tbn:{hit.number}"


def _async_json(hits: list[ListedPicture]) -> str:
    results = [
        {
            "result": {
                "referrer_url": hit.page_url,
                "page_title": hit.picture.title,
                "site_title": "Field notes",
                "iptc": {"creator": [hit.picture.author], "copyright_notice": ""},
            },
            "original_image": {"url": hit.url, "width": hit.width, "height": hit.height},
            "thumbnail": {"url": _thumbnail(hit)},
            "text_in_grid": {"snippet": hit.picture.title},
            "gsa": {"file_size": "88KB"},
        }
        for hit in hits
    ]
    body = {"ischj": {"metadata": results} if results else {}}
    return ')]}\'\n22;["a",1]' + json.dumps(body, separators=(",", ":"))


def _wml(hits: list[ListedPicture]) -> str:
    links = "".join(
        f'<a href="/imgres?imgurl={quote(hit.url, safe="")}&amp;imgrefurl={quote(hit.page_url, safe="")}'
        f'&amp;h={hit.height}&amp;w={hit.width}&amp;tbnid={hit.number}"><img src="{_thumbnail(hit)}"/></a>'
        for hit in hits
    )
    return (
        f'<?xml version="1.0" encoding="UTF-8"?><html xmlns="http://www.w3.org/1999/xhtml"><body>{links}</body></html>'
    )
