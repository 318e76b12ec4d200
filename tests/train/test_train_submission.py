import json
from pathlib import Path

import pytest
from drawing import COLOURS, draw
from typer.testing import CliRunner

from imgkit.cli import build
from imgkit.errors import UsageError
from imgkit.models.predict import Guess, Prediction
from imgkit.models.submission import fill_sample

PREDICTIONS = [
    Prediction(path=Path("test/7.jpg"), guesses=(Guess("king snake", 0.75), Guess("coral", 0.25))),
    Prediction(path=Path("test/12.jpg"), guesses=(Guess("coral", 0.9), Guess("king snake", 0.1))),
    Prediction(path=Path("test/30.jpg"), reason="img.truncated"),
]


def filled(tmp_path, text):
    (tmp_path / "sample.csv").write_text(text)
    return fill_sample(tmp_path / "sample.csv", PREDICTIONS)


def test_one_column_gets_the_most_probable_label_in_the_order_of_the_sample(tmp_path):
    found = filled(tmp_path, "ID,Label\n12,?\n30,coral\n7,?\n")

    assert found.text == "ID,Label\n12,coral\n30,coral\n7,king snake\n"
    assert (found.filled, found.unreadable) == (2, ("30",))


def test_columns_of_labels_get_probabilities_in_the_order_of_the_sample(tmp_path):
    found = filled(tmp_path, "image,King_Snake,coral\n7.jpg,0.5,0.5\ntest/12.jpg,0.5,0.5\n")

    assert found.text == "image,King_Snake,coral\n7.jpg,0.750000,0.250000\ntest/12.jpg,0.100000,0.900000\n"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("id,label\n7,?\n8,?\n", r"1 of 2 rows of .* do not name one of the pictures given: 8 \(0 pictures\)"),
        ("id,coral,milk\n7,0,0\n", "the column 'milk', which is no label of the model"),
        ("id\n7\n", "it needs a column of pictures, a column to fill, and a row"),
    ],
)
def test_a_sample_that_cannot_be_filled_is_said_in_one_sentence(tmp_path, text, said):
    with pytest.raises(UsageError, match=said):
        filled(tmp_path, text)


def test_a_name_that_two_pictures_have_is_not_guessed(tmp_path):
    (tmp_path / "sample.csv").write_text("id,label\n7,?\n")
    twins = [PREDICTIONS[0], Prediction(path=Path("other/7.jpg"), guesses=PREDICTIONS[0].guesses)]

    with pytest.raises(UsageError, match=r"7 \(2 pictures\)"):
        fill_sample(tmp_path / "sample.csv", twins)


def test_the_command_fills_the_sample_and_needs_a_file_to_write(tmp_path, model):
    for name in COLOURS:
        draw(tmp_path / "test" / f"{name}.png", COLOURS[name], 5)
    (tmp_path / "sample.csv").write_text("id,king,coral\nking,0,0\ncoral,0,0\n")
    command = ["predict", str(model), str(tmp_path / "test"), "--submission", str(tmp_path / "sample.csv")]

    without = CliRunner().invoke(build(), command)
    done = CliRunner().invoke(build(), [*command, "--output", str(tmp_path / "mine.csv"), "--top", "1", "--json"])

    assert without.exit_code == 2
    assert done.exit_code == 0
    assert json.loads(done.stdout)["submission"] == {"filled": 2, "unreadable": []}
    rows = [line.split(",") for line in (tmp_path / "mine.csv").read_text().splitlines()]
    assert rows[0] == ["id", "king", "coral"]
    assert float(rows[1][1]) > 0.5
    assert float(rows[2][2]) > 0.5
