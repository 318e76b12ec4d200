"""Openverse: openly licensed pictures of many collections, with their licences; no key needed."""

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Final
from urllib.parse import urlencode

from imgkit.harvest import excludes, licences
from imgkit.harvest.providers import bookmark
from imgkit.harvest.providers.answers import json_body, ready_at, refusal, unknown_layout
from imgkit.harvest.providers.bookmark import Bookmark
from imgkit.harvest.providers.interface import (
    Fetch,
    HostPolicy,
    Missing,
    NoAnswer,
    Page,
    Provider,
    Ready,
    Request,
    Response,
    SearchQuery,
)
from imgkit.harvest.providers.json_fields import number, objects, positive, text
from imgkit.manifest.nouns import Proposal

TITLE: Final = "Openverse"
HOME: Final = "https://api.openverse.org"
VARIABLE: Final = "IMGKIT_OPENVERSE_URL"
PAGE_SIZE: Final = 20  # more is refused without a login
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
    return replace(ready, calls_per_day=10_000, pause_seconds=1.0) if client and isinstance(ready, Ready) else ready


def page(query: SearchQuery, cursor: object, fetch: Fetch, ready: Ready) -> Page:
    """Ask for the next 20 results."""
    mark = bookmark.read(cursor)
    if not _wanted(query):
        return Page(verdict="empty", detail=f"{TITLE} has no pictures under the licences that were asked for")
    headers: dict[str, str] = {}
    if ready.keys.get("client"):
        token = _token(fetch, ready, mark)
        if isinstance(token, Page):
            return token
        headers["Authorization"] = f"Bearer {token}"
    answer = fetch(Request(url=f"{ready.base}/v1/images/", params=_params(query, mark), headers=headers))
    page = _refused(answer, mark, ready) or refusal(answer, TITLE, mark.as_json())
    if page is not None or not isinstance(answer, Response):
        return page or Page(verdict="transient")
    body = json_body(answer)
    if not isinstance(body, dict) or not isinstance(body.get("results"), list):
        return unknown_layout(answer, TITLE, mark.as_json())
    found = [hit for hit in objects(body, "results") if text(hit, "url")]
    if body["results"] and not found:
        return unknown_layout(answer, TITLE, mark.as_json(), why="its results hold no picture address")
    return _results(found, number(body, "page_count"), mark)


def _params(query: SearchQuery, mark: Bookmark) -> dict[str, str]:
    params = {
        "q": excludes.with_negations(query.text, query.exclude)[:LONGEST_QUERY],
        "page": str(mark.page + 1),
        "page_size": str(PAGE_SIZE),
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


def _results(found: list[dict[str, object]], pages: int | None, mark: Bookmark) -> Page:
    if not found:
        if mark.page == 0:
            return Page(verdict="empty", detail=f"{TITLE} finds nothing for this query")
        return Page(verdict="end", detail=f"{TITLE} has nothing after {mark.given} results")
    new = [found[at] for at in mark.new([text(hit, "url") for hit in found])]
    proposals = tuple(_proposal(hit, mark.given + rank) for rank, hit in enumerate(new, start=1))
    following = mark.after([proposal.url for proposal in proposals])
    if following.page * PAGE_SIZE >= MAX_RESULTS:
        return Page(verdict="end", proposals=proposals, detail=f"{TITLE} gives at most {MAX_RESULTS} results")
    if pages is not None and following.page >= pages:
        return Page(verdict="end", proposals=proposals, detail=f"{TITLE} has {following.given} results")
    return Page(verdict="ok", proposals=proposals, cursor=following.as_json())


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


def _refused(answer: Response | NoAnswer, mark: Bookmark, ready: Ready) -> Page | None:
    """Return the page for the refusals that Openverse explains in its body."""
    if not isinstance(answer, Response) or answer.status not in (401, 429):
        return None
    said = text(json_body(answer), "detail")
    if answer.status == 401:
        ready.memory.pop("token", None)
        detail = f"{TITLE} does not accept the request: {said or 'status 401'}"
        return Page(verdict="auth", cursor=mark.as_json(), detail=detail)
    seconds = re.search(r"available in (\d{1,6}) second", said)
    if not seconds or "retry-after" in answer.headers:
        return None
    detail = f"{TITLE} asks us to come back in {seconds[1]} s"
    return Page(verdict="throttled", cursor=mark.as_json(), detail=detail, retry_after=float(seconds[1]))


def _token(fetch: Fetch, ready: Ready, mark: Bookmark) -> str | Page:
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
        Request(
            url=f"{ready.base}/v1/auth_tokens/token/", method="POST", headers=headers, body=urlencode(form).encode()
        )
    )
    if isinstance(answer, Response) and answer.status in (400, 401, 403):
        detail = f"{TITLE} does not accept OPENVERSE_CLIENT_ID and OPENVERSE_CLIENT_SECRET"
        return Page(verdict="auth", cursor=mark.as_json(), detail=detail)
    if (page := refusal(answer, TITLE, mark.as_json())) is not None:
        return page
    token = text(json_body(answer), "access_token") if isinstance(answer, Response) else ""
    if not token:
        return Page(verdict="schema_changed", cursor=mark.as_json(), detail=f"{TITLE} gave no access token")
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
