"""Every provider against the loopback web, which speaks the services' protocols from the other side of a socket."""

import pytest
from harvesting import found, search

from imgkit.demo.population import small_world
from imgkit.demo.services import flickr, google_api
from imgkit.demo.web.server import serve
from imgkit.harvest.providers import PROVIDERS

SEARCHED = [name for name, provider in PROVIDERS.items() if not provider.local]
KEYED = {"google": {"GOOGLE_API_KEY": google_api.KEY, "GOOGLE_CX": google_api.ENGINE}}
SIGNED = {"FLICKR_API_KEY": flickr.KEY, "FLICKR_API_SECRET": "secret"}


@pytest.fixture(scope="module")
def web():
    with serve(small_world(good=45, providers=SEARCHED)) as web:
        yield web


@pytest.fixture
def inject_fault(web):
    faulty = []

    def inject_fault(service, name):
        faulty.append(service)
        web.inject_fault(service, name)

    yield inject_fault
    for service in faulty:
        web.inject_fault(service, "")


@pytest.mark.parametrize(
    ("name", "environ"),
    [
        pytest.param("bing", {}, id="bing"),
        pytest.param("google", KEYED["google"], id="google: official API"),
        pytest.param("openverse", {}, id="openverse"),
        pytest.param("commons", {}, id="commons"),
        pytest.param("inaturalist", {}, id="inaturalist"),
        pytest.param("flickr", {}, id="flickr: plain"),
        pytest.param("flickr", SIGNED, id="flickr: signed"),
        pytest.param("gbif", {}, id="gbif"),
        pytest.param("duckduckgo", {}, id="duckduckgo"),
    ],
)
def test_everything_that_a_service_lists_is_proposed_in_its_order(web, name, environ):
    pages = search(web, name, environ)

    assert {page.verdict for page in pages[:-1]} <= {"ok"}
    assert pages[-1].verdict == "end"
    listed = [picture.id for picture in web.world.search(name, "Micrurus fulvius")]
    assert len(listed) == 45
    assert found(web, pages) == listed


@pytest.mark.parametrize("layout", ["legacy_page", "async_json", "wml", "logo_first"])
def test_google_revives_by_itself_when_it_serves_results_again(web, inject_fault, layout):
    inject_fault("google", layout)

    pages = search(web, "google")

    assert pages[0].verdict == "ok"
    assert found(web, pages) == [picture.id for picture in web.world.search("google", "Micrurus fulvius")]


@pytest.mark.parametrize("layout", ["loose_markup"])
def test_a_torn_result_of_bing_costs_only_itself(web, inject_fault, layout):
    inject_fault("bing", layout)

    assert len(found(web, search(web, "bing"))) == 45


REFUSALS = {
    "throttled": {"throttled"},
    "throttled_long": {"throttled"},
    "forbidden": {"blocked", "auth"},
    "broken": {"transient"},
    "bad_gateway": {"transient"},
    "html": {"schema_changed", "blocked"},
    "empty_body": {"schema_changed"},
    "reset": {"transient"},
    "silent": {"transient"},
}


@pytest.mark.parametrize("name", SEARCHED)
@pytest.mark.parametrize("refusal", REFUSALS)
def test_a_refusal_is_told_apart_and_nothing_is_asked_after_it(web, inject_fault, name, refusal):
    inject_fault(name, refusal)
    before = len(web.requests)

    pages = search(web, name, deadline=0.5)

    allowed = {"captcha"} if name == "google" and refusal.startswith("throttled") else REFUSALS[refusal]
    if pages[0].verdict == "ok":  # an empty page is no word of an end: it is asked for once more
        assert (name, refusal) == ("bing", "empty_body")
        assert [(page.verdict, page.proposals) for page in pages] == [("ok", ()), ("assumed_end", ())]
    else:
        assert len(pages) == 1
        assert pages[0].verdict in allowed
    failed_look_up = name == "commons" and refusal in {"broken", "bad_gateway", "html", "empty_body", "reset"}
    assert len(web.requests) == before + len(pages) + failed_look_up


@pytest.mark.parametrize(
    ("service", "name", "verdict"),
    [
        ("bing", "landing_page", "blocked"),
        ("bing", "other_country", "blocked"),
        ("bing", "new_layout", "schema_changed"),
        ("google", "", "blocked"),
        ("google", "consent", "consent"),
        ("google", "sorry", "captcha"),
        ("google", "sorry_page", "captcha"),
        ("google", "sorry_stub", "captcha"),
        ("google", "access_denied", "blocked"),
        ("google", "nothing_found", "empty"),
        ("flickr", "expired_key", "auth"),
        ("flickr", "unavailable", "transient"),
        ("flickr", "search_unavailable", "transient"),
        ("flickr", "bad_url", "schema_changed"),
        ("openverse", "quota", "throttled"),
        ("commons", "ratelimited", "throttled"),
        ("commons", "maxlag", "transient"),
    ],
)
def test_what_only_one_service_does_is_told_apart_too(web, inject_fault, service, name, verdict):
    inject_fault(service, name)

    (page,) = search(web, service)

    assert page.verdict == verdict
    assert page.detail


def test_bings_first_page_again_is_noticed_behind_the_first_page(web, inject_fault):
    inject_fault("bing", "page_one_again")

    assert [page.verdict for page in search(web, "bing")] == ["ok", "throttled"]


def test_the_quota_of_googles_api_is_not_a_pause(web, inject_fault):
    inject_fault("google_api", "quota")

    (page,) = search(web, "google", KEYED["google"])

    assert page.verdict == "quota"


def test_a_wait_is_passed_on_however_the_service_says_it(web, inject_fault):
    inject_fault("openverse", "throttled")
    (sentence,) = search(web, "openverse")
    inject_fault("commons", "throttled_long")
    (header,) = search(web, "commons")

    assert (sentence.retry_after, header.retry_after) == (1.0, 3600.0)


def test_a_search_that_was_refused_goes_on_where_it_stopped(web, inject_fault):
    inject_fault("bing", "broken")
    (refused,) = search(web, "bing")
    inject_fault("bing", "")

    assert len(found(web, search(web, "bing", cursor=refused.cursor))) == 45


def test_every_request_says_who_we_are(web):
    for name in SEARCHED:
        search(web, name)

    agents = {request.user_agent for request in web.requests}
    assert len(agents) == 1
    assert agents.pop().startswith("imgkit/")
