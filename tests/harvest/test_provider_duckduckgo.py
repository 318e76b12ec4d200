"""What DuckDuckGo sends, beyond what every provider promises."""

import json

import pytest
from search_services import KEYS, duckduckgo, ok, page_text

from imgkit.harvest.providers import PROVIDERS
from imgkit.harvest.providers.interface import Response, SearchQuery
from imgkit.manifest.nouns import Proposal

PROVIDER = PROVIDERS["duckduckgo"]
HIT = {
    "discovery_date": "2019-03-01T00:00:00.0000000Z",
    "height": 901,
    "image": "https://zoo.example/images/coral-snake.jpg?e=21&t=g9",
    "image_token": "x",
    "source": "Bing",
    "thumbnail": "https://tse3.mm.bing.net/th/id/OIP.abc?r=0&pid=Api",
    "title": "Coral snake — how to tell it ...",
    "url": "https://zoo.example/coral/",
    "width": 1537,
}


def asked(answers, cursor=None, **query):
    """One page of a query, with the requests that were sent; ``answers`` come in their order."""
    waiting, sent = list(answers), []

    def fetch(request):
        sent.append(request)
        return waiting.pop(0)

    page = PROVIDER.ask(SearchQuery(text="coral snake", **query), cursor, fetch, PROVIDER.check(KEYS))
    return page, sent


TOKEN = page_text('<html><script>x;vqd="4-33311122233344455566";</script></html>')


def test_a_result_becomes_a_proposal_with_its_page_size_and_thumbnail():
    page, _ = asked([TOKEN, ok({"results": [HIT], "next": "i.js?q=coral%20snake&o=json&p=1&s=100&u=bing"})])

    assert page.verdict == "ok"
    assert page.proposals == (
        Proposal(
            url=HIT["image"],
            rank=1,
            page_url=HIT["url"],
            title=HIT["title"],
            thumbnail=HIT["thumbnail"],
            width=1537,
            height=901,
        ),
    )


@pytest.mark.parametrize("written", ['vqd="4-123456"', "vqd='4-123456'", "?q=x&vqd=4-123456&l=us-en"])
def test_the_token_is_found_however_it_is_written_and_sent_with_the_question(written):
    _, (first, second) = asked([page_text(f"<html>{written}</html>"), ok({"results": [HIT]})])

    assert first.params == {"q": "coral snake", "iax": "images", "ia": "images"}
    assert second.params == {"l": "us-en", "o": "json", "q": "coral snake", "vqd": "4-123456", "f": ",,,,,", "p": "1"}
    assert second.headers["Referer"] == "https://duckduckgo.com/"


def test_the_next_page_begins_where_the_service_says():
    page, _ = asked([TOKEN, ok({"results": [HIT], "next": "i.js?q=x&s=87&u=bing"})])

    _, sent = asked([TOKEN, ok({"results": []})], cursor=json.loads(json.dumps(page.cursor)))

    assert sent[1].params["s"] == "87"


def test_filters_region_and_unsafe_search_are_sent_in_its_own_words():
    filters = {
        "size": "extralarge",
        "color": "red",
        "type": "photo",
        "license": "commercial,modify",
        "date": "pastyear",
    }
    _, sent = asked([TOKEN, ok({"results": [HIT]})], filters=filters, language="de-CH", safe_search=False)

    assert sent[1].params["f"] == "time:Year,size:Wallpaper,color:Red,type:photo,,license:ModifyCommercially"
    assert (sent[1].params["l"], sent[1].params["p"]) == ("ch-de", "-1")


def test_negated_words_are_not_sent():
    _, sent = asked([TOKEN, ok({"results": [HIT]})], exclude=("toy",))

    assert [request.params["q"] for request in sent] == ["coral snake", "coral snake"]


@pytest.mark.parametrize("status", [202, 418])
def test_a_limit_is_told_apart_from_an_empty_answer(status):
    page, _ = asked([TOKEN, Response(status=status)])

    assert (page.verdict, page.retry_after, page.service_wide) == ("throttled", 30.0, True)
    assert page.detail == f"DuckDuckGo limits how often it may be asked (status {status})"


def test_a_limit_on_the_page_of_the_token_is_the_same_limit_and_a_challenge_with_it_is_a_challenge():
    limited, _ = asked([Response(status=202)])
    wall, _ = asked([TOKEN, Response(status=202, body=b'<html><div class="anomaly-modal__title"></div></html>')])

    assert (limited.verdict, wall.verdict) == ("throttled", "captcha")


@pytest.mark.parametrize(("language", "region"), [("en-US", "us-en"), ("en", "wt-wt")])
def test_a_language_without_a_region_asks_for_all_regions(language, region):
    _, sent = asked([TOKEN, ok({"results": [HIT]})], language=language, filters={"color": "transparent"})

    assert (sent[1].params["l"], sent[1].params["f"]) == (region, ",,,,,")


def test_a_refused_token_is_asked_for_again():
    ready, sent = PROVIDER.check(KEYS), []

    def fetch(request):
        sent.append(request.url)
        return Response(status=403) if len(sent) == 2 else duckduckgo(request, 3)

    first = PROVIDER.ask(SearchQuery(text="coral snake"), None, fetch, ready)
    again = PROVIDER.ask(SearchQuery(text="coral snake"), first.cursor, fetch, ready)

    assert (first.verdict, again.verdict, len(again.proposals)) == ("blocked", "end", 3)
    assert [url.removeprefix("https://duckduckgo.com") for url in sent] == ["/", "/i.js", "/", "/i.js"]


def test_a_page_without_a_token_is_a_changed_layout_with_a_sample():
    page, _ = asked([page_text("<html>hello</html>")])

    assert (page.verdict, page.sample) == ("schema_changed", b"<html>hello</html>")
    assert page.detail.endswith("form that imgkit does not know: its page holds no token for the query")


def test_its_page_for_programs_is_a_challenge():
    page, _ = asked([page_text('<html><div class="anomaly-modal__title">Please complete it</div></html>')])

    assert page.verdict == "captcha"
