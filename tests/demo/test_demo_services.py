"""Each search service answers as the real one does, without a fault and with each."""

import html
import json
import re

import flickrapi
import pytest
import requests

from imgkit.demo.population import small_world
from imgkit.demo.services import SERVICES, ServiceFault, flickr, google_api, openverse
from imgkit.demo.web.server import serve

HONEST = {"User-Agent": "imgkit/0.1 (+https://example.org/imgkit; contact@example.org)"}
CORAL_TAXON = 27137


@pytest.fixture(scope="module")
def web():
    with serve(small_world(good=45, providers=sorted({*SERVICES} - {"google_api"}))) as running:
        yield running


@pytest.fixture(autouse=True)
def _good_again(web):
    yield
    for name in SERVICES:
        web.inject_fault(name, "")


@pytest.fixture
def ask(web):
    """Asks a service: its name, the path, and the parameters."""

    def get(service, path, headers=HONEST, **params):
        base = web.environ[SERVICES[service].variable]
        return requests.get(base + path, params=params, headers=headers, timeout=3, allow_redirects=False)

    return get


def murls(answer):
    return [json.loads(html.unescape(found))["murl"] for found in re.findall(r'class="iusc" m="(.*?)"', answer.text)]


def test_the_environment_leads_to_every_service_and_allows_all_hosts_but_the_canary(web):
    assert sorted(web.environ) == [
        "FLICKR_API_KEY",
        "IMGKIT_ALLOW_PRIVATE_HOSTS",
        "IMGKIT_BING_URL",
        "IMGKIT_COMMONS_URL",
        "IMGKIT_DUCKDUCKGO_URL",
        "IMGKIT_FLICKR_URL",
        "IMGKIT_GBIF_URL",
        "IMGKIT_GOOGLE_API_URL",
        "IMGKIT_GOOGLE_URL",
        "IMGKIT_INATURALIST_URL",
        "IMGKIT_OPENVERSE_URL",
    ]
    allowed = web.environ["IMGKIT_ALLOW_PRIVATE_HOSTS"].split(",")
    assert web.sites["photos"] in allowed
    assert web.sites["canary"] not in allowed


class TestBing:
    def test_pages_start_at_one_the_last_is_marked_and_comes_again_behind_the_end(self, ask, web):
        first = murls(ask("bing", "/images/async", q="coral snake", first=1, count=35))
        second_answer = ask("bing", "/images/async", q="coral snake", first=36, count=35)
        second = murls(second_answer)
        third = ask("bing", "/images/async", q="coral snake", first=71, count=35)

        assert (len(first), len(second), third.text) == (35, 10, second_answer.text)
        assert 'data-nextUrl=""' in second_answer.text
        first_answer = ask("bing", "/images/async", q="coral snake", first=1, count=35)
        assert 'data-nextUrl="/images/async?q=coral%20snake&amp;first=36&amp;count=35"' in first_answer.text
        assert [*first, *second] == [web.url(p) for p in web.world.search("bing", "coral snake")]

    def test_every_result_has_its_page_and_title_and_one_in_three_no_description(self, ask):
        text = ask("bing", "/images/async", q="coral snake", count=45).text
        facts = [json.loads(html.unescape(found)) for found in re.findall(r'class="iusc" m="(.*?)"', text)]

        assert {"murl", "turl", "purl", "t", "md5", "cid", "mid"} <= set(facts[0])
        assert 0 < sum("desc" not in fact for fact in facts) < 45
        assert text.count('<span class="nowrap">320 × 240 · jpeg</span>') == 45

    def test_an_unknown_query_finds_nothing_and_is_no_block(self, ask):
        answer = ask("bing", "/images/async", q="green tractor")

        assert (answer.status_code, murls(answer)) == (200, [])
        assert "dgControl_list" in answer.text

    @pytest.mark.parametrize("query", ["CORAL Snake", '"coral snake" -king -toy', "big coral snake florida"])
    def test_case_quotes_and_excluded_words_do_not_matter(self, ask, query):
        assert len(murls(ask("bing", "/images/async", q=query))) == 35

    def test_moods_are_what_they_are_called(self, ask, web):
        one = murls(ask("bing", "/images/async", q="coral snake", first=1))
        web.inject_fault("bing", "page_one_again")
        again = murls(ask("bing", "/images/async", q="coral snake", first=36))
        web.inject_fault("bing", "landing_page")
        landing = ask("bing", "/images/async", q="coral snake")
        web.inject_fault("bing", "throttled")
        throttled = ask("bing", "/images/async", q="coral snake")

        assert again == one
        assert (landing.status_code, "iusc" in landing.text) == (200, False)
        assert (throttled.status_code, throttled.headers["Retry-After"]) == (429, "1")

    def test_a_mood_can_come_after_some_requests_and_pass(self):
        with serve(small_world(), service_faults={"bing": ServiceFault("broken", first=2, last=3)}) as web:
            url = web.environ["IMGKIT_BING_URL"] + "/images/async?q=coral+snake"
            assert [requests.get(url, timeout=3).status_code for _ in range(4)] == [200, 503, 503, 200]

    def test_an_unknown_mood_is_refused_by_name(self, web):
        with pytest.raises(KeyError, match="bing has no fault 'grumpy'"):
            web.inject_fault("bing", "grumpy")


class TestGoogle:
    def test_by_default_there_is_a_wall_of_javascript(self, ask):
        answer = ask("google", "/search", q="coral snake", tbm="isch")

        assert answer.status_code == 200
        assert "/httpservice/retry/enablejs" in answer.text
        assert "imgurl" not in answer.text

    @pytest.mark.parametrize(
        ("fault", "status", "sign"),
        [
            ("consent", 302, "consent.google.com"),
            ("sorry", 302, "/sorry/index"),
            ("sorry_page", 429, "captcha-form"),
            ("sorry_stub", 200, "/sorry/"),
            ("nothing_found", 200, "did not match any image"),
            ("access_denied", 403, "Access denied"),
        ],
    )
    def test_failure_pages(self, ask, web, fault, status, sign):
        web.inject_fault("google", fault)
        answer = ask("google", "/search", q="coral snake")

        assert answer.status_code == status
        assert sign in answer.text + answer.headers.get("Location", "")
        assert fault != "sorry_stub" or len(answer.content) < 2000

    def test_the_legacy_page_holds_triples_of_address_height_and_width(self, ask, web):
        web.inject_fault("google", "legacy_page")
        text = ask("google", "/search", q="coral snake", tbm="isch").text

        found = re.findall(r'\["(http://127[^"]+)",240,320\]', text)
        assert found == [web.url(p) for p in web.world.search("google", "coral snake")]

    def test_the_async_answer_is_json_behind_a_prefix_ten_at_a_time(self, ask, web):
        web.inject_fault("google", "async_json")
        text = ask("google", "/search", q="coral snake", asearch="isch", **{"async": "_fmt:json,p:1,ijn:1"}).text
        body = json.loads(text[text.index('{"ischj":') :])

        wanted = [web.url(p) for p in web.world.search("google", "coral snake")][10:20]
        assert [entry["original_image"]["url"] for entry in body["ischj"]["metadata"]] == wanted

    def test_the_official_service_wants_a_key_and_pages_by_ten(self, ask):
        refused = ask("google_api", "/customsearch/v1", key="wrong", cx=google_api.ENGINE, q="coral snake")
        page = ask("google_api", "/customsearch/v1", key=google_api.KEY, cx=google_api.ENGINE, q="coral snake").json()
        beyond = ask(
            "google_api", "/customsearch/v1", key=google_api.KEY, cx=google_api.ENGINE, q="coral snake", start=92
        )

        assert (refused.status_code, "API key not valid" in refused.text) == (400, True)
        assert (len(page["items"]), page["queries"]["nextPage"][0]["startIndex"]) == (10, 11)
        assert beyond.status_code == 400


class TestFlickr:
    SEARCH: dict[str, object] = {  # noqa: RUF012
        "method": "flickr.photos.search",
        "format": "json",
        "nojsoncallback": 1,
        "text": "coral snake -king",
    }

    def test_a_key_in_the_address_and_a_signed_post_get_the_same_photos(self, ask, web, monkeypatch):
        monkeypatch.setattr(flickrapi.FlickrAPI, "REST_URL", web.environ["IMGKIT_FLICKR_URL"] + "/services/rest/")
        signed = flickrapi.FlickrAPI(flickr.KEY, "secret", format="parsed-json", store_token=False, timeout=5)

        plain = ask("flickr", "/services/rest/", api_key=flickr.KEY, **self.SEARCH).json()
        posted = signed.photos.search(text="coral snake -king")
        signed.flickr_oauth.session.close()

        assert plain["photos"]["photo"] == posted["photos"]["photo"]
        assert (plain["stat"], plain["photos"]["total"], len(plain["photos"]["photo"])) == ("ok", "45", 45)
        assert [r.method for r in web.requests if r.site == "flickr"][-2:] == ["GET", "POST"]

    def test_a_wrong_key_is_code_100_inside_200(self, ask):
        answer = ask("flickr", "/services/rest/", api_key="x", **self.SEARCH)

        assert (answer.status_code, answer.json()["stat"], answer.json()["code"]) == (200, "fail", 100)

    @pytest.mark.parametrize(("fault", "code"), [("expired_key", 100), ("unavailable", 105), ("bad_url", 116)])
    def test_failures_have_their_codes(self, ask, web, fault, code):
        web.inject_fault("flickr", fault)

        assert ask("flickr", "/services/rest/", api_key=flickr.KEY, **self.SEARCH).json()["code"] == code

    def test_a_gateway_that_fails_sends_html(self, ask, web):
        web.inject_fault("flickr", "bad_gateway")
        answer = ask("flickr", "/services/rest/", api_key=flickr.KEY, **self.SEARCH)

        assert (answer.status_code, "<html>" in answer.text) == (502, True)

    def test_pages_beyond_the_last_repeat_it(self, ask):
        pages = [
            ask("flickr", "/services/rest/", api_key=flickr.KEY, per_page=20, page=page, **self.SEARCH).json()["photos"]
            for page in (1, 3, 4)
        ]

        assert [len(page["photo"]) for page in pages] == [20, 5, 5]
        assert pages[1]["photo"] == pages[2]["photo"]

    def test_sizes_that_do_not_exist_are_absent_and_numbers_are_strings_or_numbers(self, ask):
        photos = ask(
            "flickr", "/services/rest/", api_key=flickr.KEY, extras="url_o,url_l,url_s,license", **self.SEARCH
        ).json()["photos"]["photo"]

        assert {"url_o", "url_s"} <= set(photos[0])
        assert "url_l" not in photos[0]
        assert {type(photo["width_o"]) for photo in photos} == {int, str}
        assert photos[0]["license"] == "4"

    def test_without_nojsoncallback_the_answer_is_wrapped(self, ask):
        answer = ask(
            "flickr", "/services/rest/", method="flickr.photos.licenses.getInfo", format="json", api_key=flickr.KEY
        )

        assert answer.text.startswith("jsonFlickrApi({")
        assert '"Attribution' in answer.text or "CC BY 2.0" in answer.text


class TestOpenverse:
    def test_strangers_get_twenty_and_a_token_gets_more(self, ask):
        small = ask("openverse", "/v1/images/", q="coral snake").json()
        refused = ask("openverse", "/v1/images/", q="coral snake", page_size=50)
        allowed = ask(
            "openverse",
            "/v1/images/",
            headers={**HONEST, "Authorization": f"Bearer {openverse.TOKEN}"},
            q="coral snake",
            page_size=50,
        )

        assert (len(small["results"]), small["result_count"], small["page_count"]) == (20, 45, 3)
        assert (refused.status_code, "page_size may not exceed 20" in refused.text) == (401, True)
        assert len(allowed.json()["results"]) == 45

    def test_no_query_goes_deeper_than_240(self, ask):
        with serve(small_world(good=250, providers=["openverse"])) as deep:
            base = deep.environ["IMGKIT_OPENVERSE_URL"]
            last, beyond = (
                requests.get(f"{base}/v1/images/", params={"q": "coral snake", "page": page}, timeout=3)
                for page in (12, 13)
            )

        assert (len(last.json()["results"]), last.json()["result_count"]) == (20, 240)
        assert beyond.status_code == 400

    def test_records_are_sparse_and_carry_a_licence(self, ask):
        results = ask("openverse", "/v1/images/", q="coral snake").json()["results"]

        assert {result["width"] for result in results} == {320, None}
        assert {(result["license"], result["license_version"]) for result in results} == {("by", "2.0")}
        assert all(result["foreign_landing_url"].startswith("http://") for result in results)

    def test_throttling_says_for_how_long(self, ask, web):
        web.inject_fault("openverse", "throttled")
        answer = ask("openverse", "/v1/images/", q="coral snake")

        assert (answer.status_code, answer.headers["Retry-After"]) == (429, "1")
        assert answer.json()["detail"] == "Request was throttled. Expected available in 1 second."

    def test_a_client_that_registers_gets_a_token(self, web):
        base = web.environ["IMGKIT_OPENVERSE_URL"]
        form = {"client_id": openverse.CLIENT_ID, "client_secret": openverse.CLIENT_SECRET}
        form["grant_type"] = "client_credentials"

        token = requests.post(f"{base}/v1/auth_tokens/token/", data=form, timeout=3).json()

        assert (token["access_token"], token["token_type"]) == (openverse.TOKEN, "Bearer")


class TestCommons:
    CALL: dict[str, object] = {  # noqa: RUF012
        "action": "query",
        "format": "json",
        "generator": "search",
        "gsrlimit": 50,
        "prop": "imageinfo",
        "iiurlwidth": 960,
    }

    @pytest.mark.parametrize("agent", ["python-requests/2.34", "Mozilla/5.0 (X11) https://x.example", ""])
    def test_who_does_not_say_who_it_is_gets_403(self, ask, agent):
        answer = ask("commons", "/w/api.php", headers={"User-Agent": agent}, gsrsearch="coral snake", **self.CALL)

        assert answer.status_code == 403

    def test_results_continue_until_they_end_and_order_is_by_index(self, ask, web):
        call = {**self.CALL, "gsrlimit": 30, "gsrsearch": "filetype:bitmap coral snake -king"}
        first = ask("commons", "/w/api.php", **call).json()
        second = ask("commons", "/w/api.php", **call, **first["continue"]).json()

        pages = [*first["query"]["pages"].values(), *second["query"]["pages"].values()]
        ordered = sorted((page for page in pages if "imageinfo" in page), key=lambda page: page["index"])
        assert [page["imageinfo"][0]["url"] for page in ordered] == [
            web.url(p) for p in web.world.search("commons", "coral snake")
        ]
        assert sum("imageinfo" not in page for page in pages) == 1
        assert "continue" not in second

    def test_no_hits_is_no_query_key(self, ask):
        assert "query" not in ask("commons", "/w/api.php", gsrsearch="green tractor", **self.CALL).json()

    def test_thumbnails_come_in_standard_widths_only(self, web):
        hosts = [f"http://{web.sites[web.world.pictures[0].host]}/thumb/{width}px" for width in (250, 333)]
        answers = [requests.get(host + web.world.pictures[0].path, timeout=3) for host in hosts]

        assert [answer.status_code for answer in answers] == [200, 429]
        assert "Retry-After" not in answers[1].headers

    def test_rate_limits_are_errors_inside_200(self, ask, web):
        web.inject_fault("commons", "ratelimited")
        answer = ask("commons", "/w/api.php", gsrsearch="coral snake", **self.CALL)

        assert (answer.status_code, answer.json()["error"]["code"]) == (200, "ratelimited")


class TestINaturalist:
    def test_a_name_leads_to_its_taxon_and_an_unknown_one_to_none(self, ask):
        known = ask("inaturalist", "/v1/taxa", q="Micrurus fulvius").json()["results"]
        unknown = ask("inaturalist", "/v1/taxa", q="green tractor").json()["results"]

        assert [(taxon["id"], taxon["name"]) for taxon in known] == [(CORAL_TAXON, "Micrurus fulvius")]
        assert unknown == []

    def test_photos_are_squares_whose_name_can_be_changed_to_a_size(self, ask, web):
        found = ask("inaturalist", "/v1/observations", taxon_id=CORAL_TAXON, per_page=200).json()
        photos = [photo for observation in found["results"] for photo in observation["photos"]]
        large = requests.get(photos[0]["url"].replace("square", "large"), timeout=3).content

        assert found["total_results"] == 45
        assert all("/square.jpg" in photo["url"] for photo in photos)
        assert 0 < sum("?" in photo["url"] for photo in photos) < 45
        assert large == web.data(web.truth(photos[0]["url"]))

    def test_the_window_ends_at_ten_thousand(self, ask):
        answer = ask("inaturalist", "/v1/observations", taxon_id=CORAL_TAXON, per_page=200, page=51)

        assert (answer.status_code, "Result window is too large" in answer.text) == (403, True)

    def test_two_photos_of_one_observation_come_together(self):
        from imgkit.demo.builder import CORAL, WorldBuilder

        builder = WorldBuilder()
        for _ in range(2):
            builder.add(CORAL, providers=["inaturalist"], group="one", license="arr")
        with serve(builder.build()) as web:
            url = web.environ["IMGKIT_INATURALIST_URL"] + f"/v1/observations?taxon_id={CORAL_TAXON}"
            results = requests.get(url, timeout=3).json()["results"]

        assert [len(observation["photos"]) for observation in results] == [2]
        assert results[0]["license_code"] is None


class TestGbif:
    def test_scientific_names_match_and_common_ones_do_not(self, ask):
        exact = ask("gbif", "/v1/species/match", name="Micrurus fulvius").json()
        common = ask("gbif", "/v1/species/match", name="coral snake").json()

        assert (exact["usageKey"], exact["matchType"]) == (CORAL_TAXON, "EXACT")
        assert common["matchType"] == "NONE"

    def test_occurrences_page_until_the_end_of_records(self, ask, web):
        pages = [
            ask("gbif", "/v1/occurrence/search", taxonKey=CORAL_TAXON, limit=30, offset=offset).json()
            for offset in (0, 30)
        ]

        assert [page["endOfRecords"] for page in pages] == [False, True]
        assert [r["media"][0]["identifier"] for page in pages for r in page["results"]] == [
            web.url(p) for p in web.world.search("gbif", "coral snake")
        ]

    def test_offsets_from_ten_thousand_on_are_restricted(self, ask):
        answer = ask("gbif", "/v1/occurrence/search", taxonKey=CORAL_TAXON, offset=10_000)

        assert (answer.status_code, "gbif.org/restricted" in answer.text) == (400, True)


def test_the_flickr_depth_ends_at_four_thousand():
    with serve(small_world(good=4010, providers=["flickr"])) as web:
        params = {**TestFlickr.SEARCH, "api_key": flickr.KEY, "per_page": 500}
        base = web.environ["IMGKIT_FLICKR_URL"] + "/services/rest/"
        eighth, ninth = (
            requests.get(base, params={**params, "page": page}, timeout=9).json()["photos"] for page in (8, 9)
        )

    assert (eighth["total"], eighth["pages"]) == ("4010", 9)
    assert eighth["photo"] == ninth["photo"]
