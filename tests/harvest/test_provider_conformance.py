"""What every provider promises, the moment it is in the table."""

import json
import re
from dataclasses import replace
from typing import get_args

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from search_services import KEYS, SERVICES, ok, page_text, params

from imgkit.harvest.providers import PROVIDERS
from imgkit.harvest.providers.interface import (
    ENDED,
    FINISHED,
    REASON_OF,
    Missing,
    NoAnswer,
    PageVerdict,
    Provider,
    Ready,
    Response,
    SearchQuery,
)
from imgkit.harvest.search.excludes import excluded_by
from imgkit.reasons import REASONS

SEARCHED = [name for name, provider in PROVIDERS.items() if not provider.local]
LOCAL = [name for name, provider in PROVIDERS.items() if provider.local]
VERDICTS = set(get_args(PageVerdict))
SAY_NO_END = {"bing", "google"}  # as these stand-ins answer: nothing marks the end
FEW = 2  # whole pages of results, and a part of a third


class Service:
    """A stand-in for a service that notes what it is asked."""

    def __init__(self, provider: Provider, total: int) -> None:
        self.answer = SERVICES[provider.name]
        self.total = total
        self.asked = []

    def __call__(self, request):
        self.asked.append(request)
        return self.answer(request, self.total)


@pytest.fixture(params=SEARCHED)
def provider(request):
    return PROVIDERS[request.param]


@pytest.fixture
def ready(provider):
    ready = provider.check(KEYS)
    assert isinstance(ready, Ready)
    return ready


@pytest.fixture
def service(provider):
    return Service(provider, FEW * provider.page_size + provider.page_size // 2)


@pytest.fixture(params=PROVIDERS)
def any_provider(request):
    return PROVIDERS[request.param]


@pytest.fixture
def source(any_provider, tmp_path):
    """A query that finds something at any provider, with the network for it."""
    if any_provider.name == "folder":
        for number in range(1201):
            (tmp_path / f"{number:04}.jpg").touch()
        return SearchQuery(text=str(tmp_path)), None
    if any_provider.name == "urls":
        rows = "".join(f"https://h.test/{number}.jpg,snake\n" for number in range(1201))
        (tmp_path / "list.csv").write_text(f"url,label\n{rows}")
        return SearchQuery(text=str(tmp_path / "list.csv"), label="snake"), None
    if any_provider.name == "files":
        rows = "".join(f"{number}.jpg,snake\n" for number in range(1201))
        (tmp_path / "list.csv").write_text(f"path,label\n{rows}")
        return SearchQuery(text=str(tmp_path / "list.csv"), label="snake"), None
    return QUERY, Service(any_provider, FEW * any_provider.page_size + any_provider.page_size // 2)


QUERY = SearchQuery(text="Micrurus fulvius", label="coral", exclude=("toy",))


def test_a_provider_asks_only_when_pulled(provider, ready, service):
    pages = provider.pages(QUERY, None, service, ready)
    assert service.asked == []

    next(pages)

    assert 1 <= len(service.asked) <= 3  # names of taxa are looked up first
    next(pages)
    assert len(service.asked) <= 4


def test_ranks_count_from_one_over_all_pages(any_provider, source):
    query, fetch = source

    pages = list(any_provider.pages(query, None, fetch, any_provider.check(KEYS)))

    ranks = [proposal.rank for page in pages for proposal in page.proposals]
    assert len(pages) >= 3
    assert ranks == list(range(1, len(ranks) + 1))
    assert len(ranks) >= 2 * min(any_provider.page_size, 500)
    assert len({proposal.url for page in pages for proposal in page.proposals}) == len(ranks)


def test_a_stored_cursor_goes_on_with_exactly_the_pages_that_were_left(any_provider, source):
    query, fetch = source
    ready = any_provider.check(KEYS)
    pages = list(any_provider.pages(query, None, fetch, ready))

    for number, page in enumerate(pages[:-1]):
        stored = json.loads(json.dumps(page.cursor))
        assert list(any_provider.pages(query, stored, fetch, ready)) == pages[number + 1 :]


def test_a_finished_search_has_no_cursor_and_says_why_it_ended(any_provider, source):
    query, fetch = source

    *before, last = any_provider.pages(query, None, fetch, any_provider.check(KEYS))

    assert {page.verdict for page in before} == {"ok"}
    assert last.verdict in ENDED
    assert (last.cursor is None) == (last.verdict in FINISHED)
    assert last.detail


def test_a_query_without_results_is_empty(provider, ready):
    *before, last = provider.pages(QUERY, None, Service(provider, 0), ready)

    assert [page.proposals for page in (*before, last)] == [()] * (len(before) + 1)
    if provider.name in SAY_NO_END:
        assert ([page.verdict for page in before], last.verdict) == (["ok"], "assumed_end")
    else:
        assert (before, last.verdict, last.cursor) == ([], "empty", None)


def without_results(name, answer):
    """The same answer as a service that has nothing on this page but says no end."""
    if name in ("bing", "google"):
        return page_text({"bing": "", "google": ')]}\'\n{"ischj":{}}'}[name])
    body = json.loads(answer.body)
    match name:
        case "commons":
            body["query"] = {"pages": []}
        case "flickr":
            body["photos"]["photo"] = []
        case _:
            body["results"] = []
    return ok(body)


class Blanking:
    """A service whose answers to some searches, counted from 1, hold no result; questions of names are left alone."""

    def __init__(self, provider, total, blank):
        self.service, self.provider, self.blank, self.pages = Service(provider, total), provider, blank, 0

    def __call__(self, request):
        answer = self.service(request)
        if any(
            word in f"{request.url}{params(request)}"
            for word in ("/taxa", "/match", "getInfo", "token", "categoryinfo", "iax")
        ):
            return answer
        self.pages += 1
        return without_results(self.provider.name, answer) if self.pages in self.blank else answer


def test_a_page_without_results_in_the_middle_is_not_the_end(provider, ready):
    size = provider.page_size
    service = Blanking(provider, 4 * size, blank={2})

    pages = list(provider.pages(QUERY, None, service, ready))

    ranks = [one.rank for page in pages for one in page.proposals]
    assert [len(page.proposals) for page in pages[:3]] == [size, 0, size]
    assert pages[1].verdict == "ok"
    assert pages[1].cursor is not None
    assert ranks == list(range(1, 3 * size + 1))


def test_two_pages_in_a_row_without_results_end_the_search_for_this_run(provider, ready):
    service = Blanking(provider, 10 * provider.page_size, blank={2, 3})

    pages = list(provider.pages(QUERY, None, service, ready))

    assert [page.verdict for page in pages] == ["ok", "ok", "assumed_end"]
    assert [len(page.proposals) for page in pages] == [provider.page_size, 0, 0]
    assert pages[-1].cursor is not None
    assert service.pages == 3


def test_a_single_page_without_results_is_forgotten_behind_a_full_one(provider, ready):
    service = Blanking(provider, 8 * provider.page_size, blank={2, 4, 6})

    pages = list(provider.pages(QUERY, None, service, ready))

    assert [len(page.proposals) for page in pages[:7]] == [provider.page_size, 0] * 3 + [provider.page_size]


def test_a_search_ends_at_the_most_results_that_the_service_gives(provider, ready):
    most = provider.max_results

    given = sum(len(page.proposals) for page in provider.pages(QUERY, None, Service(provider, 10**6), ready))

    assert most // 2 <= given <= most


@pytest.mark.parametrize(
    ("answer", "verdicts"),
    [
        pytest.param(Response(status=401), {"auth"}, id="401: our key"),
        pytest.param(Response(status=403), {"blocked", "auth"}, id="403: refused"),
        pytest.param(Response(status=404), {"schema_changed"}, id="404: the address is not the service's any more"),
        pytest.param(Response(status=429), {"throttled", "captcha"}, id="429: later"),
        pytest.param(Response(status=500), {"transient"}, id="500: an error of theirs"),
        pytest.param(Response(status=502, body=b"<html>Bad gateway</html>"), {"transient"}, id="502: with a page"),
        pytest.param(
            Response(status=302, headers={"location": "https://elsewhere.test/"}), {"blocked"}, id="302: sent away"
        ),
        pytest.param(Response(status=302, headers={"location": "http://[bad"}), {"blocked"}, id="302: to nowhere"),
        pytest.param(NoAnswer(reason="net.read"), {"transient"}, id="a time-out"),
        pytest.param(NoAnswer(reason="net.dns"), {"unreachable"}, id="no such name"),
        pytest.param(NoAnswer(reason="net.connect"), {"unreachable"}, id="no connection"),
        pytest.param(NoAnswer(reason="body.too_big"), {"schema_changed"}, id="a body without end"),
    ],
)
@pytest.mark.parametrize("good_pages", [0, 1], ids=["at once", "after a good page"])
def test_a_refusal_is_a_verdict_with_a_sentence_and_the_search_can_go_on_there(
    provider, ready, service, answer, verdicts, good_pages
):
    cursor = None
    for _ in range(good_pages):
        cursor = provider.page(QUERY, cursor, service, ready).cursor

    (page,) = provider.pages(QUERY, cursor, lambda request: answer, ready)

    assert page.verdict in verdicts
    assert re.search(r"\w{3,}.* ", page.detail)
    assert REASON_OF[page.verdict] in REASONS
    whole = list(provider.pages(QUERY, cursor, service, ready))
    assert list(provider.pages(QUERY, json.loads(json.dumps(page.cursor)), service, ready)) == whole


def test_the_wait_that_a_service_asks_for_is_passed_on(provider, ready):
    answer = Response(status=503, headers={"retry-after": "120"})

    (page,) = provider.pages(QUERY, None, lambda request: answer, ready)

    assert (page.verdict, page.retry_after) == ("transient", 120.0)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["results", "items", "photos", "photo", "query", "pages", "error"]), inner)
    ),
    max_leaves=8,
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=st.binary(max_size=64) | st.text(max_size=64).map(str.encode) | JSON.map(lambda v: json.dumps(v).encode()))
def test_garbage_is_a_verdict_and_never_an_exception(provider, ready, body):
    for page in provider.pages(QUERY, None, lambda request: Response(status=200, body=body), ready):
        assert page.verdict in VERDICTS
        assert page.verdict != "ok" or not page.proposals


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_damaged_answer_is_a_verdict_and_never_an_exception(provider, ready, data):
    service = Service(provider, 2)

    def damaged(request):
        body = bytearray(service(request).body)
        start = data.draw(st.integers(0, len(body)))
        end = data.draw(st.integers(start, min(len(body), start + 40)))
        body[start:end] = data.draw(st.binary(max_size=6))
        return Response(status=200, body=bytes(body))

    page = next(provider.pages(QUERY, None, damaged, replace(ready, memory={})))

    assert page.verdict in VERDICTS
    json.dumps(page.cursor)
    for proposal in page.proposals:
        assert proposal.url.encode("utf-8")


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(types=st.lists(st.sampled_from([None, 0, "", [], {}, True, "x", [1], {"a": 1}]), min_size=1, max_size=30))
def test_fields_of_another_type_count_as_absent(provider, ready, types):
    service = Service(provider, 2)
    swaps = iter(types)

    def swapped(value):
        new = next(swaps, value)
        if new is not value and new is not None and not isinstance(value, dict | list):
            return new
        if isinstance(value, dict):
            return {key: swapped(inner) for key, inner in value.items()}
        return [swapped(inner) for inner in value] if isinstance(value, list) else value

    def odd(request):
        body = service(request).body
        try:
            return Response(status=200, body=json.dumps(swapped(json.loads(body))).encode())
        except ValueError:
            return Response(status=200, body=body)

    page = next(provider.pages(QUERY, None, odd, replace(ready, memory={})))

    assert page.verdict in VERDICTS


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cursor=JSON | st.fixed_dictionaries({"page": JSON, "given": JSON, "facts": JSON, "seen": JSON}))
def test_a_cursor_that_is_none_starts_from_the_beginning(provider, ready, cursor):
    page = next(provider.pages(QUERY, cursor, Service(provider, 3), ready))

    assert page.verdict in VERDICTS


def test_a_provider_that_needs_a_key_says_which_variable_to_set():
    for provider in PROVIDERS.values():
        state = provider.check({})
        assert isinstance(state, Missing) == provider.needs_key
        if isinstance(state, Missing):
            assert re.search(r"set [A-Z_]{8,}", state.how_to_fix)


def test_a_key_appears_in_no_cursor_and_no_sentence(provider):
    environ = {
        "FLICKR_API_KEY": "s3cret1",
        "FLICKR_API_SECRET": "s3cret2",
        "OPENVERSE_CLIENT_ID": "s3cret3",
        "OPENVERSE_CLIENT_SECRET": "s3cret4",
    }
    ready = provider.check(environ)
    answers = [Response(status=200, body=b'{"access_token": "s3cret5"}'), Response(status=500, body=b"s3cr")]

    page = provider.page(QUERY, None, lambda request: answers.pop(0), ready)

    assert "s3cret" not in f"{page.cursor} {page.detail} {ready!r}"


def test_the_base_url_of_the_environment_replaces_scheme_host_and_prefix(provider, service):
    base = dict.fromkeys(provider.homes, "http://127.0.0.1:9/mirror/")
    ready = provider.check({**KEYS, **base})

    next(provider.pages(QUERY, None, service, ready))

    assert all(request.url.startswith("http://127.0.0.1:9/mirror/") for request in service.asked)
    assert not any("//" in request.url.removeprefix("http://") for request in service.asked)


def test_a_base_url_that_is_none_is_named(provider):
    for variable in provider.homes:
        state = provider.check({**KEYS, variable: "bing.example"})
        if variable != "IMGKIT_GOOGLE_API_URL":  # not used without a key
            assert isinstance(state, Missing)
            assert variable in state.reason


def test_no_provider_says_who_it_is_itself(provider, ready, service):
    list(provider.pages(QUERY, None, service, ready))

    named = {name.lower() for request in service.asked for name in request.headers}
    assert "user-agent" not in named


def test_excluded_words_are_sent_where_the_service_understands_them_and_filtered_here_everywhere(
    provider, ready, service
):
    (page, *_) = provider.pages(QUERY, None, service, ready)

    sent = " ".join(value for request in service.asked for value in params(request).values())
    assert ("-toy" in sent) == provider.negates
    assert page.proposals[0].title
    assert excluded_by(page.proposals[0], page.proposals[0].title.split()[:1]) != ""


def test_a_provider_that_states_licences_gives_each_picture_the_one_it_has(provider, ready, service):
    (page, *_) = provider.pages(QUERY, None, service, ready)

    licences = {proposal.license for proposal in page.proposals}
    assert licences == {
        "openverse": {"CC BY-SA 2.0"},
        "commons": {"CC BY-SA 4.0"},
        "inaturalist": {"CC BY-NC"},
        "flickr": {"CC BY 2.0"},
        "gbif": {"CC BY-NC 4.0"},
    }.get(provider.name, {""})
    assert (licences == {""}) == (not provider.licensed)


@pytest.mark.parametrize("name", LOCAL)
def test_a_local_provider_never_asks_the_network(name, tmp_path):
    def network(request):
        pytest.fail("a local provider asked the network")

    provider = PROVIDERS[name]
    for text in (tmp_path, tmp_path / "absent.csv"):
        (page,) = provider.pages(SearchQuery(text=str(text)), None, network, Ready())
        assert page.verdict in {"empty", "unreachable"}
        assert page.detail
