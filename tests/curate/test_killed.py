"""SIGKILL at the steps of a curate and of its undo; ``killing.py`` does the killing."""

import contextlib
import json
import subprocess
import sys
from pathlib import Path

import pytest
from drawn_photos import photo
from harvest_builder import HarvestBuilder

from imgkit.curate.config import CurateConfig
from imgkit.curate.pipeline import curate, undo
from imgkit.manifest import DataFolder

SCRIPT = Path(__file__).with_name("killing.py")


@pytest.fixture
def data(tmp_path):
    """A data folder with a set, the one before it, and a picture that came since."""
    builder = HarvestBuilder(tmp_path / "data")
    config = CurateConfig(data=builder.folder.root, weights="none")
    for number, label in enumerate(("coral", "king")):
        for seed in range(2):
            builder.add(label, photo(10 * number + seed, width=96, height=80))
    curate(config)
    builder.add("coral", photo(5, width=96, height=80))
    curate(config)
    builder.add("king", photo(15, width=96, height=80))
    return builder.close()


def killed(data, command, *, first, step, operations=()):
    arguments = [sys.executable, SCRIPT, data, command, str(first), str(step), *operations]
    return json.loads(subprocess.run(arguments, capture_output=True, text=True, check=True).stdout)


def test_a_curate_killed_at_any_step_is_finished_by_the_next_and_can_be_undone_byte_for_byte(data):
    steps = killed(data, "curate", first=7, step=23)

    assert len(steps) > 3
    assert [one for one in steps if not (one["finished"] and one["undone"])] == []


def test_an_undo_killed_at_any_step_leaves_one_of_the_two_sets_and_the_way_to_the_other(data):
    steps = killed(data, "undo", first=0, step=1, operations=["os.rename"])

    assert len(steps) > 3
    assert [one for one in steps if not one["finished"]] == []


class Killed(BaseException):
    """Stands for the end of the process: nothing that the program could still do is done."""


@pytest.mark.parametrize("number", range(4))
def test_a_third_curate_killed_at_any_rename_leaves_a_set_and_the_one_before_it(data, monkeypatch, number):
    config = CurateConfig(data=data, weights="none")
    folder = DataFolder(data)
    first, second = tree(folder.curated_previous), tree(folder.curated)
    real, count = Path.rename, iter(range(100))

    def rename(self, target):
        if self.parent == data and next(count) == number:
            raise Killed
        return real(self, target)

    with monkeypatch.context() as patch, contextlib.suppress(Killed):
        patch.setattr(Path, "rename", rename)
        curate(config)
    done = {0: False, 1: False, 2: True, 3: True}[number]  # killed between the last two renames, it is finished

    undo(config)

    assert tree(folder.curated) == (second if done else first)
    undo(config)
    assert (tree(folder.curated) != second) == done
    assert sorted(path.name for path in data.glob(".curated*")) == [".curated-previous"]


def tree(folder):
    """Every file below a folder with its bytes."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
