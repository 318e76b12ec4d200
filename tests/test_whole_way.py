"""The three commands, one after the other, over real connections: from a queries file to a named picture."""

import csv
import json

import pytest
from typer.testing import CliRunner

from imgkit.cli import build
from imgkit.demo.builder import CORAL, KING, WorldBuilder
from imgkit.demo.web.server import serve

QUERIES = "label,query\ncoral snake,coral snake\nking snake,king snake\n"


def imgkit(*arguments, env=None):
    return CliRunner().invoke(build(), [str(one) for one in arguments], env=env)


@pytest.fixture(scope="module")
def way(tmp_path_factory):
    """A folder in which harvest, curate and train have run, and what each printed."""
    folder = tmp_path_factory.mktemp("way")
    (folder / "queries.csv").write_text(QUERIES, encoding="utf-8")
    builder = WorldBuilder()
    coral = [builder.add(CORAL) for _ in range(20)]
    for _ in range(20):
        builder.add(KING)
    builder.exact_copy(coral[0])
    builder.near_copy(coral[1], "smaller")
    builder.add(CORAL, kind="lost", fault="truncated")
    data = folder / "data"
    with serve(builder.build()) as web:
        asked = ("harvest", folder / "queries.csv", "--data", data, "--per-label", 30, "--provider", "bing", "--json")
        harvested = imgkit(*asked, env=web.environ)
    curated = imgkit("curate", "--data", data, "--allow", "drawings", "--weights", "packaged", "--json")
    train = ("train", data / "curated", "--runs", folder / "runs", "--name", "one", "--weights", "packaged")
    trained = imgkit(*train, "--device", "cpu", "--json")
    return folder, harvested, curated, trained


def test_a_harvest_below_its_target_says_so_with_its_exit_code(way):
    _, harvested, _, _ = way

    assert harvested.exit_code == 3
    assert json.loads(harvested.stdout)["yield"][-1]["kept"] == 41


def test_the_curated_set_is_a_plain_folder_without_the_copy(way):
    folder, _, curated, _ = way
    assert curated.exit_code == 0

    with (folder / "data" / "curated" / "metadata.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))

    assert {row["label"] for row in rows} == {"coral_snake", "king_snake"}
    assert all((folder / "data" / "curated" / row["file_name"]).is_file() for row in rows)
    assert all(row["source_url"].startswith("http://127.") and row["split"] and row["sha256"] for row in rows)
    assert len(rows) < 41


def test_the_model_names_a_picture_and_its_report_is_there(way):
    folder, _, _, trained = way
    assert trained.exit_code == 0, trained.output
    run = folder / "runs" / "one"
    picture = next((folder / "data" / "curated" / "king_snake").iterdir())

    named = imgkit("predict", run / "model", picture, "--json")

    assert named.exit_code == 0
    assert "king_snake" in named.stdout
    assert (run / "report.html").stat().st_size > 10_000


def test_the_model_folder_is_one_that_timm_loads(way):
    folder, *_ = way
    from imgkit.vision.features import torchvision_ops

    torchvision_ops.ensure()
    import timm

    model = timm.create_model(f"local-dir:{folder / 'runs' / 'one' / 'model'}", pretrained=True)

    assert model.pretrained_cfg["label_names"] == ["coral_snake", "king_snake"]


def test_status_afterwards_adds_up(way):
    folder, *_ = way

    summary = json.loads(imgkit("status", "--data", folder / "data", "--json").stdout)

    for label in summary["labels"]:
        states = [label[name] for name in ("kept", "rejected", "deferred", "waiting")]
        assert sum(states) == label["found"]
        places = [label[name] for name in ("curated", "moved_out", "set_aside", "unjudged")]
        assert sum(places) - label["moved_in"] == label["harvested"]
        assert label["written"] == label["curated"]


def test_a_second_curate_changes_nothing(way):
    folder, *_ = way
    data = folder / "data"
    before = (data / "curated" / "metadata.csv").read_bytes()

    again = imgkit("curate", "--data", data, "--allow", "drawings", "--weights", "packaged", "--json")

    assert again.exit_code == 0
    assert (data / "curated" / "metadata.csv").read_bytes() == before
