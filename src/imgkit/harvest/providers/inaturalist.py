"""iNaturalist: photographs of living things whose species people have confirmed; no key needed.

The best-voted observations come first, as far as the service counts (10,000). The others follow by their id.
"""

import re
from collections.abc import Mapping
from dataclasses import replace
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
)
from imgkit.harvest.providers.json_fields import number, objects, positive, text
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


def page(query: SearchQuery, cursor: object, fetch: Fetch, ready: Ready) -> Page:
    """Ask for the photographs of the next 200 observations; the first call also looks up the taxon.

    A query that is not the name of a taxon is ``empty``. Excluded words that are taxa are left out by the service.
    """
    mark = bookmark.read(cursor)
    if not _wanted(query):
        return Page(verdict="empty", detail=f"{TITLE} has no photographs under the licences that were asked for")
    if "taxon" not in mark.facts:
        found = _taxa(query, mark, fetch, ready)
        if isinstance(found, Page):
            return found
        mark = found
    answer = fetch(Request(url=f"{ready.base}/v1/observations", params=_params(query, mark)))
    page = refusal(answer, TITLE, mark.as_json())
    if page is not None or not isinstance(answer, Response):
        return page or Page(verdict="transient")
    body = json_body(answer)
    if not isinstance(body, dict) or not isinstance(body.get("results"), list):
        return unknown_layout(answer, TITLE, mark.as_json())
    observations = objects(body, "results")
    if body["results"] and not any(text(photo, "url") for one in observations for photo in objects(one, "photos")):
        return unknown_layout(answer, TITLE, mark.as_json(), why="its results hold no picture address")
    return _results(observations, query, mark)


def sized(address: str, size: str) -> str:
    """Return the address of another size of an iNaturalist photograph; other addresses come back as they are."""
    return _SIZE.sub(rf"/{size}\1", address)


def _taxa(query: SearchQuery, mark: Bookmark, fetch: Fetch, ready: Ready) -> Bookmark | Page:
    """Look up the query's taxon and those of the excluded words; the bookmark keeps them."""
    name = excludes.without_negations(query.text).replace('"', "")
    taxon = _taxon(name, fetch, ready, mark)
    if isinstance(taxon, Page):
        return taxon
    if not taxon:
        return Page(verdict="empty", detail=f"'{name}' is not the name of a genus or species at {TITLE}")
    without = []
    for word in query.exclude[:MOST_EXCLUDED_TAXA]:
        other = _taxon(word, fetch, ready, mark)
        if isinstance(other, Page):
            return other
        if other and other != taxon:
            without.append(other)
    return Bookmark(facts={"taxon": taxon, "without": ",".join(without)})


def _taxon(name: str, fetch: Fetch, ready: Ready, mark: Bookmark) -> str | Page:
    """Return the id of the taxon that is called exactly ``name``, or ""."""
    params = {"q": name, "rank": "species,genus", "per_page": "5"}
    answer = fetch(Request(url=f"{ready.base}/v1/taxa", params=params))
    if (page := refusal(answer, TITLE, mark.as_json())) is not None or not isinstance(answer, Response):
        return page or Page(verdict="transient")
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


def _params(query: SearchQuery, mark: Bookmark) -> dict[str, str]:
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


def _place(mark: Bookmark) -> dict[str, str]:
    above = _above(mark)
    if above is not None:
        return {"order_by": "id", "order": "asc", "id_above": str(above)}
    return {"order_by": "votes", "order": "desc", "page": str(mark.page + 1)}


def _above(mark: Bookmark) -> int | None:
    """Return the id behind which the search goes on, None while it goes by votes."""
    return number(mark.facts, "above")


def _wanted(query: SearchQuery) -> list[str]:
    return [code for code in CODES if licences.allowed(code, query.licences)]


def _licence_word(code: str) -> str:
    return f"cc-{code}" if code.startswith("by") else "pd" if code == "pdm" else code


def _results(observations: list[dict[str, object]], query: SearchQuery, mark: Bookmark) -> Page:
    hits = [hit for observation in observations for hit in _photos(observation, query)]
    new = [hits[at] for at in mark.new([hit.url for hit in hits])][: MAX_RESULTS - mark.given]
    proposals = tuple(replace(hit, rank=mark.given + rank) for rank, hit in enumerate(new, start=1))
    following = _behind(mark, observations, [hit.url for hit in new])
    above = _above(mark)
    goes_on = above is None or (_above(following) or 0) > above
    if following.given >= MAX_RESULTS:
        return Page(
            verdict="end", proposals=proposals, detail=f"{TITLE} is asked for at most {MAX_RESULTS:,} photographs"
        )
    if len(observations) >= PAGE_SIZE and goes_on:
        return Page(verdict="ok", proposals=proposals, cursor=following.as_json())
    if not following.given:
        return Page(verdict="empty", detail=f"{TITLE} has no openly licensed photographs of this taxon")
    return Page(verdict="end", proposals=proposals, detail=f"{TITLE} has {following.given} photographs")


def _behind(mark: Bookmark, observations: list[dict[str, object]], urls: list[str]) -> Bookmark:
    """Return the place behind a page: the next page by votes, or behind the last id once those are at their end."""
    if _above(mark) is not None:  # ids only rise, so nothing of this page needs to be remembered
        last = max((number(one, "id") or 0 for one in observations), default=0)
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
