"""The check for art of the subject."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from imgkit.curate.checks import art, describe, junk
from imgkit.curate.checks.art import living_share, relative_to_label
from imgkit.curate.config import CurateConfig
from imgkit.curate.context import CheckContext
from imgkit.curate.copies.fingerprints import RECORD
from imgkit.curate.copies.grouping import Copies
from imgkit.curate.pictures import ItemPicture
from imgkit.curate.pipeline import run_checks
from imgkit.curate.ranking.reduced_features import reduce_features
from imgkit.curate.verdicts import in_set, judge
from imgkit.progress import Silent
from imgkit.vision.features.art_head import art_head

DIMENSION = len(art_head().weights) - 16


def picture(number, label="coral"):
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
    """Twenty pictures that are as usual as can be for the head; number 3 points straight along its weights."""
    head = art_head()
    features = np.tile(np.maximum(head.middle[:-16], 0) ** 2, (20, 1)).astype(np.float32)
    features[3] = np.maximum(head.middle[:-16] + 0.8 * head.spread[:-16] * np.sign(head.weights[:-16]), 0) ** 2
    measured = np.zeros(20, RECORD)
    measured["ground"] = head.middle[-16:]
    pictures = [picture(n) for n in range(20)]
    return CheckContext(
        pictures=pictures,
        fingerprints=measured,
        copies=Copies(same=(), near=(), best=(), related=(), pairs=()),
        config=CurateConfig(data=tmp_path),
        cache=tmp_path,
        features=features,
        reduced=reduce_features([one.key for one in pictures], features),
        packaged=features,
        living=np.full(20, 0.9),
    )


def test_what_the_head_takes_for_art_is_found_left_out_and_described(context):
    found = art.run(context)
    worst = max(found, key=lambda one: one.score)
    verdicts = judge(context.pictures, {"art": found, "junk": junk.run(context)}, [""] * 20)

    assert int(worst.image_id, 16) == 3
    assert worst.score > 1.4 > worst.threshold == 0.0
    assert (verdicts[3].verdict, verdicts[3].reason, verdicts[3].check) == ("suspect", "bad.not_photo", "junk")
    assert [one.image_id for one in verdicts if not in_set("suggest")(one)] == [verdicts[3].image_id]
    assert verdicts[3].why == describe(worst)
    assert "looks like a figurine, toy, render or drawing" in describe(worst)
    assert np.isfinite(context.measured["art"]).all()


@pytest.mark.parametrize("change", [{"packaged": None}, {"features": None, "packaged": None}])
def test_without_the_packaged_network_nothing_is_said(context, change):
    assert art.run(replace(context, **change)) == []


def test_drawings_that_are_wanted_are_not_found(context):
    wanted = replace(context, config=replace(context.config, allow=("drawings",)))

    assert {"art", "not_photo"} & set(run_checks(wanted, Silent())) == set()
    assert {"art", "not_photo"} <= set(run_checks(context, Silent()))


def test_an_unreadable_picture_has_no_score_and_harms_no_other(context):
    context.packaged[7] = np.nan

    assert [int(one.image_id, 16) for one in art.run(context) if one.score >= one.threshold] == [3]
    assert np.isnan(context.measured["art"][7])


# labels that are art-like themselves

TEN = np.array([2.0, 2.5, 3.0, 3.5, 4.0, 4.5, 5.0, 5.5, 6.0, 12.0])
ALL, MEMBERS = np.ones(10, dtype=bool), np.arange(10)


def test_a_label_of_toys_is_muted_but_for_what_stands_out():
    found = relative_to_label(TEN, ALL, MEMBERS, np.full(10, 0.1))

    spread = 1.4826 * 1.25
    assert found.tolist() == pytest.approx([(score - 4.25) / spread - 3 for score in TEN])
    assert (found >= 0).tolist() == [False] * 9 + [True]


def test_a_label_of_animals_is_not_muted_however_many_drawings_it_has():
    assert relative_to_label(TEN, ALL, MEMBERS, np.full(10, 0.31)).tolist() == TEN.tolist()


@pytest.mark.parametrize(
    ("scores", "members"), [(TEN - 4.25, MEMBERS), (TEN, np.arange(7))], ids=["not art-like", "too few to know"]
)
def test_other_labels_are_as_the_head_says(scores, members):
    assert relative_to_label(scores, ALL, members, np.zeros(10)).tolist() == scores.tolist()


def test_where_nobody_knows_what_lives_an_art_like_label_is_muted():
    assert relative_to_label(TEN, ALL, MEMBERS, None)[0] < 0


def test_the_score_of_a_muted_label_is_never_above_the_heads():
    scores = np.append(np.full(9, 0.1), 3.0)

    assert (relative_to_label(scores, ALL, MEMBERS, np.zeros(10)) <= scores).all()


def test_the_share_of_living_things_sums_animals_and_plants_and_is_unknown_for_unreadable_files():
    class Network:
        knows_imagenet = True

        def imagenet_probabilities(self, features):
            shares = np.zeros((len(features), 1000), np.float32)
            shares[:, 397], shares[:, 398], shares[:, 984], shares[:, 999] = 0.25, 0.25, 0.125, 0.375
            return shares

    found = living_share(Network(), np.array([[0.0], [np.nan]], np.float32))

    assert found[0] == 0.375
    assert np.isnan(found[1])


def test_a_network_without_classes_of_imagenet_does_not_know():
    class Network:
        knows_imagenet = False

    assert living_share(Network(), np.zeros((1, 4), np.float32)) is None
