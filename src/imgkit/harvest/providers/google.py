"""Google image search: the official API with a key, else one honest attempt that says when it is walled."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from imgkit.harvest.providers import google_api
from imgkit.harvest.providers.answers import (
    SAMPLE_BYTES,
    host_of,
    is_challenge,
    ready_at,
    refusal,
    text_body,
    unknown_layout,
)
from imgkit.harvest.providers.google_pages import GoogleHit, find_hits, hits_by_icrawler, is_empty_json
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
from imgkit.harvest.providers.json_fields import number
from imgkit.harvest.search import excludes, filters, paging
from imgkit.harvest.search.paging import Cursor
from imgkit.manifest.nouns import Proposal

TITLE: Final = "Google"
HOME: Final = "https://www.google.com"
VARIABLE: Final = "IMGKIT_GOOGLE_URL"
API_HOME: Final = "https://www.googleapis.com"
API_VARIABLE: Final = "IMGKIT_GOOGLE_API_URL"
PAGE_SIZE: Final = 100
MAX_RESULTS: Final = 1000
STUB_BYTES: Final = 2000  # a challenge page that only links to /sorry/ is smaller
WALLS: Final[dict[str, tuple[str, ...]]] = {
    "answered with a page that needs JavaScript instead of results": (
        "enablejs",
        "enable javascript",
        "turn on javascript",
        "javascript is disabled",
        "javascript is turned off",
    ),
    "answered with a page that wants a newer browser instead of results": (
        "update your browser",
        "upgrade your browser",
        "supported browser",
        "browser isn't supported",
        "browser isn&#39;t supported",
        "browser isn’t supported",
        "browser is not supported",
        "browser is no longer supported",
        "unsupported browser",
        "outdated browser",
        "upgrade to a recent version",
    ),
    "denies access": ("access denied", "403 forbidden", "403. that"),
}
"""What Google does instead of answering, to words of the page that it sends for it."""
NO_WAY: Final = "Google gives new users no image search API; the other providers go on"


def check(environ: Mapping[str, str]) -> Ready | Missing:
    """Google is asked through its API when GOOGLE_API_KEY and GOOGLE_CX are set, else once and plainly."""
    key, engine = environ.get("GOOGLE_API_KEY", ""), environ.get("GOOGLE_CX", "")
    if bool(key) != bool(engine):
        return Missing(
            reason="GOOGLE_API_KEY and GOOGLE_CX belong together and one is not set",
            how_to_fix="set both to use Google's official API, or neither",
        )
    if key:
        note = "official API with your key, which Google ends on 1 January 2027; 100 requests a day, then $5 for 1,000"
        ready = ready_at(environ, API_VARIABLE, API_HOME, note=note, key=key, engine=engine)
        if isinstance(ready, Missing):
            return ready
        size, most = google_api.PAGE_SIZE, google_api.MAX_RESULTS
        return replace(ready, page_size=size, max_results=most, calls_per_day=100)
    return ready_at(environ, VARIABLE, HOME, note="without a key: one plain attempt, usually refused")


def page(query: SearchQuery, cursor: object, fetch: Fetch, ready: Ready) -> ResultPage:
    """Ask for the next 10 results of the API, or for the next 100 of the result page."""
    if ready.keys.get("key"):
        return google_api.page(query, cursor, fetch, ready)
    mark = paging.read(cursor)
    answer = fetch(_request(query, mark, ready))
    page = _wall(answer, mark) or refusal(answer, TITLE, mark.as_json())
    if page is not None or not isinstance(answer, Response):
        return page or ResultPage(verdict="transient")
    body = text_body(answer)
    hits = find_hits(body)
    if not hits:
        if (page := _wall_in_body(body, mark)) is not None:
            return page
        hits = hits_by_icrawler(answer.body)
    return _results(hits, mark) if hits else _without_hits(answer, body, mark)


def _request(query: SearchQuery, mark: Cursor, ready: Ready) -> ServiceRequest:
    params = {
        "q": excludes.with_negations(query.text, query.exclude),
        "tbm": "isch",
        "asearch": "isch",
        "async": f"_fmt:json,p:1,ijn:{mark.page}",  # the form that its asynchronous layout is the answer to
        "ijn": str(mark.page),
        "start": mark.facts.get("shown", "0"),  # pages hold 100 results or 10, as Google likes
        "hl": query.language[:2],
        "safe": "active" if query.safe_search else "off",
    }
    if tbs := filters.for_google(query.filters):
        params["tbs"] = tbs
    return ServiceRequest(url=f"{ready.base}/search", params=params, headers={"Accept": "text/html"})


def _wall(answer: Response | NoAnswer, mark: Cursor) -> ResultPage | None:
    """Return the page for walls that the status or the address of the answer shows."""
    if not isinstance(answer, Response):
        return None
    for address in (answer.headers.get("location", "") if 300 <= answer.status < 400 else "", answer.url):
        place = address.partition("?")[0]
        if host_of(address).startswith("consent.") or "/consent.google." in place:
            return _consent(mark)
        if host_of(address).startswith("sorry.") or "/sorry/" in place:
            return _captcha(mark)
    return _captcha(mark) if answer.status == 429 else None


def _wall_in_body(body: str, mark: Cursor) -> ResultPage | None:
    low = body.lower()
    if "/sorry/" in low and len(body) < STUB_BYTES:
        return _captcha(mark)
    if ("captcha" in low or "<form" in low) and ("unusual traffic" in low or "not a robot" in low):
        return _captcha(mark)
    if "<form" in low and ("consent.google." in low or "before you continue to google" in low):
        return _consent(mark)
    for what, marks in WALLS.items():
        if any(mark_ in low for mark_ in marks):
            detail = f"{TITLE} {what}. {NO_WAY}"
            return ResultPage(verdict="blocked", cursor=mark.as_json(), detail=detail, service_wide=True)
    return None


def _consent(mark: Cursor) -> ResultPage:
    detail = f"{TITLE} asks for consent to cookies before it answers. {NO_WAY}"
    return ResultPage(verdict="consent", cursor=mark.as_json(), detail=detail)


def _captcha(mark: Cursor) -> ResultPage:
    detail = f"{TITLE} answered with a challenge for people (CAPTCHA). {NO_WAY}"
    return ResultPage(verdict="captcha", cursor=mark.as_json(), detail=detail)


def _results(hits: list[GoogleHit], mark: Cursor) -> ResultPage:
    new = [hits[at] for at in mark.new([hit.url for hit in hits])][: MAX_RESULTS - mark.given]
    proposals = [_proposal(hit, mark.given + rank) for rank, hit in enumerate(new, start=1)]
    shown = number(mark.facts, "shown") or 0
    following = mark.after([hit.url for hit in new], shown=str(shown + len(hits)), step=str(len(hits)))
    if following.given >= MAX_RESULTS:
        return paging.at_most(proposals, MAX_RESULTS, title=TITLE)
    return paging.page_of(proposals, following, more=None, title=TITLE)  # its pages never say whether more follows


def _proposal(hit: GoogleHit, rank: int) -> Proposal:
    return Proposal(
        url=hit.url,
        rank=rank,
        page_url=hit.page_url,
        title=hit.title,
        author=hit.author,
        width=hit.width,
        height=hit.height,
    )


def _without_hits(answer: Response, body: str, mark: Cursor) -> ResultPage:
    low = body.lower()
    if not is_empty_json(body) and "<html" not in low and "<!doctype html" not in low:
        return unknown_layout(answer, TITLE, mark.as_json())
    if is_challenge(answer):
        return _captcha(mark)
    if "did not match any" in low:  # its own word for nothing at all, or for nothing more
        return paging.page_of((), mark.after([]), more=False, title=TITLE)
    if not mark.given and not is_empty_json(body) and not _is_result_page(body):
        detail = f"{TITLE} answered with a page that is neither results nor its word for none. {NO_WAY}"
        sample = answer.body[:SAMPLE_BYTES]
        return ResultPage(verdict="blocked", cursor=mark.as_json(), detail=detail, service_wide=True, sample=sample)
    following = mark  # a first page is asked for again
    if mark.given:
        shown, step = number(mark.facts, "shown") or 0, number(mark.facts, "step") or PAGE_SIZE
        following = mark.after([], shown=str(shown + step))
    return paging.page_of((), following, more=None, title=TITLE)


def _is_result_page(body: str) -> bool:
    """Say whether a page has the place of results, though there are none in it."""
    return any(mark in body for mark in ("AF_initDataCallback", "/imgres", 'id="search"', 'id="rso"', 'id="islrg"'))


PROVIDER: Final = Provider(
    name="google",
    title=TITLE,
    page=page,
    check=check,
    homes={VARIABLE: HOME, API_VARIABLE: API_HOME},
    page_size=PAGE_SIZE,
    max_results=MAX_RESULTS,
    default="always",
    negates=True,
    licensed=False,
    filters=frozenset({"size", "color", "type", "license", "date", "safe", "language"}),
    policy=HostPolicy(pause_seconds=2.0, quota="without a key one attempt"),
)
