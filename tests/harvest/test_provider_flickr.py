"""Flickr's REST service: arguments, sizes, licences, error codes, and the limits of its paging."""

import logging
from dataclasses import replace

import pytest
from search_services import flickr, flickr_photo, ok, params

from imgkit.harvest.providers.flickr import PROVIDER
from imgkit.harvest.providers.interface import Missing, NoAnswer, Ready, Response, SearchQuery

KEY = PROVIDER.check({"FLICKR_API_KEY": "key"})
SIGNED = PROVIDER.check({"FLICKR_API_KEY": "key", "FLICKR_API_SECRET": "secret"})
QUERY = SearchQuery(text="Königsnatter", exclude=("toy",))
WAYS = pytest.mark.parametrize("ready", [KEY, SIGNED], ids=["key", "signed"])


def licence_list(*more):
    """The list of licences, as it has been for long, with more of them."""
    known = [
        ("0", "All Rights Reserved", ""),
        ("4", "Attribution License", "https://creativecommons.org/licenses/by/2.0/"),
    ]
    listed = [{"id": id, "name": name, "url": url} for id, name, url in (*known, *more)]
    return ok({"licenses": {"license": listed}, "stat": "ok"})


def ask(answer, ready=KEY, cursor=None, query=QUERY, licences=None):
    """Ask for one page with a memory of its own; return it with the request for it."""
    asked = []

    def service(request):
        if params(request)["method"] == "flickr.photos.licenses.getInfo":
            return licences or licence_list()
        asked.append(request)
        return answer

    page = PROVIDER.page(query, cursor, service, replace(ready, memory={}))
    return page, asked[0]


def listing(*photos, pages=1):
    return ok(
        {"photos": {"page": 1, "pages": pages, "perpage": 500, "total": "9", "photo": list(photos)}, "stat": "ok"}
    )


def failed(code, message="m"):
    return ok({"stat": "fail", "code": code, "message": message})


@WAYS
def test_one_call_gets_500_results_with_all_that_is_needed(ready):
    page, request = ask(flickr_total(500), ready)

    asked = params(request)
    assert request.url == "https://api.flickr.com/services/rest/"
    assert len(page.proposals) == 500
    assert asked["method"] == "flickr.photos.search"
    assert (asked["format"], asked["nojsoncallback"], asked["per_page"]) == ("json", "1", "500")
    assert (asked["text"], asked["sort"], asked["media"]) == ("Königsnatter -toy", "relevance", "photos")
    assert "license" not in asked  # any, those with all rights reserved included
    sizes = ["l", "h", "k", "c", "o", "3k", "4k", "f", "5k", "6k", "z", "m", "w", "n", "s", "q", "t", "sq"]
    assert [name[4:] for name in asked["extras"].split(",") if name.startswith("url_")] == sizes


def flickr_total(total):
    photos = [flickr_photo(n) for n in range(total)]
    return listing(*photos)


def test_with_a_key_alone_the_call_is_a_plain_get():
    _, request = ask(listing(), KEY)

    assert request.method == "GET"
    assert request.params["api_key"] == "key"


def test_with_a_secret_flickrapi_signs_a_post_that_goes_through_our_session():
    _, request = ask(listing(), SIGNED)

    assert request.method == "POST"
    assert "api_key" not in params(request)
    authorization = request.headers["Authorization"]
    assert authorization.startswith("OAuth ")
    assert 'oauth_consumer_key="key"' in authorization
    assert 'oauth_signature_method="HMAC-SHA1"' in authorization
    assert "secret" not in f"{request.url}{request.body!r}{authorization}"


def test_the_best_size_that_is_there_is_taken_and_the_others_are_kept():
    photo = flickr_photo(1, url_h="https://live.test/1_h.jpg", url_o="https://live.test/1_o.png")
    del photo["url_l"]

    page, _ = ask(listing(photo))

    (found,) = page.proposals
    assert found.url == "https://live.test/1_h.jpg"
    assert found.fallbacks == ("https://live.test/1_o.png", "https://live.test/1_m.jpg")


@pytest.mark.parametrize(
    ("sizes", "best", "others"),
    [
        ("wns", "w", ("n",)),  # small copies are no stand-in for a picture
        ("nstq", "n", ()),
        ("qt", "q", ()),
        ("4km", "4k", ("m",)),
    ],
)
def test_a_small_original_is_proposed_in_the_largest_size_that_it_has(sizes, best, others):
    photo = flickr_photo(1)
    names = [best, *list(sizes.replace(best, ""))]
    photo = {name: value for name, value in photo.items() if not name.startswith("url_")}

    page, _ = ask(listing(photo | {f"url_{name}": f"https://live.test/1_{name}.jpg" for name in names}))

    (found,) = page.proposals
    assert found.url == f"https://live.test/1_{best}.jpg"
    assert found.fallbacks == tuple(f"https://live.test/1_{name}.jpg" for name in others)


def test_numbers_may_be_texts_and_titles_objects():
    photo = flickr_photo(1, title={"_content": "Coral"}, license=9)

    page, _ = ask(listing(photo))

    (found,) = page.proposals
    assert (found.title, found.license, found.width, found.height) == ("Coral", "CC0 1.0", 1024, 683)
    assert found.page_url == "https://www.flickr.com/photos/12@N01/1"


@pytest.mark.parametrize(
    ("number", "licence", "address"),
    [
        ("1", "CC BY-NC-SA 2.0", "https://creativecommons.org/licenses/by-nc-sa/2.0/"),
        ("4", "CC BY 2.0", "https://creativecommons.org/licenses/by/2.0/"),
        ("7", "No known copyright restrictions", ""),
        ("0", "All rights reserved", ""),
        ("10", "Public domain", "https://creativecommons.org/publicdomain/mark/1.0/"),
        ("14", "Flickr licence 14", ""),
    ],
)
def test_licence_numbers_are_named_and_unknown_ones_kept_as_they_are(number, licence, address):
    page, _ = ask(listing(flickr_photo(1, license=number)))

    assert (page.proposals[0].license, page.proposals[0].license_url) == (licence, address)


def test_a_licence_that_is_new_at_flickr_is_searched_for_and_named():
    new = [
        ("11", "CC BY-NC 4.0", "https://creativecommons.org/licenses/by-nc/4.0/"),
        ("12", "A licence of its own", ""),
    ]

    page, request = ask(
        listing(flickr_photo(1, license=11), flickr_photo(2, license="12")), licences=licence_list(*new)
    )

    assert "license" not in request.params
    assert [(one.license, one.license_url) for one in page.proposals] == [
        ("CC BY-NC 4.0", "https://creativecommons.org/licenses/by-nc/4.0/"),
        ("A licence of its own", ""),
    ]
    _, only = ask(listing(), query=SearchQuery(text="snake", licences=("by-nc",)), licences=licence_list(*new))
    assert only.params["license"] == "2,11"


@WAYS
def test_the_list_of_licences_is_asked_for_once_in_a_run(ready):
    methods = []
    ready = replace(ready, memory={})

    def service(request):
        methods.append(params(request)["method"].rpartition(".")[2])
        return licence_list() if methods[-1] == "getInfo" else listing(flickr_photo(1))

    for query in (QUERY, SearchQuery(text="another")):
        list(PROVIDER.pages(query, None, service, ready))

    assert methods == ["getInfo", "search", "search"]


def test_only_the_licences_that_were_asked_for_are_searched():
    _, request = ask(listing(), query=SearchQuery(text="snake", licences=("by", "cc0", "arr")))

    assert request.params["license"] == "0,4,9"


def test_a_photo_without_any_size_is_left_out_and_does_not_take_a_rank():
    hidden = flickr_photo(1)
    for name in ("url_l", "url_m"):
        del hidden[name]

    page, _ = ask(listing(hidden, flickr_photo(2)))

    assert [(found.url, found.rank) for found in page.proposals] == [("https://live.test/2_l.jpg", 1)]


@WAYS
@pytest.mark.parametrize(
    ("answer", "verdict"),
    [
        pytest.param(failed(100, "Invalid API Key (Key has expired)"), "auth", id="100: the key"),
        pytest.param(failed(96), "auth", id="96: the signature"),
        pytest.param(failed(105), "transient", id="105: not available"),
        pytest.param(failed("10"), "transient", id="10: search not available, as text"),
        pytest.param(failed(3), "empty", id="3: no words"),
        pytest.param(failed(116), "schema_changed", id="116: bad URL"),
        pytest.param(failed(4711), "schema_changed", id="a code that nobody knows"),
        pytest.param(Response(status=502, body=b"<html>bad gateway"), "transient", id="502 with HTML"),
        pytest.param(Response(status=200, body=b"<html>oops"), "schema_changed", id="200 with HTML"),
        pytest.param(Response(status=200, body=b'jsonFlickrApi({"stat":"ok"})'), "schema_changed", id="wrapped JSON"),
        pytest.param(Response(status=429, headers={"retry-after": "9"}), "throttled", id="429"),
        pytest.param(NoAnswer(reason="net.read"), "transient", id="time-out"),
    ],
)
def test_a_failure_is_typed_and_takes_one_call(answer, verdict, ready, caplog):
    calls = []

    pages = list(PROVIDER.pages(QUERY, None, lambda request: calls.append(1) or answer, replace(ready, memory={})))

    assert [page.verdict for page in pages] == [verdict]
    assert ask(answer, ready)[0].verdict == verdict  # the list was given, the search was not
    assert len(calls) == 1
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


@WAYS
def test_a_query_without_results_is_empty(ready):
    assert ask(listing(), ready)[0].verdict == "empty"


@WAYS
def test_a_query_gives_at_most_4000_results_in_eight_calls(ready):
    calls = []
    fetch = lambda request: calls.append(1) or flickr(request, 100_000)  # noqa: E731

    pages = list(PROVIDER.pages(QUERY, None, fetch, replace(ready, memory={})))

    assert (sum(len(page.proposals) for page in pages), len(calls)) == (4000, 1 + 8)
    assert pages[-1].detail == "Flickr gives at most 4,000 results"


def test_pages_that_repeat_themselves_end_the_search():
    same = listing(*(flickr_photo(n) for n in range(500)), pages=8)

    pages = list(PROVIDER.pages(QUERY, None, lambda request: same, KEY))

    assert [page.verdict for page in pages] == ["ok", "ok", "assumed_end"]
    assert sum(len(page.proposals) for page in pages) == 500


def test_the_variable_of_other_tools_is_accepted_and_no_key_is_explained():
    assert isinstance(PROVIDER.check({"FLICKR_APIKEY": "key"}), Ready)
    state = PROVIDER.check({"FLICKR_API_SECRET": "secret"})
    assert isinstance(state, Missing)
    assert "FLICKR_API_KEY" in state.how_to_fix
