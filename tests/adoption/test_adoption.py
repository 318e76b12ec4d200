"""A person's folder is curated in place: what is asked, what is written, and that no file of it changes."""

import csv
import json
import os
import shutil

import numpy as np
import pytest
import typer
from PIL import Image
from typer.testing import CliRunner

from imgkit.adoption.source import adopt, data_beside
from imgkit.cli.curate import curate
from imgkit.errors import UsageError
from imgkit.progress import Silent


def draw(path, seed):
    """Save a picture of coloured patches with fine grain; another seed, another picture."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    patches = Image.fromarray(rng.integers(0, 256, (6, 8, 3), np.uint8)).resize((320, 240), Image.Resampling.BICUBIC)
    grain = rng.integers(-30, 31, (240, 320, 1))
    Image.fromarray(np.clip(np.asarray(patches) + grain, 0, 255).astype(np.uint8)).save(path, format="PNG")


@pytest.fixture
def photos(tmp_path):
    root = tmp_path / "photos"
    for number, label in enumerate(("coral", "king snake")):
        for seed in range(2):
            draw(root / label / f"{seed}.png", 10 * number + seed)
    return root


@pytest.fixture
def run():
    app = typer.Typer()
    app.command()(curate)
    return lambda *words: CliRunner().invoke(app, [*map(str, words), "--weights", "none"])


def rows_of(path):
    with path.open(newline="", encoding="utf-8") as file:
        return {row["path"]: row for row in csv.DictReader(file)}


def state_of(root):
    return {path: (path.stat().st_mtime_ns, path.is_file() and path.read_bytes()) for path in root.rglob("*")}


def test_a_folder_is_listed_and_copied_and_no_file_of_it_changes(photos, run, tmp_path):
    shutil.copy(photos / "coral" / "0.png", photos / "coral" / "copy.png")
    (photos / "coral" / "bad.jpg").write_text("nothing")
    (photos / "notes.txt").write_text("mine")
    odd = os.fsdecode(b"odd \xff.png")
    draw(photos / "coral" / odd, 5)
    before = state_of(photos)

    result = run(photos, "--list", tmp_path / "list.csv", "--to", tmp_path / "new")

    assert result.exit_code == 0, result.output
    assert state_of(photos) == before
    listed = rows_of(tmp_path / "list.csv")
    assert {path: row["in_set"] for path, row in listed.items()} == {
        "coral/0.png": "1",
        "coral/1.png": "1",
        "coral/bad.jpg": "0",
        "coral/copy.png": "0",
        "coral/odd \\udcff.png": "1",
        "king snake/0.png": "1",
        "king snake/1.png": "1",
        "notes.txt": "0",
    }
    assert listed["coral/copy.png"]["reason"] == "the same picture as another candidate"
    assert listed["king snake/0.png"]["label"] == "king snake"
    assert 0 < float(listed["coral/0.png"]["probability"]) < 1
    new = {path.relative_to(tmp_path / "new").as_posix() for path in (tmp_path / "new").rglob("*.png")}
    assert new == {"coral/0.png", "coral/1.png", f"coral/{odd}", "king snake/0.png", "king snake/1.png"}
    assert (tmp_path / "new" / "coral" / odd).read_bytes() == (photos / "coral" / odd).read_bytes()
    assert (tmp_path / "photos.imgkit" / "manifest.db").exists()


def test_a_second_run_follows_files_that_were_added_edited_and_removed(photos, run, tmp_path):
    run(photos)
    draw(photos / "coral" / "added.png", 7)
    draw(photos / "coral" / "1.png", 8)
    (photos / "coral" / "0.png").unlink()

    result = run(photos, "--list", tmp_path / "list.csv", "--json")

    assert json.loads(result.stdout)["totals"]["in_set"] == 4
    assert [path for path, row in rows_of(tmp_path / "list.csv").items() if row["in_set"] == "1"] == [
        "coral/1.png",
        "coral/added.png",
        "king snake/0.png",
        "king snake/1.png",
    ]


def test_splits_keep_their_folders(photos, run, tmp_path):
    for split, seed in (("train", 20), ("test", 21)):
        draw(tmp_path / "split" / split / "coral" / "a.png", seed)
        draw(tmp_path / "split" / split / "king" / "b.png", seed + 10)

    run(tmp_path / "split", "--to", tmp_path / "new")

    assert {path.relative_to(tmp_path / "new").as_posix() for path in (tmp_path / "new").rglob("*.png")} == {
        "train/coral/a.png",
        "train/king/b.png",
        "test/coral/a.png",
        "test/king/b.png",
    }


def test_split_words_beside_labels_are_asked_about(photos, run):
    draw(photos / "test" / "a.png", 40)

    result = run(photos)

    assert result.exit_code == 2
    assert "--layout" in result.output
    assert run(photos, "--layout", "labels").exit_code == 0


def test_a_flat_folder_says_that_it_is_one_label(photos, run):
    result = run(photos / "coral")

    assert result.exit_code == 0
    assert "all 2 pictures are taken as one, 'coral'" in " ".join(result.output.split())


def test_labels_come_from_a_table(photos, run, tmp_path):
    table = photos / "mine.csv"
    table.write_text("path,label\ncoral/0.png,red\nking snake/1.png,blue\n")

    run(table, "--list", tmp_path / "list.csv")

    listed = rows_of(tmp_path / "list.csv")
    assert {path: row["label"] for path, row in listed.items()} == {"coral/0.png": "red", "king snake/1.png": "blue"}


def test_one_folder_of_label_folders_is_not_melted_into_one_label(photos, tmp_path):
    shutil.move(photos, tmp_path / "download" / "photos")

    with pytest.raises(UsageError, match=r"one label only \(photos\), with the subfolders coral, king snake"):
        adopt(tmp_path / "download", progress=Silent(), environ={})

    assert not data_beside(tmp_path / "download").exists()


def test_a_data_folder_among_the_pictures_around_them_or_of_others_is_refused(photos, tmp_path):
    adopt(photos, progress=Silent(), environ={})
    draw(tmp_path / "others" / "a" / "0.png", 50)

    for pictures, data in (
        (photos, photos / "data"),
        (photos, tmp_path),
        (tmp_path / "others", data_beside(photos)),
        (data_beside(photos), None),
    ):
        with pytest.raises(UsageError, match="Nothing was changed"):
            adopt(pictures, data, progress=Silent(), environ={})


def test_a_new_folder_that_is_there_is_refused_before_anything_is_read(photos, run, tmp_path):
    (tmp_path / "new").mkdir()

    result = run(photos, "--to", tmp_path / "new")

    assert result.exit_code == 2
    assert "is there already" in result.output
    assert not data_beside(photos).exists()


def test_what_is_for_a_folder_is_refused_without_one(run, tmp_path):
    result = run("--list", tmp_path / "list.csv")

    assert result.exit_code == 2
    assert "--to, --list and --layout are for a folder of pictures" in " ".join(result.output.split())
