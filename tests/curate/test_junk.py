"""Junk is found by all detectors together, and what a person decided is learnt from in the next curate."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from imgkit.curate.checks import junk
from imgkit.curate.config import CurateConfig
from imgkit.curate.context import CheckContext
from imgkit.curate.copies.fingerprints import RECORD
from imgkit.curate.copies.grouping import Copies
from imgkit.curate.pictures import ItemPicture
from imgkit.curate.ranking.reduced_features import reduce_features
from imgkit.curate.verdicts import judge
from imgkit.manifest import Decision, Finding


def picture(number):
    image_id = f"{number:020x}"
    return ItemPicture(
        label="coral",
        image_id=image_id,
        path=Path(f"{image_id}.jpg"),
        file_sha256=image_id,
        sha256=image_id,
        width=400,
        height=300,
        bytes=9_000,
        label_now="coral",
    )


def decided(one, action, reason=""):
    return replace(one, decision=Decision(image_id=one.image_id, label=one.label, action=action, reason=reason))


@pytest.fixture
def context(tmp_path):
    """Forty pictures in two heaps of looks; the detectors find little in any of them."""
    chance = np.random.default_rng(0)
    features = 0.1 * np.abs(chance.normal(0, 1, (40, 50))).astype(np.float32)
    features[20:, 0] += 12
    spread = chance.normal(0, 1, 40).clip(-1.5, 1.5)
    pictures = [picture(n) for n in range(40)]
    return CheckContext(
        pictures=pictures,
        fingerprints=np.zeros(40, RECORD),
        copies=Copies(same=(), near=(), best=(), related=(), pairs=()),
        config=CurateConfig(data=tmp_path),
        cache=tmp_path,
        features=features,
        reduced=reduce_features([one.key for one in pictures], features),
        measured={"not_photo": spread - 3, "text": spread - 4, "offtopic": spread},
    )


def flagged(findings):
    return [int(one.image_id, 16) for one in findings if one.score >= one.threshold]


def test_a_picture_that_a_detector_finds_most_unusual_is_junk_and_the_reason_says_why(context):
    context.measured["text"][7] = 4.0

    found = junk.run(context)

    assert flagged(found) == [7]
    assert next(one for one in found if int(one.image_id, 16) == 7).detail["reason"] == "bad.not_photo"


def test_pictures_like_those_that_a_person_rejected_move_up_further_than_the_others(context):
    pictures = list(context.pictures)
    for n in range(20, 32):
        pictures[n] = decided(pictures[n], "reject", "bad.offtopic")
    for n in range(12):
        pictures[n] = decided(pictures[n], "keep")

    found = {int(one.image_id, 16): one.detail["learnt"] for one in junk.run(replace(context, pictures=pictures))}

    assert min(found[n] for n in range(32, 40)) > 4
    assert max(found[n] for n in range(12, 20)) < 3


def test_copies_that_a_person_set_aside_teach_nothing(context):
    pictures = list(context.pictures)
    for n in range(20, 32):
        pictures[n] = decided(pictures[n], "reject", "dup.near")

    assert not any(one.detail["learnt"] for one in junk.run(replace(context, pictures=pictures)))


def test_how_far_decisions_moved_a_picture_is_told_by_key(context):
    undecided = junk.run(context)
    pictures = [decided(one, "reject", "bad.offtopic") if n == 3 else one for n, one in enumerate(context.pictures)]
    findings = junk.run(replace(context, pictures=pictures))

    moved = junk.learnt_by_key(findings)

    assert junk.learnt_by_key(undecided) == {}
    assert moved == {(one.label, one.image_id): one.detail["learnt"] for one in findings if one.detail["learnt"]}
    assert ("coral", f"{4:020x}") in moved


def test_what_was_learnt_moves_the_suspicions_of_the_other_checks(context):
    [one] = context.pictures[:1]
    suspicion = Finding(label="coral", image_id=one.image_id, check="quality", score=2.0, threshold=1.0)
    learnt = Finding(
        label="coral", image_id=one.image_id, check="junk", score=-1000.0, threshold=1.0, detail={"learnt": -2.2}
    )

    [before] = judge([one], {"quality": [suspicion]}, [""])
    [after] = judge([one], {"quality": [suspicion], "junk": [learnt]}, [""])

    assert (before.verdict, before.score) == ("suspect", 0.5)
    assert (after.verdict, after.score) == ("suspect", 0.0998)
