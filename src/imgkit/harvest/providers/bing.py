"""Bing image search: the fragments of its result page, unofficial and without a key."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from imgkit.harvest.providers.answers import (
    SAMPLE_BYTES,
    challenged,
    is_challenge,
    ready_at,
    refusal,
    text_body,
    unknown_layout,
)
from imgkit.harvest.providers.bing_pages import BingHit, BingPage, answers_something_else, query_words
from imgkit.harvest.providers.interface import (
    Fetch,
    HostPolicy,
    Missing,
    Provider,
    Ready,
    Response,
    ResultPage,
    SearchQuery,
    ServiceRequest,
)
from imgkit.harvest.providers.json_fields import text
from imgkit.harvest.search import excludes, filters, paging
from imgkit.harvest.search.paging import Cursor
from imgkit.manifest.nouns import Proposal

TITLE: Final = "Bing"
HOME: Final = "https://www.bing.com"
VARIABLE: Final = "IMGKIT_BING_URL"
PAGE_SIZE: Final = 35
MAX_RESULTS: Final = 1000  # later pages repeat earlier ones
COOL_DOWN_SECONDS: Final = 20.0
WORTH_NEGATING: Final = 0.25  # share of the first page's results that hold an excluded word
MOST_NEGATED_WORDS: Final = 3
NEGATED: Final = "negated"
"""The fact of a cursor that says that excluded words are sent."""


def check(environ: Mapping[str, str]) -> Ready | Missing:
    """Bing needs no key."""
    return ready_at(environ, VARIABLE, HOME)


def page(query: SearchQuery, cursor: object, fetch: Fetch, ready: Ready) -> ResultPage:
    """Ask for the next 35 results.

    Excluded words are left out here, so ``-word`` is sent only where the first page shows that it pays: when so many
    of its results hold an excluded word that the search would mostly bring what is thrown away, and when the words
    are few, since long negations bring pages about something else.
    """
    mark = paging.read(cursor)
    answer = fetch(_request(query, mark, ready))
    page = refusal(answer, TITLE, mark.as_json())
    if page is not None or not isinstance(answer, Response):
        return page or ResultPage(verdict="transient")
    found = BingPage(text_body(answer))
    words = excludes.without_negations(query.text)
    hits = found.results(words)
    if not hits:
        return _without_hits(answer, found, mark)
    if answers_something_else(hits, query_words(words)):
        return _something_else(words, answer, mark)
    return _with_hits(hits, found.more, query, mark)


def _request(query: SearchQuery, mark: Cursor, ready: Ready) -> ServiceRequest:
    words = excludes.without_negations(query.text)
    params = {
        "q": excludes.with_negations(words, query.exclude) if NEGATED in mark.facts else words,
        "async": "1",
        "first": str(mark.page * PAGE_SIZE + 1),
        "count": str(PAGE_SIZE),
        "mkt": query.language,
        "adlt": "strict" if query.safe_search else "off",
    }
    if qft := filters.for_bing(query.filters):
        params["qft"] = qft
    headers = {"Accept": "text/html", "Accept-Language": f"{query.language},{query.language[:2]};q=0.8"}
    return ServiceRequest(url=f"{ready.base}/images/async", params=params, headers=headers)


def _with_hits(hits: list[BingHit], more: bool | None, query: SearchQuery, mark: Cursor) -> ResultPage:
    """Return the page for an answer with results.

    Past the end Bing repeats its last page. When it limits a client it serves the first page whatever was asked for:
    that is told by its saying that more follows, or by another page that came in between.
    """
    addresses = [hit.url for hit in hits]
    new, shown = mark.new(addresses), _fingerprint(addresses)
    first, last = mark.facts.get("first"), mark.facts.get("last", mark.facts.get("first"))
    if not new and shown == first and (more is True or last != first):
        detail = f"{TITLE} serves its first page again: it seems to limit us"
        return ResultPage(verdict="throttled", cursor=mark.as_json(), detail=detail, retry_after=COOL_DOWN_SECONDS)
    new = new[: MAX_RESULTS - mark.given]
    proposals = [_proposal(hits[at], mark.given + rank) for rank, at in enumerate(new, start=1)]
    following = mark.after([one.url for one in proposals], last=shown, **({} if first else {"first": shown}))
    if following.given >= MAX_RESULTS:
        return paging.at_most(proposals, MAX_RESULTS, title=TITLE)
    if mark.page == 0 and NEGATED not in mark.facts and _pays_to_negate(proposals, query):
        again = replace(following, page=0, facts={NEGATED: "1"})
        return paging.page_of(proposals, again, more=True, title=TITLE)
    return paging.page_of(proposals, following, more=more, title=TITLE)


def _pays_to_negate(proposals: list[Proposal], query: SearchQuery) -> bool:
    if not 0 < sum(len(word.split()) for word in query.exclude) <= MOST_NEGATED_WORDS:
        return False
    held = sum(bool(excludes.excluded_by(one, query.exclude)) for one in proposals)
    return held > 0 and held >= WORTH_NEGATING * len(proposals)


def _something_else(words: str, answer: Response, mark: Cursor) -> ResultPage:
    """Return the page for results that are not about the query: none of them is proposed."""
    what = f"answers something else than '{words}': hardly any of its results names a word of it"
    if mark.given:
        return ResultPage(verdict="end", detail=f"{TITLE} has {mark.given:,} results; behind them it {what}")
    sample = answer.body[:SAMPLE_BYTES]
    return ResultPage(verdict="unrelated", cursor=mark.as_json(), detail=f"{TITLE} {what}", sample=sample)


def _without_hits(answer: Response, found: BingPage, mark: Cursor) -> ResultPage:
    if found.unreadable:
        return unknown_layout(answer, TITLE, mark.as_json(), why="its results hold no picture address")
    if is_challenge(answer):
        return challenged(TITLE, mark.as_json())
    if found.is_document and not found.is_result_list:
        detail = f"{TITLE} answered with its landing page instead of results: it keeps programs out"
        return ResultPage(verdict="blocked", cursor=mark.as_json(), detail=detail)
    if answer.body.strip() and not found.is_result_list:
        return unknown_layout(answer, TITLE, mark.as_json())
    following = mark.after([]) if mark.given else mark  # a first page is asked for again
    return paging.page_of((), following, more=found.more, title=TITLE)


def _proposal(hit: BingHit, rank: int) -> Proposal:
    width, height = hit.size
    return Proposal(
        url=hit.url,
        rank=rank,
        page_url=hit.page_url,
        title=hit.title,
        tags=hit.description,
        thumbnail=text(hit.metadata, "turl"),
        fallbacks=(hit.own_copy,) if hit.own_copy and hit.own_copy != hit.url else (),
        width=width,
        height=height,
    )


def _fingerprint(addresses: list[str]) -> str:
    return paging.digest("\n".join(sorted(addresses))).hex()


PROVIDER: Final = Provider(
    name="bing",
    title=TITLE,
    page=page,
    check=check,
    homes={VARIABLE: HOME},
    page_size=PAGE_SIZE,
    max_results=MAX_RESULTS,
    default="always",
    licensed=False,
    filters=frozenset({"size", "color", "type", "license", "date", "layout", "people", "safe", "language"}),
    policy=HostPolicy(pause_seconds=1.0, quota="unofficial and best effort: one request a second"),
)
