"""A whole harvest on the loopback web: nothing is lost, every loss has its reason, a second run asks nobody."""

import io
import json
import re
import sqlite3
from collections import Counter
from dataclasses import replace

import pytest
from harvesting import CORAL, HASTY, KING, candidates, digest, image_requests, kept_by_picture, run
from PIL import Image

from imgkit.demo.builder import WorldBuilder
from imgkit.demo.population import small_world
from imgkit.demo.web.server import serve
from imgkit.demo.world import Host
from imgkit.errors import LockedError, UsageError
from imgkit.harvest.config import HarvestConfig
from imgkit.manifest import Manifest, Query, sole_owner
from loopback import Server, always, reply

HOSTS = ("photos", "archive", "garden", "herpetology", "trails", "museum")


def world_with(*, hosts=2, **pictures):
    """A small world of drawn pictures; see small_world."""
    return small_world(hosts=hosts, **pictures)


@pytest.fixture
def data(tmp_path):
    return tmp_path / "data"


# again, and again with other wishes


def test_a_second_run_asks_no_host_and_changes_nothing(data):
    with serve(world_with(good=8, faults=["404", "truncated"])) as web:
        first = run(web, data, per_label=5)
        before, asked = digest(data), len(web.requests)

        second = run(web, data, per_label=5)

        assert len(web.requests) == asked
    assert digest(data) == before
    assert (first.exit_code, second.exit_code, second.requests) == (0, 0, 0)


def test_robots_txt_is_remembered_for_the_next_run(data):
    with serve(world_with(good=6, faults=[])) as web:
        run(web, data, CORAL, per_label=4)
        asked = len(web.requests)

        run(web, data, CORAL, per_label=6)

        assert [one.target for one in web.requests[asked:] if one.target == "/robots.txt"] == []


def test_another_size_is_made_from_originals_without_a_request(data):
    with serve(world_with(good=4, faults=["sideways"])) as web:
        run(web, data, size=500)
        asked = len(web.requests)

        report = run(web, data, size=160)

        assert len(image_requests(web)) <= asked
        assert len([one for one in web.requests[asked:] if one.site != "bing"]) == 0
    assert report.made == report.total.kept
    for file in data.glob("harvested/*/*.jpg"):
        with Image.open(file) as image:
            assert max(image.size) == 160


def test_a_deleted_picture_is_made_again_from_its_original(data):
    with serve(world_with(good=3, faults=[])) as web:
        run(web, data, per_label=3)
        before = digest(data)
        victim = min(data.glob("harvested/*/*.jpg"))
        victim.unlink()

        report = run(web, data, per_label=3)

    assert report.made == 1
    assert digest(data) == before


def test_new_rows_in_the_queries_cause_only_their_own_requests(data):
    with serve(world_with(good=6, faults=[])) as web:
        run(web, data, CORAL, per_label=6)
        asked = len(web.requests)

        run(web, data, CORAL, KING, per_label=6)

        new = web.requests[asked:]
        labels = {web.truth(one.target).listed_as for one in new if web.truth(one.target)}
    assert labels == {"king_snake"}
    assert all("coral" not in one.target for one in new if one.site == "bing")


def test_a_higher_target_goes_on_with_the_reserve(data):
    with serve(world_with(good=10, faults=[])) as web:
        run(web, data, CORAL, per_label=4)
        asked = len(image_requests(web))

        report = run(web, data, CORAL, per_label=9)

        assert len(image_requests(web)) - asked == 5
    assert report.total.kept == 9
    assert report.total.waiting == 1


def test_retry_gives_rejected_candidates_another_chance(data):
    world = world_with(good=2, faults=["404"])
    with serve(world) as web:
        assert run(web, data, CORAL).total.reasons == {"http.404": 1}
        asked = len(image_requests(web))

        run(web, data, CORAL)
        unasked = len(image_requests(web))
        run(web, data, CORAL, retry=True)

        assert unasked == asked
        assert len(image_requests(web)) == asked + 1


# the target and the order


def test_the_first_good_pictures_of_the_fixed_order_are_kept_and_the_rest_stays_in_reserve(data):
    with serve(world_with(good=12, faults=[])) as web:
        run(web, data, CORAL, per_label=5)

        assert kept_by_picture(web, data) == {"coral_snake": [f"coral_snake-{n:03d}" for n in range(1, 6)]}
    assert Counter(one.state for one in candidates(data)) == {"kept": 5, "pending": 7}


def test_what_fails_is_replaced_from_the_next_rank(data):
    builder = WorldBuilder()
    for number in range(12):
        builder.add("coral_snake", fault="404" if number in (0, 3) else "")
    with serve(builder.build()) as web:
        report = run(web, data, CORAL, per_label=5)

        assert len([one for one in image_requests(web) if one.target != "/robots.txt"]) == 7
    assert (report.total.kept, report.total.reasons, report.total.waiting) == (5, {"http.404": 2}, 5)


def test_a_label_that_runs_short_is_searched_further(data):
    builder = WorldBuilder()
    for number in range(90):
        builder.add("coral_snake", fault="404" if number < 60 else "")
    with serve(builder.build()) as web:
        report = run(web, data, CORAL, per_label=20)

    assert report.exit_code == 0
    assert report.total.kept == 20
    assert {one.round for one in candidates(data)} > {0}


# copies


def test_the_same_address_from_two_providers_is_asked_for_once_and_has_two_rows(data):
    with serve(world_with(good=4, faults=[], providers=("bing", "openverse"))) as web:
        run(web, data, CORAL, providers=("bing", "openverse"))

        pictures = [one.target for one in image_requests(web) if one.target != "/robots.txt"]
    assert len(pictures) == len(set(pictures)) == 4
    assert Counter((one.provider, one.state, one.reason) for one in candidates(data)) == {
        ("bing", "kept", ""): 4,
        ("openverse", "rejected", "dup.exact"): 4,
    }


def test_the_same_bytes_at_four_addresses_of_a_host_are_a_placeholder(data):
    builder = WorldBuilder(hosts=[Host(name="photos")])
    good = [builder.add("coral_snake") for _ in range(3)]
    for _ in range(4):
        builder.add("coral_snake", fault="placeholder", kind="lost")
    with serve(builder.build()) as web:
        report = run(web, data, CORAL)

        assert kept_by_picture(web, data)["coral_snake"] == [one.id for one in good]
    assert report.total.reasons == {"img.placeholder": 4}
    assert len(list(data.glob("harvested/*/*.jpg"))) == 3


def test_two_copies_on_one_host_are_copies_and_no_placeholder(data):
    builder = WorldBuilder(hosts=[Host(name="photos")])
    original = builder.add("coral_snake")
    builder.exact_copy(original)
    with serve(builder.build()) as web:
        report = run(web, data, CORAL)

    assert (report.total.kept, report.total.reasons) == (1, {"dup.exact": 1})


# thumbnails


def test_a_picture_that_is_gone_is_replaced_by_its_thumbnail_only_where_that_was_asked_for(data, tmp_path):
    builder = WorldBuilder(size=(640, 480))
    builder.add("coral_snake", fault="404", kind="lost")
    builder.add("coral_snake")
    with serve(builder.build()) as web:
        without = run(web, tmp_path / "without", CORAL)
        report = run(web, data, CORAL, thumbnails=True)

    gone, good = candidates(data)
    assert (without.total.kept, without.total.reasons) == (1, {"http.404": 1})
    assert report.total.kept == 2
    assert gone.detail.startswith("only a thumbnail: http")
    assert good.detail == ""
    with Manifest.open_existing(data) as manifest:
        sizes = [manifest.image(one.image_id).width for one in (gone, good)]
    assert sizes == [230, 640]


def test_a_picture_whose_owner_objects_is_not_replaced_by_its_thumbnail(data):
    builder = WorldBuilder(hosts=[Host(name="photos", robots="User-agent: *\nDisallow: /private/\n")])
    builder.add("coral_snake", fault="robots", kind="lost")
    builder.add("coral_snake", fault="noai", kind="lost")
    with serve(builder.build()) as web:
        report = run(web, data, CORAL, thumbnails=True)

    assert report.total.reasons == {"policy.robots": 1, "policy.header": 1}


# what is not fetched


def test_excluded_words_licences_and_robots_keep_candidates_out_without_a_request(data):
    builder = WorldBuilder(hosts=[Host(name="photos", robots="User-agent: *\nDisallow: /private/\n")])
    builder.add("coral_snake", providers=("openverse",), license="by")
    builder.add("coral_snake", providers=("openverse",), license="by-nc-nd")
    builder.add("coral_snake", providers=("openverse",), license="by", title="a rubber toy snake")
    builder.add("coral_snake", providers=("openverse",), license="by", fault="robots", kind="lost")
    query = Query(label="coral_snake", name="coral snake", text="coral snake", exclude=("toy",), licences=("by", "cc0"))
    with serve(builder.build()) as web:
        report = run(web, data, query, providers=("openverse",))

        asked = [one.target for one in image_requests(web) if one.target != "/robots.txt"]
    assert len(asked) == 1
    assert report.total.kept == 1
    assert set(report.total.reasons) <= {"policy.excluded", "policy.licence", "policy.robots"}
    assert report.total.reasons["policy.robots"] == 1


def test_without_robots_a_closed_folder_is_asked_for(data):
    builder = WorldBuilder(hosts=[Host(name="photos", robots="User-agent: *\nDisallow: /private/\n")])
    builder.add("coral_snake", fault="robots", kind="lost")
    with serve(builder.build()) as web:
        closed = run(web, data, CORAL)
        opened = run(web, data, CORAL, robots=False)

    assert closed.total.reasons == {"policy.robots": 1}
    assert (opened.total.kept, opened.total.reasons) == (1, {})


# hosts


def test_a_host_that_asks_for_an_hour_is_left_alone_until_then(data):
    builder = WorldBuilder(hosts=[Host(name="photos"), Host(name="archive")])
    builder.add("coral_snake", host="photos", fault="429_long", kind="lost")
    for _ in range(6):
        builder.add("coral_snake", host="archive")
    with serve(builder.build()) as web:
        run(web, data, CORAL)
        asked = len([one for one in web.requests if one.site == "photos"])

        again = run(web, data, CORAL)

        assert len([one for one in web.requests if one.site == "photos"]) == asked
    deferred = [one for one in candidates(data) if one.state == "deferred"]
    assert [one.reason for one in deferred] == ["http.429"]
    assert deferred[0].next_try_at is not None
    assert (again.total.kept, again.exit_code) == (6, 3)
    with Manifest.open_existing(data) as manifest:
        assert len(manifest.deferred_hosts()) == 1


def test_no_request_comes_before_retry_after_has_passed(data):
    builder = WorldBuilder(hosts=[Host(name="photos")])
    for number in range(6):
        builder.add("coral_snake", fault="429_once" if number == 2 else "")
    with serve(builder.build()) as web:
        report = run(web, data, CORAL)

        log = image_requests(web)
    refused = next(one for one in log if one.status == 429)
    later = [one for one in log if one.started > refused.finished + 0.05]
    assert report.total.kept == 6
    assert later
    assert min(one.started for one in later) >= refused.finished + 0.95


def test_a_host_that_asks_for_an_hour_is_left_alone_and_the_run_says_until_when(data):
    builder = WorldBuilder(hosts=[Host(name="photos")])
    for number in range(6):
        builder.add("coral_snake", fault="" if number else "429_long")
    with serve(builder.build()) as web:
        report = run(web, data, CORAL, per_label=6)

    (row,) = report.rows
    not_asked = report.total.reasons["http.later"]
    assert not_asked >= 1
    assert report.total.reasons == {"http.429": 1, "http.later": not_asked}
    assert (row.tried, row.deferred) == (6 - not_asked, 1 + not_asked)
    (sentence,) = report.wait_sentences()
    assert re.fullmatch(
        r"127\.0\.0\.\d+(:\d+)? asks to wait until (\S+ )?\d\d:\d\d; it is not asked before\.", sentence
    )


def test_a_host_that_is_down_is_given_up_and_its_candidates_wait_for_the_next_run(data):
    builder = WorldBuilder(hosts=[Host(name="photos"), Host(name="archive")])
    for _ in range(12):
        builder.add("coral_snake", host="photos", fault="503", kind="lost")
    for _ in range(4):
        builder.add("coral_snake", host="archive")
    with serve(builder.build()) as web:
        report = run(web, data, CORAL)

        asked = len([one for one in web.requests if one.site == "photos"])
    assert report.total.kept == 4
    assert report.total.reasons == {"http.5xx": 12}
    assert report.total.deferred == 12
    assert asked < 12 * 3  # three pauses, then nobody asks any more


# providers


def test_a_provider_that_refuses_gets_one_sentence_and_the_others_go_on(data):
    with serve(world_with(good=5, faults=[])) as web:
        report = run(web, data, CORAL, providers=("bing", "google"))

    assert report.total.kept == 5
    assert [note.provider for note in report.notes] == ["google"]
    assert report.notes[0].sentence.startswith("google stopped: ")
    assert report.asked == ("bing",)


def test_without_any_provider_the_run_ends_with_5_and_the_next_one_goes_on(data):
    with serve(world_with(good=5, faults=[])) as web:
        gone = dict(web.environ, IMGKIT_BING_URL="http://127.0.0.1:9")  # nobody listens at the discard port
        web_without_bing = type("", (), {"environ": gone})
        first = run(web_without_bing, data, CORAL, per_label=5)

        second = run(web, data, CORAL, per_label=5)

    assert (first.exit_code, second.exit_code) == (5, 0)
    assert first.notes[0].sentence.startswith("bing stopped: ")
    assert "run the same command again" in first.summary


# pictures of this machine


def test_a_folder_is_adopted_whole_without_the_network(tmp_path, data):
    folder = tmp_path / "mine"
    folder.mkdir()
    for number in range(7):
        image = Image.effect_noise((200 + number, 150), 60).convert("RGB")
        image.save(folder / f"{number}.png")
    (folder / "notes.txt").write_text("no picture")
    (folder / "link.png").symlink_to(folder / "0.png")
    query = Query(label="bears", name="bears", text=str(folder), providers=("folder",))
    with serve(world_with(good=1, faults=[])) as web:
        report = run(web, data, query, per_label=300)

        assert web.requests == []
    assert report.total.kept == 7
    assert report.total.reasons == {"body.not_image": 1, "fs.link": 1}
    assert report.exit_code == 0  # a folder has no target


def test_files_that_are_added_to_a_folder_later_are_adopted_too(tmp_path, data):
    folder = tmp_path / "mine"
    folder.mkdir()
    query = Query(label="bears", name="bears", text=str(folder), providers=("folder",))
    web = type("", (), {"environ": {}})
    kept = []

    for number in range(3):
        Image.effect_noise((200 + number, 150), 60).convert("RGB").save(folder / f"{number}.png")
        kept.append(run(web, data, query).total.kept)

    assert kept == [1, 2, 3]


def openverse_answer(*urls, thumbnail=""):
    """An answer of Openverse that proposes these addresses as CC BY pictures."""
    results = [
        {"url": url, "license": "by", "license_version": "4.0", "creator": "Ada", "thumbnail": thumbnail}
        for url in urls
    ]
    page = {"result_count": len(results), "page_count": 1, "page": 1, "results": results}
    return reply(json.dumps(page).encode(), headers=["Content-Type: application/json"])


@pytest.fixture
def own_picture(tmp_path):
    """A picture of this machine that nobody offered."""
    path = tmp_path / "private" / "own.png"
    path.parent.mkdir()
    Image.effect_noise((200, 150), 60).convert("RGB").save(path)
    return path


@pytest.mark.parametrize(
    "spelling",
    ["file://{}", "file:{}", "FILE://{}", " file://{}", "file://localhost{}", "file:///{}", "\tfile://{}"],
)
def test_a_file_that_a_search_service_proposes_is_not_read(own_picture, data, spelling):
    with Server(always(openverse_answer(spelling.format(own_picture)))) as service:
        web = type("", (), {"environ": {"IMGKIT_OPENVERSE_URL": service.url}})
        report = run(web, data, CORAL, providers=("openverse",), per_label=1)

    assert report.total.kept == 0
    assert report.total.reasons == {"net.scheme": 1}
    assert list(data.glob("originals/*/*")) == []


def test_a_thumbnail_that_is_a_file_is_not_read(own_picture, data):
    with Server(always(reply(status="404 Not Found"))) as host:
        answer = openverse_answer(f"{host.url}/gone.jpg", thumbnail=own_picture.as_uri())
        with Server(always(answer)) as service:
            environ = {"IMGKIT_OPENVERSE_URL": service.url, "IMGKIT_ALLOW_PRIVATE_HOSTS": host.host}
            web = type("", (), {"environ": environ})
            report = run(web, data, CORAL, providers=("openverse",), per_label=1, thumbnails=True)

    assert (report.total.kept, report.total.reasons) == (0, {"http.404": 1})
    assert list(data.glob("originals/*/*")) == []


@pytest.mark.parametrize("scheme", ["file", "ftp", "data", "gopher", "jar"])
def test_a_row_of_a_list_of_addresses_is_refused_unless_it_is_http(own_picture, tmp_path, data, scheme):
    listed = tmp_path / "list.csv"
    listed.write_text(f"url,label,license\n{own_picture.as_uri().replace('file', scheme, 1)},snake,by\n")
    query = Query(label="snake", name="snake", text=str(listed), providers=("urls",))

    report = run(type("", (), {"environ": {}}), data, query, per_label=1)

    assert (report.total.kept, report.total.reasons) == (0, {"net.scheme": 1})


def test_a_service_that_names_a_file_of_a_folder_neither_hinders_nor_shares_its_adoption(own_picture, data):
    adopt = Query(label="bears", name="bears", text=str(own_picture.parent), providers=("folder",))
    search = Query(label="bears", name="bears", text="bears", providers=("openverse",))
    with Server(always(openverse_answer(own_picture.as_uri()))) as service:
        web = type("", (), {"environ": {"IMGKIT_OPENVERSE_URL": service.url}})
        for queries in ((search, adopt), (search, adopt)):  # the second run knows what the first found out
            run(web, data, *queries, per_label=3)
            ends = {one.provider: (one.state, one.reason, one.proposal.license) for one in candidates(data)}

            assert ends == {"folder": ("kept", "", ""), "openverse": ("rejected", "net.scheme", "CC BY 4.0")}


# the data folder


def test_a_second_harvest_of_the_same_folder_is_refused(data):
    with serve(world_with(good=1, faults=[])) as web:
        run(web, data, CORAL)

        with sole_owner(data / ".locks", "harvest"), pytest.raises(LockedError, match="another harvest"):
            run(web, data, CORAL)


def test_an_unknown_provider_changes_nothing(data):
    with serve(world_with(good=1, faults=[])) as web, pytest.raises(UsageError, match="not known"):
        run(web, data, CORAL, providers=("yahoo",))

    assert not data.exists()


def test_exports_and_the_run_are_in_the_data_folder(data):
    with serve(world_with(good=2, faults=[])) as web:
        report = run(web, data, CORAL)

    assert "coral_snake-001" in (data / "manifest.csv").read_text()
    assert json.loads(json.dumps(report.as_json()))["labels"][0]["kept"] == 2
    with Manifest.open_existing(data) as manifest:
        assert manifest.last_run("harvest")["summary"]["exit_code"] == 3


def test_left_over_temporary_files_are_swept_away(data):
    with serve(world_with(good=2, faults=[])) as web:
        run(web, data, CORAL)
        stray = next(data.glob("originals/*")) / ".tmp-1-half.jpg"
        stray.write_bytes(b"half")

        run(web, data, CORAL)

    assert not stray.exists()


def test_the_manifest_is_sound_after_a_harvest(data):
    with serve(world_with(good=2, faults=[])) as web:
        run(web, data)

    with sqlite3.connect(data / "manifest.db") as db:
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    db.close()


def test_the_config_says_what_a_harvest_does_unless_told_otherwise():
    config = HarvestConfig()

    assert (config.per_label, config.size, config.robots) == (200, 500, True)


# the network


class Telling:
    """A progress that calls a function for each line that is said."""

    def __init__(self, tell):
        self._tell = tell

    def start(self, title, total=None):
        pass

    def advance(self, steps=1, note=""):
        pass

    def say(self, line):
        self._tell(line)


def noise(number):
    file = io.BytesIO()
    Image.effect_noise((200 + number, 150), 60).convert("RGB").save(file, "JPEG")
    return file.getvalue()


@pytest.fixture
def unplugged(tmp_path):
    """A list of addresses on hosts that are away until ``plug_in`` is called."""
    servers = [Server(always(reply(noise(number))), f"127.0.0.{number + 40}") for number in range(4)]
    for server in servers:
        server.close()
    back = []

    def plug_in():
        back.extend(
            Server(always(reply(noise(number))), server.address, server.port) for number, server in enumerate(servers)
        )

    path = tmp_path / "list.csv"
    path.write_text("url\n" + "".join(f"{server.url}/{n}.jpg\n" for n in range(2) for server in servers))
    yield Query(label="all", name="all", text=str(path), providers=("urls",)), plug_in
    for server in back:
        server.close()


LOOPBACK = type("", (), {"environ": {"IMGKIT_ALLOW_PRIVATE_HOSTS": "127.0.0.0/8"}})


def test_a_network_that_comes_back_costs_nothing(unplugged, data):
    query, plug_in = unplugged
    said = []

    def tell(line):
        said.append(line)
        if "seems to be down" in line:
            plug_in()

    timeouts = replace(HASTY, outage_failures=6, outage_hosts=3, probe_s=0.1, outage_s=20.0)
    report = run(LOOPBACK, data, query, timeouts=timeouts, progress=Telling(tell), robots=False)

    assert [line for line in said if "network" in line] == [
        "The network seems to be down. Looking again every 0 s; nothing is lost, and Ctrl-C saves.",
        "The network is back.",
    ]
    assert Counter((one.state, one.reason) for one in candidates(data)) == {
        ("kept", ""): 4,
        ("rejected", "dup.exact"): 4,
    }
    assert not report.network_down


def test_a_network_that_stays_away_ends_the_run_with_5_and_everything_waits(unplugged, data):
    query, _ = unplugged
    timeouts = replace(HASTY, outage_failures=6, outage_hosts=3, probe_s=0.05, outage_s=0.2)

    report = run(LOOPBACK, data, query, timeouts=timeouts, robots=False)

    assert report.exit_code == 5
    assert report.summary.startswith("The network is down. 0 pictures")
    assert {one.state for one in candidates(data)} <= {"pending", "deferred"}
