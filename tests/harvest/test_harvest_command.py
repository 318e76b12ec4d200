"""The command: exit codes, sentences, and what is left when it is killed, interrupted or has no room."""

import json
import os
import random
import signal
import time

import pytest
from commands import finish, start
from harvesting import candidates, digest, image_requests, wait_for

from imgkit.demo.builder import WorldBuilder
from imgkit.demo.population import small_world
from imgkit.demo.web.server import serve
from imgkit.demo.world import Host
from imgkit.manifest import Manifest

QUERIES = "label,query\ncoral_snake,coral snake\nking_snake,king snake\n"


@pytest.fixture
def queries(tmp_path):
    path = tmp_path / "queries.csv"
    path.write_text(QUERIES)
    return path


@pytest.fixture
def data(tmp_path):
    return tmp_path / "data"


def test_a_harvest_prints_its_yield_and_exits_with_0(queries, data):
    with serve(small_world(good=3, faults=["404"])) as web:
        code, out, err = finish(start(web, queries, data, "--per-label", "3"))

    assert code == 0
    assert sorted(err.splitlines()) == ["Harvesting (6)", "coral_snake: 3 of 3", "king_snake: 3 of 3"]
    assert "Yield" in out
    assert "6 pictures are in" in out
    assert "Next: imgkit curate" in out


def test_below_target_exits_with_3_and_says_what_is_missing(queries, data):
    with serve(small_world(good=3, faults=["404"])) as web:
        code, out, _ = finish(start(web, queries, data, "--per-label", "5"))

    assert code == 3
    assert "coral_snake (2 short)" in out
    assert "http.404" in out


def test_json_is_one_object_on_stdout(queries, data):
    with serve(small_world(good=2)) as web:
        _, out, _ = finish(start(web, queries, data, "--per-label", "2", "--json"))

    report = json.loads(out)
    assert report["exit_code"] == 0
    assert sum(row["kept"] for row in report["yield"] if row["provider"]) == 4


def test_a_dry_run_asks_nobody_and_writes_nothing(queries, data):
    with serve(small_world(good=2)) as web:
        code, out, _ = finish(start(web, queries, data, "--dry-run"))

        assert web.requests == []
    assert code == 0
    assert "coral snake" in out
    assert not data.exists()


def test_without_a_network_it_ends_with_a_sentence_for_each_provider_and_5(queries, data):
    gone = {f"IMGKIT_{name}_URL": "http://127.0.0.1:9" for name in ("BING", "OPENVERSE", "GOOGLE", "INATURALIST")}
    web = type("", (), {"environ": gone})

    code, out, err = finish(start(web, queries, data, "--provider", "bing", "--provider", "openverse"))

    assert code == 5
    assert "bing stopped: " in out
    assert "openverse stopped: " in out
    assert "Traceback" not in err
    with Manifest.open_existing(data) as manifest:
        assert len(manifest.queries()) == 2


def test_a_bad_queries_file_exits_with_2_and_changes_nothing(tmp_path, data):
    path = tmp_path / "bad.csv"
    path.write_text("label,query\ncoral,\n")

    code, _, err = finish(start(None, path, data))

    assert code == 2
    assert "line 2" in err
    assert not data.exists()


def test_a_second_harvest_exits_with_6_and_names_the_first(queries, data):
    builder = WorldBuilder(hosts=[Host(name="photos", delay=0.5)])
    for _ in range(20):
        builder.add("coral_snake")
    with serve(builder.build()) as web:
        first = start(web, queries, data)
        wait_for(lambda: (data / ".locks" / "harvest.json").exists())
        code, _, err = finish(start(web, queries, data))
        os.killpg(first.pid, signal.SIGKILL)
        finish(first)

    assert code == 6
    assert f"pid {first.pid}" in err


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupted_harvest_saves_and_goes_on(queries, data, number, code):
    builder = WorldBuilder(hosts=[Host(name="photos", delay=0.15)])
    for _ in range(24):
        builder.add("coral_snake")
    with serve(builder.build()) as web:
        process = start(web, queries, data)
        wait_for(lambda: len(list(data.glob("harvested/*/*.jpg"))) >= 3)
        before = len(image_requests(web))
        process.send_signal(number)
        ended, _, err = finish(process)
        asked = len(image_requests(web))
        finish(start(web, queries, data))

        assert len(image_requests(web)) - asked <= 24 - 3 + 3
    assert ended == code
    assert asked - before <= 8  # what was on its way, and what began before the signal came
    assert "Run the same command again" in err
    assert "Traceback" not in err
    assert sum(one.state == "kept" for one in candidates(data)) == 24


def test_a_killed_harvest_ends_like_one_that_nobody_killed(queries, tmp_path):
    faults = ["404", "503_once", "redirect_three", "truncated", "placeholder"]
    options = ("--per-label", "18", "--provider", "bing", "--provider", "openverse")
    chance = random.Random(7)
    with serve(small_world(good=24, faults=faults, providers=("bing", "openverse"), hosts=3)) as web:
        finish(start(web, queries, tmp_path / "undisturbed", *options))
        expected = digest(tmp_path / "undisturbed")
        asked = len(image_requests(web))
        data = tmp_path / "killed"
        kills = 0
        for least in (1, 12, 24):
            process = start(web, queries, data, *options)
            wait_for(lambda: len(list(data.glob("originals/*/*"))) >= least or process.poll() is not None)  # noqa: B023
            time.sleep(chance.uniform(0, 0.05))
            kills += process.poll() is None
            os.killpg(process.pid, signal.SIGKILL) if process.poll() is None else None
            finish(process)
        finish(start(web, queries, data, *options))

        again = len(image_requests(web)) - 2 * asked
    assert kills >= 2
    assert digest(data) == expected
    assert again <= kills * 15  # what was in the air at each kill
