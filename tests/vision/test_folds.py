from collections import Counter

import numpy as np

from imgkit.vision.features.folds import grouped_folds


def test_a_group_is_never_parted_even_across_labels():
    labels = ["coral", "king", "coral", "coral", "king", "king"] * 10
    groups = ["a", "a", "", "b", "b", ""] + [""] * 54

    folds = grouped_folds(labels, groups, k=3)

    assert folds[0] == folds[1]
    assert folds[3] == folds[4]


def test_every_label_is_spread_evenly():
    labels = ["coral"] * 50 + ["king"] * 20 + ["milk"] * 5

    folds = grouped_folds(labels, [""] * 75, k=5)

    for label, each in (("coral", 10), ("king", 4), ("milk", 1)):
        assert Counter(folds[[own == label for own in labels]]) == dict.fromkeys(range(5), each)


def test_a_label_of_two_groups_is_never_missing_from_the_rest_of_a_fold():
    labels = ["rare"] * 6 + ["common"] * 60
    groups = ["a"] * 3 + ["b"] * 3 + [""] * 60

    folds = grouped_folds(labels, groups, k=5)

    assert len(set(folds[:6])) == 2


def test_the_same_pictures_give_the_same_folds_and_another_seed_others():
    labels, groups = ["coral", "king"] * 20, [f"group {n // 2}" for n in range(40)]

    assert np.array_equal(grouped_folds(labels, groups, seed=1), grouped_folds(labels, groups, seed=1))
    assert not np.array_equal(grouped_folds(labels, groups, seed=1), grouped_folds(labels, groups, seed=2))


def test_the_order_of_groups_does_not_matter():
    labels, groups = ["coral"] * 30, [f"group {n}" for n in range(30)]

    forward = dict(zip(groups, grouped_folds(labels, groups), strict=True))
    backward = dict(zip(groups[::-1], grouped_folds(labels, groups[::-1]), strict=True))

    assert forward == backward
