"""A real process, a real signal; benchmarks/kill_train.py does the same to whole runs, at 150 random moments."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from training import run, same_weights, small_fit


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
