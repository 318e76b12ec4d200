"""Bing's result fragments, and the ways in which Bing stops answering."""

import pytest
from search_services import bing, bing_list, iusc, page_text

from imgkit.harvest.providers.bing import PROVIDER
from imgkit.harvest.providers.interface import Ready, SearchQuery

READY = Ready(base="http://b.test")
QUERY = SearchQuery(text='king snake r&b #1 "red on black"', exclude=("toy", "milk snake"))
LANDING = '<!DOCTYPE html><html><body><form action="/images/search"><input name="q"></form></body></html>'
TEN = [
    "https://h.test/1.jpg",
    "https://h.test/2.JPG",
    "https://h.test/3.jpeg",
    "https://h.test/4.png",
    "https://h.test/5.webp",
    "https://h.test/6.gif",
    "https://h.test/photo?id=7&w=800",
    "https://h.test/8.jpg?w=1&h=2.jpg",
    "https://h.test/9.jpg/large.png",
    "https://h.test/bild mit ä 10",
]


def ask(body, cursor=None, query=QUERY):
    asked = []
    page = PROVIDER.page(query, cursor, lambda request: asked.append(request) or body, READY)
    return page, asked[0]


def test_all_ten_addresses_of_a_mixed_page_are_found_as_they_are():
    page, _ = ask(bing_list("".join(iusc({"murl": url, "t": "a snake"}) for url in TEN)))

    assert [proposal.url for proposal in page.proposals] == TEN


def test_a_result_brings_its_page_title_description_and_size():
    hit = {
        "murl": "https://h.test/a.jpg",
        "purl": "https://p.test/a?b=1&c=2",
        "t": "<b>Coral</b> &amp; co",
        "desc": "x",
    }

    page, _ = ask(bing_list(iusc(hit, "1600 × 1200 · jpeg")))

    (found,) = page.proposals
    assert (found.page_url, found.title, found.tags) == ("https://p.test/a?b=1&c=2", "Coral & co", "x")
    assert (found.width, found.height, found.license) == (1600, 1200, "")


def test_a_result_without_link_or_with_cut_json_does_not_hide_the_others():
    odd = '<li><div class="imgpt"></div></li>' + iusc('{"murl":"http://cut') + iusc({"turl": "https://t.test/1"})

    page, _ = ask(bing_list(odd + iusc({"murl": "https://h.test/1.jpg"}, size="") + "<!["))

    assert [(proposal.url, proposal.rank) for proposal in page.proposals] == [("https://h.test/1.jpg", 1)]


def test_the_request_is_the_one_of_the_result_page():
    _, request = ask(page_text(""))

    assert request.url == "http://b.test/images/async"
    assert request.params == {
        "q": 'king snake r&b #1 "red on black" -toy -"milk snake"',
        "async": "1",
        "first": "1",
        "count": "35",
        "mkt": "en-US",
        "adlt": "strict",
    }
    assert request.headers["Accept-Language"].startswith("en-US")


def test_the_second_page_starts_at_36():
    page, _ = ask(bing_list("".join(iusc({"murl": f"https://h.test/{n}.jpg"}) for n in range(35))))

    _, request = ask(page_text(""), page.cursor)

    assert request.params["first"] == "36"


def test_filters_are_translated_and_those_of_other_services_left_out():
    query = SearchQuery(text="snake", filters={"size": "large", "type": "photo", "color": "transparent"})

    _, request = ask(page_text(""), query=query)

    assert request.params["qft"] == "+filterui:imagesize-large+filterui:photo-photo"


@pytest.mark.parametrize(
    ("body", "verdict"),
    [
        pytest.param(page_text(""), "empty", id="an empty body: nothing found"),
        pytest.param(page_text("  \n"), "empty", id="a blank body: nothing found"),
        pytest.param(bing_list(""), "empty", id="an empty list: nothing found"),
        pytest.param(page_text(LANDING), "blocked", id="the landing page: a soft block, not an empty result"),
        pytest.param(page_text('<div class="gallery-v9"></div>'), "schema_changed", id="other markup"),
        pytest.param(bing_list(iusc('{"new":1}')), "schema_changed", id="results without addresses"),
    ],
)
def test_a_page_without_results_says_why(body, verdict):
    page, _ = ask(body)

    assert (page.verdict, page.proposals) == (verdict, ())


def test_page_one_served_again_is_rate_limiting_and_the_place_is_kept():
    first = [iusc({"murl": f"https://h.test/{n}.jpg"}) for n in range(35)]
    page, _ = ask(bing_list("".join(first)))

    again, _ = ask(bing_list("".join(reversed(first))), page.cursor)

    assert (again.verdict, again.retry_after, again.cursor) == ("throttled", 60.0, page.cursor)


def test_a_page_without_anything_new_is_the_end():
    one, _ = ask(bing_list(iusc({"murl": "https://h.test/1.jpg"}) + iusc({"murl": "https://h.test/2.jpg"})))
    two, _ = ask(bing_list(iusc({"murl": "https://h.test/3.jpg"})), one.cursor)

    three, _ = ask(bing_list(iusc({"murl": "https://h.test/2.jpg"})), two.cursor)

    assert (three.verdict, three.detail) == ("end", "Bing has nothing new after 3 results")


def test_a_sample_of_an_unknown_layout_is_kept_for_the_report():
    page, _ = ask(page_text("<div>" + "x" * 100_000))

    assert page.verdict == "schema_changed"
    assert len(page.sample) == 64 * 1024


def test_a_thousand_results_take_29_calls():
    calls = []
    fetch = lambda request: calls.append(request) or bing(request, 5000)  # noqa: E731

    results = sum(len(page.proposals) for page in PROVIDER.pages(QUERY, None, fetch, READY))

    assert (results, len(calls)) == (1000, 29)
