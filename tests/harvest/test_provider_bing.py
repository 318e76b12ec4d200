"""Bing's result fragments, and the ways in which Bing stops answering."""

import html
import json
from urllib.parse import quote, quote_plus

import pytest
from search_services import bing, bing_list, iusc, page_text, params

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


def bing_page(*numbers, onward=""):
    """A fragment with results, and what it says about the next one; "" is Bing's mark of the end."""
    items = "".join(iusc({"murl": f"https://h.test/{n}.jpg"}) for n in numbers)
    return page_text(f'<div class="dgControl" data-nextUrl="{onward}"><ul class="dgControl_list">{items}</ul></div>')


class Scripted:
    """Bing as its pages by their number, counted from 1; those that are not listed are the last one again."""

    def __init__(self, *pages):
        self.pages = pages
        self.asked = []

    def __call__(self, request):
        number = (int(params(request)["first"]) - 1) // 35
        self.asked.append(number + 1)
        return self.pages[min(number, len(self.pages) - 1)]


def search_to_the_end(service):
    pages = list(PROVIDER.pages(QUERY, None, service, READY))
    urls = [one.url for page in pages for one in page.proposals]
    assert [one.rank for page in pages for one in page.proposals] == list(range(1, len(urls) + 1))
    assert len(set(urls)) == len(urls)
    return [page.verdict for page in pages], len(urls)


NOTHING = page_text("")
MORE = "/images/async?q=snake&amp;first=36"


def test_bings_own_mark_ends_the_search_with_the_results_of_that_page():
    service = Scripted(bing_page(*range(35), onward=MORE), bing_page(*range(35, 62)))

    assert search_to_the_end(service) == (["ok", "end"], 62)
    assert service.asked == [1, 2]


def test_the_empty_marks_of_cards_beside_the_results_are_no_end():
    cards = '<div data-nextUrl=""></div>'
    first = bing_page(*range(35), onward=MORE)
    service = Scripted(page_text(cards + first.body.decode() + cards), bing_page(*range(35, 40)))

    assert search_to_the_end(service) == (["ok", "end"], 40)


def test_an_empty_page_in_the_middle_is_not_the_end():
    full = [bing_list("".join(iusc({"murl": f"https://h.test/{p}-{n}.jpg"}) for n in range(35))) for p in range(4)]
    service = Scripted(full[0], NOTHING, full[1], NOTHING, full[2], full[3], NOTHING, NOTHING)

    assert search_to_the_end(service) == (["ok"] * 7 + ["assumed_end"], 140)
    assert service.asked == [1, 2, 3, 4, 5, 6, 7, 8]


def test_an_empty_first_page_is_asked_for_once_more():
    answers = iter([NOTHING, bing_page(1, 2, 3)])
    asked = []

    pages = list(PROVIDER.pages(QUERY, None, lambda request: asked.append(request) or next(answers), READY))

    assert [(page.verdict, len(page.proposals)) for page in pages] == [("ok", 0), ("end", 3)]
    assert [request.params["first"] for request in asked] == ["1", "1"]


def test_few_results_whose_page_is_served_again_are_the_end_and_no_limiting():
    twelve = bing_list("".join(iusc({"murl": f"https://h.test/{n}.jpg"}) for n in range(12)))
    service = Scripted(twelve)

    assert search_to_the_end(service) == (["ok", "ok", "assumed_end"], 12)
    assert service.asked == [1, 2, 3]


def test_past_the_end_the_last_page_comes_again():
    full = [bing_list("".join(iusc({"murl": f"https://h.test/{p}-{n}.jpg"}) for n in range(35))) for p in range(3)]

    assert search_to_the_end(Scripted(*full)) == (["ok", "ok", "ok", "ok", "assumed_end"], 105)


def test_an_end_that_is_only_assumed_keeps_the_place():
    pages = list(PROVIDER.pages(QUERY, None, Scripted(bing_list(iusc({"murl": "https://h.test/1.jpg"}))), READY))

    assert pages[-1].cursor is not None
    assert pages[-1].detail == "Bing has 1 results; 2 pages in a row brought nothing new"


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
        "q": 'king snake r&b #1 "red on black"',  # what is excluded is left out here
        "async": "1",
        "first": "1",
        "count": "35",
        "mkt": "en-US",
        "adlt": "strict",
    }
    assert request.headers["Accept-Language"].startswith("en-US")


def results(*hits, onward=""):
    """A fragment with results that are given as (number, title)."""
    items = "".join(iusc({"murl": f"https://h.test/{n}.jpg", "t": title}) for n, title in hits)
    return page_text(f'<div class="dgControl" data-nextUrl="{onward}"><ul class="dgControl_list">{items}</ul></div>')


def test_excluded_words_are_sent_once_the_first_page_shows_that_it_pays():
    answers = [
        results((1, "snake"), (2, "toy snake"), (3, "toy snake"), onward=MORE),
        results((1, "snake"), (4, "snake"), onward=MORE),
        results((5, "snake")),
    ]
    asked = []

    pages = list(PROVIDER.pages(QUERY, None, lambda request: asked.append(request) or answers.pop(0), READY))

    words = 'king snake r&b #1 "red on black"'
    negated = f'{words} -toy -"milk snake"'
    assert [(request.params["q"], request.params["first"]) for request in asked] == [
        (words, "1"), (negated, "1"), (negated, "36"),
    ]  # fmt: skip
    assert [one.url[-5] for page in pages for one in page.proposals] == list("12345")


@pytest.mark.parametrize(
    ("exclude", "titles"),
    [
        pytest.param(("toy",), ["snake"] * 4 + ["toy snake"], id="hardly any result holds one"),
        pytest.param(("toy", "milk snake", "drawing"), ["toy snake"] * 5, id="a long negation brings other pages"),
    ],
)
def test_excluded_words_are_not_sent_where_they_would_not_help(exclude, titles):
    asked = []
    answers = [results(*enumerate(titles), onward=MORE), results((9, "snake"))]
    query = SearchQuery(text="snake", exclude=exclude)

    list(PROVIDER.pages(query, None, lambda request: asked.append(request) or answers.pop(0), READY))

    assert {request.params["q"] for request in asked} == {"snake"}


def linked(murl, query, *, box="", **fields):
    """A result as Bing's page has it: a link with the query it belongs to, perhaps in a box of another query."""
    facts = {"purl": "", "murl": murl, "turl": "", **fields}
    copy = quote(f"https://th.test/R?of={murl[-5]}&pid=ImgRaw", safe="")
    href = f"/images/search?view=detailV2&cdnurl={copy}&exph=801&expw=1203&q={quote_plus(query)}"
    link = f'<a class="iusc" m="{html.escape(json.dumps(facts))}" href="{html.escape(href)}"></a>'
    item = f'<li><div class="iuscp"><div class="imgpt">{link}</div></div></li>'
    return f'<div class="disamClust"><div class="clustCards">{item}</div></div>' if box else item


def test_pictures_of_cards_for_other_queries_are_no_results():
    own = [linked(f"https://h.test/{n}.jpg", "King  Snake", purl="https://p.test", t="a king snake") for n in (1, 2)]
    cards = [
        linked("https://h.test/3.jpg", "king snake"),  # neither page nor title
        linked("https://h.test/4.jpg", "king snake tattoo", purl="https://p.test", t="a tattoo"),
        linked("https://h.test/5.jpg", "king snake", box="cluster", purl="https://p.test", t="king"),
    ]

    page, _ = ask(bing_list(own[0] + "".join(cards) + own[1]), query=SearchQuery(text="king snake"))

    assert [one.url for one in page.proposals] == ["https://h.test/1.jpg", "https://h.test/2.jpg"]


def test_results_of_a_query_whose_spelling_was_corrected_are_results():
    hits = [linked(f"https://h.test/{n}.jpg", "coral snake", purl="https://p.test", t="a snake") for n in (1, 2, 3)]

    page, _ = ask(bing_list("".join(hits)), query=SearchQuery(text="corral snake"))

    assert len(page.proposals) == 3


def test_the_link_of_a_result_has_its_size_and_bings_own_copy():
    page, _ = ask(bing_list(linked("https://h.test/1.jpg", QUERY.text, t="a snake")))

    (found,) = page.proposals
    assert (found.width, found.height) == (1203, 801)
    assert found.fallbacks == ("https://th.test/R?of=1&pid=ImgRaw",)


def test_bings_marks_of_matched_words_reach_no_title_and_no_tag():
    hit = {"murl": "https://h.test/1.jpg", "t": "\ue000Coral\ue001 snake", "desc": "a \ue000coral snake\ue001 ..."}

    page, _ = ask(bing_list(iusc(hit)))

    assert (page.proposals[0].title, page.proposals[0].tags) == ("Coral snake", "a coral snake ...")


STRANGERS = [{"murl": f"https://h.test/{n}.jpg", "t": f"kitchen {n}", "desc": "white tiles"} for n in range(10)]


def test_answers_that_do_not_fit_the_query_fill_no_label_and_say_so():
    page, _ = ask(bing_list("".join(map(iusc, STRANGERS))), query=SearchQuery(text="coral snakes"))

    assert (page.verdict, page.proposals) == ("unrelated", ())
    assert page.detail == (
        "Bing answers something else than 'coral snakes': hardly any of its results names a word of it"
    )
    assert page.sample


def test_strangers_behind_the_results_end_the_search():
    first, _ = ask(results((91, "coral snake")), query=SearchQuery(text="coral snake"))
    cursor = PROVIDER.page(
        SearchQuery(text="coral snake"), None, lambda request: results((91, "coral snake"), onward=MORE), READY
    ).cursor

    page, _ = ask(bing_list("".join(map(iusc, STRANGERS))), cursor, SearchQuery(text="coral snake"))

    assert (first.verdict, page.verdict, page.proposals) == ("end", "end", ())
    assert page.detail.startswith("Bing has 1 results; behind them it answers something else")


@pytest.mark.parametrize(
    "hits",
    [
        pytest.param(
            [{**one, "desc": f"\ue000viper\ue001 {n}"} for n, one in enumerate(STRANGERS)], id="marked by Bing"
        ),
        pytest.param([*STRANGERS[:7], *({**one, "t": "Snake"} for one in STRANGERS[7:])], id="a few name a word"),
        pytest.param([{**one, "t": "", "desc": ""} for one in STRANGERS], id="without any words"),
        pytest.param([{**one, "purl": "https://p.test/my-snake"} for one in STRANGERS], id="pages that name it"),
        pytest.param(STRANGERS[:2], id="too few to judge"),
    ],
)
def test_answers_that_fit_or_cannot_be_judged_are_proposed(hits):
    page, _ = ask(bing_list("".join(map(iusc, hits))), query=SearchQuery(text="coral snake"))

    assert (page.verdict, len(page.proposals)) == ("ok", len(hits))


def test_the_marks_of_another_query_are_no_sign_that_an_answer_fits():
    hits = [linked(f"https://h.test/{n}.jpg", "kitchens", t="tiles", desc="\ue000kitchens\ue001") for n in range(5)]

    page, _ = ask(bing_list("".join(hits)), query=SearchQuery(text="coral snake"))

    assert page.verdict == "unrelated"


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
        pytest.param(page_text(""), "ok", id="an empty body: asked for once more"),
        pytest.param(page_text("  \n"), "ok", id="a blank body: asked for once more"),
        pytest.param(bing_list(""), "ok", id="an empty list: asked for once more"),
        pytest.param(bing_page(), "empty", id="no result and the mark of the end: nothing found"),
        pytest.param(bing_page(onward="/images/async?first=36"), "ok", id="no result, and more is said to follow"),
        pytest.param(page_text(LANDING), "blocked", id="the landing page: a soft block, not an empty result"),
        pytest.param(
            page_text("<html><script src='https://x.test/captcha.js'></script>"),
            "captcha",
            id="a challenge of a shield",
        ),
        pytest.param(page_text('<div class="gallery-v9"></div>'), "schema_changed", id="other markup"),
        pytest.param(bing_list(iusc('{"new":1}')), "schema_changed", id="results without addresses"),
    ],
)
def test_a_page_without_results_says_why(body, verdict):
    page, _ = ask(body)

    assert (page.verdict, page.proposals) == (verdict, ())


def test_page_one_served_again_though_more_follows_is_limiting_and_the_place_is_kept():
    page, _ = ask(bing_page(*range(35), onward=MORE))

    again, _ = ask(bing_page(*reversed(range(35)), onward=MORE), page.cursor)

    assert (again.verdict, again.retry_after, again.cursor) == ("throttled", 20.0, page.cursor)
    assert again.service_wide is False  # perhaps it is this query alone


def test_page_one_served_again_behind_another_page_is_limiting():
    one, _ = ask(bing_list(iusc({"murl": "https://h.test/1.jpg"}) + iusc({"murl": "https://h.test/2.jpg"})))
    two, _ = ask(bing_list(iusc({"murl": "https://h.test/3.jpg"})), one.cursor)

    three, _ = ask(
        bing_list(iusc({"murl": "https://h.test/2.jpg"}) + iusc({"murl": "https://h.test/1.jpg"})), two.cursor
    )
    other, _ = ask(bing_list(iusc({"murl": "https://h.test/2.jpg"})), two.cursor)

    assert (three.verdict, three.cursor) == ("throttled", two.cursor)
    assert (other.verdict, other.proposals) == ("ok", ())  # a part of it is not the page


def test_a_place_that_was_stored_when_repeats_were_taken_for_limiting_is_gone_on_from():
    page, _ = ask(bing_list("".join(iusc({"murl": f"https://h.test/{n}.jpg"}) for n in range(12))))
    stored = {**page.cursor, "facts": {"first": page.cursor["facts"]["first"]}}

    again, _ = ask(bing_list("".join(iusc({"murl": f"https://h.test/{n}.jpg"}) for n in range(12))), stored)

    assert (again.verdict, again.proposals) == ("ok", ())


def test_a_sample_of_an_unknown_layout_is_kept_for_the_report():
    page, _ = ask(page_text("<div>" + "x" * 100_000))

    assert page.verdict == "schema_changed"
    assert len(page.sample) == 64 * 1024


def test_a_thousand_results_take_29_calls():
    calls = []
    fetch = lambda request: calls.append(request) or bing(request, 5000)  # noqa: E731

    results = sum(len(page.proposals) for page in PROVIDER.pages(QUERY, None, fetch, READY))

    assert (results, len(calls)) == (1000, 29)
