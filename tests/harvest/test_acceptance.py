"""What a harvest must survive, point by point: services and hosts as they really answer, kills, copies, slow hosts.

The numbers in the names are those of the points; each has a whole harvest or a whole search on the loopback web.
"""

import os
import signal
from collections import Counter

import pytest
from commands import finish, start
from harvesting import (
    CORAL,
    HASTY,
    KING,
    candidates,
    digest,
    found,
    image_requests,
    kept_by_picture,
    pictures_asked_for,
    run,
    search,
    wait_for,
)
from PIL import Image

from imgkit.demo.builder import WorldBuilder
from imgkit.demo.population import small_world
from imgkit.demo.services import flickr, google_api
from imgkit.demo.web.faults import FAULTS
from imgkit.demo.web.server import serve
from imgkit.demo.world import Host
from imgkit.engine import LocalEngine
from imgkit.harvest.timeouts import Timeouts
from imgkit.manifest import Manifest
from imgkit.net.fetch import FetchLimits

SERVICES = ("bing", "google", "flickr", "openverse", "commons", "inaturalist")
OFFICIAL = {"GOOGLE_API_KEY": google_api.KEY, "GOOGLE_CX": google_api.ENGINE}
SIGNED = {"FLICKR_API_KEY": flickr.KEY, "FLICKR_API_SECRET": "secret"}


@pytest.fixture
def data(tmp_path):
    return tmp_path / "data"


@pytest.fixture(scope="module")
def services():
    """A web that every service lists 45 pictures of."""
    with serve(
        small_world(good=45, providers=("bing", "google", "flickr", "openverse", "commons", "inaturalist"))
    ) as web:
        yield web


@pytest.fixture
def ask(services):
    """Search one service with one fault to the end; returns (verdicts, ids of the pictures that it proposed, pages)."""

    def ask(name, fault="", environ=None):
        where = "google_api" if environ == OFFICIAL else name
        services.inject_fault(where, fault)
        try:
            pages = search(services, name, environ)
        finally:
            services.inject_fault(where, "")
        return [page.verdict for page in pages], found(services, pages), pages

    return ask


@pytest.fixture
def listed(services):
    """The ids of the pictures that a service lists, in its order."""
    return lambda name: [picture.id for picture in services.world.search(name, "coral snake")]


# 1: every row of the table of faults of image hosts, in one harvest


@pytest.fixture(scope="module")
def faulty(tmp_path_factory):
    """A web with every fault, harvested once."""
    data = tmp_path_factory.mktemp("faults") / "data"
    timeouts = Timeouts(
        fetch=FetchLimits(connect_s=2.0, headers_s=3.2, gap_s=2.0, slow_window_s=1.2, deadline_s=6.0),
        back_off_s=(0.05, 0.1),
        own=HASTY.own,
    )
    with serve(small_world(hosts=6, good=6, faults=list(FAULTS))) as web:
        with LocalEngine(2, timeout_s=20, memory_bytes=2**30) as engine:
            report = run(web, data, timeouts=timeouts, engine=engine)
        yield web, data, report


def test_1_every_fault_of_a_host_ends_in_one_state_with_the_right_reason(faulty):
    web, data, _ = faulty

    wrong = []
    for one in candidates(data):
        picture = web.truth(one.proposal.url)
        fault = FAULTS[picture.fault] if picture.fault else None
        reasons = (fault.reason, *fault.also) if fault else ("",)
        state = "kept" if fault is None or fault.recoverable else "deferred" if fault.passing else "rejected"
        if (one.state, one.reason in reasons) != (state, True):
            wrong.append((picture.id, one.state, one.reason, one.detail))

    assert wrong == []


def test_1_every_picture_that_a_polite_client_can_get_is_kept(faulty):
    web, data, _ = faulty
    obtainable = {label: [] for label in ("coral_snake", "king_snake")}
    for picture in web.world.pictures:
        if not picture.reason:
            obtainable[picture.listed_as].append(picture.id)

    assert kept_by_picture(web, data) == {label: sorted(ids) for label, ids in obtainable.items()}


def test_1_what_is_kept_is_an_upright_rgb_jpeg_of_at_most_the_wanted_size(faulty):
    _, data, report = faulty
    files = sorted(data.glob("harvested/*/*.jpg"))

    assert len(files) == report.total.kept
    for file in files:
        with Image.open(file) as image:
            image.load()
            assert (image.format, image.mode) == ("JPEG", "RGB")
            assert max(image.size) <= 500
            assert not image.getexif()


def test_1_originals_keep_no_place_and_no_serial_number(faulty):
    _, data, _ = faulty

    for file in data.glob("originals/*/*"):
        with Image.open(file) as image:
            assert set(image.getexif()) <= {0x0112}, file  # orientation


def test_12_the_yield_table_adds_up_to_the_candidates(faulty):
    _, data, report = faulty
    found = candidates(data)

    total = report.total

    assert total.found == len(found) == total.kept + total.waiting + sum(total.reasons.values())
    assert total.reasons == Counter(one.reason for one in found if one.state in ("rejected", "deferred"))
    for row in report.rows:
        assert row.found == sum((one.label, one.provider) == (row.label, row.provider) for one in found)


def test_1_nobody_on_a_private_network_was_contacted(faulty):
    web, _, _ = faulty

    assert [one for one in web.requests if one.site == "canary"] == []


def test_1_no_host_ever_had_more_than_two_requests_at_once(faulty):
    web, _, _ = faulty

    assert max(one.concurrency for one in image_requests(web)) <= 2


def test_1_every_host_is_told_who_asks(faulty):
    web, _, _ = faulty

    assert all(one.user_agent.startswith("imgkit/") for one in image_requests(web))


def test_1_robots_txt_is_asked_once_for_each_host_before_anything_else(faulty):
    web, _, _ = faulty
    first = {}
    for one in image_requests(web):
        first.setdefault(one.site, one.target)

    assert set(first.values()) == {"/robots.txt"}
    assert Counter(one.site for one in image_requests(web) if one.target == "/robots.txt").most_common(1)[0][1] == 1


# 2 to 7: the services, each in every way in which it answers


def test_2_bing_gives_every_picture_whatever_its_address_looks_like(data):
    faults = ("wrong_extension", "no_extension", "query_string", "spaces_in_address", "upper_case_extension")
    with serve(small_world(good=3, faults=faults, hosts=1)) as web:
        run(web, data, CORAL)

        kept = kept_by_picture(web, data)["coral_snake"]
        listed = {picture.id for picture in web.world.search("bing", "coral snake")}
    assert set(kept) == listed


@pytest.mark.parametrize(
    ("fault", "verdicts", "found"),
    [
        ("", ["ok", "end"], 45),
        ("loose_markup", ["ok", "end"], 45),  # a result without a link, one with cut JSON, no descriptions
        ("page_one_again", ["ok", "throttled"], 35),
        ("landing_page", ["blocked"], 0),
        ("other_country", ["blocked"], 0),
        ("empty_body", ["ok", "assumed_end"], 0),
        ("new_layout", ["schema_changed"], 0),
    ],
)
def test_2_bing_with_every_fault(ask, fault, verdicts, found):
    got, ids, _ = ask("bing", fault)

    assert (got, len(ids)) == (verdicts, found)


@pytest.mark.parametrize(
    ("fault", "verdict"),
    [
        ("consent", "consent"),
        ("sorry", "captcha"),
        ("sorry_page", "captcha"),
        ("sorry_stub", "captcha"),
        ("", "blocked"),  # the page that wants JavaScript: what a plain client gets
        ("nothing_found", "empty"),
        ("access_denied", "blocked"),
    ],
)
def test_3_googles_walls_are_told_apart_in_one_request(services, ask, fault, verdict):
    before = len(services.requests)

    verdicts, ids, (page,) = ask("google", fault)

    assert (verdicts, ids) == ([verdict], [])
    assert page.detail
    assert len(services.requests) - before <= 2  # a redirect on the same host is followed


@pytest.mark.parametrize("layout", ["legacy_page", "async_json", "wml", "logo_first"])
def test_3_google_revives_in_every_layout_that_it_has_served(ask, listed, layout):
    _, ids, _ = ask("google", layout)

    assert ids == listed("google")


def test_3_googles_official_service_gives_its_results_and_names_its_quota(ask, listed):
    assert ask("google", environ=OFFICIAL)[1] == listed("google")
    assert ask("google", "quota", OFFICIAL)[0] == ["quota"]


@pytest.mark.parametrize("environ", [{}, SIGNED], ids=["GET with a key", "POST with OAuth"])
def test_4_flickr_gives_its_results_in_one_call_behind_that_for_its_licences(services, ask, listed, environ):
    before = len(services.requests)

    verdicts, ids, _ = ask("flickr", environ=environ)

    assert (verdicts, ids) == (["end"], listed("flickr"))
    assert len(services.requests) - before == 2


@pytest.mark.parametrize(
    ("fault", "verdict"),
    [
        ("expired_key", "auth"),  # 100
        ("unavailable", "transient"),  # 105
        ("search_unavailable", "transient"),  # 10
        ("bad_url", "schema_changed"),  # 116
        ("bad_gateway", "transient"),  # 502 with HTML
    ],
)
@pytest.mark.parametrize("environ", [{}, SIGNED], ids=["GET with a key", "POST with OAuth"])
def test_4_flickrs_failures_are_told_apart_in_one_call(services, ask, fault, verdict, environ):
    before = len(services.requests)

    verdicts, _, _ = ask("flickr", fault, environ)

    assert verdicts == [verdict]
    assert len(services.requests) - before == 1


def test_4_flickrs_numbers_may_be_texts_and_missing_sizes_are_no_loss(ask):
    _, _, (page,) = ask("flickr")

    assert all(isinstance(one.width, int) and one.width > 0 for one in page.proposals)
    assert all(one.license.startswith(("CC", "Public", "All", "No")) for one in page.proposals)


def test_5_openverse_gives_pages_of_twenty_with_what_may_be_missing(ask, listed):
    verdicts, ids, pages = ask("openverse")

    assert verdicts == ["ok", "ok", "end"]
    assert [len(page.proposals) for page in pages] == [20, 20, 5]
    assert ids == listed("openverse")
    assert {one.author for page in pages for one in page.proposals} == {"", "Ada Example"}  # some are null


def test_5_openverse_ends_at_240_results():
    with serve(small_world(good=260, providers=("openverse",))) as web:
        pages = search(web, "openverse")

        assert len(found(web, pages)) == 240
    assert pages[-1].verdict == "end"
    assert "240" in pages[-1].detail


@pytest.mark.parametrize(("fault", "wait"), [("throttled", 1.0), ("quota", 86_400.0)])
def test_5_openverse_says_how_long_to_wait(ask, fault, wait):
    verdicts, _, (page,) = ask("openverse", fault)

    assert verdicts == ["throttled"]
    assert page.retry_after == wait


def test_6_commons_gives_its_files_in_order_over_its_continuation(ask, listed):
    verdicts, ids, _ = ask("commons")

    assert verdicts == ["end"]
    assert ids == listed("commons")


def test_6_commons_without_a_hit_is_empty(services):
    (page,) = search(services, "commons", text="no such animal")

    assert (page.verdict, page.proposals) == ("empty", ())


def test_6_commons_is_not_asked_without_a_contact_and_refuses_it_with_403(services):
    (page,) = search(services, "commons", contact="")

    assert page.verdict in ("auth", "blocked")


def test_6_commons_thumbnails_have_a_width_that_its_host_serves(data):
    builder = WorldBuilder(hosts=[Host(name="photos")], size=(2000, 1500))
    builder.add("coral_snake", providers=("commons",))
    with serve(builder.build()) as web:
        report = run(web, data, CORAL, providers=("commons",), contact="me@example.org")

        asked = pictures_asked_for(web)
    assert report.total.kept == 1
    assert ["/960px" in one.target for one in asked] == [True]
    assert [one.status for one in asked] == [200]


def test_7_inaturalist_gives_large_photographs_with_a_licence_and_without_time_stamps(services, ask, listed):
    verdicts, ids, pages = ask("inaturalist")

    urls = [one.url for page in pages for one in page.proposals]
    assert verdicts[-1] == "end"
    assert ids == listed("inaturalist")
    assert all("?" not in url and "/large." in url for url in urls)


# 8: a harvest that is killed


def test_8_a_harvest_that_is_killed_while_it_fetches_fetches_nothing_twice_and_loses_nothing(tmp_path):
    queries, data = tmp_path / "queries.csv", tmp_path / "killed"
    queries.write_text("label,query\ncoral_snake,coral snake\n")
    hosts = [Host(name="photos", delay=0.1), Host(name="archive", delay=0.1)]
    builder = WorldBuilder(hosts=hosts)
    for _ in range(40):
        builder.add("coral_snake")
    with serve(builder.build()) as web:
        finish(start(web, queries, tmp_path / "undisturbed"))
        asked = len(pictures_asked_for(web))

        process = start(web, queries, data)
        wait_for(lambda: len(list(data.glob("originals/*/*"))) >= 12)
        os.killpg(process.pid, signal.SIGKILL)
        finish(process)
        finish(start(web, queries, data))

        again = Counter(one.target for one in pictures_asked_for(web)[asked:])
    assert asked == 40
    assert digest(data) == digest(tmp_path / "undisturbed")
    assert sum(again.values()) - 40 <= 12  # those that were in the air: two on each host, six at the decoder


# 9 to 12: copies, conflicts, slow hosts, the account


def test_9_one_picture_at_two_addresses_of_two_providers_is_one_file_with_two_rows(data):
    builder = WorldBuilder()
    original = builder.add("coral_snake", providers=("bing",))
    copy = builder.exact_copy(original, providers=("openverse",))
    with serve(builder.build()) as web:
        run(web, data, CORAL, providers=("bing", "openverse"))
        rows = {web.truth(one.proposal.url).id: one for one in candidates(data)}

    assert (rows[original.id].state, rows[copy.id].state, rows[copy.id].reason) == ("kept", "rejected", "dup.exact")
    assert rows[original.id].image_id == rows[copy.id].image_id
    assert len(list(data.glob("harvested/*/*.jpg"))) == len(list(data.glob("originals/*/*"))) == 1
    with Manifest.open_existing(data) as manifest:
        assert len(manifest.candidates_of(rows[copy.id].image_id)) == 2


def test_10_one_picture_under_two_labels_is_kept_under_both_for_a_person_to_decide(data):
    builder = WorldBuilder()
    original = builder.add("coral_snake")
    builder.exact_copy(original, listed_as="king_snake")
    with serve(builder.build()) as web:
        run(web, data)

    assert [(one.label, one.state) for one in candidates(data)] == [("coral_snake", "kept"), ("king_snake", "kept")]
    assert len(list(data.glob("harvested/*/*.jpg"))) == 2
    assert len(list(data.glob("originals/*/*"))) == 1


def test_11_a_slow_host_holds_back_nobody_and_loses_nothing(data):
    builder = WorldBuilder(hosts=[Host(name="photos"), Host(name="archive", delay=0.4)])
    for number in range(20):
        builder.add("coral_snake", host="photos" if number % 2 else "archive")
    with serve(builder.build()) as web:
        report = run(web, data, CORAL)

        log = {site: [one for one in pictures_asked_for(web) if one.site == site] for site in ("photos", "archive")}
    finished = {site: max(one.finished for one in asked) for site, asked in log.items()}
    assert report.total.kept == 20
    assert len(log["archive"]) == len(log["photos"]) == 10
    assert finished["photos"] < finished["archive"] - 0.8  # five rounds of two at 0.4 s each


def test_12_the_exit_code_and_each_cell_of_the_yield_table_are_exact(data):
    builder = WorldBuilder(hosts=[Host(name="photos")])
    for label, faults in (("coral_snake", ("", "", "404", "truncated")), ("king_snake", ("", "html_named_jpg"))):
        for fault in faults:
            builder.add(label, fault=fault, kind="lost" if fault else "good")
    with serve(builder.build()) as web:
        short = run(web, data, CORAL, KING, per_label=2)
        reached = run(web, data, CORAL, per_label=2)

    rows = {(row.label, row.provider): (row.found, row.kept, dict(row.reasons)) for row in short.rows}
    assert rows == {
        ("coral_snake", "bing"): (4, 2, {}),  # the target is reached with two; the others wait in reserve
        ("king_snake", "bing"): (2, 1, {"body.html": 1}),
    }
    assert (short.exit_code, reached.exit_code) == (3, 0)
