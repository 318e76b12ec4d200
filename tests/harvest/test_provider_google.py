"""Google's layouts of several years, its six walls, and its official API."""

import json

import pytest
from search_services import ok, page_text

from imgkit.harvest.providers.google import PROVIDER
from imgkit.harvest.providers.interface import Missing, Ready, Response, SearchQuery

PLAIN = PROVIDER.check({})
KEYED = PROVIDER.check({"GOOGLE_API_KEY": "k", "GOOGLE_CX": "c"})
QUERY = SearchQuery(text="coral snake", exclude=("toy",), filters={"size": "large", "color": "red"})

JSON_LAYOUT = ")]}'\n" + json.dumps(
    {
        "ischj": {
            "metadata": [
                {
                    "result": {
                        "referrer_url": "https://p.test/a",
                        "page_title": "Coral &amp; king",
                        "iptc": {"creator": ["Ada", "Bob"], "copyright_notice": "c"},
                    },
                    "original_image": {"url": "https://h.test/a.webp?x=1", "width": 800, "height": 600},
                },
                {"result": {}, "original_image": {}},
            ]
        }
    }
)
ANCHORS = (
    '<?xml version="1.0"?><html><a href="/imgres?imgurl=https://h.test/a.png%3Fx%3D1&amp;imgrefurl=https://p.test/a'
    '&amp;w=800&amp;h=600&amp;tbnid=Z"><img/></a><a href="/imgres?imgurl=&amp;w=1">no</a></html>'
)
ARRAYS = (
    '<html><script>var logo="https://www.google.com/logo.png";</script><script>AF_initDataCallback({data:[1,'
    '["https://encrypted-tbn0.gstatic.com/images?q\\u003dtbn:A",183,275],'
    '["https://h.test/a.webp?w\\u003d800\\u0026h=600",600,800],null,'
    '["https://encrypted-tbn3.gstatic.com/images?q\\u003dtbn:B",1,1],["https://h.test/plain",0,0]]});</script></html>'
)
TORN = '<html><script>x=["https://h.test/a.jpg"];y="https://www.gstatic.com/logo.png"</script></html>'
JS_WALL = (
    '<!doctype html><html><head><noscript><meta content="0;url=/httpservice/retry/enablejs?sei=1" '
    'http-equiv="refresh"></noscript></head><body><script>var a="https://www.google.com/x.png"</script></body></html>'
)
CAPTCHA = "<html><body>Our systems have detected unusual traffic. <div class='g-recaptcha'></div> captcha</body></html>"
CONSENT = '<html><form action="https://consent.google.com/save" method="POST"><button>I agree</button></form></html>'


def ask(answer, ready=PLAIN, cursor=None):
    asked = []
    page = PROVIDER.page(QUERY, cursor, lambda request: asked.append(request) or answer, ready)
    return page, asked[0]


@pytest.mark.parametrize(
    ("body", "urls"),
    [
        pytest.param(JSON_LAYOUT, ["https://h.test/a.webp?x=1"], id="JSON of the asynchronous search"),
        pytest.param(ANCHORS, ["https://h.test/a.png?x=1"], id="anchors of the page without scripts"),
        pytest.param(ARRAYS, ["https://h.test/a.webp?w=800&h=600", "https://h.test/plain"], id="arrays inside scripts"),
        pytest.param(TORN, ["https://h.test/a.jpg"], id="icrawler's parser, less Google's own pictures"),
    ],
)
def test_each_layout_that_google_has_served_is_read(body, urls):
    page, _ = ask(page_text(body))

    assert page.verdict == "ok"
    assert [proposal.url for proposal in page.proposals] == urls


def test_the_json_layout_brings_page_title_author_and_size():
    page, _ = ask(page_text(JSON_LAYOUT))

    (found,) = page.proposals
    assert (found.page_url, found.title, found.author) == ("https://p.test/a", "Coral & king", "Ada, Bob")
    assert (found.width, found.height) == (800, 600)


@pytest.mark.parametrize(
    ("answer", "verdict"),
    [
        pytest.param(
            Response(status=302, headers={"location": "https://consent.google.com/ml?continue=x"}),
            "consent",
            id="sent to the consent page",
        ),
        pytest.param(
            Response(status=303, headers={"location": "https://www.google.com/sorry/index?continue=x"}),
            "captcha",
            id="sent to the challenge",
        ),
        pytest.param(
            Response(status=302, headers={"location": "https://sorry.google.com/x"}), "captcha", id="its own host"
        ),
        pytest.param(Response(status=429, body=CAPTCHA.encode()), "captcha", id="429 with a challenge"),
        pytest.param(
            Response(status=200, body=b"<html></html>", url="http://g.test/sorry/index"), "captcha", id="arrived there"
        ),
        pytest.param(page_text('<html><a href="/sorry/index?q=x">here</a></html>'), "captcha", id="a stub"),
        pytest.param(page_text(CAPTCHA), "captcha", id="a challenge with status 200"),
        pytest.param(page_text(CONSENT), "consent", id="a consent form"),
        pytest.param(page_text(JS_WALL), "blocked", id="the JavaScript wall"),
        pytest.param(page_text("<html>Access denied</html>"), "blocked", id="denied"),
        pytest.param(page_text("<html><h1>Update your browser</h1></html>"), "blocked", id="another browser"),
        pytest.param(
            page_text("<html>You are using an unsupported browser.</html>"), "blocked", id="another browser, said anew"
        ),
        pytest.param(
            page_text("<html><form action='x'>Our systems have detected unusual traffic</form></html>"),
            "captcha",
            id="a challenge that does not call itself one",
        ),
        pytest.param(page_text("<html>Please try something else.</html>"), "blocked", id="a wall nobody knows"),
        pytest.param(Response(status=403), "blocked", id="403"),
        pytest.param(page_text("<html><body>did not match any image results</body></html>"), "empty", id="no result"),
        pytest.param(page_text(")]}'\n" + '{"ischj":{}}'), "ok", id="JSON without results: asked once more"),
        pytest.param(page_text("hello"), "schema_changed", id="no page at all"),
    ],
)
def test_each_wall_is_told_apart_in_one_request(answer, verdict):
    page, _ = ask(answer)

    assert (page.verdict, page.proposals) == (verdict, ())
    assert page.detail.startswith("Google ")


def test_the_attempt_without_a_key_is_plain():
    _, request = ask(page_text(JS_WALL))

    assert request.url == "https://www.google.com/search"
    assert request.params["q"] == "coral snake -toy"
    assert request.params["tbs"] == "isz:l,ic:specific,isc:red"
    assert set(request.headers) == {"Accept"}
    assert (request.params["asearch"], request.params["async"]) == ("isch", "_fmt:json,p:1,ijn:0")


def item(n):
    return {
        "link": f"https://h.test/{n}.jpg",
        "title": f"snake {n}",
        "mime": "image/jpeg",
        "image": {"contextLink": f"https://p.test/{n}", "width": 640, "height": 480, "byteSize": 1},
    }


def test_with_a_key_the_official_api_is_asked_ten_at_a_time():
    body = ok({"items": [item(n) for n in range(10)], "queries": {"nextPage": [{"startIndex": 11}]}})

    page, request = ask(body, KEYED)
    _, second = ask(body, KEYED, page.cursor)

    assert request.url == "https://www.googleapis.com/customsearch/v1"
    assert request.params["searchType"] == "image"
    assert (request.params["num"], request.params["start"], second.params["start"]) == ("10", "1", "11")
    assert (request.params["imgSize"], request.params["imgDominantColor"]) == ("large", "red")
    assert page.proposals[0].page_url == "https://p.test/0"
    assert (page.verdict, len(page.proposals)) == ("ok", 10)


def test_the_api_gives_a_hundred_results_in_ten_calls():
    calls = []

    def api(request):
        calls.append(request)
        start = int(request.params["start"])
        return ok({"items": [item(n) for n in range(start, start + 10)], "queries": {"nextPage": [{}]}})

    pages = list(PROVIDER.pages(QUERY, None, api, KEYED))

    assert (sum(len(page.proposals) for page in pages), len(calls), pages[-1].verdict) == (100, 10, "end")


def failure(status, message, reason=""):
    error = {"code": status, "message": message, "errors": [{"reason": reason}]}
    return Response(status=status, body=json.dumps({"error": error}).encode())


@pytest.mark.parametrize(
    ("answer", "verdict"),
    [
        pytest.param(failure(400, "API key not valid. Please pass a valid API key."), "auth", id="a wrong key"),
        pytest.param(failure(403, "Access not configured", "accessNotConfigured"), "auth", id="a key without access"),
        pytest.param(failure(403, "Daily Limit Exceeded", "dailyLimitExceeded"), "quota", id="the day's quota"),
        pytest.param(failure(429, "Quota exceeded for quota metric 'Queries' per day"), "quota", id="the same as 429"),
        pytest.param(failure(429, "Rate limit"), "throttled", id="too fast"),
        pytest.param(failure(400, "Request contains an unknown field"), "schema_changed", id="a request it rejects"),
        pytest.param(ok({"searchInformation": {"totalResults": "0"}}), "empty", id="nothing found"),
        pytest.param(ok({"kind": "other"}), "schema_changed", id="an unknown answer"),
    ],
)
def test_the_api_says_why_it_gives_nothing(answer, verdict):
    page, _ = ask(answer, KEYED)

    assert page.verdict == verdict


def test_the_plan_says_when_the_official_api_ends():
    assert isinstance(KEYED, Ready)
    assert "1 January 2027" in KEYED.note


def test_half_a_key_is_named_instead_of_falling_back():
    state = PROVIDER.check({"GOOGLE_API_KEY": "k"})

    assert isinstance(state, Missing)
    assert "GOOGLE_CX" in state.reason


def test_the_way_of_asking_decides_page_size_and_depth():
    assert isinstance(KEYED, Ready)
    assert (KEYED.page_size, KEYED.max_results, KEYED.calls_per_day) == (10, 100, 100)
    assert isinstance(PLAIN, Ready)
    assert PLAIN.page_size is None


def test_the_next_page_starts_behind_the_results_that_were_shown():
    page, _ = ask(page_text(JSON_LAYOUT))

    _, request = ask(page_text(JS_WALL), cursor=page.cursor)

    assert (request.params["start"], request.params["ijn"]) == ("1", "1")
