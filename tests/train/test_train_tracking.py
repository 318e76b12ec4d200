import importlib.util
import threading
from types import SimpleNamespace

import pytest

from imgkit.errors import UsageError
from imgkit.train.tracking import PROGRAMS, Program, Tracking, find_program, open_tracker


class Recording:
    """Stands for the module of a tracker and remembers what it was asked to do."""

    def __init__(self, api_key=""):
        self.calls = []
        self.api = SimpleNamespace(api_key=api_key)

    def __getattr__(self, name):
        def call(*arguments, **named):
            self.calls.append((name, arguments, named))
            return self

        return call


def track(tmp_path, name, module):
    told = []
    tracking = Tracking(
        name,
        lambda: open_tracker(PROGRAMS[name], tmp_path / "first", {"lr": 1e-4}, load=lambda _: module),
        say=told.append,
    )
    tracking.log(10, {"train/loss": 0.5, "validation/macro_f1": float("nan")})
    tracking.finish()
    return told


def test_tensorboard_gets_every_figure_with_its_step(tmp_path):
    module = Recording()

    told = track(tmp_path, "tensorboard", module)

    assert told == []
    assert module.calls[0] == ("SummaryWriter", (), {"log_dir": str(tmp_path / "first" / "tensorboard")})
    assert ("add_scalar", ("train/loss", 0.5, 10), {}) in module.calls
    assert module.calls[-1][0] == "close"


@pytest.mark.parametrize(("key", "mode"), [("", "offline"), ("secret", None)])
def test_wandb_never_asks_for_a_key_it_stays_offline(tmp_path, key, mode):
    module = Recording(api_key=key)

    told = track(tmp_path, "wandb", module)

    assert told == []
    assert module.calls[0][2]["mode"] == mode
    assert module.calls[0][2]["config"] == {"lr": 1e-4}
    assert [name for name, _, _ in module.calls] == ["init", "log", "finish"]


def test_mlflow_gets_settings_and_finite_figures(tmp_path):
    module = Recording()

    told = track(tmp_path, "mlflow", module)

    assert told == []
    assert ("log_params", ({"lr": "0.0001"},), {}) in module.calls
    assert ("log_metrics", ({"train/loss": 0.5},), {"step": 10}) in module.calls
    assert module.calls[-1][0] == "end_run"


@pytest.mark.parametrize("error", [RuntimeError("no network\nand more"), SystemExit(1), ImportError("broken")])
def test_a_tracker_that_fails_is_told_once_and_nobody_waits_for_it(error):
    told = []

    def fail():
        raise error

    tracking = Tracking("wandb", fail, say=told.append)
    for step in range(50):
        tracking.log(step, {"train/loss": 1.0})
    tracking.finish()

    assert len(told) == 1
    assert told[0].startswith(f"note    --track wandb failed ({type(error).__name__}: ")
    assert "and more" not in told[0]


def test_a_tracker_that_hangs_is_left_behind():
    told, released = [], threading.Event()

    tracking = Tracking("mlflow", lambda: released.wait(30), say=told.append, timeout_s=0.05)
    tracking.log(1, {"train/loss": 1.0})
    tracking.finish()
    released.set()

    assert len(told) == 1
    assert "did not finish within 0.05 s" in told[0]


def test_a_tracker_that_is_not_known_or_not_installed_is_refused_before_anything_starts():
    with pytest.raises(UsageError, match="Choose tensorboard, wandb, mlflow"):
        find_program("comet")
    for name, program in PROGRAMS.items():
        if importlib.util.find_spec(program.extra) is None:
            with pytest.raises(UsageError, match=rf"imgkit-datasets\[{program.extra}\]"):
                find_program(name)
        else:
            assert isinstance(find_program(name), Program)
