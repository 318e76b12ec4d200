"""Labels from the queries file to the curated set: what a rename or a removed row does to all of it."""

import json

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from imgkit.cli import build
from imgkit.manifest import Manifest


@pytest.fixture
def imgkit(tmp_path, monkeypatch):
    """Run a command on the data folder; return its exit code and what it printed."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("IMGKIT_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("COLUMNS", "200")

    def run(*arguments):
        result = CliRunner().invoke(build(), list(arguments))
        return result.exit_code, result.output

    return run


@pytest.fixture
def folders(tmp_path):
    """Two folders of six pictures that look like no other."""
    for number, name in enumerate(("one", "two")):
        (tmp_path / name).mkdir()
        for n in range(6):
            pixels = np.random.default_rng(100 * number + n).integers(0, 256, (9, 12, 3), dtype=np.uint8)
            Image.fromarray(pixels).resize((320, 240), Image.Resampling.BICUBIC).save(tmp_path / name / f"{n}.jpg")


def write(tmp_path, first, second="howler"):
    rows = ["label,query,providers", f"{first},one,folder", *([f"{second},two,folder"] if second else [])]
    (tmp_path / "q.csv").write_text("\n".join(rows) + "\n")


def in_set(tmp_path):
    return sorted(
        path.relative_to(tmp_path / "data/curated").as_posix() for path in tmp_path.glob("data/curated/*/*.jpg")
    )


def curate(imgkit):
    code, text = imgkit("curate", "--weights", "none", "--policy", "keep")
    assert code == 0, text
    return text


def test_a_label_that_is_renamed_in_the_file_makes_no_conflict(imgkit, tmp_path, folders):
    write(tmp_path, "uakari")
    assert imgkit("harvest", "q.csv")[0] == 0
    curate(imgkit)
    names = [one.partition("/")[2] for one in in_set(tmp_path) if one.startswith("uakari/")]
    assert len(names) == 6

    write(tmp_path, "bald uakari")
    code, text = imgkit("harvest", "q.csv")
    curate(imgkit)

    assert code == 0
    assert "6 pictures left" in text
    assert f"imgkit labels rename uakari 'bald uakari' --data {tmp_path / 'data'}" in text.replace("\n", " ")
    assert [one for one in in_set(tmp_path) if not one.startswith("howler/")] == [f"bald_uakari/{one}" for one in names]
    status = json.loads(imgkit("status", "--json")[1])
    assert {one["label"]: one["harvested"] for one in status["labels"]} == {
        "uakari": 0,
        "howler": 6,
        "bald_uakari": 6,
    }


def test_a_label_that_is_removed_is_trained_on_no_more(imgkit, tmp_path, folders):
    write(tmp_path, "uakari")
    imgkit("harvest", "q.csv")
    curate(imgkit)
    write(tmp_path, "uakari", second="")

    _, text = imgkit("harvest", "q.csv")
    report = curate(imgkit)

    assert "6 pictures left" in text
    assert {one.partition("/")[0] for one in in_set(tmp_path)} == {"uakari"}
    assert "howler" not in report


def test_the_command_moves_pictures_and_decisions_and_what_was_done_by_hand_meanwhile(imgkit, tmp_path, folders):
    write(tmp_path, "uakari")
    imgkit("harvest", "q.csv")
    curate(imgkit)
    first, second, third, *others = [one for one in in_set(tmp_path) if one.startswith("uakari/")]
    (tmp_path / "data/curated" / first).unlink()
    curate(imgkit)  # notices it
    (tmp_path / "data/curated" / second).unlink()
    (tmp_path / "data/curated" / third).rename(tmp_path / "data/curated/howler" / third.partition("/")[2])

    code, text = imgkit("labels", "rename", "uakari", "Bald Uakari")
    assert code == 0
    assert "'uakari' is 'Bald Uakari' now: 6 pictures and 1 decisions moved." in text
    assert f"Write the new name into {tmp_path / 'q.csv'} too" in text.replace("\n", " ")
    write(tmp_path, "Bald Uakari")
    code, text = imgkit("harvest", "q.csv")
    assert "left" not in text
    curate(imgkit)

    ids = [one.partition("/")[2].removesuffix(".jpg") for one in (first, second, third)]
    with Manifest.open_existing(tmp_path / "data") as manifest:
        assert {key: one.action for key, one in manifest.current_decisions().items()} == {
            ("Bald_Uakari", ids[0]): "reject",
            ("Bald_Uakari", ids[1]): "reject",
            ("Bald_Uakari", ids[2]): "relabel",
        }
        assert list(manifest.labels()) == ["howler", "Bald_Uakari"]
    assert [one for one in in_set(tmp_path) if one.startswith("Bald")] == [
        f"Bald_Uakari/{one.partition('/')[2]}" for one in others
    ]


def test_a_rename_that_follows_the_harvest_brings_the_decisions_along(imgkit, tmp_path, folders):
    write(tmp_path, "uakari")
    imgkit("harvest", "q.csv")
    curate(imgkit)
    gone = next(one for one in in_set(tmp_path) if one.startswith("uakari/"))
    (tmp_path / "data/curated" / gone).unlink()
    curate(imgkit)
    write(tmp_path, "bald uakari")
    imgkit("harvest", "q.csv")

    code, text = imgkit("labels", "rename", "uakari", "bald uakari")
    curate(imgkit)

    assert code == 0, text
    assert f"bald_uakari/{gone.partition('/')[2]}" not in in_set(tmp_path)
    assert len(in_set(tmp_path)) == 11
    listed = json.loads(imgkit("labels", "--json")[1])["labels"]
    assert [(one["label"], one["pictures"]) for one in listed] == [("howler", 6), ("bald_uakari", 6)]
    assert [one["asked_by"] for one in listed] == [[str(tmp_path / "q.csv")]] * 2


def test_a_curate_that_is_undone_after_a_rename_gives_its_verdicts_to_the_new_name(imgkit, tmp_path, folders):
    write(tmp_path, "uakari")
    imgkit("harvest", "q.csv")
    curate(imgkit)
    imgkit("labels", "rename", "uakari", "saki")
    curate(imgkit)

    code, text = imgkit("curate", "--undo")

    assert code == 0, text
    with Manifest.open_existing(tmp_path / "data") as manifest:
        assert sorted({label for label, _ in manifest.judgements()}) == ["howler", "saki"]


def test_a_label_is_dropped_and_is_back_when_its_file_is_run_again(imgkit, tmp_path, folders):
    write(tmp_path, "uakari")
    imgkit("harvest", "q.csv")

    code, text = imgkit("labels", "drop", "howler")

    assert code == 0
    assert "6 pictures of 'howler' left harvested." in text
    assert not (tmp_path / "data/harvested/howler").exists()
    _, text = imgkit("harvest", "q.csv")
    assert "6 pictures came back" in text
    assert len(list(tmp_path.glob("data/harvested/howler/*.jpg"))) == 6


@pytest.mark.parametrize("words", [["rename", "uakari"], ["paint", "uakari"], ["drop"], ["list", "uakari"]])
def test_words_that_are_no_action_are_said_to_be_none(imgkit, tmp_path, folders, words):
    write(tmp_path, "uakari")
    imgkit("harvest", "q.csv")

    code, text = imgkit("labels", *words)

    assert code == 2
    assert "list; rename OLD NEW; drop NAME" in text


def test_every_row_of_a_list_is_a_candidate_or_is_named_with_its_line(imgkit, tmp_path):
    (tmp_path / "list.csv").write_text(
        "url,title,license,label\n"
        "http://127.0.0.1:9/1.jpg,a,b,c,d,e\n"
        "http://127.0.0.1:9/2.jpg,fine,by,snake\n"
        ",no address,by,snake\n"
        "HTTP://127.0.0.1:9/2.jpg#again,twice,by,snake\n"
        "http://127.0.0.1:9/3.jpg,another,by,bird\n"
    )
    (tmp_path / "q.csv").write_text("label,query,providers\nsnake,list.csv,urls\n")

    _, text = imgkit("harvest", "q.csv")
    text = " ".join(text.split())

    place = tmp_path / "list.csv"
    assert f"{place}: no row asks for the addresses of these labels: bird (1)." in text
    named = (
        f"{place}: left out are 1 row without an address (line 4), 1 row with an address that stands above (line 5), "
        "1 row that cannot be read (line 2: 6 values for 4 columns. Put double quotes around a value that holds the "
        "delimiter.)"
    )
    assert named in text
    assert named in " ".join(imgkit("status")[1].split())
    assert json.loads(imgkit("status", "--json")[1])["left_out"] == [named]
