"""iNaturalist: photographs of living things whose species people have confirmed; no key needed.

The best-voted observations come first, as far as the service counts (10,000). The others follow by their id.
"""

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from imgkit.harvest.providers.answers import json_body, ready_at, refusal, unknown_layout
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
from imgkit.harvest.providers.json_fields import number, objects, positive, text
from imgkit.harvest.search import excludes, licences, paging
from imgkit.harvest.search.paging import Cursor
from imgkit.manifest.nouns import Proposal

TITLE: Final = "iNaturalist"
HOME: Final = "https://api.inaturalist.org"
VARIABLE: Final = "IMGKIT_INATURALIST_URL"
PAGE_SIZE: Final = 200
DEEPEST: Final = 10_000  # page x per_page; behind it the service goes on only from an id
MAX_RESULTS: Final = 20_000  # of one query; its API is not for whole collections, which it offers as files
PHOTOS_PER_OBSERVATION: Final = 2  # more of one animal in one minute teach little
MOST_EXCLUDED_TAXA: Final = 5
CODES: Final = ("by", "by-sa", "by-nd", "by-nc", "by-nc-sa", "by-nc-nd", "cc0", "pdm")
_SIZE = re.compile(r"/(?:square|thumb|small|medium|large|original)(\.\w+)(?:\?.*)?$")


def check(environ: Mapping[str, str]) -> Ready | Missing:
    """iNaturalist needs no key."""
    return ready_at(environ, VARIABLE, HOME)


def page(query: SearchQuery, cursor: object, fetch: Fetch, ready: Ready) -> ResultPage:
    """Ask for the photographs of the next 200 observations; the first call also looks up the taxon.

    A query that is not the name of a taxon is ``empty``. Excluded words that are taxa are left out by the service.
    """
    mark = paging.read(cursor)
    if not _wanted(query):
        return ResultPage(verdict="empty", detail=f"{TITLE} has no photographs under the licences that were asked for")
    if "taxon" not in mark.facts:
        found = _taxa(query, mark, fetch, ready)
        if isinstance(found, ResultPage):
            return found
        mark = found
    answer = fetch(ServiceRequest(url=f"{ready.base}/v1/observations", params=_params(query, mark)))
    page = refusal(answer, TITLE, mark.as_json())
    if page is not None or not isinstance(answer, Response):
        return page or ResultPage(verdict="transient")
    body = json_body(answer)
    if not isinstance(body, dict) or not isinstance(body.get("results"), list):
        return unknown_layout(answer, TITLE, mark.as_json())
    observations = objects(body, "results")
    if body["results"] and not any(text(photo, "url") for one in observations for photo in objects(one, "photos")):
        return unknown_layout(answer, TITLE, mark.as_json(), why="its results hold no picture address")
    return _results(observations, number(body, "total_results"), query, mark)


def sized(address: str, size: str) -> str:
    """Return the address of another size of an iNaturalist photograph; other addresses come back as they are."""
    return _SIZE.sub(rf"/{size}\1", address)


def _taxa(query: SearchQuery, mark: Cursor, fetch: Fetch, ready: Ready) -> Cursor | ResultPage:
    """Look up the query's taxon and those of the excluded words; the bookmark keeps them."""
    name = excludes.without_negations(query.text).replace('"', "")
    taxon = _taxon(name, fetch, ready, mark)
    if isinstance(taxon, ResultPage):
        return taxon
    if not taxon:
        return ResultPage(verdict="empty", detail=f"'{name}' is not the name of a genus or species at {TITLE}")
    without = []
    for word in query.exclude[:MOST_EXCLUDED_TAXA]:
        other = _taxon(word, fetch, ready, mark)
        if isinstance(other, ResultPage):
            return other
        if other and other != taxon:
            without.append(other)
    return Cursor(facts={"taxon": taxon, "without": ",".join(without)})


def _taxon(name: str, fetch: Fetch, ready: Ready, mark: Cursor) -> str | ResultPage:
    """Return the id of the taxon that is called exactly ``name``, or ""."""
    params = {"q": name, "rank": "species,genus", "per_page": "5"}
    answer = fetch(ServiceRequest(url=f"{ready.base}/v1/taxa", params=params))
    if (page := refusal(answer, TITLE, mark.as_json())) is not None or not isinstance(answer, Response):
        return page or ResultPage(verdict="transient")
    body = json_body(answer)
    if not isinstance(body, dict) or not isinstance(body.get("results"), list):
        return unknown_layout(answer, TITLE, mark.as_json())
    wanted = _spelling(name)
    for taxon in objects(body, "results"):
        names = (text(taxon, "name"), text(taxon, "preferred_common_name"), text(taxon, "matched_term"))
        if wanted and wanted in map(_spelling, names) and text(taxon, "id").isdecimal():
            return text(taxon, "id")
    return ""


def _spelling(name: str) -> str:
    """Return a name without case, hyphens and the plural's s: "Coral-Snakes" is "coral snake"."""
    return re.sub(r"[\s_-]+", " ", name.casefold()).strip().removesuffix("s")


def _params(query: SearchQuery, mark: Cursor) -> dict[str, str]:
    params = {
        "taxon_id": mark.facts["taxon"],
        "photos": "true",
        "quality_grade": "research",
        "photo_license": ",".join(_licence_word(code) for code in _wanted(query)),
        "per_page": str(PAGE_SIZE),
        **_place(mark),
    }
    if mark.facts.get("without"):
        params["without_taxon_id"] = mark.facts["without"]
    return params


def _place(mark: Cursor) -> dict[str, str]:
    above = _above(mark)
    if above is not None:
        return {"order_by": "id", "order": "asc", "id_above": str(above)}
    return {"order_by": "votes", "order": "desc", "page": str(mark.page + 1)}


def _above(mark: Cursor) -> int | None:
    """Return the id behind which the search goes on, None while it goes by votes."""
    return number(mark.facts, "above")


def _wanted(query: SearchQuery) -> list[str]:
    return [code for code in CODES if licences.allowed(code, query.licences)]


def _licence_word(code: str) -> str:
    return f"cc-{code}" if code.startswith("by") else "pd" if code == "pdm" else code


def _results(observations: list[dict[str, object]], total: int | None, query: SearchQuery, mark: Cursor) -> ResultPage:
    hits = [hit for observation in observations for hit in _photos(observation, query)]
    new = [hits[at] for at in mark.new([hit.url for hit in hits])][: MAX_RESULTS - mark.given]
    following = _behind(mark, observations, [hit.url for hit in new])
    above, before = _above(following), _above(mark)
    risen = before is not None and above != before
    if before is not None and not risen:  # ids must rise; what does not is the same page again
        new, following = [], replace(following, given=mark.given)
    proposals = [replace(hit, rank=mark.given + rank) for rank, hit in enumerate(new, start=1)]
    if following.given >= MAX_RESULTS:
        detail = f"{TITLE} is asked for at most {MAX_RESULTS:,} photographs"
        return ResultPage(verdict="end", proposals=tuple(proposals), detail=detail)
    return paging.page_of(
        proposals,
        following,
        more=_says_more(len(observations), total, mark),
        title=TITLE,
        what="photographs",
        known=risen,  # behind the last id come the best-voted ones again, among others
    )


def _says_more(shown: int, total: int | None, mark: Cursor) -> bool | None:
    """Return whether more observations follow by the service's own count, None when it gives none.

    By votes it counts all of them; behind an id, those behind it.
    """
    if total is None:
        return None
    return total > (mark.page * PAGE_SIZE + PAGE_SIZE if _above(mark) is None else shown)


def _behind(mark: Cursor, observations: list[dict[str, object]], urls: list[str]) -> Cursor:
    """Return the place behind a page: the next page by votes, or behind the last id once those are at their end."""
    if _above(mark) is not None:  # ids only rise, so nothing of this page needs to be remembered
        last = max((number(one, "id") or 0 for one in observations), default=0)
        last = max(last, _above(mark) or 0)
        return replace(mark, page=mark.page + 1, given=mark.given + len(urls), facts={**mark.facts, "above": str(last)})
    following = mark.after(urls)
    if following.page * PAGE_SIZE < DEEPEST:
        return following
    return replace(following, facts={**following.facts, "above": "0"})


def _photos(observation: Mapping[str, object], query: SearchQuery) -> list[Proposal]:
    """Return the first photographs of an observation that carry a licence that was asked for, unranked."""
    wanted = _wanted(query)
    photos = [
        photo
        for photo in objects(observation, "photos")
        if text(photo, "url") and not photo.get("hidden") and licences.allowed(text(photo, "license_code"), wanted)
    ]
    return [_proposal(observation, photo) for photo in photos[:PHOTOS_PER_OBSERVATION]]


def _proposal(observation: Mapping[str, object], photo: Mapping[str, object]) -> Proposal:
    address, licence = text(photo, "url"), text(photo, "license_code")
    large = sized(address, "large")
    others = tuple(sized(address, size) for size in ("original", "medium"))
    login = text(observation, "user", "login")
    return Proposal(
        url=large,
        rank=0,
        page_url=text(observation, "uri") or f"https://www.inaturalist.org/observations/{text(observation, 'id')}",
        title=text(observation, "taxon", "name"),
        tags=text(observation, "taxon", "preferred_common_name"),
        author=login or text(photo, "attribution"),
        author_url=f"https://www.inaturalist.org/people/{login}" if login else "",
        license=licences.written(licence),
        license_url=licences.address(licence),
        group=f"inaturalist:{text(observation, 'id')}",
        fallbacks=tuple(other for other in others if other != large),
        width=positive(photo, "original_dimensions", "width"),
        height=positive(photo, "original_dimensions", "height"),
    )


PROVIDER: Final = Provider(
    name="inaturalist",
    title=TITLE,
    page=page,
    check=check,
    homes={VARIABLE: HOME},
    page_size=PAGE_SIZE,
    max_results=MAX_RESULTS,
    default="taxon",
    max_lookups=1 + MOST_EXCLUDED_TAXA,
    policy=HostPolicy(
        pause_seconds=1.0, calls_per_day=10_000, quota="60 requests a minute and 10,000 a day; hundreds of photos"
    ),
)
