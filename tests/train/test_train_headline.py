"""The number at the top is the better-founded one, and small labels are trained on."""

from dataclasses import replace

import numpy as np
import pytest
from drawing import draw_labels

from imgkit.errors import UsageError
from imgkit.train.config import TrainConfig
from imgkit.train.probe.learning_curve import learning_curve
from imgkit.train.probe.linear_probe import out_of_fold, review_labels
from imgkit.train.report.page import comparison
from imgkit.train.run import train


def run(folder, **changes):
    settings = {"data": folder, "runs": folder.parent / "runs", "device": "cpu", "weights": "packaged", "size": 64}
    return train(TrainConfig(**{**settings, **changes}))


@pytest.fixture(scope="module")
def three_each(tmp_path_factory):
    """Ten labels of three pictures."""
    root = tmp_path_factory.mktemp("three") / "pictures"
    return run(draw_labels(root, per_label=3, labels=tuple(f"label {n}" for n in range(10))))


def test_ten_labels_of_three_pictures_are_trained_on(three_each):
    assert [(each.train, each.val, each.test) for each in three_each.plan.labels] == [(1, 1, 1)] * 10


def test_the_headline_is_out_of_fold_where_that_judged_more_groups(three_each):
    assert three_each.test.groups == 10
    assert three_each.probe.groups == 20
    assert three_each.best == three_each.probe
    accuracy, test = three_each.probe.accuracy, three_each.test.accuracy
    assert three_each.verdict().startswith(
        f"{100 * accuracy.value:.1f} % of 20 pictures, each judged out-of-fold, are named right "
        f"(95 % interval {100 * accuracy.low:.1f} to {100 * accuracy.high:.1f} %)"
    )
    assert three_each.verdict().endswith(
        f"Of 10 test pictures {100 * test.value:.1f} % ({100 * test.low:.1f} to {100 * test.high:.1f} %)."
    )
    page = (three_each.run / "report.html").read_text()
    assert f"<h1>{100 * accuracy.value:.1f} % of the pictures are named right</h1>" in page
    assert [row.on for row in comparison(three_each) if row.final] == ["train and val, out-of-fold"]


def test_the_headline_is_the_test_where_that_judged_more_groups_or_the_model_is_another(three_each):
    larger = replace(three_each, test=replace(three_each.test, groups=20, count=20))
    tuned = replace(three_each, picked="epoch 3")

    for report in (larger, tuned):
        assert report.best == report.test
        assert f"of {report.test.count} test pictures are named right" in report.verdict()
        assert "out-of-fold" not in report.verdict()
        assert [row.on for row in comparison(report) if row.final] == ["test"]


def test_labels_of_two_pictures_are_learned_from_one_and_tested_on_the_other(folder):
    report = run(folder(per_label=2))

    assert [(each.train, each.val, each.test) for each in report.plan.labels] == [(1, 0, 1)] * 2
    assert report.probe is None
    assert report.best == report.test
    assert "of 2 test pictures are named right" in report.verdict()


def test_a_label_of_one_picture_is_learned_from_and_said_to_be_unmeasured(folder):
    root = folder(per_label=6)
    draw_labels(root, per_label=1, labels=("milk",))

    report = run(root)

    assert [(each.label, each.train, each.val, each.test) for each in report.plan.labels][-1] == ("milk", 1, 0, 0)
    said = (
        "milk: one picture, copies left aside; it is learned from, and how well the label is named cannot be measured"
    )
    assert said in report.plan.notes
    assert report.probe.count == 10  # the five of coral and of king that are not tested on


def test_sets_that_cannot_be_tested_or_fine_tuned_are_refused_with_the_reason(folder):
    with pytest.raises(UsageError, match="each label has one picture only"):
        run(folder("one", per_label=1))
    with pytest.raises(UsageError, match="--finetune chooses its weights on validation pictures"):
        run(folder("two", per_label=2), finetune=True)


def test_pictures_that_no_fold_can_name_upset_neither_score_nor_temperature(picture):
    chance = np.random.default_rng(0)
    targets = np.arange(60) % 2
    features = chance.normal(0, 1, (60, 8)).astype(np.float32)
    features[:, 0] += 2.0 * targets
    pictures = [picture(("coral", "king")[target], f"g{number}") for number, target in enumerate(targets)]
    alone = [picture("milk", "m", name=f"{number}.jpg") for number in range(6)]  # six copies of one picture

    without = out_of_fold(features, pictures, ("coral", "king"), strength=0.1, folds=5, seed=0)
    both = np.concatenate([features, chance.normal(5, 1, (6, 8)).astype(np.float32)])
    found = out_of_fold(both, [*pictures, *alone], ("coral", "king", "milk"), strength=0.1, folds=5, seed=0)

    assert without.nameable.all()
    assert found.nameable.tolist() == [True] * 60 + [False] * 6
    assert len(found.nameable_predictions) == 60
    assert found.calibration.temperature < 1  # above 5 where the six count
    curve = learning_curve(both, [*pictures, *alone], ("coral", "king", "milk"), found, strength=0.1, folds=5, seed=0)
    assert curve.points[-1].accuracy.value == found.nameable_predictions.right.mean()


def test_what_a_probe_names_otherwise_is_doubted_hard_or_of_a_weak_label(picture):
    chance = np.random.default_rng(0)
    names = ("coral", "king", "milk", "mole")
    targets = np.arange(320) % 4
    centres = np.array([[6, 0], [-6, 0], [0, 1.0], [0, -1.0]])  # milk and mole are hard to tell apart
    features = np.zeros((320, 8), np.float32)
    features[:, :2] = centres[targets] + chance.normal(0, 1.3, (320, 2))
    given = targets.copy()
    given[:24:4] = 1  # six of coral are called king
    pictures = [picture(names[label], f"g{number}") for number, label in enumerate(given)]

    judged = out_of_fold(features, pictures, names, strength=1.0, folds=5, seed=0)
    review = review_labels(judged, pictures, names)

    doubted = {issue.picture.group for issue in review.issues if issue.kind == "doubted"}
    assert len({f"g{number}" for number in range(0, 24, 4)} & doubted) >= 4
    assert review.low <= 6 <= review.high
    assert len(review.issues) == int((~judged.predictions.right).sum())
    assert len(doubted) <= np.ceil(review.high)
    assert {issue.kind for issue in review.issues if issue.picture.label in ("milk", "mole")} >= {"weak label"}
    assert [issue.kind == "doubted" for issue in review.issues] == sorted(
        (issue.kind == "doubted" for issue in review.issues), reverse=True
    )
