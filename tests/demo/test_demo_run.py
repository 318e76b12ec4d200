"""What the demo plants is counted against what the real stages found."""

from pathlib import Path

import pytest
import requests

from imgkit.demo.builder import CORAL, KING, WorldBuilder
from imgkit.demo.comparison import compare
from imgkit.demo.run import QUERIES, served
from imgkit.demo.web.server import serve
from imgkit.harvest.config import HarvestConfig
from imgkit.harvest.pipeline import harvest
from imgkit.harvest.queries import read_queries
from imgkit.manifest import Judgement, Manifest, Query

ROOT = Path(__file__).resolve().parents[2]
ASKED = (
    Query(label=CORAL, name="coral snake", text="coral snake", providers=("bing",), exclude=("toy",)),
    Query(label=KING, name="king snake", text="king snake", providers=("bing",)),
)


@pytest.fixture(scope="module")
def world():
    builder = WorldBuilder()
    good = [builder.add(CORAL) for _ in range(4)]
    builder.add(KING)
    builder.exact_copy(good[0])
    builder.exact_copy(good[1], listed_as=KING)
    builder.near_copy(good[2], "smaller")
    builder.add(CORAL, kind="wrong_label", shows=KING)
    builder.add(CORAL, kind="offtopic", shows="", drawing=builder.drawing("chart"))
    builder.add(CORAL, kind="excluded", title="A rubber toy snake")
    builder.add(CORAL, kind="lost", fault="404")
    builder.add(CORAL, kind="lost", fault="truncated")
    return builder.build()


@pytest.fixture(scope="module")
def data(world, tmp_path_factory):
    """A real harvest of the world."""
    folder = tmp_path_factory.mktemp("demo") / "data"
    with serve(world) as web:
        harvest(ASKED, HarvestConfig(data=folder, per_label=100), environ=web.environ)
    return folder


def row(truth, name):
    found = next(each for each in truth.rows if each.name == name)
    return found.planted, found.arrived, found.found, found.false_alarms


def judged(data, world, reasons):
    """Writes a machine's verdict on the pictures with these ids, and on no other."""
    with Manifest.open(data) as manifest:
        places = {world.find(c.proposal.url).id: (c.label, c.image_id) for c in manifest.candidates() if c.image_id}
        manifest.replace_judgements(
            Judgement(label=places[id][0], image_id=places[id][1], verdict="suspect", reason=reason)
            for id, reason in reasons.items()
        )


def test_after_a_harvest_everything_that_harvest_can_notice_is_counted(data, world):
    judged(data, world, {})

    truth = compare(data, world)

    assert row(truth, "broken or refused") == (2, 2, 2, 0)
    assert row(truth, "excluded words in the title") == (1, 1, 1, 0)
    assert row(truth, "exact copies") == (1, 1, 1, 0)
    assert row(truth, "wrong labels") == (1, 1, 0, 0)
    assert row(truth, "off the topic") == (1, 1, 0, 0)
    assert (truth.good, truth.good_harvested, truth.good_in_set, truth.surprises) == (5, 5, 0, ())


def test_what_curate_finds_and_what_it_takes_for_bad_are_both_counted(data, world):
    judged(
        data,
        world,
        {
            "wrong_label-001": "bad.label",
            "coral_snake-004": "bad.label",
            "offtopic-001": "bad.offtopic",
            "near_copy-001": "dup.near",
            "king_snake-001": "dup.near",
            "exact_copy-002": "bad.conflict",
        },
    )

    truth = compare(data, world)

    assert row(truth, "wrong labels") == (1, 1, 1, 1)
    assert row(truth, "off the topic") == (1, 1, 1, 0)
    assert row(truth, "near copies") == (1, 1, 1, 1)
    assert row(truth, "one picture under two labels") == (1, 1, 1, 0)


def test_a_fault_that_the_world_did_not_plant_is_a_surprise(data, world):
    judged(data, world, {})

    truth = compare(data, world.with_faults({"coral_snake-002": "410"}))

    assert truth.surprises == ("coral_snake-002: expected http.410, got kept",)


def test_the_queries_of_the_demo_are_those_of_the_example_file():
    written = read_queries(ROOT / "queries" / "snakes.csv").queries

    assert [(q.label, q.text, q.exclude) for q in QUERIES] == [(q.label, q.text, q.exclude) for q in written]


def test_the_web_of_the_demo_lives_as_long_as_it_is_needed():
    with served() as environ:
        url = environ["IMGKIT_OPENVERSE_URL"] + "/v1/images/"
        status = requests.get(url, params={"q": "king snake"}, timeout=5).status_code

    assert status == 200
    with pytest.raises(requests.ConnectionError):
        requests.get(url, timeout=5)
