"""Whatever a small set looks like, it is trained and judged, or refused with the reason that is true of it."""

import random
from collections import defaultdict

import pytest
from drawing import draw_labels

from imgkit.errors import UsageError
from imgkit.models.classifier import load_classifier
from imgkit.models.evaluate import evaluate
from imgkit.progress import Silent
from imgkit.train.config import TrainConfig
from imgkit.train.data.split import divide
from imgkit.train.run import _refuse_unjudgeable, train

GIVEN = ("", "train", "val", "test")
SHARES = {"validation_share": 0.15, "test_share": 0.15, "seed": 0}


def small_set(picture, chance):
    """1 to 4 labels of 1 to 12 pictures: alone, all copies, copies within or across labels; any mix of splits."""
    grouping = chance.choice(("alone", "all copies", "copies in a label", "copies across labels"))
    splits = chance.sample(GIVEN, chance.randint(1, 4))
    pictures = []
    for label in range(chance.randint(1, 4)):
        for number in range(chance.randint(1, 12)):
            group = {
                "alone": f"{label} {number}",
                "all copies": "one",
                "copies in a label": f"label {label}",
                "copies across labels": f"{chance.randint(0, 8)}",
            }[grouping]
            pictures.append(picture(str(label), group, split=chance.choice(splits), name=f"{number}.png"))
    return pictures


def groups_by_label(pictures):
    found = defaultdict(set)
    for each in pictures:
        found[each.label].add(each.group)
    return found


def cannot_be_spared(pictures):
    """Whether every group of training pictures is the last one of a label, copies of test pictures left aside."""
    tested = {each.group for each in pictures if each.split == "test"}
    left = groups_by_label(each for each in pictures if each.split == "train" and each.group not in tested)
    last = {group for groups in left.values() if len(groups) == 1 for group in groups}
    return all(group in last for groups in left.values() for group in groups)


@pytest.mark.parametrize("finetune", [False, True])
def test_a_small_set_has_what_it_is_judged_on_or_is_refused_with_a_reason_that_holds(picture, finetune):
    seen, chance = set(), random.Random(0)
    for _ in range(3000):
        pictures = small_set(picture, chance)
        most = max(map(len, groups_by_label(pictures).values()))
        try:
            divided = divide(pictures, **SHARES)
        except UsageError as given:
            said = str(given)
            assert "holds all of them, or copies of them, back" in said
            assert {each.split for each in pictures} & {"val", "test"}
            continue
        assert {each.label for each in divided.of("train")} == {each.label for each in pictures}
        try:
            _refuse_unjudgeable(divided, finetune=finetune)
        except UsageError as refusal:
            said = str(refusal)
            assert not divided.of("val" if "--finetune" in said else "test")
            if "one picture only" in said:
                assert most == 1
            elif "two pictures at most" in said:
                assert most <= 2
            else:
                assert "the only one of some label" in said
                assert cannot_be_spared(divided.pictures)
            seen.add(said)
        else:
            assert divided.of("test")
            assert divided.of("val") or not finetune
    assert len(seen) >= (3 if finetune else 1)


def test_labels_that_share_all_their_pictures_are_not_said_to_have_one_each(picture):
    shared = (("coral", "1"), ("coral", "2"), ("king", "1"), ("milk", "2"))
    divided = divide([picture(label, group, name=f"{label}{group}") for label, group in shared], **SHARES)

    with pytest.raises(UsageError, match="each picture left for training is the only one of some label"):
        _refuse_unjudgeable(divided, finetune=False)


def test_no_picture_to_score_is_not_called_a_failing_disk(model, tmp_path):
    classifier = load_classifier(model, device="cpu")

    with pytest.raises(UsageError, match="there is no picture to score"):
        evaluate(classifier, [], cache=tmp_path, progress=Silent(), title="scoring")


@pytest.mark.parametrize(("per_label", "labels"), [(2, 2), (8, 2), (3, 3)])
def test_a_handful_of_pictures_is_trained_and_its_test_pictures_are_counted(tmp_path, per_label, labels):
    root = draw_labels(tmp_path / "pictures", per_label=per_label, labels=("coral", "king", "milk")[:labels])

    report = train(
        TrainConfig(data=root, runs=tmp_path / "runs", name="run", device="cpu", weights="packaged", size=64)
    )

    assert report.test.count == sum(label.test for label in report.plan.labels) >= labels
    assert report.plan.pictures == per_label * labels
