import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from drawing import draw_labels
from typer.testing import CliRunner

from imgkit.cli import build
from imgkit.errors import UsageError
from imgkit.signals import StopFlag
from imgkit.train.config import TrainConfig
from imgkit.train.config_file import read_settings
from imgkit.train.finetune.validator import ValidationScore
from imgkit.train.tune.search import SearchConfig, search
from imgkit.train.tune.trial import Trial, best_of, value_of
from imgkit.train.tune.trial_runner import Deadline, TimeUpError
from imgkit.vision.imagefolder import Selection


def judged(number, macro_f1, nll):
    return Trial(
        number=number,
        state="complete",
        settings={},
        steps=1,
        seconds=1.0,
        winner="epoch 1",
        judgement=ValidationScore(macro_f1=macro_f1, accuracy=macro_f1, nll=nll),
    )


def test_the_best_trial_has_the_best_score_then_the_lower_loss_then_came_first():
    trials = [judged(0, 0.8, 0.1), judged(1, 0.9, 0.5), judged(2, 0.9, 0.4), judged(3, 0.9, 0.4)]

    assert best_of(trials) == trials[2]
    assert best_of([]) is None


def test_a_loss_never_outweighs_a_picture_that_is_named_right():
    better, surer = (
        ValidationScore(macro_f1=0.91, accuracy=0.9, nll=9.0),
        ValidationScore(macro_f1=0.9, accuracy=0.9, nll=0.0),
    )

    assert value_of(better) > value_of(surer)


def test_the_deadline_stops_what_is_under_way_and_says_that_the_time_is_over():
    now = [0.0]
    deadline = Deadline(StopFlag(), 10.0, clock=lambda: now[0])

    assert not deadline
    now[0] = 10.0
    assert deadline
    with pytest.raises(TimeUpError):
        deadline.pass_on()


def test_who_asks_to_stop_is_heard_before_the_deadline():
    stop = StopFlag()
    deadline = Deadline(stop, 10.0, clock=lambda: 0.0)

    stop.ask()

    assert deadline
    with pytest.raises(KeyboardInterrupt):
        deadline.pass_on()


@pytest.fixture(scope="module")
def searched(tmp_path_factory):
    root = tmp_path_factory.mktemp("search")
    pictures = draw_labels(root / "pictures", per_label=14, labels=("coral", "king", "milk"))
    base = TrainConfig(
        data=pictures,
        labels=("coral", "king"),
        limit=13,
        runs=root / "runs",
        device="cpu",
        batch=4,
        steps=1,
        precision="fp32",
    )
    config = SearchConfig(
        base=base, minutes=10, trials=2, backbones=("tf_efficientnet_lite0",), sizes=(64,), name="search"
    )
    return config, search(config)


def test_the_default_settings_are_tried_first_and_the_best_ones_are_written_for_train(searched):
    config, report = searched

    assert [each.number for each in report.attempts] == [0, 1]
    assert report.default is not None
    assert report.default.settings == {
        "backbone": "tf_efficientnet_lite0",
        "size": 64,
        "lr": config.base.lr,
        "layer_decay": config.base.layer_decay,
        "weight_decay": config.base.weight_decay,
        "crop_area": config.base.crop_area,
        "recipe": "short",
    }
    assert report.best is not None
    best = TrainConfig(**read_settings(report.settings))
    assert (best.backbone, best.size, best.data) == ("tf_efficientnet_lite0", 64, config.base.data)
    assert best.steps is None


def test_the_part_of_the_pictures_that_is_searched_on_is_the_one_that_best_yaml_trains_on(searched):
    config, report = searched

    best = TrainConfig(**read_settings(report.settings))
    assert (best.labels, best.limit) == (("coral", "king"), 13)
    with pytest.raises(UsageError, match="is of other pictures"):
        search(replace(config, base=replace(config.base, limit=12)))


def test_the_command_takes_a_part_of_the_pictures_as_train_does(tmp_path, monkeypatch):
    asked = []

    def caught(config, *, progress):
        asked.append(config)
        raise UsageError("seen")

    monkeypatch.setattr("imgkit.train.tune.search.search", caught)
    (tmp_path / "wanted.txt").write_text("king\nmilk\n", encoding="utf-8")
    part = ["--labels", "coral, king", "--labels-file", str(tmp_path / "wanted.txt"), "--limit", "5"]

    done = CliRunner().invoke(build(), ["tune", "pictures", *part, "--layout", "labels", "--batch-size", "7"])
    CliRunner().invoke(build(), ["tune"])

    assert done.stderr.strip() == "imgkit tune: seen"
    chosen, usual = (config.base for config in asked)
    assert chosen.selection() == Selection(labels=("coral", "king", "milk"), limit=5)
    assert (chosen.data, chosen.layout, chosen.batch) == (Path("pictures"), "labels", 7)
    assert usual == TrainConfig(data=Path("data/curated"))


def test_the_same_search_again_goes_on_where_it_was(searched):
    config, _ = searched

    again = search(replace(config, trials=1))

    assert [each.number for each in again.attempts] == [0, 1, 2]
    assert sorted(path.name for path in again.folder.iterdir()) == ["best.yaml", "study.journal"]


def test_a_study_of_other_pictures_or_of_another_space_is_refused(searched, tmp_path):
    config, report = searched
    other = draw_labels(tmp_path / "other", per_label=8, labels=("coral", "king"))

    with pytest.raises(UsageError, match="is of other pictures"):
        search(replace(config, base=replace(config.base, data=other)))
    with pytest.raises(UsageError, match="searches among"):
        search(replace(config, sizes=(96,)))
    assert (report.folder / "best.yaml").exists()


def test_a_damaged_study_is_one_sentence(searched, tmp_path):
    config, report = searched
    shutil.copytree(report.folder, config.base.runs / "damaged")
    (config.base.runs / "damaged" / "study.journal").write_text('{"op_code": "nonsense"}\n[[[\n{}\n')

    with pytest.raises(UsageError, match=r"study\.journal cannot be read"):
        search(replace(config, name="damaged"))
