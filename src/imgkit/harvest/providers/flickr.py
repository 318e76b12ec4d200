"""Flickr: photographs with authors, tags and licences; needs an API key."""

import json
import re
from collections.abc import Mapping
from typing import Final

from imgkit.harvest.providers.answers import json_body, ready_at, refusal, unknown_layout
from imgkit.harvest.providers.flickr_signed import signed_call
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
from imgkit.harvest.providers.json_fields import items, mapping, number, objects, positive, text
from imgkit.harvest.search import excludes, licences, paging
from imgkit.harvest.search.paging import Cursor
from imgkit.manifest.nouns import Proposal

TITLE: Final = "Flickr"
HOME: Final = "https://api.flickr.com"
VARIABLE: Final = "IMGKIT_FLICKR_URL"
PAGE_SIZE: Final = 500
MAX_RESULTS: Final = 4000  # later pages repeat earlier ones
SIZES: Final = ("l", "h", "k", "c", "o", "3k", "4k", "f", "5k", "6k", "z", "m", "w", "n", "s", "q", "t", "sq")
"""Sizes in the order in which they suit us: 1024, 1600, 2048, 800, original, 3072 to 6144, 640, 500, 400, 320, 240 and
100 px as the longest side; q and sq are cut to squares. Small originals have only some of the last ones."""
SMALL: Final = ("s", "q", "t", "sq")  # no stand-in for a picture that is gone
EXTRAS: Final = "license,owner_name,date_taken,tags,o_dims,media,path_alias," + ",".join(f"url_{s}" for s in SIZES)
SEARCH: Final = "flickr.photos.search"
LICENCE_LIST: Final = "flickr.photos.licenses.getInfo"

LICENCES: Final[dict[str, tuple[str, str]]] = {
    "0": ("arr", ""),
    "1": ("by-nc-sa", "2.0"),
    "2": ("by-nc", "2.0"),
    "3": ("by-nc-nd", "2.0"),
    "4": ("by", "2.0"),
    "5": ("by-sa", "2.0"),
    "6": ("by-nd", "2.0"),
    "7": ("no-known", ""),
    "8": ("us-gov", ""),
    "9": ("cc0", "1.0"),
    "10": ("pdm", ""),
}
"""Flickr's number of a licence to our code and its version, as far as they are known without asking."""

ERRORS: Final[dict[int, tuple[PageVerdict, str]]] = {
    1: ("empty", "too many tags in the query"),
    3: ("empty", "the query is empty"),
    10: ("transient", "its search is not available just now"),
    18: ("schema_changed", "it finds our request illogical"),
    95: ("schema_changed", "it wants an encrypted connection"),
    96: ("auth", "it does not accept our signature; is FLICKR_API_SECRET right?"),
    97: ("auth", "it misses our signature"),
    98: ("auth", "the login failed"),
    99: ("auth", "the key has too few permissions"),
    100: ("auth", "it does not accept FLICKR_API_KEY (wrong, expired or disabled)"),
    105: ("transient", "the service is not available just now"),
    106: ("transient", "the operation failed on its side"),
    111: ("schema_changed", "it does not know the answer format"),
    112: ("schema_changed", "it does not know the method"),
    114: ("schema_changed", "it misreads our request"),
    115: ("schema_changed", "it misreads our request"),
    116: ("schema_changed", "it does not accept an address in our request"),
}
"""Code in a 200 answer to what it means."""


def check(environ: Mapping[str, str]) -> Ready | Missing:
    """Flickr needs FLICKR_API_KEY (FLICKR_APIKEY will do); with FLICKR_API_SECRET the calls are signed."""
    key = environ.get("FLICKR_API_KEY", "") or environ.get("FLICKR_APIKEY", "")
    secret = environ.get("FLICKR_API_SECRET", "")
    if not key:
        return Missing(
            reason="FLICKR_API_KEY is not set",
            how_to_fix="set FLICKR_API_KEY to a key from https://www.flickr.com/services/api/ (Flickr gives new keys "
            "to Pro accounts)",
        )
    note = "with your key, signed" if secret else "with your key"
    return ready_at(environ, VARIABLE, HOME, note=note, key=key, secret=secret)


def page(query: SearchQuery, cursor: object, fetch: Fetch, ready: Ready) -> ResultPage:
    """Ask for the next 500 results."""
    mark = paging.read(cursor)
    if LICENCE_LIST not in ready.memory and (problem := _learn_licences(mark, fetch, ready)):
        return problem
    known = _known_licences(ready)
    if query.licences and not _licence_numbers(query, known):
        return ResultPage(verdict="empty", detail=f"{TITLE} has no photographs under the licences that were asked for")
    answer = _call(SEARCH, _arguments(query, mark, known), fetch, ready)
    page = refusal(answer, TITLE, mark.as_json())
    if page is not None or not isinstance(answer, Response):
        return page or ResultPage(verdict="transient")
    body = json_body(answer)
    if text(body, "stat") == "fail":
        return _failed(answer, number(body, "code"), text(body, "message"), mark)
    if not isinstance(mapping(body, "photos").get("photo"), list):
        return unknown_layout(answer, TITLE, mark.as_json())
    photos = [photo for photo in objects(body, "photos", "photo") if text(photo, "id") and _addresses(photo)]
    if items(body, "photos", "photo") and not photos:
        return unknown_layout(answer, TITLE, mark.as_json(), why="its results hold no picture address")
    return _results(photos, number(body, "photos", "pages"), mark, known)


def _learn_licences(mark: Cursor, fetch: Fetch, ready: Ready) -> ResultPage | None:
    """Ask once for the list of licences, since new ones get new numbers; a refusal is one of the search too."""
    answer = _call(LICENCE_LIST, {}, fetch, ready)
    page = refusal(answer, TITLE, mark.as_json())
    if page is not None or not isinstance(answer, Response):
        return page or ResultPage(verdict="transient")
    body = json_body(answer)
    if text(body, "stat") == "fail":
        return _failed(answer, number(body, "code"), text(body, "message"), mark)
    if not isinstance(body, dict):
        return unknown_layout(answer, TITLE, mark.as_json())
    found = [one for one in objects(body, "licenses", "license") if text(one, "id").isdecimal()]
    listed = {text(one, "id"): _licence(one) for one in found}
    ready.memory[LICENCE_LIST] = json.dumps({number_: named for number_, named in listed.items() if named[0]})
    return None


def _licence(listed: Mapping[str, object]) -> tuple[str, str]:
    """Return the code of a licence of the list, or its name where it is none of ours, and its version."""
    name, address = text(listed, "name"), text(listed, "url")
    version = re.search(r"\d\.\d", address) or re.search(r"\d\.\d", name)
    return licences.code(address) or licences.code(name) or name, version.group() if version else ""


def _known_licences(ready: Ready) -> dict[str, tuple[str, str]]:
    learnt = json.loads(ready.memory.get(LICENCE_LIST, "{}"))
    return {**{number_: (code, version) for number_, (code, version) in learnt.items()}, **LICENCES}


def _arguments(query: SearchQuery, mark: Cursor, known: Mapping[str, tuple[str, str]]) -> dict[str, str]:
    licence = {"license": ",".join(_licence_numbers(query, known))} if query.licences else {}
    return licence | {
        "text": excludes.with_negations(query.text, query.exclude),
        "sort": "relevance",
        "media": "photos",
        "content_types": "0",
        "safe_search": "1" if query.safe_search else "3",
        "per_page": str(PAGE_SIZE),
        "page": str(mark.page + 1),
        "extras": EXTRAS,
    }


def _licence_numbers(query: SearchQuery, known: Mapping[str, tuple[str, str]]) -> list[str]:
    """Return Flickr's numbers of the licences that were asked for."""
    chosen = [number_ for number_, (code, _) in known.items() if licences.allowed(code, query.licences)]
    return sorted(chosen, key=lambda number_: (len(number_), number_))


def _call(method: str, arguments: Mapping[str, str], fetch: Fetch, ready: Ready) -> Response | NoAnswer:
    url = f"{ready.base}/services/rest/"
    if ready.keys.get("secret"):
        return signed_call(url, method, arguments, fetch, key=ready.keys["key"], secret=ready.keys["secret"])
    params = {"method": method, "api_key": ready.keys["key"], "format": "json", "nojsoncallback": "1", **arguments}
    return fetch(ServiceRequest(url=url, params=params))


def _failed(answer: Response, code: int | None, message: str, mark: Cursor) -> ResultPage:
    known = ERRORS.get(code if code is not None else -1)
    if known is None:
        return unknown_layout(answer, TITLE, mark.as_json(), why=f"error {code}: {message}")
    verdict, what = known
    if verdict == "schema_changed":
        return unknown_layout(answer, TITLE, mark.as_json(), why=f"{what} ({code})")
    cursor = None if verdict == "empty" else mark.as_json()
    return ResultPage(verdict=verdict, cursor=cursor, detail=f"{TITLE}: {what} ({code}: {message})")


def _results(
    photos: list[dict[str, object]], pages: int | None, mark: Cursor, known: Mapping[str, tuple[str, str]]
) -> ResultPage:
    new = [photos[at] for at in mark.new([text(photo, "id") for photo in photos])][: MAX_RESULTS - mark.given]
    proposals = [_proposal(photo, mark.given + rank, known) for rank, photo in enumerate(new, start=1)]
    following = mark.after([text(photo, "id") for photo in new])
    more = None if pages is None else following.page < pages
    if more is not False and following.page * PAGE_SIZE >= MAX_RESULTS:
        return paging.at_most(proposals, MAX_RESULTS, title=TITLE)
    return paging.page_of(proposals, following, more=more, title=TITLE)


def _addresses(photo: Mapping[str, object]) -> list[tuple[str, str]]:
    """Return (size, address) of the sizes that are there, best for us first; an absent key is a size we may not see."""
    return [(size, address) for size in SIZES if (address := text(photo, f"url_{size}"))]


def _proposal(photo: Mapping[str, object], rank: int, known: Mapping[str, tuple[str, str]]) -> Proposal:
    addresses = _addresses(photo)
    size = addresses[0][0]
    owner, number_ = text(photo, "owner"), text(photo, "license")
    code, version = known.get(number_, (f"Flickr licence {number_}" if number_ else "", ""))
    return Proposal(
        url=addresses[0][1],
        rank=rank,
        page_url=f"https://www.flickr.com/photos/{owner}/{text(photo, 'id')}" if owner else "",
        title=text(photo, "title") or text(photo, "title", "_content"),
        tags=text(photo, "tags"),
        author=text(photo, "ownername"),
        author_url=f"https://www.flickr.com/people/{owner}" if owner else "",
        license=licences.written(code, version),
        license_url=licences.address(code, version),
        fallbacks=tuple(address for other, address in addresses[1:] if other not in SMALL),
        width=positive(photo, f"width_{size}"),
        height=positive(photo, f"height_{size}"),
    )


PROVIDER: Final = Provider(
    name="flickr",
    title=TITLE,
    page=page,
    check=check,
    homes={VARIABLE: HOME},
    page_size=PAGE_SIZE,
    max_results=MAX_RESULTS,
    default="key",
    needs_key=True,
    negates=True,
    max_lookups=1,
    filters=frozenset({"safe"}),
    policy=HostPolicy(pause_seconds=1.0, quota="3600 requests an hour for each key"),
)
