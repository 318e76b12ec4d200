from pathlib import Path

import numpy as np
import pytest

from imgkit.curate.checks import conflict, side
from imgkit.curate.config import CurateConfig
from imgkit.curate.context import CheckContext
from imgkit.curate.copies.fingerprints import RECORD
from imgkit.curate.copies.grouping import Copies
from imgkit.curate.pictures import ItemPicture
from imgkit.manifest import Decision

CORAL, KING = np.eye(32)[0] * 4, np.eye(32)[1] * 4


def picture(number, label, decision=None):
    digest = f"{number:064x}"
    return ItemPicture(
        label=label,
        image_id=digest[-20:],
        path=Path("x.jpg"),
        file_sha256=digest,
        sha256=digest,
        width=100,
        height=100,
        bytes=1000,
        label_now=label,
        decision=decision,
    )


def sides(found_at, *, members=20, decision=None):
    """Two labels of pictures round their directions, and one picture at ``found_at`` that is under both."""
    chance = np.random.default_rng(0)
    pictures = [picture(n, "coral" if n < members else "king") for n in range(2 * members)]
    pictures += [picture(900, "coral", decision), picture(900, "king")]
    centres = [CORAL] * members + [KING] * members + [found_at] * 2
    features = (np.stack(centres) + chance.normal(0, 0.3, (len(pictures), 32))).astype(np.float32)
    features[-1] = features[-2]
    group = (2 * members, 2 * members + 1)
    context = CheckContext(
        pictures=pictures,
        fingerprints=np.zeros(len(pictures), RECORD),
        copies=Copies(same=(group,), near=(group,), related=(group,), pairs=(), best=(group[0],)),
        config=CurateConfig(data=Path("data")),
        cache=Path("cache"),
        features=features,
    )
    return side.run(context.with_found({"conflict": conflict.run(context)}))


@pytest.mark.parametrize(("found_at", "label"), [(CORAL, "coral"), (KING, "king")])
def test_a_picture_under_two_labels_belongs_where_all_its_neighbours_are(found_at, label):
    found = sides(found_at)

    assert {one.label: one.detail["belongs_to"] for one in found} == {"coral": label, "king": label}


@pytest.mark.parametrize(
    "found_at",
    [pytest.param((CORAL + KING) / 2, id="between both"), pytest.param(np.eye(32)[9] * 4, id="outside both")],
)
def test_a_picture_that_is_not_clearly_in_one_label_is_left_to_a_person(found_at):
    assert sides(found_at) == []


def test_labels_of_few_pictures_settle_nothing():
    assert sides(CORAL, members=7) == []


def test_what_a_person_decided_is_not_asked_again():
    decision = Decision(image_id=picture(900, "coral").image_id, label="coral", action="keep")

    assert sides(KING, decision=decision) == []
