"""Openverse: openly licensed pictures of many collections, with their licences; no key needed."""

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Final
from urllib.parse import urlencode

from imgkit.harvest.providers.answers import json_body, ready_at, refusal, unknown_layout
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
from imgkit.harvest.providers.json_fields import number, objects, positive, text
from imgkit.harvest.search import excludes, licences, paging
from imgkit.harvest.search.paging import Cursor
from imgkit.manifest.nouns import Proposal

TITLE: Final = "Openverse"
HOME: Final = "https://api.openverse.org"
VARIABLE: Final = "IMGKIT_OPENVERSE_URL"
PAGE_SIZE: Final = 20  # more is refused without a login
CLIENT_PAGE_SIZE: Final = 240  # all that there is of a query
LARGEST_PAGE: Final = "largest page"
"""What is remembered where the service refused a larger page."""
MAX_RESULTS: Final = 240
LONGEST_QUERY: Final = 200
CODES: Final = ("by", "by-sa", "by-nd", "by-nc", "by-nc-sa", "by-nc-nd", "cc0", "pdm")
PARAMETERS: Final[dict[tuple[str, str], dict[str, str]]] = {
    ("size", "small"): {"size": "small"},
    ("size", "medium"): {"size": "medium"},
    ("size", "large"): {"size": "large"},
    ("type", "photo"): {"category": "photograph"},
    ("layout", "square"): {"aspect_ratio": "square"},
    ("layout", "wide"): {"aspect_ratio": "wide"},
    ("layout", "tall"): {"aspect_ratio": "tall"},
    ("license", "creativecommons"): {"license_type": "all-cc"},
    ("license", "commercial"): {"license_type": "commercial"},
    ("license", "commercial,modify"): {"license_type": "commercial,modification"},
    ("license", "noncommercial,modify"): {"license_type": "modification"},
    ("license", "publicdomain"): {"license": "cc0,pdm"},
}
"""Filter and value to Openverse's own parameters."""


def check(environ: Mapping[str, str]) -> Ready | Missing:
    """Openverse needs no key; with one of its clients it gives more requests a day."""
    client, secret = environ.get("OPENVERSE_CLIENT_ID", ""), environ.get("OPENVERSE_CLIENT_SECRET", "")
    if bool(client) != bool(secret):
        return Missing(
            reason="OPENVERSE_CLIENT_ID and OPENVERSE_CLIENT_SECRET belong together and one is not set",
            how_to_fix="set both, or neither to search anonymously",
        )
    note = "with your client" if client else "anonymous"
    ready = ready_at(environ, VARIABLE, HOME, note=note, client=client, secret=secret)
    if not client or isinstance(ready, Missing):
        return ready
    return replace(ready, calls_per_day=10_000, pause_seconds=1.0, page_size=CLIENT_PAGE_SIZE)


def page(query: SearchQuery, cursor: object, fetch: Fetch, ready: Ready) -> ResultPage:
    """Ask for the next 20 results, or with a client for all of them; if that is too many for the service, for fewer."""
    mark = paging.read(cursor)
    if not _wanted(query):
        return ResultPage(verdict="empty", detail=f"{TITLE} has no pictures under the licences that were asked for")
    headers: dict[str, str] = {}
    if ready.keys.get("client"):
        token = _token(fetch, ready, mark)
        if isinstance(token, ResultPage):
            return token
        headers["Authorization"] = f"Bearer {token}"
    size = _page_size(mark, ready)
    answer = fetch(_request(query, mark, size, headers, ready))
    if smaller := _size_that_it_takes(answer, size):
        ready.memory[LARGEST_PAGE] = str(smaller)
        mark, size = replace(mark, page=mark.page * size // smaller), smaller
        answer = fetch(_request(query, mark, size, headers, ready))
    page = _refused(answer, mark, ready) or refusal(answer, TITLE, mark.as_json())
    if page is not None or not isinstance(answer, Response):
        return page or ResultPage(verdict="transient")
    body = json_body(answer)
    if not isinstance(body, dict) or not isinstance(body.get("results"), list):
        return unknown_layout(answer, TITLE, mark.as_json())
    found = [hit for hit in objects(body, "results") if text(hit, "url")]
    if body["results"] and not found:
        return unknown_layout(answer, TITLE, mark.as_json(), why="its results hold no picture address")
    return _results(found, number(body, "page_count"), mark, size)


def _page_size(mark: Cursor, ready: Ready) -> int:
    """Return how many results to ask for: a search goes on in pages of the size that it began with."""
    largest = number(ready.memory, LARGEST_PAGE) or ready.page_size or PAGE_SIZE
    return (positive(mark.facts, "size") or PAGE_SIZE) if mark.page else largest


def _size_that_it_takes(answer: Response | NoAnswer, size: int) -> int | None:
    """Return the page size that the service names when it refuses ours for being too large, else None."""
    if not isinstance(answer, Response) or answer.status not in (400, 401) or size <= PAGE_SIZE:
        return None
    said = answer.body.decode("utf-8", "replace")
    if "page_size" not in said:
        return None
    named = [int(digits) for digits in re.findall(r"(?:exceed|and|equal to) (\d{1,4})", said)]
    return next((found for found in named if PAGE_SIZE <= found < size), PAGE_SIZE)


def _request(query: SearchQuery, mark: Cursor, size: int, headers: Mapping[str, str], ready: Ready) -> ServiceRequest:
    return ServiceRequest(url=f"{ready.base}/v1/images/", params=_params(query, mark, size), headers=headers)


def _params(query: SearchQuery, mark: Cursor, size: int) -> dict[str, str]:
    params = {
        "q": excludes.with_negations(query.text, query.exclude)[:LONGEST_QUERY],
        "page": str(mark.page + 1),
        "page_size": str(size),
    }
    for name, value in query.filters.items():
        params |= PARAMETERS.get((name, value), {})
    if query.licences:
        params["license"] = ",".join(_wanted(query))
    if not query.safe_search:
        params["mature"] = "true"
    return params


def _wanted(query: SearchQuery) -> list[str]:
    return [code for code in CODES if licences.allowed(code, query.licences)]


def _results(found: list[dict[str, object]], pages: int | None, mark: Cursor, size: int) -> ResultPage:
    new = [found[at] for at in mark.new([text(hit, "url") for hit in found])]
    proposals = [_proposal(hit, mark.given + rank) for rank, hit in enumerate(new, start=1)]
    following = mark.after([proposal.url for proposal in proposals], size=str(size))
    more = None if pages is None else following.page < pages
    if more is not False and following.page * size >= MAX_RESULTS:
        return paging.at_most(proposals, MAX_RESULTS, title=TITLE)
    return paging.page_of(proposals, following, more=more, title=TITLE)


def _proposal(hit: Mapping[str, object], rank: int) -> Proposal:
    licence, version = text(hit, "license"), text(hit, "license_version")
    return Proposal(
        url=text(hit, "url"),
        rank=rank,
        page_url=text(hit, "foreign_landing_url"),
        title=text(hit, "title"),
        tags=", ".join(name for tag in objects(hit, "tags") if (name := text(tag, "name"))),
        thumbnail=text(hit, "thumbnail"),
        author=text(hit, "creator"),
        author_url=text(hit, "creator_url"),
        license=licences.written(licence, version),
        license_url=text(hit, "license_url") or licences.address(licence, version),
        width=positive(hit, "width"),
        height=positive(hit, "height"),
    )


def _refused(answer: Response | NoAnswer, mark: Cursor, ready: Ready) -> ResultPage | None:
    """Return the page for the refusals that Openverse explains in its body."""
    if not isinstance(answer, Response) or answer.status not in (401, 429):
        return None
    said = text(json_body(answer), "detail")
    if answer.status == 401:
        ready.memory["refused token"] = ready.memory.pop("token", "")
        detail = f"{TITLE} does not accept the request: {said or 'status 401'}"
        return ResultPage(verdict="auth", cursor=mark.as_json(), detail=detail)
    seconds = re.search(r"available in (\d{1,6}) second", said)
    if not seconds or "retry-after" in answer.headers:
        return None
    detail = f"{TITLE} asks us to come back in {seconds[1]} s"
    wait = float(seconds[1])
    return ResultPage(verdict="throttled", cursor=mark.as_json(), detail=detail, retry_after=wait, service_wide=True)


def _token(fetch: Fetch, ready: Ready, mark: Cursor) -> str | ResultPage:
    """Return the access token of the user's client, asked for once in the life of the process."""
    if "token" in ready.memory:
        return ready.memory["token"]
    form = {
        "grant_type": "client_credentials",
        "client_id": ready.keys["client"],
        "client_secret": ready.keys["secret"],
    }
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    answer = fetch(
        ServiceRequest(
            url=f"{ready.base}/v1/auth_tokens/token/", method="POST", headers=headers, body=urlencode(form).encode()
        )
    )
    if isinstance(answer, Response) and answer.status in (400, 401, 403):
        detail = f"{TITLE} does not accept OPENVERSE_CLIENT_ID and OPENVERSE_CLIENT_SECRET"
        return ResultPage(verdict="auth", cursor=mark.as_json(), detail=detail)
    if (page := refusal(answer, TITLE, mark.as_json())) is not None:
        return page
    token = text(json_body(answer), "access_token") if isinstance(answer, Response) else ""
    if not token:
        return ResultPage(verdict="schema_changed", cursor=mark.as_json(), detail=f"{TITLE} gave no access token")
    ready.memory["token"] = token
    return token


PROVIDER: Final = Provider(
    name="openverse",
    title=TITLE,
    page=page,
    check=check,
    homes={VARIABLE: HOME},
    page_size=PAGE_SIZE,
    max_results=MAX_RESULTS,
    default="always",
    negates=True,
    filters=frozenset({"size", "type", "layout", "license", "safe"}),
    policy=HostPolicy(
        pause_seconds=3.0, calls_per_day=200, quota="without a client 20 requests a minute and 200 a day"
    ),
)
