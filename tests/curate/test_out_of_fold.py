"""Out-of-fold probabilities are the mean of two opinions, and the same input is not fitted twice."""

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from imgkit.curate.config import CurateConfig
from imgkit.curate.context import CheckContext
from imgkit.curate.copies.fingerprints import RECORD
from imgkit.curate.copies.grouping import Copies
from imgkit.curate.pictures import ItemPicture
from imgkit.curate.ranking import out_of_fold as module
from imgkit.curate.ranking.out_of_fold import KEPT_FILES, label_probabilities
from imgkit.errors import ResourceError


def picture(number, label):
    image_id = f"{number:020x}"
    return ItemPicture(
        label=label,
        image_id=image_id,
        path=Path(f"{image_id}.jpg"),
        file_sha256=image_id,
        sha256=image_id,
        width=400,
        height=300,
        bytes=9_000,
        label_now=label,
    )


@pytest.fixture
def context(tmp_path):
    """Twelve pictures of two labels, of which 1 and 2 are of one scene."""
    return CheckContext(
        pictures=[picture(n, "king" if n % 2 else "coral") for n in range(12)],
        fingerprints=np.zeros(12, RECORD),
        copies=Copies(same=(), near=(), best=(), related=((1, 2),), pairs=()),
        config=CurateConfig(data=tmp_path, folds=3, neighbours=2, seed=5),
        cache=tmp_path,
        features=np.arange(24, dtype=np.float32).reshape(12, 2),
    )


@pytest.fixture
def fitted(monkeypatch):
    """Every call of the probe and of the neighbours with its arguments; they say 0.9 and 0.5 for the first label."""
    calls = []

    def opinion(name, first):
        def say(features, labels, groups, **options):
            calls.append((name, features.tolist(), labels, groups, options))
            return np.tile([first, 1 - first], (len(labels), 1))

        return say

    monkeypatch.setattr(module, "out_of_fold", opinion("probe", 0.9))
    monkeypatch.setattr(module, "knn_probabilities", opinion("neighbours", 0.5))
    return calls


ROWS = np.array([1, 2, 4, 7, 9, 10, 11])


def files(context):
    return sorted(path.name for path in context.cache.glob("opinions-*.npy"))


def test_the_probabilities_are_the_mean_of_the_probe_and_of_the_neighbours(context, fitted):
    found = label_probabilities(context, ROWS)

    assert found == pytest.approx(np.tile([0.7, 0.3], (7, 1)))
    features = [[2.0 * n, 2.0 * n + 1] for n in ROWS]
    labels = ["king", "coral", "coral", "king", "king", "coral", "king"]
    groups = [f"{1:020x}", f"{1:020x}", "", "", "", "", ""]  # a group has the name of its first member
    assert fitted == [
        ("probe", features, labels, groups, {"folds": 3, "seed": 5}),
        ("neighbours", features, labels, groups, {"k": 2}),
    ]


@pytest.mark.parametrize(
    ("pictures", "wanted", "neighbours"), [(2, 9, 1), (5, 9, 1), (6, 9, 2), (12, 9, 4), (12, 3, 3)]
)
def test_a_third_of_the_pictures_vote_at_most_and_one_at_least(context, fitted, pictures, wanted, neighbours):
    label_probabilities(replace(context, config=replace(context.config, neighbours=wanted)), np.arange(pictures))

    assert fitted[1][4] == {"k": neighbours}


def test_the_same_input_is_not_fitted_twice_and_gives_the_same(context, fitted):
    first = label_probabilities(context, ROWS)
    second = label_probabilities(context, ROWS)

    assert len(fitted) == 2
    assert np.array_equal(first, second)
    assert len(files(context)) == 1


def relabelled(context):
    changed = list(context.pictures)
    changed[4] = replace(changed[4], label_now="king")
    return replace(context, pictures=changed)


def another_file(context):
    changed = list(context.pictures)
    changed[4] = replace(changed[4], file_sha256="changed")
    return replace(context, pictures=changed)


def with_config(**settings):
    return lambda context: replace(context, config=replace(context.config, **settings))


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(relabelled, id="a label that a person gave"),
        pytest.param(another_file, id="another content"),
        pytest.param(lambda one: replace(one, copies=replace(one.copies, related=())), id="another group"),
        pytest.param(with_config(folds=4), id="folds"),
        pytest.param(with_config(neighbours=1), id="neighbours"),
        pytest.param(with_config(seed=6), id="seed"),
    ],
)
def test_whatever_changes_the_probabilities_is_fitted_again(context, fitted, change):
    label_probabilities(context, ROWS)
    label_probabilities(change(context), ROWS)

    assert len(fitted) == 4
    assert len(files(context)) == 2


def test_other_pictures_or_another_version_are_fitted_again(context, fitted, monkeypatch):
    label_probabilities(context, ROWS)
    label_probabilities(context, ROWS[:-1])
    label_probabilities(context, ROWS[::-1])
    assert len(fitted) == 6
    monkeypatch.setattr(module, "VERSION", module.VERSION + 1)

    label_probabilities(context, ROWS)

    assert len(fitted) == 8


def test_a_cache_of_another_length_or_torn_is_fitted_again_and_put_right(context, fitted, caplog):
    label_probabilities(context, ROWS)
    (name,) = files(context)
    np.save(context.cache / name, np.zeros((6, 2)))
    label_probabilities(context, ROWS)
    assert len(fitted) == 4
    (context.cache / name).write_bytes(b"\x93NUMPY torn")

    found = label_probabilities(context, ROWS)

    assert len(fitted) == 6
    assert "is damaged and is made afresh" in caplog.text
    assert np.array_equal(np.load(context.cache / name), found)


def test_the_four_results_that_were_used_last_are_kept(context, fitted):
    assert KEPT_FILES == 4
    for seed in range(4):
        label_probabilities(replace(context, config=replace(context.config, seed=seed)), ROWS)
        newest = max(context.cache.glob("opinions-*.npy"), key=lambda path: path.stat().st_mtime_ns)
        os.utime(newest, (1000 + seed, 1000 + seed))
    label_probabilities(replace(context, config=replace(context.config, seed=0)), ROWS)  # read: used again
    label_probabilities(replace(context, config=replace(context.config, seed=9)), ROWS)
    assert (len(fitted), len(files(context))) == (10, 4)

    label_probabilities(replace(context, config=replace(context.config, seed=0)), ROWS)
    assert len(fitted) == 10
    label_probabilities(replace(context, config=replace(context.config, seed=1)), ROWS)
    assert len(fitted) == 12  # it was the oldest


def test_a_cache_that_cannot_be_written_costs_only_time(context, fitted, monkeypatch, caplog):
    def full(*_):
        raise ResourceError("no space", code="fs.full")

    monkeypatch.setattr(module, "write_atomically", full)

    assert label_probabilities(context, ROWS)[0].tolist() == pytest.approx([0.7, 0.3])
    assert "the cache was not written: no space" in caplog.text
    assert files(context) == []
