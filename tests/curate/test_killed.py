"""SIGKILL at the steps of a curate and of its undo; ``killing.py`` does the killing."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from drawn_photos import photo
from harvest_builder import HarvestBuilder

from imgkit.curate.clean import curate
from imgkit.curate.config import CurateConfig

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
