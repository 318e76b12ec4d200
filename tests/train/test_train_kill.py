"""A real process, a real signal; benchmarks/kill_train.py does the same to whole runs, at 150 random moments."""

import os
import signal
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from training import run, same_weights, small_fit

from imgkit.dataset.folder import Scan
from imgkit.errors import UsageError
from imgkit.train.config import TrainConfig
from imgkit.train.data.split import SplitSet
from imgkit.train.records import write_start
from imgkit.train.run_folder import BEFORE_SETTINGS, create


@pytest.mark.parametrize(
    ("number", "step", "went_on_at"),
    [
        # the checkpoint of a step is written after the step was counted
        pytest.param(signal.SIGKILL, 3, 2, id="killed"),
        pytest.param(signal.SIGTERM, 6, 6, id="asked to end"),
    ],
)
def test_a_run_that_got_a_signal_goes_on_at_its_last_checkpoint_and_ends_with_the_same_weights(
    tmp_path, number, step, went_on_at
):
    whole = small_fit(tmp_path / "whole")
    expected = run(whole)

    script, folder = Path(__file__).with_name("killed.py"), tmp_path / "killed"
    command = [sys.executable, str(script), str(folder), str(step), str(int(number))]
    finished = subprocess.run(command, capture_output=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
    resumed = small_fit(folder)
    assert resumed.resume()
    began = resumed.step
    found = run(resumed)

    assert finished.returncode == -number
    assert began == went_on_at
    assert same_weights(resumed.model.state_dict(), whole.model.state_dict())
    assert same_weights(found.winner.state, expected.winner.state)


def test_a_run_that_was_killed_before_its_settings_were_written_leaves_its_name_to_the_next(tmp_path):
    config = TrainConfig(data=tmp_path, runs=tmp_path / "runs", name="first")
    folder = create(config, now=datetime(2026, 1, 1, tzinfo=UTC))
    folder.write_json("env.json", {})
    (folder.path / ".tmp-123-classes.json").write_text("[")

    assert create(config, now=datetime(2026, 1, 2, tzinfo=UTC)) == folder

    folder.write_json("config.json", config.as_json())
    with pytest.raises(UsageError, match="there is already a run in"):
        create(config, now=datetime(2026, 1, 3, tzinfo=UTC))


def test_a_folder_with_anything_else_in_it_is_never_taken_over(tmp_path):
    (tmp_path / "runs" / "first").mkdir(parents=True)
    (tmp_path / "runs" / "first" / "thesis.txt").write_text("mine")

    with pytest.raises(UsageError, match="there is already a run in"):
        create(TrainConfig(data=tmp_path, runs=tmp_path / "runs", name="first"), now=datetime(2026, 1, 1, tzinfo=UTC))


def test_what_a_run_writes_before_its_settings_is_known(tmp_path, picture):
    config = TrainConfig(data=tmp_path, runs=tmp_path / "runs", name="first")
    folder = create(config, now=datetime(2026, 1, 1, tzinfo=UTC))
    pictures = (picture("coral", "a", split="train"), picture("king", "b", split="test"))
    found = Scan(root=tmp_path, layout="label folders", labels=("coral", "king"), pictures=pictures, quarantine=())

    write_start(folder, config, found, SplitSet(pictures=pictures), None)

    assert {path.name for path in folder.path.iterdir()} == {*BEFORE_SETTINGS, "config.json", "log.jsonl"}
