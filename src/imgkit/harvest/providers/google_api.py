"""Google's official search API (Programmable Search): ten results a call, one hundred a query."""

from collections.abc import Mapping
from typing import Final

from imgkit.harvest.providers.answers import json_body, refusal, retry_after, unknown_layout
from imgkit.harvest.providers.interface import Fetch, NoAnswer, Ready, Response, ResultPage, SearchQuery, ServiceRequest
from imgkit.harvest.providers.json_fields import at, number, objects, positive, text
from imgkit.harvest.search import excludes, paging
from imgkit.harvest.search.paging import Cursor
from imgkit.manifest.nouns import Proposal

TITLE: Final = "Google's API"
PAGE_SIZE: Final = 10
MAX_RESULTS: Final = 100
PARAMETERS: Final[dict[tuple[str, str], dict[str, str]]] = {
    ("size", "icon"): {"imgSize": "icon"},
    ("size", "small"): {"imgSize": "small"},
    ("size", "medium"): {"imgSize": "medium"},
    ("size", "large"): {"imgSize": "large"},
    ("size", "extralarge"): {"imgSize": "xlarge"},
    ("type", "photo"): {"imgType": "photo"},
    ("type", "face"): {"imgType": "face"},
    ("type", "clipart"): {"imgType": "clipart"},
    ("type", "linedrawing"): {"imgType": "lineart"},
    ("type", "animated"): {"imgType": "animated"},
    ("color", "color"): {"imgColorType": "color"},
    ("color", "blackandwhite"): {"imgColorType": "gray"},
    ("color", "transparent"): {"imgColorType": "trans"},
    ("date", "pastday"): {"dateRestrict": "d1"},
    ("date", "pastweek"): {"dateRestrict": "w1"},
    ("date", "pastmonth"): {"dateRestrict": "m1"},
    ("date", "pastyear"): {"dateRestrict": "y1"},
    ("license", "publicdomain"): {"rights": "cc_publicdomain"},
}
"""Filter and value to the API's own parameters; a colour that is not listed becomes imgDominantColor."""
DAILY: Final = ("dailylimitexceeded", "quotaexceeded", "per day", "daily limit")
KEY: Final = ("keyinvalid", "api key not valid", "api_key_invalid", "accessnotconfigured", "forbidden", "invalid value")


def page(query: SearchQuery, cursor: object, fetch: Fetch, ready: Ready) -> ResultPage:
    """Ask for the next 10 results."""
    mark = paging.read(cursor)
    answer = fetch(ServiceRequest(url=f"{ready.base}/customsearch/v1", params=_params(query, mark, ready)))
    page = _refused(answer, mark) or refusal(answer, TITLE, mark.as_json())
    if page is not None or not isinstance(answer, Response):
        return page or ResultPage(verdict="transient")
    body = json_body(answer)
    if not isinstance(body, dict) or not ({"items", "searchInformation", "queries"} & set(body)):
        return unknown_layout(answer, TITLE, mark.as_json())
    found = [hit for hit in objects(body, "items") if text(hit, "link")]
    if "items" in body and not found:
        return unknown_layout(answer, TITLE, mark.as_json(), why="its results hold no picture address")
    return _results(found, body, mark)


def _params(query: SearchQuery, mark: Cursor, ready: Ready) -> dict[str, str]:
    params = {
        "key": ready.keys["key"],
        "cx": ready.keys["engine"],
        "q": excludes.with_negations(query.text, query.exclude),
        "searchType": "image",
        "num": str(PAGE_SIZE),
        "start": str(mark.page * PAGE_SIZE + 1),
        "safe": "active" if query.safe_search else "off",
        "hl": query.language[:2],
    }
    for name, value in query.filters.items():
        colour = {"imgDominantColor": value} if name == "color" else {}
        params |= PARAMETERS.get((name, value), colour)
    return params


def _refused(answer: Response | NoAnswer, mark: Cursor) -> ResultPage | None:
    """Return the page for errors that the API explains in its body."""
    if not isinstance(answer, Response) or answer.status not in (400, 401, 403, 429):
        return None
    body = json_body(answer)
    message = text(body, "error", "message")
    reasons = " ".join(text(error, "reason") for error in objects(body, "error", "errors"))
    said = f"{message} {reasons} {text(body, 'error', 'status')}".lower()
    if any(word in said for word in DAILY):
        detail = f"{TITLE}: today's quota is used up (100 requests a day are free). {message}"
        return ResultPage(verdict="quota", cursor=mark.as_json(), detail=detail)
    if answer.status == 429:
        detail = f"{TITLE} asks us to come back later. {message}"
        wait = retry_after(answer)
        return ResultPage(
            verdict="throttled", cursor=mark.as_json(), detail=detail, retry_after=wait, service_wide=True
        )
    if answer.status in (401, 403) or any(word in said for word in KEY):
        detail = f"{TITLE} does not accept GOOGLE_API_KEY or GOOGLE_CX. {message}"
        return ResultPage(verdict="auth", cursor=mark.as_json(), detail=detail.strip())
    return None


def _results(found: list[dict[str, object]], body: Mapping[str, object], mark: Cursor) -> ResultPage:
    new = [found[place] for place in mark.new([text(hit, "link") for hit in found])]
    proposals = [_proposal(hit, mark.given + rank) for rank, hit in enumerate(new, start=1)]
    following = mark.after([proposal.url for proposal in proposals])
    if following.given and following.page * PAGE_SIZE >= MAX_RESULTS:
        return paging.at_most(proposals, MAX_RESULTS, title=TITLE)
    return paging.page_of(proposals, following, more=_says_more(body), title=TITLE)


def _says_more(body: Mapping[str, object]) -> bool | None:
    """Return whether the API names a next page; None when it says nothing about pages."""
    if isinstance(body.get("queries"), dict):
        return bool(at(body, "queries", "nextPage"))
    return False if number(body, "searchInformation", "totalResults") == 0 else None


def _proposal(hit: Mapping[str, object], rank: int) -> Proposal:
    return Proposal(
        url=text(hit, "link"),
        rank=rank,
        page_url=text(hit, "image", "contextLink"),
        thumbnail=text(hit, "image", "thumbnailLink"),
        title=text(hit, "title"),
        width=positive(hit, "image", "width"),
        height=positive(hit, "image", "height"),
    )
