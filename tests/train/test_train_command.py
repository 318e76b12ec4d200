"""How ``imgkit train`` reads its options, and what it says when it is stopped."""

import json

import pytest
from typer.testing import CliRunner

from imgkit.cli import build
from imgkit.cli.console import command
from imgkit.cli.predict import _sources
from imgkit.cli.train import merged
from imgkit.cli.train_modes import resume_hint
from imgkit.errors import UsageError
from imgkit.train.config import TrainConfig


def test_without_options_everything_is_as_the_settings_say():
    assert merged(None, {"lr": None, "progressive": None}) == TrainConfig(data=merged(None, {}).data)


def test_an_option_outranks_the_file_and_the_file_outranks_the_default(tmp_path):
    file = tmp_path / "run.yaml"
    file.write_text("data: pictures\nlr: 3e-4\nsteps: 50\nprogressive: [96, 128]\nflip: false\n")

    config = merged(file, {"lr": 1e-3, "steps": None, "data": None, "flip": None})

    assert (str(config.data), config.lr, config.steps, config.progressive, config.flip, config.epochs) == (
        "pictures",
        1e-3,
        50,
        (96, 128),
        False,
        None,
    )


def test_sizes_are_written_with_commas():
    assert merged(None, {"progressive": "160,192,224"}).progressive == (160, 192, 224)
    with pytest.raises(UsageError, match="--progressive 160-224 is no list"):
        merged(None, {"progressive": "160-224"})


def test_a_wrong_name_in_the_file_is_one_sentence_with_the_nearest_one(tmp_path):
    file = tmp_path / "run.yaml"
    file.write_text("learning_rate_find: true\nbacbone: resnet18\n")

    done = CliRunner().invoke(build(), ["train", str(tmp_path), "--config", str(file), "--runs", str(tmp_path)])

    assert done.exit_code == 2
    assert "there is no setting 'learning_rate_find'" in done.output
    assert len(list(tmp_path.iterdir())) == 1


def begin(runs, name, *, finished=False):
    (runs / name).mkdir(parents=True)
    (runs / name / "config.json").write_text("{}")
    if finished:
        (runs / name / "report.json").write_text("{}")


def test_an_interrupted_run_says_how_to_go_on_with_it(tmp_path, capsys):
    begin(tmp_path, "older")
    say = resume_hint(tmp_path, resumed=False)
    begin(tmp_path, "begun")

    with pytest.raises(BaseException), command("train", again=say):  # noqa: B017, PT011  (typer's own way out)
        raise KeyboardInterrupt

    assert capsys.readouterr().err == (
        "imgkit train: interrupted. What was finished is saved. Go on with: imgkit train --resume --runs "
        f"{tmp_path} --name begun\n"
    )


def test_a_run_that_was_not_begun_yet_is_started_again(tmp_path):
    begin(tmp_path, "older")

    assert resume_hint(tmp_path, resumed=False)() == "Run the same command again to go on."


def test_an_interrupted_resume_says_resume_again(tmp_path):
    begin(tmp_path, "finished", finished=True)
    begin(tmp_path, "older")

    assert resume_hint(tmp_path, resumed=True)().endswith("--name older")


def test_a_dash_stands_for_the_lines_of_the_input():
    assert _sources(["a.jpg", "-", "c.jpg"], ["b.jpg\n", "\n", "https://example.org/b.png\n"]) == [
        "a.jpg",
        "b.jpg",
        "https://example.org/b.png",
        "c.jpg",
    ]


def test_models_lists_what_is_here_as_json():
    done = CliRunner().invoke(build(), ["models", "--here", "--json", "tf_efficientnet_lite0"])

    assert [each["here"] for each in json.loads(done.stdout)["models"]][:1] == ["installed"]
