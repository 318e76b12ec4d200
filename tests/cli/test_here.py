"""``imgkit`` alone says what to do next in the folder it is typed in."""

import pytest
from PIL import Image
from typer.testing import CliRunner

from imgkit.cli import build


@pytest.fixture
def shown(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("IMGKIT_DATA", raising=False)

    def lines(*words):
        done = CliRunner().invoke(build(), list(words))
        assert done.exit_code == 0
        return done.stdout.splitlines()

    return lines


def test_an_empty_folder_is_shown_the_demonstration(shown):
    assert shown() == [
        "Nothing of imgkit is in this folder yet. See it work in three minutes:",
        "  imgkit demo",
        'Or begin with a CSV file with a column "label", one label a line:',
        "  imgkit harvest QUERIES.csv",
        "",
        "All commands: imgkit --help",
    ]


def test_files_with_queries_are_named_with_their_labels_and_others_are_not(shown, tmp_path):
    (tmp_path / "queries").mkdir()
    (tmp_path / "queries" / "snakes.csv").write_text(
        "label,query\ncoral,coral snake\nking,king snake\nking,kingsnake\n"
    )
    (tmp_path / "prices.csv").write_bytes(b"\x00\x01\x02" * 100)

    assert shown()[:2] == [
        "Files with queries are here. Search for pictures of them:",
        "  imgkit harvest queries/snakes.csv   (2 labels)",
    ]


def test_a_folder_of_labels_is_offered_for_training_unless_it_is_tiny(shown, tmp_path):
    for place, count in (("photos", 10), ("icons", 2)):
        for label in ("cat", "dog"):
            (tmp_path / place / label).mkdir(parents=True)
            for number in range(count):
                Image.new("RGB", (8, 8), (number, 0, 0)).save(tmp_path / place / label / f"{number}.png")

    assert shown()[:-2] == ["photos holds 20 pictures under 2 labels. Train on them:", "  imgkit train photos"]


def test_a_data_folder_says_how_it_stands_and_what_comes_next(shown, tmp_path):
    from imgkit.manifest import Manifest

    with Manifest.open(tmp_path / "data"):
        pass

    first, second, *_ = shown()

    assert first == "In data: 0 labels, 0 pictures, 0 in the curated set."
    assert "imgkit harvest QUERIES.csv" in second


def test_the_newest_model_can_be_asked(shown, tmp_path):
    (tmp_path / "runs" / "one" / "model").mkdir(parents=True)

    assert shown()[:2] == [
        "The newest of 1 models is runs/one/model. Ask it:",
        "  imgkit predict runs/one/model PICTURES",
    ]


def test_help_of_a_command_is_the_help_that_its_option_shows(shown):
    def meaning(lines):  # the tests' runner calls the program "root"
        return [line.replace("imgkit", "root").split() for line in lines]

    assert meaning(shown("help", "labels")) == meaning(shown("labels", "--help"))
    assert meaning(shown("help")) == meaning(shown("--help"))
