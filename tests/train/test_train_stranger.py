"""A run folder that somebody else made, or that was edited, ends in one sentence."""

import json

import pytest

from imgkit.errors import UsageError
from imgkit.train.config import TrainConfig
from imgkit.train.finetune import checkpoint
from imgkit.train.run_folder import RunFolder, reopen


@pytest.fixture
def begun(tmp_path):
    """A run that was begun, and a function that changes its settings."""
    folder = tmp_path / "runs" / "first"
    folder.mkdir(parents=True)
    config = TrainConfig(data=tmp_path / "pictures", runs=tmp_path / "runs", name="first", progressive=(160, 224))

    def write(change=lambda stored: None):
        stored = config.as_json()
        changed = change(stored)
        (folder / "config.json").write_text(json.dumps(stored if changed is None else changed))
        return TrainConfig(data=tmp_path, runs=tmp_path / "runs", resume=True)

    return write


def test_a_run_is_taken_up_with_the_settings_that_it_has(begun, tmp_path):
    folder, config = reopen(begun())

    assert folder.path == tmp_path / "runs" / "first"
    assert (config.data, config.name, config.progressive, config.resume) == (
        tmp_path / "pictures",
        "first",
        (160, 224),
        True,
    )


@pytest.mark.parametrize(
    "change",
    [
        lambda stored: stored.update(epochs="many"),
        lambda stored: stored.update(evil=1),
        lambda stored: stored.update(progressive=5),
        lambda stored: stored.update(progressive=["a"]),
        lambda stored: stored.update(layout="sideways"),
        lambda stored: stored.update(data=5),
        lambda stored: stored.update(name=["x"]),
        lambda stored: {name: value for name, value in stored.items() if name != "data"},
        lambda _: [1, 2],
        lambda _: "text",
    ],
)
def test_settings_that_imgkit_does_not_write_are_refused(begun, change):
    asked = begun(change)

    with pytest.raises(UsageError, match=r"config\.json"):
        reopen(asked)


@pytest.mark.parametrize(
    ("name", "text", "read"),
    [
        ("classes.json", "5", RunFolder.labels),
        ("classes.json", '{"a": 1}', RunFolder.labels),
        ("classes.json", "[1, 2]", RunFolder.labels),
        ("classes.json", "[" * 100_000, RunFolder.labels),
        ("data.json", "[]", RunFolder.data_digest),
        ("data.json", "{}", RunFolder.data_digest),
        ("recipe.json", "[1]", RunFolder.recipe),
        ("recipe.json", '{"steps": 1, "evil": 2}', RunFolder.recipe),
    ],
)
def test_a_file_of_a_run_that_imgkit_does_not_write_is_named(tmp_path, name, text, read):
    (tmp_path / name).write_text(text)

    with pytest.raises(UsageError, match=name.replace(".", r"\.")):
        read(RunFolder(tmp_path))


@pytest.mark.parametrize("body", [b"", b"\xff" * 40, b"\x02\0\0\0\0\0\0\0{}", b"\x02\0\0\0\0\0\0\0[]"])
def test_a_checkpoint_that_is_none_does_not_count(tmp_path, body):
    import hashlib

    (tmp_path / "step-00000001.safetensors").write_bytes(body)
    (tmp_path / "step-00000001.sha256").write_text(f"{hashlib.sha256(body).hexdigest()}  step-00000001.safetensors\n")

    assert checkpoint.newest(tmp_path) is None


def test_a_label_that_is_not_utf8_is_served(tmp_path):
    import os

    from imgkit.models.serve import EscapedJson

    name = os.fsdecode(b"caf\xe9")

    assert json.loads(EscapedJson({"labels": [name, "ü"]}).body) == {"labels": [name, "ü"]}
