"""Bing image search: the fragments of its result page, unofficial and without a key."""

import html.parser
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from imgkit.harvest import excludes, filters
from imgkit.harvest.providers import bookmark
from imgkit.harvest.providers.answers import ready_at, refusal, text_body, unknown_layout
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
)
from imgkit.harvest.providers.json_fields import plain, text
from imgkit.manifest.nouns import Proposal

TITLE: Final = "Bing"
HOME: Final = "https://www.bing.com"
VARIABLE: Final = "IMGKIT_BING_URL"
PAGE_SIZE: Final = 35
MAX_RESULTS: Final = 1000  # later pages repeat earlier ones
COOL_DOWN_SECONDS: Final = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """One result as Bing's page describes it."""

    metadata: Mapping[str, object]
    dimensions: str


def check(environ: Mapping[str, str]) -> Ready | Missing:
    """Bing needs no key."""
    return ready_at(environ, VARIABLE, HOME)


def page(query: SearchQuery, cursor: object, fetch: Fetch, ready: Ready) -> Page:
    """Ask for the next 35 results."""
    mark = bookmark.read(cursor)
    answer = fetch(_request(query, mark, ready))
    page = refusal(answer, TITLE, mark.as_json())
    if page is not None or not isinstance(answer, Response):
        return page or Page(verdict="transient")
    parser = _parse(text_body(answer))
    if not parser.hits:
        return _without_hits(answer, parser, mark)
    return _with_hits(parser.hits, mark)


def _request(query: SearchQuery, mark: Bookmark, ready: Ready) -> Request:
    params = {
        "q": excludes.with_negations(query.text, query.exclude),
        "async": "1",
        "first": str(mark.page * PAGE_SIZE + 1),
        "count": str(PAGE_SIZE),
        "mkt": query.language,
        "adlt": "strict" if query.safe_search else "off",
    }
    if qft := filters.for_bing(query.filters):
        params["qft"] = qft
    headers = {"Accept": "text/html", "Accept-Language": f"{query.language},{query.language[:2]};q=0.8"}
    return Request(url=f"{ready.base}/images/async", params=params, headers=headers)


def _with_hits(hits: list[Hit], mark: Bookmark) -> Page:
    addresses = [text(hit.metadata, "murl") for hit in hits]
    new = mark.new(addresses)
    if not new and mark.page and mark.facts.get("first") == _fingerprint(addresses):
        detail = f"{TITLE} serves its first page again: it is limiting us"
        return Page(verdict="throttled", cursor=mark.as_json(), detail=detail, retry_after=COOL_DOWN_SECONDS)
    if not new:
        return Page(verdict="end", detail=f"{TITLE} has nothing new after {mark.given} results")
    new = new[: MAX_RESULTS - mark.given]
    proposals = tuple(_proposal(hits[at], mark.given + rank) for rank, at in enumerate(new, start=1))
    following = mark.after([proposal.url for proposal in proposals])
    if mark.page == 0:
        following = Bookmark(
            page=1, given=following.given, seen=following.seen, facts={"first": _fingerprint(addresses)}
        )
    if following.given >= MAX_RESULTS:
        return Page(verdict="end", proposals=proposals, detail=f"{TITLE} gives at most {MAX_RESULTS} results")
    return Page(verdict="ok", proposals=proposals, cursor=following.as_json())


def _without_hits(answer: Response, parser: "_Results", mark: Bookmark) -> Page:
    if parser.unreadable:
        return unknown_layout(answer, TITLE, mark.as_json(), why="its results hold no picture address")
    if parser.is_document:
        detail = f"{TITLE} answered with its landing page instead of results: it keeps programs out"
        return Page(verdict="blocked", cursor=mark.as_json(), detail=detail)
    if answer.body.strip() and not parser.is_result_list:
        return unknown_layout(answer, TITLE, mark.as_json())
    if mark.page == 0:
        return Page(verdict="empty", detail=f"{TITLE} finds nothing for this query")
    return Page(verdict="end", detail=f"{TITLE} has nothing after {mark.given} results")


def _proposal(hit: Hit, rank: int) -> Proposal:
    size = re.match(r"\s*(\d{1,6})\s*[x×]\s*(\d{1,6})", hit.dimensions)
    return Proposal(
        url=text(hit.metadata, "murl"),
        rank=rank,
        page_url=text(hit.metadata, "purl"),
        title=plain(text(hit.metadata, "t")),
        tags=plain(text(hit.metadata, "desc")),
        thumbnail=text(hit.metadata, "turl"),
        width=int(size[1]) if size else None,
        height=int(size[2]) if size else None,
    )


def _fingerprint(addresses: list[str]) -> str:
    return bookmark.digest("\n".join(sorted(addresses))).hex()


def _parse(markup: str) -> "_Results":
    parser = _Results()
    try:
        parser.feed(markup)
        parser.close()
    except AssertionError:  # html.parser on a malformed declaration; what was read before it counts
        parser.unreadable += 1
    return parser


class _Results(html.parser.HTMLParser):
    """Collects the results of a page: the ``m`` attribute of each ``a.iusc`` and the size text that follows it."""

    def __init__(self) -> None:
        super().__init__()
        self.hits: list[Hit] = []
        self.unreadable = 0
        self.is_result_list = False
        self.is_document = False
        self._in_size = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = dict(attrs)
        classes = (attributes.get("class") or "").split()
        self.is_document |= tag in ("html", "body")
        self.is_result_list |= bool({"dgControl", "dgControl_list", "iuscp", "imgpt"} & set(classes))
        if tag == "a" and "iusc" in classes:
            self._read(attributes.get("m"))
        self._in_size = tag == "span" and "nowrap" in classes and bool(self.hits)

    def handle_data(self, data: str) -> None:
        if self._in_size and not self.hits[-1].dimensions:
            self.hits[-1] = Hit(metadata=self.hits[-1].metadata, dimensions=data)
        self._in_size = False

    def _read(self, attribute: str | None) -> None:
        try:
            metadata = json.loads(attribute or "")
        except (ValueError, RecursionError):
            metadata = None
        if isinstance(metadata, dict) and text(metadata, "murl"):
            self.hits.append(Hit(metadata=metadata, dimensions=""))
        else:
            self.unreadable += 1


PROVIDER: Final = Provider(
    name="bing",
    title=TITLE,
    page=page,
    check=check,
    homes={VARIABLE: HOME},
    page_size=PAGE_SIZE,
    max_results=MAX_RESULTS,
    default="always",
    negates=True,
    licensed=False,
    filters=frozenset({"size", "color", "type", "license", "date", "layout", "people", "safe", "language"}),
    policy=HostPolicy(pause_seconds=1.0, quota="unofficial and best effort: one request a second"),
)
