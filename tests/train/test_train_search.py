import shutil
from dataclasses import replace

import pytest
from drawing import draw_labels

from imgkit.errors import UsageError
from imgkit.train.attempt import Attempt, best_of, value_of
from imgkit.train.bench import Deadline, TimeUpError
from imgkit.train.config import TrainConfig
from imgkit.train.interrupt import Stop
from imgkit.train.judge import Judgement
from imgkit.train.search import SearchConfig, search
from imgkit.train.settings import read_settings


def judged(number, macro_f1, nll):
    return Attempt(
        number=number,
        state="complete",
        settings={},
        steps=1,
        seconds=1.0,
        winner="epoch 1",
        judgement=Judgement(macro_f1=macro_f1, accuracy=macro_f1, nll=nll),
    )


def test_the_best_trial_has_the_best_score_then_the_lower_loss_then_came_first():
    trials = [judged(0, 0.8, 0.1), judged(1, 0.9, 0.5), judged(2, 0.9, 0.4), judged(3, 0.9, 0.4)]

    assert best_of(trials) == trials[2]
    assert best_of([]) is None


def test_a_loss_never_outweighs_a_picture_that_is_named_right():
    better, surer = Judgement(macro_f1=0.91, accuracy=0.9, nll=9.0), Judgement(macro_f1=0.9, accuracy=0.9, nll=0.0)

    assert value_of(better) > value_of(surer)


def test_the_deadline_stops_what_is_under_way_and_says_that_the_time_is_over():
    now = [0.0]
    deadline = Deadline(Stop(), 10.0, clock=lambda: now[0])

    assert not deadline
    now[0] = 10.0
    assert deadline
    with pytest.raises(TimeUpError):
        deadline.pass_on()


def test_who_asks_to_stop_is_heard_before_the_deadline():
    stop = Stop()
    deadline = Deadline(stop, 10.0, clock=lambda: 0.0)

    stop.ask()

    assert deadline
    with pytest.raises(KeyboardInterrupt):
        deadline.pass_on()


@pytest.fixture(scope="module")
def searched(tmp_path_factory):
    root = tmp_path_factory.mktemp("search")
    pictures = draw_labels(root / "pictures", per_label=14, labels=("coral", "king"))
    base = TrainConfig(data=pictures, runs=root / "runs", device="cpu", batch=4, steps=1, precision="fp32")
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


def test_the_same_search_again_goes_on_where_it_was(searched):
    config, _ = searched

    again = search(replace(config, trials=1))

    assert [each.number for each in again.attempts] == [0, 1, 2]
    assert sorted(path.name for path in again.folder.iterdir()) == ["best.yaml", "study.journal"]


def test_a_study_of_other_pictures_or_of_another_space_is_refused(searched, tmp_path):
    config, report = searched
    other = draw_labels(tmp_path / "other", per_label=8, labels=("coral", "milk"))

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
