"""Wikimedia Commons: free media with good descriptions; no key needed."""

from collections.abc import Mapping
from typing import Final

from imgkit.harvest import excludes, licences
from imgkit.harvest.providers import bookmark
from imgkit.harvest.providers.answers import json_body, ready_at, refusal, unknown_layout
from imgkit.harvest.providers.bookmark import Bookmark
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
    Verdict,
)
from imgkit.harvest.providers.json_fields import mapping, number, objects, plain, positive, text
from imgkit.manifest.nouns import Proposal

TITLE: Final = "Wikimedia Commons"
HOME: Final = "https://commons.wikimedia.org"
VARIABLE: Final = "IMGKIT_COMMONS_URL"
PAGE_SIZE: Final = 50
MAX_RESULTS: Final = 10_000  # of the search engine behind it
THUMBNAIL_PX: Final = 960  # one of the widths that are served; others are answered with 429
ERRORS: Final[dict[str, Verdict]] = {
    "ratelimited": "throttled",
    "maxlag": "transient",
    "readonly": "transient",
    "internal_api_error": "transient",
    "search-backend-error": "transient",
    "cirrussearch-too-busy-error": "transient",
    "blocked": "blocked",
    "autoblocked": "blocked",
}
"""Code of an error inside a 200 answer to what it means."""


def check(environ: Mapping[str, str]) -> Ready | Missing:
    """Commons needs no key; it does need an honest user agent, which the session sends."""
    return ready_at(environ, VARIABLE, HOME)


def page(query: SearchQuery, cursor: object, fetch: Fetch, ready: Ready) -> Page:
    """Ask for the next 50 results."""
    mark = bookmark.read(cursor)
    answer = fetch(Request(url=f"{ready.base}/w/api.php", params=_params(query, mark)))
    page = refusal(answer, TITLE, mark.as_json())
    if page is not None or not isinstance(answer, Response):
        return page or Page(verdict="transient")
    body = json_body(answer)
    if error := mapping(body, "error"):
        return _failed(error, answer, mark)
    if not isinstance(body, dict) or not ({"query", "batchcomplete", "continue"} & set(body)):
        return unknown_layout(answer, TITLE, mark.as_json())
    pages = _pages(body)
    found = [hit for hit in pages if text(_info(hit), "url")]
    if pages and not found:
        return unknown_layout(answer, TITLE, mark.as_json(), why="its results hold no picture address")
    return _results(found, body, mark)


def _params(query: SearchQuery, mark: Bookmark) -> dict[str, str]:
    params = {
        "action": "query",
        "format": "json",
        "formatversion": "2",
        "generator": "search",
        "gsrnamespace": "6",
        "gsrsearch": f"filetype:bitmap {excludes.with_negations(query.text, query.exclude)}",
        "gsrlimit": str(PAGE_SIZE),
        "gsroffset": mark.facts.get("offset", "0"),
        "prop": "imageinfo",
        "iiprop": "url|size|mime|sha1|extmetadata",
        "iiextmetadatafilter": "LicenseShortName|LicenseUrl|Artist|ImageDescription|Categories",
        "iiurlwidth": str(THUMBNAIL_PX),
    }
    if "continue" in mark.facts:
        params["continue"] = mark.facts["continue"]
    return params


def _failed(error: Mapping[str, object], answer: Response, mark: Bookmark) -> Page:
    code = text(error, "code")
    verdict = ERRORS.get(code)
    if verdict is None:
        return unknown_layout(answer, TITLE, mark.as_json(), why=f"error '{code}': {text(error, 'info')}")
    detail = f"{TITLE} says: {text(error, 'info') or code}"
    return Page(verdict=verdict, cursor=mark.as_json(), detail=detail)


def _results(found: list[dict[str, object]], body: Mapping[str, object], mark: Bookmark) -> Page:
    new = [found[at] for at in mark.new([text(hit, "title") for hit in found])]
    proposals = tuple(_proposal(hit, mark.given + rank) for rank, hit in enumerate(new, start=1))
    offset = number(body, "continue", "gsroffset")
    following = mark.after(
        [text(hit, "title") for hit in new],
        offset=str(offset or 0),
        **{"continue": text(body, "continue", "continue") or "-||"},
    )
    here = int(mark.facts.get("offset", "0")) if mark.facts.get("offset", "0").isdecimal() else 0
    if offset is not None and here < offset < MAX_RESULTS:
        return Page(verdict="ok", proposals=proposals, cursor=following.as_json())
    if not following.given:
        return Page(verdict="empty", detail=f"{TITLE} finds nothing for this query")
    return Page(verdict="end", proposals=proposals, detail=f"{TITLE} has {following.given} results")


def _pages(body: Mapping[str, object]) -> list[dict[str, object]]:
    """Return the pages in the order of the search, from either form of the answer: a list or a map by id."""
    pages = objects(body, "query", "pages")
    pages = pages or [page for page in mapping(body, "query", "pages").values() if isinstance(page, dict)]
    return sorted(pages, key=lambda page: number(page, "index") or 0)


def _info(page: Mapping[str, object]) -> dict[str, object]:
    infos = objects(page, "imageinfo")
    return infos[0] if infos else {}


def _proposal(page: Mapping[str, object], rank: int) -> Proposal:
    info = _info(page)
    about = mapping(info, "extmetadata")
    original, smaller = text(info, "url"), text(info, "thumburl")
    return Proposal(
        url=smaller or original,
        rank=rank,
        page_url=text(info, "descriptionurl"),
        title=text(page, "title").removeprefix("File:"),
        tags=plain(f"{text(about, 'ImageDescription', 'value')} {text(about, 'Categories', 'value')}"),
        author=plain(text(about, "Artist", "value")),
        license=licences.written(text(about, "LicenseShortName", "value")),
        license_url=text(about, "LicenseUrl", "value"),
        fallbacks=(original,) if smaller and smaller != original else (),
        width=positive(info, "width"),
        height=positive(info, "height"),
    )


PROVIDER: Final = Provider(
    name="commons",
    title=TITLE,
    page=page,
    check=check,
    homes={VARIABLE: HOME},
    page_size=PAGE_SIZE,
    max_results=MAX_RESULTS,
    default="always",
    wants_contact=True,
    negates=True,
    policy=HostPolicy(pause_seconds=1.0, quota="one request a second"),
)
