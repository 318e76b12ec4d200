"""Wikimedia Commons: free media with good descriptions; no key needed."""

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from imgkit.harvest.providers.answers import json_body, ready_at, refusal, unknown_layout
from imgkit.harvest.providers.interface import (
    Fetch,
    HostPolicy,
    Missing,
    NoAnswer,
    PageVerdict,
    Provider,
    Ready,
    Response,
    ResultPage,
    SearchQuery,
    ServiceRequest,
)
from imgkit.harvest.providers.json_fields import mapping, number, objects, plain, positive, text
from imgkit.harvest.search import excludes, licences, paging
from imgkit.harvest.search.paging import Cursor
from imgkit.manifest.nouns import Proposal

TITLE: Final = "Wikimedia Commons"
HOME: Final = "https://commons.wikimedia.org"
VARIABLE: Final = "IMGKIT_COMMONS_URL"
PAGE_SIZE: Final = 50
MAX_RESULTS: Final = 10_000  # of the search engine behind it
THUMBNAIL_PX: Final = 960  # one of the widths that are served; others are answered with 429
LONGEST_NAME: Final = 100
KEPT_OUT: Final = frozenset({"auth", "blocked", "captcha", "throttled", "unreachable"})
MOST_PARTS: Final = 20
MOST_SEARCHES: Final = 3
SEARCHES: Final = "searches"
"""The fact of a cursor that lists the searches by structure which are not at their end."""
ERRORS: Final[dict[str, PageVerdict]] = {
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


def page(query: SearchQuery, cursor: object, fetch: Fetch, ready: Ready) -> ResultPage:
    """Ask for the next 50 results; the first call also looks up the category of that name.

    Where there is one, its files and those that are said to depict its subject come first, then those with the words.
    """
    mark = paging.read(cursor)
    if not mark.page and SEARCHES not in mark.facts:
        planned = _with_searches(query, mark, fetch, ready)
        if isinstance(planned, ResultPage):
            return planned
        mark = planned
    answer, body = _whole_answer(query, mark, fetch, ready)
    page = refusal(answer, TITLE, mark.as_json())
    if page is not None or not isinstance(answer, Response):
        return page or ResultPage(verdict="transient")
    if error := mapping(body, "error"):
        return _failed(error, answer, mark)
    if not isinstance(body, dict) or not ({"query", "batchcomplete", "continue"} & set(body)):
        return unknown_layout(answer, TITLE, mark.as_json())
    pages = _pages(body)
    found = [hit for hit in pages if text(_info(hit), "url")]
    if pages and not found and not _is_half(body):
        return unknown_layout(answer, TITLE, mark.as_json(), why="its results hold no picture address")
    return _results(found, body, mark)


def _with_searches(query: SearchQuery, mark: Cursor, fetch: Fetch, ready: Ready) -> Cursor | ResultPage:
    """Return the cursor with the searches by structure that go before that for the words.

    Where the look-up fails there are none, unless the service keeps us out altogether.

    The category is asked for under the name as it is and in the plural; what is said to depict its subject is found
    by the subject's number in Wikidata, which the category's page has.
    """
    name = excludes.without_negations(query.text).replace('"', "").strip()
    names = dict.fromkeys((name, f"{name}s", name.removesuffix("s")))
    params = {
        "action": "query",
        "format": "json",
        "formatversion": "2",
        "redirects": "1",
        "titles": "|".join(f"Category:{one}" for one in names),
        "prop": "categoryinfo|pageprops",
        "ppprop": "wikibase_item",
    }
    if not name or re.search(r"[|#<>\[\]{}:]", name) or len(name) > LONGEST_NAME:
        return mark
    answer = fetch(ServiceRequest(url=f"{ready.base}/w/api.php", params=params))
    refused = refusal(answer, TITLE, mark.as_json())
    is_silent = isinstance(answer, NoAnswer) and answer.reason not in ("net.reset", "net.short")
    if refused is not None and (is_silent or refused.verdict in KEPT_OUT):
        return refused
    body = json_body(answer) if refused is None and isinstance(answer, Response) else None
    searches: list[str] = []
    subjects: list[str] = []
    for one in _pages(body):
        title = text(one, "title").partition(":")[2]
        if title and positive(one, "categoryinfo", "size"):
            searches.append('deepcategory:"{}"'.format(title.replace('"', "")))
            if re.fullmatch(r"Q\d{1,12}", subject := text(one, "pageprops", "wikibase_item")):
                subjects.append(f"P180={subject}")
    if subjects:
        searches.append(f"haswbstatement:{'|'.join(subjects)}")
    return replace(mark, facts={**mark.facts, SEARCHES: json.dumps(searches[:MOST_SEARCHES])})


def _searches(mark: Cursor) -> list[str]:
    """Return the searches by structure that are still to be made, the one under way first."""
    try:
        stored = json.loads(mark.facts.get(SEARCHES, "[]"))
    except ValueError:
        return []
    return [one for one in stored if isinstance(one, str)] if isinstance(stored, list) else []


def _whole_answer(
    query: SearchQuery, mark: Cursor, fetch: Fetch, ready: Ready
) -> tuple[Response | NoAnswer, dict[str, object] | None]:
    """Return an answer with its results filled in: the details of long ones come in several answers.

    The last of them is returned, with all results in it. What an answer in the middle lacks, a refusal included, is
    asked for again with the next page.
    """
    merged: dict[str, dict[str, object]] = {}
    onward = _continuation(mark)
    answer = fetch(_request(query, mark, onward, ready))
    body = _object(answer)
    for _ in range(MOST_PARTS):
        for one in _pages(body):
            merged[text(one, "title")] = merged.get(text(one, "title"), {}) | one
        if body is None or not _is_half(body) or mapping(body, "error"):
            break
        onward = {name: text(value) for name, value in mapping(body, "continue").items()}
        rest = fetch(_request(query, mark, onward, ready))
        following = _object(rest)
        is_refused = not isinstance(rest, Response) or not 200 <= rest.status < 300
        if is_refused or following is None or mapping(following, "error") or following.get("continue") == onward:
            break
        body = following
    if body is not None and merged:
        body = body | {"query": {"pages": list(merged.values())}}
    return answer, body


def _object(answer: Response | NoAnswer) -> dict[str, object] | None:
    body = json_body(answer) if isinstance(answer, Response) else None
    return body if isinstance(body, dict) else None


def _request(query: SearchQuery, mark: Cursor, onward: Mapping[str, str], ready: Ready) -> ServiceRequest:
    return ServiceRequest(url=f"{ready.base}/w/api.php", params={**_params(query, mark), **onward})


def _params(query: SearchQuery, mark: Cursor) -> dict[str, str]:
    waiting = _searches(mark)
    words = excludes.with_negations(waiting[0] if waiting else query.text, query.exclude)
    return {
        "action": "query",
        "format": "json",
        "formatversion": "2",
        "generator": "search",
        "gsrnamespace": "6",
        "gsrsearch": f"filetype:bitmap {words}",
        "gsrlimit": str(PAGE_SIZE),
        "gsroffset": mark.facts.get("offset", "0"),
        "prop": "imageinfo",
        "iiprop": "url|size|mime|sha1|extmetadata",
        "iiextmetadatafilter": "LicenseShortName|LicenseUrl|Artist|ImageDescription|Categories",
        "iiurlwidth": str(THUMBNAIL_PX),
    }


def _failed(error: Mapping[str, object], answer: Response, mark: Cursor) -> ResultPage:
    code = text(error, "code")
    verdict = ERRORS.get(code)
    if verdict is None:
        return unknown_layout(answer, TITLE, mark.as_json(), why=f"error '{code}': {text(error, 'info')}")
    detail = f"{TITLE} says: {text(error, 'info') or code}"
    stated = verdict in ("throttled", "blocked")  # both are about us, not about the query
    return ResultPage(verdict=verdict, cursor=mark.as_json(), detail=detail, service_wide=stated)


def _results(found: list[dict[str, object]], body: Mapping[str, object], mark: Cursor) -> ResultPage:
    new = [found[at] for at in mark.new([text(hit, "title") for hit in found])]
    proposals = [_proposal(hit, mark.given + rank) for rank, hit in enumerate(new, start=1)]
    onward = {name: text(value) for name, value in mapping(body, "continue").items()}
    here = number(mark.facts, "offset") or 0
    offset = number(onward, "gsroffset")
    following = mark.after(
        [text(hit, "title") for hit in new],
        offset=str(here if offset is None else offset),
        **{"continue": json.dumps(onward, sort_keys=True)},
    )
    goes_on = bool(onward) and (offset is None or offset > here) and following.facts["continue"] != _stored(mark)
    is_deepest = offset is not None and offset >= MAX_RESULTS
    if (is_deepest or not goes_on) and _searches(mark):
        return paging.page_of(proposals, _next_search(following), more=True, title=TITLE, known=True)
    if is_deepest:
        return paging.at_most(proposals, MAX_RESULTS, title=TITLE)
    return paging.page_of(proposals, following, more=goes_on, title=TITLE, known=_is_half(body))


def _next_search(mark: Cursor) -> Cursor:
    """Return the beginning of the search behind the one that is at its end."""
    facts = {name: value for name, value in mark.facts.items() if name not in ("offset", "continue")}
    return replace(mark, facts={**facts, SEARCHES: json.dumps(_searches(mark)[1:])})


def _is_half(body: Mapping[str, object]) -> bool:
    """Say whether the rest of the same results follows: their details come in several answers when they are long."""
    onward = mapping(body, "continue")
    return bool(onward) and "gsroffset" not in onward


def _stored(mark: Cursor) -> str:
    return mark.facts.get("continue", "")


def _continuation(mark: Cursor) -> dict[str, str]:
    """Return the parameters by which the service goes on from the answer before."""
    stored = _stored(mark)
    try:
        onward = json.loads(stored or "{}")
    except ValueError:
        onward = {"continue": stored}  # as bookmarks were before the details of long answers were followed
    return {name: str(value) for name, value in onward.items()} if isinstance(onward, dict) else {}


def _pages(body: object) -> list[dict[str, object]]:
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
    max_lookups=1,
    negates=True,
    policy=HostPolicy(pause_seconds=1.0, quota="one request a second"),
)
