from dataclasses import replace
from pathlib import Path

import pytest

from imgkit.errors import UsageError
from imgkit.train.config import TrainConfig
from imgkit.train.config_file import read_settings, settings_text

CONFIG = TrainConfig(data=Path("pictures/curated"), lr=3e-5, steps=120, flip=False, name="first", resume=True)


def file_with(tmp_path, text):
    path = tmp_path / "run.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_the_settings_of_a_run_read_back_as_they_were_but_for_its_name(tmp_path):
    path = file_with(tmp_path, settings_text(CONFIG, note="first line\nsecond line"))

    again = TrainConfig(**read_settings(path))

    assert again == replace(CONFIG, name=None, resume=False)
    assert path.read_text().startswith("# first line\n# second line\ndata: pictures/curated\n")


def test_a_file_needs_to_name_only_what_differs(tmp_path):
    path = file_with(tmp_path, "lr: 1e-4\nkeep-color: true\nminutes: 5\nepochs: null\n")

    assert read_settings(path) == {"lr": 1e-4, "keep_color": True, "minutes": 5.0, "epochs": None}


def test_an_empty_file_names_nothing(tmp_path):
    assert read_settings(file_with(tmp_path, "# nothing\n")) == {}


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("learning_rate: 1\n", "there is no setting 'learning_rate'"),
        ("weight_deacy: 0.1\n", "Did you mean weight_decay?"),
        ("zzz: 1\n", "The settings are data, finetune, "),
        ("name: again\n", "there is no setting 'name'"),
        ("lr: fast\n", "lr is 'fast', which is not a number"),
        ("steps: 1.5\n", "steps is 1.5, which is not a whole number"),
        ("steps: true\n", "steps is True, which is not a whole number"),
        ("flip: 1\n", "flip is 1, which is not true or false"),
        ("seed: null\n", "seed is None, which is not a whole number"),
        ("monitor: f1\n", "monitor is 'f1', which is not one of macro-f1, accuracy, loss"),
        ("data: 3\n", "data is 3, which is not a path"),
        ("backbone: 3\n", "backbone is 3, which is not a text"),
        ("keep-color: true\nkeep_color: false\n", "keep_color is there twice"),
        ("lr: 1\n  steps: [\n", "line 2: no YAML"),
        ("- lr\n", "no settings"),
        ("!!python/object/apply:os.system ['true']\n", "no YAML"),
    ],
)
def test_what_is_no_setting_is_refused_in_one_sentence(tmp_path, text, sentence):
    with pytest.raises(UsageError) as refusal:
        read_settings(file_with(tmp_path, text))

    assert sentence in str(refusal.value)
    assert "\n" not in str(refusal.value)
    assert "Nothing was changed." in str(refusal.value)


def test_a_file_that_is_not_there_is_one_sentence(tmp_path):
    with pytest.raises(UsageError, match="cannot be read"):
        read_settings(tmp_path / "nothing.yaml")
