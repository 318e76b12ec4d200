"""Pictures in which ImageNet's classes see something else than in the rest of their label."""

import numpy as np
import pytest

from imgkit.curate.checks.intruder import divergences
from imgkit.vision.features.imagenet import class_names


def test_the_stranger_among_equals_diverges_most_and_equals_hardly():
    seen = np.tile([0.9, 0.05, 0.05], (10, 1))
    seen[4] = [0.05, 0.9, 0.05]

    found = divergences(seen, 10)

    assert int(found.argmax()) == 4
    usual = (0.9 * 8 + 0.05) / 9, (0.05 * 8 + 0.9) / 9, 0.05
    expected = sum(own * np.log(own / mean) for own, mean in zip([0.9, 0.05, 0.05], usual, strict=True))
    assert found[0] == pytest.approx(np.log(expected + 0.1), abs=1e-3)


def test_a_picture_is_left_out_of_the_mean_that_it_is_compared_with():
    seen = np.tile([0.98, 0.01, 0.01], (8, 1))
    seen[7] = [0.01, 0.98, 0.01]

    assert divergences(seen, 8)[7] == pytest.approx(np.log(0.98 * np.log(98) - 0.01 * np.log(98) + 0.1), abs=1e-3)


def test_pictures_that_do_not_count_as_members_are_compared_with_all_of_them():
    seen = np.array([[1.0, 0.0]] * 4 + [[0.0, 1.0]])

    assert divergences(seen, 4)[4] > 2.5
    assert divergences(seen, 4)[0] == pytest.approx(np.log(0.1), abs=1e-3)


def test_the_names_of_the_thousand_classes_are_in_their_order():
    names = class_names()

    assert len(names) == 1000
    assert (names[0], names[64], names[294], names[999]) == ("tench", "green mamba", "brown bear", "toilet tissue")
