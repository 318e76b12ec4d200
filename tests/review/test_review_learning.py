"""The order of what waits follows what a person decided; nothing that is in force does."""

import numpy as np
import pytest

from imgkit.curate.judge import in_set
from imgkit.curate.ranking import Ranking, write_ranking
from imgkit.curate.review.desk import Desk
from imgkit.curate.review.wire import Change, Posted
from imgkit.manifest import Manifest


@pytest.fixture
def desk(builder):
    """Twenty suspects with equal scores, the first ten of one look and the others of another."""
    for _ in range(20):
        builder.add("coral_snake", verdict="suspect", reason="bad.offtopic", check="offtopic", score=0.6)
    for _ in range(3):
        builder.add("king_snake")
    looks = np.where(np.arange(20)[:, None] < 10, -1.0, 1.0) * np.ones((20, 4))
    with Manifest.open(builder.data) as manifest:
        opened = Desk(manifest, reviewer="ada", in_set=in_set("suggest"))
        keys = tuple(builder.keys[:20])
        write_ranking(Ranking(keys, np.zeros(20), np.zeros(20), np.zeros((20, 2)), looks), manifest.folder.cache)
        yield opened, [opened.listing.row[key] for key in keys]


def decide(desk, row, action, number):
    label, image_id = list(desk.listing.row)[row]
    item = f"{desk.listing.labels.index(label)}.{image_id}"
    reason = "bad.offtopic" if action == "reject" else ""
    change = Change(action=action, reason=reason, to=-1, items=(item,))
    return desk.take(
        [
            Posted(
                key=f"sessionx.{number}",
                kind="decide",
                mode="suspects",
                at=item,
                dwell_ms=400,
                changes=(change,),
                undoes="",
                audit=None,
                answer="",
            )
        ]
    )


def scores(desk):
    found = desk.scores(desk.standing())
    return dict(zip(found["rows"], found["scores"], strict=True))


def test_suspects_like_rejected_ones_come_before_suspects_like_kept_ones(desk):
    desk, rows = desk
    for n in range(3):
        decide(desk, rows[n], "reject", n + 1)
        decide(desk, rows[10 + n], "keep", n + 11)

    found = scores(desk)

    assert min(found[row] for row in rows[3:10]) > 0.6 > max(found[row] for row in rows[13:])


def test_what_was_decided_has_no_score_and_neither_has_what_is_no_suspect(desk):
    desk, rows = desk
    for n in range(6):
        decide(desk, rows[n], "reject", n + 1)

    assert sorted(scores(desk)) == sorted(rows[6:])


def test_fewer_than_five_decisions_change_no_order(desk):
    desk, rows = desk
    for n in range(4):
        decide(desk, rows[n], "reject", n + 1)

    assert scores(desk) == {}


def test_an_undo_takes_back_what_was_learnt_from_it(desk):
    desk, rows = desk
    for n in range(5):
        decide(desk, rows[n], "reject", n + 1)
    before = scores(desk)
    decide(desk, rows[15], "keep", 99)
    undo = Posted(
        key="sessionx.100",
        kind="undo",
        mode="suspects",
        at="",
        dwell_ms=0,
        changes=(),
        undoes="sessionx.99",
        audit=None,
        answer="",
    )

    desk.take([undo])

    assert scores(desk) == before


def test_without_the_ranking_of_a_curate_the_order_stays_as_it_is(suspects):
    with Manifest.open(suspects.data) as manifest:
        desk = Desk(manifest, reviewer="ada", in_set=in_set("suggest"))
        for n, row in enumerate(desk.listing.row.values()):
            decide(desk, row, "reject", n + 1)

        assert scores(desk) == {}
