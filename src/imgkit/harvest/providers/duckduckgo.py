"""DuckDuckGo's image search: the JSON behind its page, unofficial and without a key; its results are Bing's."""

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Final
from urllib.parse import parse_qsl, urlsplit

from imgkit.harvest.providers.answers import (
    challenged,
    is_challenge,
    json_body,
    ready_at,
    refusal,
    text_body,
    unknown_layout,
)
from imgkit.harvest.providers.interface import (
    Fetch,
    HostPolicy,
    Missing,
    NoAnswer,
    Provider,
    Ready,
    Response,
    ResultPage,
    SearchQuery,
    ServiceRequest,
)
from imgkit.harvest.providers.json_fields import objects, positive, text
from imgkit.harvest.search import excludes, paging
from imgkit.harvest.search.paging import Cursor
from imgkit.manifest.nouns import Proposal

TITLE: Final = "DuckDuckGo"
HOME: Final = "https://duckduckgo.com"
VARIABLE: Final = "IMGKIT_DUCKDUCKGO_URL"
PAGE_SIZE: Final = 100
MAX_RESULTS: Final = 1000
LONGEST_QUERY: Final = 499
COOL_DOWN_SECONDS: Final = 30.0
LIMITED: Final = (202, 418)  # statuses without results for those who ask often
COLOURS: Final = (
    "red",
    "orange",
    "yellow",
    "green",
    "blue",
    "purple",
    "pink",
    "brown",
    "black",
    "gray",
    "teal",
    "white",
)
OFFSET: Final = "offset"
"""The fact of a cursor that says where the next page begins, as the service names it."""
_TOKEN: Final = re.compile(r"""vqd=["']?(\d-[\d-]{3,80})["'&]?""")

WORDS: Final[dict[str, dict[str, str]]] = {
    "date": {"pastday": "Day", "pastweek": "Week", "pastmonth": "Month", "pastyear": "Year"},
    "size": {"small": "Small", "medium": "Medium", "large": "Large", "extralarge": "Wallpaper"},
    "color": {"color": "color", "blackandwhite": "Monochrome"},
    "type": {
        "photo": "photo",
        "clipart": "clipart",
        "animated": "gif",
        "transparent": "transparent",
        "linedrawing": "line",
    },
    "layout": {"square": "Square", "wide": "Wide", "tall": "Tall"},
    "license": {
        "creativecommons": "any",
        "publicdomain": "Public",
        "noncommercial": "Share",
        "commercial": "ShareCommercially",
        "noncommercial,modify": "Modify",
        "commercial,modify": "ModifyCommercially",
    },
}
"""Filter and value to the service's own words, in the order in which it wants them; ``COLOURS`` are sent as named."""
_NAMES: Final = {"date": "time"}


def check(environ: Mapping[str, str]) -> Ready | Missing:
    """DuckDuckGo needs no key."""
    return ready_at(environ, VARIABLE, HOME)


def page(query: SearchQuery, cursor: object, fetch: Fetch, ready: Ready) -> ResultPage:
    """Ask for the next 100 results; before the first of a query, for the token that its result page holds."""
    mark = paging.read(cursor)
    words = excludes.without_negations(query.text)[:LONGEST_QUERY]
    token = _token(words, fetch, ready, mark)
    if isinstance(token, ResultPage):
        return token
    answer = fetch(_request(query, words, token, mark, ready))
    if isinstance(answer, Response) and answer.status in (*LIMITED, 401, 403):
        ready.memory.pop(_memory(words), None)  # it may have run out
    refused = _refused(answer, mark)
    if refused is not None or not isinstance(answer, Response):
        return refused or ResultPage(verdict="transient")
    body = json_body(answer)
    if not isinstance(body, dict) or not isinstance(body.get("results"), list):
        return unknown_layout(answer, TITLE, mark.as_json())
    found = [hit for hit in objects(body, "results") if text(hit, "image")]
    if body["results"] and not found:
        return unknown_layout(answer, TITLE, mark.as_json(), why="its results hold no picture address")
    return _results(found, text(body, "next"), mark)


def _refused(answer: Response | NoAnswer, mark: Cursor) -> ResultPage | None:
    """Return the page that ends the search, or None: 202 and 418 are a limit, or a challenge where the body is one."""
    if isinstance(answer, Response) and answer.status in LIMITED:
        if is_challenge(answer):
            return challenged(TITLE, mark.as_json())
        return ResultPage(
            verdict="throttled",
            cursor=mark.as_json(),
            detail=f"{TITLE} limits how often it may be asked (status {answer.status})",
            retry_after=COOL_DOWN_SECONDS,
            service_wide=True,
        )
    return refusal(answer, TITLE, mark.as_json())


def _memory(words: str) -> str:
    return f"token of {words}"


def _token(words: str, fetch: Fetch, ready: Ready, mark: Cursor) -> str | ResultPage:
    """Return the token of a query, which is asked for once in the life of the process."""
    if found := ready.memory.get(_memory(words)):
        return found
    params = {"q": words, "iax": "images", "ia": "images"}
    answer = fetch(ServiceRequest(url=f"{ready.base}/", params=params, headers={"Accept": "text/html"}))
    refused = _refused(answer, mark)
    if refused is not None or not isinstance(answer, Response):
        return refused or ResultPage(verdict="transient")
    match = _TOKEN.search(text_body(answer))
    if match is None:
        return unknown_layout(answer, TITLE, mark.as_json(), why="its page holds no token for the query")
    ready.memory[_memory(words)] = match[1]
    return match[1]


def _request(query: SearchQuery, words: str, token: str, mark: Cursor, ready: Ready) -> ServiceRequest:
    language, _, region = query.language.lower().partition("-")
    params = {
        "l": f"{region}-{language}" if region else "wt-wt",
        "o": "json",
        "q": words,
        "vqd": token,
        "f": ",".join(_filter(name, query.filters.get(name, "")) for name in WORDS),
        "p": "1" if query.safe_search else "-1",
    }
    if mark.page:
        params["s"] = mark.facts.get(OFFSET, str(mark.page * PAGE_SIZE))
    headers = {"Accept": "application/json", "Referer": f"{ready.base}/"}
    return ServiceRequest(url=f"{ready.base}/i.js", params=params, headers=headers)


def _filter(name: str, value: str) -> str:
    word = WORDS[name].get(value, value.capitalize() if name == "color" and value in COLOURS else "")
    return f"{_NAMES.get(name, name)}:{word}" if word else ""


def _results(found: list[dict[str, object]], following_page: str, mark: Cursor) -> ResultPage:
    new = [found[at] for at in mark.new([text(hit, "image") for hit in found])][: MAX_RESULTS - mark.given]
    proposals = [_proposal(hit, mark.given + rank) for rank, hit in enumerate(new, start=1)]
    following = mark.after([one.url for one in proposals])
    if offset := _offset(following_page):
        following = replace(following, facts={**following.facts, OFFSET: offset})
    if following.given >= MAX_RESULTS:
        return paging.at_most(proposals, MAX_RESULTS, title=TITLE)
    return paging.page_of(proposals, following, more=bool(following_page), title=TITLE)


def _offset(address: str) -> str:
    """Return where the next page begins, from its address; "" where that does not say."""
    try:
        offset = dict(parse_qsl(urlsplit(address).query)).get("s", "")
    except ValueError:
        return ""
    return offset if re.fullmatch(r"\d{1,6}", offset, re.ASCII) else ""


def _proposal(hit: Mapping[str, object], rank: int) -> Proposal:
    return Proposal(
        url=text(hit, "image"),
        rank=rank,
        page_url=text(hit, "url"),
        title=text(hit, "title"),
        thumbnail=text(hit, "thumbnail"),
        width=positive(hit, "width"),
        height=positive(hit, "height"),
    )


PROVIDER: Final = Provider(
    name="duckduckgo",
    title=TITLE,
    page=page,
    check=check,
    homes={VARIABLE: HOME},
    page_size=PAGE_SIZE,
    max_results=MAX_RESULTS,
    licensed=False,
    max_lookups=1,
    filters=frozenset({"size", "type", "color", "license", "date", "layout", "safe", "language"}),
    policy=HostPolicy(pause_seconds=3.0, quota="unofficial; it answers 403 or 202 to those who ask often"),
)
