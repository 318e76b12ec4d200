"""Openverse, Wikimedia Commons, iNaturalist and GBIF: their layouts, limits and refusals."""

import json

import pytest
from search_services import (
    commons_page,
    inaturalist,
    inaturalist_observation,
    inaturalist_photo,
    ok,
    openverse,
    params,
)

from imgkit.harvest.providers import PROVIDERS
from imgkit.harvest.providers.interface import Missing, Ready, Response, SearchQuery
from imgkit.harvest.search.licences import allowed

QUERY = SearchQuery(text="Micrurus fulvius", exclude=("toy",))
OPENVERSE, COMMONS = PROVIDERS["openverse"], PROVIDERS["commons"]
INATURALIST, GBIF = PROVIDERS["inaturalist"], PROVIDERS["gbif"]


def search(provider, service, query=QUERY, environ=None):
    ready = provider.check(environ or {})
    assert isinstance(ready, Ready)
    return list(provider.pages(query, None, service, ready))


def asks(provider, service, query=QUERY, environ=None):
    asked = []
    pages = search(provider, lambda request: asked.append(request) or service(request), query, environ)
    return pages, asked


# Openverse


def test_openverse_gives_240_results_in_pages_of_20_and_says_that_this_is_its_limit():
    pages, asked = asks(OPENVERSE, lambda request: openverse(request, 10_000))

    assert (sum(len(page.proposals) for page in pages), len(asked)) == (240, 12)
    assert {request.params["page_size"] for request in asked} == {"20"}
    assert (pages[-1].verdict, pages[-1].detail) == ("end", "Openverse gives at most 240 results")


def test_openverse_nulls_are_absent_values():
    hit = {
        "url": "https://h.test/1.jpg",
        "title": None,
        "creator": None,
        "height": None,
        "tags": None,
        "license": "cc0",
    }

    (page,) = search(OPENVERSE, lambda request: ok({"page_count": 1, "results": [hit]}))

    (found,) = page.proposals
    assert (found.title, found.author, found.tags, found.width, found.height) == ("", "", "", None, None)
    assert found.license == "CC0"
    assert found.license_url == "https://creativecommons.org/publicdomain/zero/1.0/"


def test_openverse_is_asked_for_the_licences_and_sizes_that_are_wanted():
    query = SearchQuery(text="x" * 300, licences=("by", "pdm"), filters={"size": "large", "layout": "wide"})

    _, asked = asks(OPENVERSE, lambda request: openverse(request, 1), query)

    sent = asked[0].params
    assert (sent["license"], sent["size"], sent["aspect_ratio"], len(sent["q"])) == ("by,pdm", "large", "wide", 200)


def test_openverse_is_not_asked_for_licences_that_it_does_not_have():
    pages, asked = asks(OPENVERSE, lambda request: openverse(request, 1), SearchQuery(text="x", licences=("arr",)))

    assert (pages[0].verdict, asked) == ("empty", [])


@pytest.mark.parametrize(
    ("answer", "verdict", "wait"),
    [
        pytest.param(
            Response(status=429, body=b'{"detail":"Request was throttled. Expected available in 37 seconds."}'),
            "throttled",
            37.0,
            id="429 that says when in a sentence",
        ),
        pytest.param(Response(status=429, headers={"retry-after": "5"}), "throttled", 5.0, id="429 with a header"),
        pytest.param(
            Response(status=401, body=b'{"detail":"page_size may not exceed 20"}'), "auth", None, id="401 with a reason"
        ),
        pytest.param(Response(status=400, body=b'{"detail":{}}'), "schema_changed", None, id="400: our request"),
    ],
)
def test_openverse_refusals(answer, verdict, wait):
    (page,) = search(OPENVERSE, lambda request: answer)

    assert (page.verdict, page.retry_after) == (verdict, wait)


def test_an_openverse_client_gets_one_token_and_sends_it_with_every_page():
    environ = {"OPENVERSE_CLIENT_ID": "me", "OPENVERSE_CLIENT_SECRET": "shh"}

    def service(request):
        return ok({"access_token": "T"}) if "token" in request.url else openverse(request, 45)

    pages, asked = asks(OPENVERSE, service, environ=environ)

    assert [request.method for request in asked] == ["POST", "GET"]
    assert params(asked[0])["grant_type"] == "client_credentials"
    assert asked[1].headers["Authorization"] == "Bearer T"
    assert [len(page.proposals) for page in pages] == [45]


@pytest.mark.parametrize(
    ("said", "sizes"),
    [
        pytest.param("page_size may not exceed 50", ["240", "50", "50"], id="it names its size"),
        pytest.param("page_size is too large", ["240"] + ["20"] * 5, id="it does not"),
    ],
)
def test_an_openverse_client_asks_for_all_results_at_once_and_for_fewer_where_that_is_too_many(said, sizes):
    environ = {"OPENVERSE_CLIENT_ID": "me", "OPENVERSE_CLIENT_SECRET": "shh"}

    def service(request):
        if "token" in request.url:
            return ok({"access_token": "T"})
        if int(request.params["page_size"]) > 60:
            return Response(status=400, body=json.dumps({"detail": said}).encode())
        return openverse(request, 91)

    pages, asked = asks(OPENVERSE, service, environ=environ)

    assert [request.params["page_size"] for request in asked[1:]] == sizes
    assert len({one.url for page in pages for one in page.proposals}) == 91


def test_an_openverse_search_goes_on_in_pages_of_the_size_that_it_began_with():
    environ = {"OPENVERSE_CLIENT_ID": "me", "OPENVERSE_CLIENT_SECRET": "shh"}
    first = OPENVERSE.page(QUERY, None, lambda request: openverse(request, 50), OPENVERSE.check({}))
    asked = []

    def service(request):
        asked.append(request)
        return ok({"access_token": "T"}) if "token" in request.url else openverse(request, 50)

    second = OPENVERSE.page(QUERY, first.cursor, service, OPENVERSE.check(environ))

    assert (asked[1].params["page"], asked[1].params["page_size"]) == ("2", "20")
    assert [one.rank for one in second.proposals] == list(range(21, 41))


def test_a_refused_openverse_client_is_named():
    environ = {"OPENVERSE_CLIENT_ID": "me", "OPENVERSE_CLIENT_SECRET": "wrong"}

    (page,) = search(OPENVERSE, lambda request: Response(status=401, body=b"{}"), environ=environ)

    assert page.verdict == "auth"
    assert "OPENVERSE_CLIENT_ID" in page.detail
    assert isinstance(OPENVERSE.check({"OPENVERSE_CLIENT_ID": "me"}), Missing)


# Wikimedia Commons


def test_commons_takes_a_standard_thumbnail_and_keeps_the_original_as_fallback():
    (page,) = search(COMMONS, lambda request: ok({"batchcomplete": True, "query": {"pages": [commons_page(1)]}}))

    (found,) = page.proposals
    assert found.url == "https://u.test/thumb/1/960px-1.jpg"
    assert found.fallbacks == ("https://u.test/1.jpg",)
    assert (found.author, found.title, found.tags) == ("Ada & Bob", "Snake 1.jpg", "Reptiles|Snakes")
    assert (found.license, found.license_url) == ("CC BY-SA 4.0", "https://creativecommons.org/licenses/by-sa/4.0")


def test_commons_files_come_in_the_order_of_their_index_from_either_form_of_the_answer():
    pages = {"-7": commons_page(2), "12": commons_page(1), "3": {"title": "File:No info.jpg", "index": 3}}

    (page,) = search(COMMONS, lambda request: ok({"query": {"pages": pages}}))

    assert [found.page_url for found in page.proposals] == ["https://c.test/wiki/File:1", "https://c.test/wiki/File:2"]


def test_commons_is_asked_for_bitmaps_at_960_pixels():
    _, asked = asks(COMMONS, lambda request: ok({"batchcomplete": True}))

    sent = asked[1].params
    assert sent["gsrsearch"] == "filetype:bitmap Micrurus fulvius -toy"
    assert (sent["iiurlwidth"], sent["gsrnamespace"], sent["gsroffset"]) == ("960", "6", "0")


@pytest.mark.parametrize(
    ("body", "verdict"),
    [
        pytest.param({"batchcomplete": True}, "empty", id="no query key: no hits"),
        pytest.param({"error": {"code": "ratelimited", "info": "slow down"}}, "throttled", id="a limit inside 200"),
        pytest.param({"error": {"code": "maxlag", "info": "lagged"}}, "transient", id="busy"),
        pytest.param({"error": {"code": "badvalue", "info": "x"}}, "schema_changed", id="an error of ours"),
        pytest.param({"other": 1}, "schema_changed", id="no known layout"),
    ],
)
def test_commons_answers_without_files(body, verdict):
    (page,) = search(COMMONS, lambda request: ok(body))

    assert page.verdict == verdict


def half(*filled, onward, total=3):
    """An answer with the details of some of its files, the rest of which comes by ``onward``."""
    pages = [commons_page(n) if n in filled else {"title": f"File:Snake {n}.jpg", "index": n} for n in range(1, total)]
    return {"query": {"pages": pages}, "continue": onward}


def test_commons_files_whose_details_come_in_several_answers_are_one_page_in_order():
    parts = [
        half(2, onward={"iicontinue": "a|1", "continue": "||"}),
        half(onward={"iicontinue": "b|2", "continue": "||"}),
        half(1, onward={"gsroffset": 50, "continue": "gsroffset||"}),
        {"batchcomplete": True, "query": {"pages": [commons_page(3)]}},
    ]
    answers = [{"batchcomplete": True}, *parts]

    pages, asked = asks(COMMONS, lambda request: ok(answers.pop(0)))

    found = [(one.rank, one.page_url) for page in pages for one in page.proposals]
    assert found == [(n, f"https://c.test/wiki/File:{n}") for n in (1, 2, 3)]
    assert [request.params.get("iicontinue", "") for request in asked[1:]] == ["", "a|1", "b|2", ""]
    assert asked[4].params["gsroffset"] == "50"


def test_details_that_commons_refuses_in_the_middle_are_asked_for_with_the_next_page():
    answers = [
        ok({"batchcomplete": True}),
        ok(half(2, onward={"iicontinue": "a|1", "continue": "||"})),
        Response(status=503),
        ok({**half(1, onward={}), "batchcomplete": True}),
    ]

    pages = search(COMMONS, lambda request: answers.pop(0))

    assert [one.page_url.rpartition(":")[2] for page in pages for one in page.proposals] == ["2", "1"]


def test_commons_searches_by_structure_before_it_searches_for_the_words():
    category = {
        "title": "Category:Micrurus fulvius",
        "categoryinfo": {"size": 40, "files": 30},
        "pageprops": {"wikibase_item": "Q310431"},
    }
    files = {"deepcategory": (1, 2), "haswbstatement": (2, 3), "Micrurus": (3, 4)}
    asked = []

    def service(request):
        if "titles" in request.params:
            asked.append(request.params["titles"])
            return ok({"batchcomplete": True, "query": {"pages": [category]}})
        asked.append(request.params["gsrsearch"].removeprefix("filetype:bitmap "))
        found = next(numbers for word, numbers in files.items() if asked[-1].startswith(word))
        return ok({"batchcomplete": True, "query": {"pages": [commons_page(n) for n in found]}})

    pages = search(COMMONS, service)

    assert asked == [
        "Category:Micrurus fulvius|Category:Micrurus fulviuss|Category:Micrurus fulviu",
        'deepcategory:"Micrurus fulvius" -toy',
        "haswbstatement:P180=Q310431 -toy",
        "Micrurus fulvius -toy",
    ]
    assert [(one.rank, one.page_url[-1]) for page in pages for one in page.proposals] == [
        (n, str(n)) for n in (1, 2, 3, 4)
    ]
    assert [page.verdict for page in pages] == ["ok", "ok", "end"]


def test_a_commons_look_up_that_fails_costs_nothing_but_its_call():
    answers = [Response(status=500), ok({"batchcomplete": True, "query": {"pages": [commons_page(1)]}})]

    (page,) = search(COMMONS, lambda request: answers.pop(0))

    assert [one.page_url for one in page.proposals] == ["https://c.test/wiki/File:1"]


@pytest.mark.parametrize(
    ("short_name", "licence", "kept_as_by"),
    [
        ("Attribution", "Attribution", False),  # the template of that name is no Creative Commons licence
        ("Attribution only license", "Attribution only license", False),
        ("CC BY 2.0", "CC BY 2.0", True),
        ("Creative Commons Attribution 4.0", "CC BY 4.0", True),
        ("FAL", "FAL", False),
    ],
)
def test_a_commons_licence_is_taken_for_creative_commons_only_when_it_is_one(short_name, licence, kept_as_by):
    one = commons_page(1)
    one["imageinfo"][0]["extmetadata"]["LicenseShortName"]["value"] = short_name

    (page,) = search(COMMONS, lambda request: ok({"batchcomplete": True, "query": {"pages": [one]}}))

    assert page.proposals[0].license == licence
    assert allowed(licence, ("by",)) is kept_as_by


def test_commons_does_not_go_round_in_circles():
    body = {"query": {"pages": [commons_page(1)]}, "continue": {"gsroffset": 50, "continue": "x"}}

    pages = search(COMMONS, lambda request: ok(body))

    assert [page.verdict for page in pages] == ["ok", "end"]


# iNaturalist


def observations(*results):
    return lambda request: (
        inaturalist(request, 0)
        if "taxa" in request.url
        else ok({"total_results": len(results), "results": list(results)})
    )


def test_inaturalist_looks_up_the_taxon_once_and_the_excluded_taxa_too():
    query = SearchQuery(text='"Micrurus fulvius" -toy', exclude=("toy", "king snakes"))

    pages, asked = asks(INATURALIST, lambda request: inaturalist(request, 450), query)

    assert [request.url.rpartition("/")[2] for request in asked] == ["taxa"] * 3 + ["observations"] * 3
    assert asked[0].params["q"] == "Micrurus fulvius"
    sent = asked[3].params
    assert (sent["taxon_id"], sent["without_taxon_id"], sent["quality_grade"]) == ("30", "31", "research")
    assert sum(len(page.proposals) for page in pages) == 450


def test_a_query_that_is_no_taxon_is_empty_and_says_so():
    (page,) = search(INATURALIST, lambda request: inaturalist(request, 5), SearchQuery(text="les paul guitar"))

    assert page.verdict == "empty"
    assert page.detail == "'les paul guitar' is not the name of a genus or species at iNaturalist"


def test_an_observation_gives_two_photographs_of_one_group_in_the_size_that_is_needed():
    photos = [inaturalist_photo(n) for n in (1, 2, 3)]

    (page,) = search(INATURALIST, observations(inaturalist_observation(7, photos)))

    assert [found.url for found in page.proposals] == [
        "https://inaturalist-open-data.s3.amazonaws.com/photos/1/large.jpeg",
        "https://inaturalist-open-data.s3.amazonaws.com/photos/2/large.jpeg",
    ]
    assert page.proposals[0].fallbacks == (
        "https://inaturalist-open-data.s3.amazonaws.com/photos/1/original.jpeg",
        "https://inaturalist-open-data.s3.amazonaws.com/photos/1/medium.jpeg",
    )
    assert {found.group for found in page.proposals} == {"inaturalist:7"}
    assert page.proposals[0].title == "Micrurus fulvius"


def test_a_photograph_without_an_open_licence_is_not_proposed():
    photos = [inaturalist_photo(1, None), inaturalist_photo(2, "cc0"), {**inaturalist_photo(3), "hidden": True}]

    (page,) = search(INATURALIST, observations(inaturalist_observation(7, photos)))

    assert [(found.license, found.rank) for found in page.proposals] == [("CC0", 1)]


@pytest.mark.slow
def test_inaturalist_goes_on_by_id_behind_its_ten_thousand():
    pages, asked = asks(INATURALIST, lambda request: inaturalist(request, 10_450))

    urls = [found.url for page in pages for found in page.proposals]
    sent = [request.params for request in asked if "observations" in request.url]
    assert [one["order_by"] for one in sent[:51]] == ["votes"] * 50 + ["id"]
    assert max(int(one.get("page", "1")) for one in sent) * 200 == 10_000
    assert [one["id_above"] for one in sent[50:53]] == ["0", "200", "400"]
    assert len(urls) == len(set(urls)) == 10_450
    assert pages[-1].verdict == "end"


# GBIF


def occurrences(*results):
    def service(request):
        if "match" in request.url:
            return ok({"usageKey": 5, "matchType": "EXACT"})
        return ok({"endOfRecords": True, "results": list(results)})

    return service


def media(address, **fields):
    return {"type": "StillImage", "identifier": address, **fields}


def test_gbif_asks_for_sightings_and_not_for_museum_scans():
    _, asked = asks(GBIF, occurrences())

    assert asked[1].params["basisOfRecord"] == "HUMAN_OBSERVATION"
    assert (asked[1].params["taxonKey"], asked[1].params["limit"]) == ("5", "300")


def test_inaturalist_photographs_at_gbif_get_the_address_and_group_that_inaturalist_gives_them():
    address = "https://inaturalist-open-data.s3.amazonaws.com/photos/9/original.jpg"
    page_url = "https://www.inaturalist.org/observations/7"
    record = {"key": 1, "references": page_url, "license": "x", "media": [media(address)]}

    (page,) = search(GBIF, occurrences(record))

    (found,) = page.proposals
    assert found.url == "https://inaturalist-open-data.s3.amazonaws.com/photos/9/large.jpg"
    assert found.fallbacks == (address,)
    assert (found.group, found.page_url) == ("inaturalist:7", page_url)


def test_sounds_are_not_proposed_and_a_licence_address_is_written_out():
    licence = "http://creativecommons.org/publicdomain/zero/1.0/legalcode"
    record = {
        "key": 3,
        "media": [
            {"type": "Sound", "identifier": "https://m.test/a.mp3"},
            media("https://m.test/a.jpg", license=licence),
        ],
    }

    (page,) = search(GBIF, occurrences(record))

    (found,) = page.proposals
    assert (found.license, found.license_url, found.group) == ("CC0 1.0", licence, "gbif:3")


def test_the_group_of_an_inaturalist_record_is_its_observation_and_not_its_photograph():
    record = {
        "key": 4,
        "references": "https://www.inaturalist.org/observations/77",
        "media": [media(f"https://m.test/{n}.jpg", references=f"https://www.inaturalist.org/photos/{n}") for n in "ab"],
    }

    (page,) = search(GBIF, occurrences(record))

    assert [one.group for one in page.proposals] == ["inaturalist:77"] * 2
    assert [one.page_url[-1] for one in page.proposals] == ["a", "b"]


@pytest.mark.parametrize(
    "match",
    [
        {"usageKey": 1, "acceptedUsageKey": 5, "status": "SYNONYM", "synonym": True},
        {"usageKey": 1, "acceptedUsageKey": 5, "status": "HETEROTYPIC_SYNONYM"},
        {"usageKey": 1, "speciesKey": 5, "rank": "SPECIES", "synonym": True},
        {"usageKey": 5, "speciesKey": 5, "genusKey": 9, "rank": "SPECIES", "synonym": False},
    ],
)
def test_the_records_of_a_synonym_are_those_of_the_accepted_name(match):
    asked = []

    def service(request):
        asked.append(request.params)
        body = {"matchType": "EXACT", **match} if "match" in request.url else {"endOfRecords": True, "results": []}
        return ok(body)

    search(GBIF, service)

    assert asked[1]["taxonKey"] == "5"


@pytest.mark.parametrize("match", ["NONE", "HIGHERRANK", "FUZZY"])
def test_a_name_that_gbif_only_guesses_is_no_taxon(match):
    (page,) = search(GBIF, lambda request: ok({"usageKey": 1, "matchType": match}))

    assert page.verdict == "empty"


def test_a_look_up_that_fails_can_be_repeated():
    answers = [
        Response(status=503),
        ok({"matchType": "EXACT", "usageKey": 5}),
        ok({"endOfRecords": True, "results": []}),
    ]
    ready = GBIF.check({})

    (failed,) = GBIF.pages(QUERY, None, lambda request: answers.pop(0), ready)
    (page,) = GBIF.pages(QUERY, json.loads(json.dumps(failed.cursor)), lambda request: answers.pop(0), ready)

    assert (failed.verdict, page.verdict) == ("transient", "empty")
