"""The counts that the manifest keeps are those that counting would give."""

import random
import sqlite3
from collections import Counter
from contextlib import closing
from dataclasses import replace

import pytest

from imgkit.manifest import Count, Decision, Image, Item, Judgement, Manifest, Proposal, Query, SearchState
from imgkit.manifest.schema import APPLICATION_ID, MIGRATIONS
from item_counts import item_counts

LABELS = ("coral", "king")
PICTURES = [
    Image(sha256=f"{n:064x}"[::-1], stored_sha256=f"{n:064x}", extension="jpg", bytes=9, width=4, height=3)
    for n in range(1, 13)
]
ITEMS = [
    Item(label=label, image_id=each.id, width=4, height=3, file_sha256="f") for label in LABELS for each in PICTURES
]


def searched(manifest, page):
    ids = manifest.put_queries([Query(label=label, name=label, text=label) for label in LABELS])
    for label, query_id in zip(LABELS, ids, strict=True):
        proposals = [Proposal(url=f"http://host/{page}/{label}/{n}.jpg", rank=n) for n in range(5)]
        manifest.put_page(SearchState(query_id=query_id, provider="bing"), proposals, label=label, round_=page)


def someone_decides(manifest, chance):
    log = manifest.decisions()
    if log and chance.random() < 0.5:
        taken_back = chance.choice(log[-6:])  # undone before or an undo itself, whatever comes
        item, action = (taken_back.label, taken_back.image_id), "undo"
    else:
        taken_back, action = None, chance.choice(["keep", "reject", "relabel"])
        item = (chance.choice(LABELS), chance.choice(PICTURES).id)
    manifest.decide(
        [
            Decision(
                label=item[0],
                image_id=item[1],
                action=action,
                reason=chance.choice(["", "user.blurred"]) if action == "reject" else "",
                to_label="king" if action == "relabel" else "",
                undoes=taken_back.id if taken_back else None,
            )
        ]
    )


def in_force(log):
    """The last decision about each item that no undo takes back, by its definition."""

    def counts(one):
        return not any(counts(other) for other in log if other.action == "undo" and other.undoes == one.id)

    return {(one.label, one.image_id): one for one in log if one.action != "undo" and counts(one)}


def expected(item, decided, judged):
    decision, judgement = decided.get((item.label, item.image_id)), judged.get((item.label, item.image_id))
    if decision and decision.action == "reject":
        return item.label, "reject", decision.reason or "user.rejected"
    if decision:
        return item.label, decision.action, {"keep": "", "relabel": "user.moved"}[decision.action]
    return (item.label, judgement.verdict, judgement.reason) if judgement else (item.label, "harvested", "")


def something_happens(manifest, chance, page):
    some = chance.sample(ITEMS, 6)
    verdicts = [
        Judgement(label=one.label, image_id=one.image_id, verdict=verdict, reason=reason)
        for one in chance.sample(ITEMS, 9)
        for verdict, reason in [chance.choice([("keep", ""), ("suspect", "bad.label"), ("reject", "dup.near")])]
    ]
    settled = [
        replace(one, state="rejected", reason=chance.choice(["http.404", "img.too_small"]))
        for one in chance.sample(manifest.candidates(), 5)
    ]
    chance.choice(
        [
            lambda: searched(manifest, page),
            lambda: manifest.settle(settled),
            lambda: manifest.put_items(some),
            lambda: manifest.remove_items([(one.label, one.image_id) for one in some]),
            lambda: manifest.remove_images([some[0].image_id]),
            lambda: manifest.replace_judgements(verdicts),
            lambda: [someone_decides(manifest, chance) for _ in range(4)],
        ]
    )()
    for each in PICTURES:
        manifest.put_image(each)


@pytest.mark.parametrize("seed", range(5))
def test_the_counts_are_those_of_the_rows_whatever_happens(manifest, seed):
    chance = random.Random(seed)
    searched(manifest, 0)
    for each in PICTURES:
        manifest.put_image(each)

    for page in range(1, 40):
        something_happens(manifest, chance, page)

        rows = Counter((one.label, one.provider, one.state, one.reason) for one in manifest.candidates())
        assert {(c.label, c.provider, c.state, c.reason): c.count for c in manifest.candidate_counts()} == rows
        decided, judged = in_force(manifest.decisions()), manifest.judgements()
        assert manifest.current_decisions() == decided
        rows = Counter(expected(item, decided, judged) for item in manifest.items())
        assert {(c.label, c.state, c.reason): c.count for c in item_counts(manifest)} == rows


def test_an_undo_that_is_redone_and_undone_a_thousand_times_counts_as_the_last_word(manifest):
    manifest.put_queries([Query(label="coral", name="coral", text="coral")])
    manifest.put_image(PICTURES[0])
    manifest.put_items(ITEMS[:1])
    last = 0
    with manifest.together():
        for turn in range(1002):
            action, undoes = ("undo", last) if turn else ("reject", None)
            (last,) = manifest.decide([Decision(label="coral", image_id=PICTURES[0].id, action=action, undoes=undoes)])

    assert [(c.state, c.reason) for c in item_counts(manifest)] == [("harvested", "")]


def test_a_manifest_of_an_earlier_version_is_counted_once(tmp_path):
    with closing(sqlite3.connect(tmp_path / "manifest.db")) as db:
        db.executescript(f"{MIGRATIONS[0]} {MIGRATIONS[1]} PRAGMA application_id={APPLICATION_ID};")
        db.executescript(
            "PRAGMA user_version=2; INSERT INTO label VALUES ('coral', 'coral');"
            "INSERT INTO query VALUES (1, 'coral', 'coral', '[]', '[]', NULL, '[]');"
            "INSERT INTO image VALUES ('a', 'a', 'a', 'jpg', 9, 4, 3, 1, '[]');"
            "INSERT INTO image VALUES ('b', 'b', 'b', 'jpg', 9, 4, 3, 1, '[]');"
            "INSERT INTO item VALUES ('coral', 'a', 4, 3, 'a'), ('coral', 'b', 4, 3, 'b');"
            "INSERT INTO judgement VALUES ('coral', 'a', 'suspect', 'bad.label', 'label', 1, '', '', '');"
            "INSERT INTO candidate (label, query_id, provider, round, rank, url, url_key, proposal, state, image_id) "
            "VALUES ('coral', 1, 'bing', 0, 0, 'u', 'u', '{}', 'kept', 'a');"
            "INSERT INTO decision (id, at, actor, command, image_id, label, action, reason, to_label, undoes) VALUES "
            "(3, 0, 'person', '', 'a', 'coral', 'reject', '', '', NULL),"
            "(5, 0, 'person', '', 'b', 'coral', 'keep', '', '', NULL),"
            "(7, 0, 'person', '', 'b', 'coral', 'undo', '', '', 5);"
        )

    with Manifest.open(tmp_path) as manifest:
        assert manifest.candidate_counts() == [Count(label="coral", provider="bing", state="kept", reason="", count=1)]
        assert [(c.state, c.count) for c in item_counts(manifest)] == [("harvested", 1), ("reject", 1)]
        assert [one.id for one in manifest.decisions()] == [3, 5, 7]
        assert manifest.decide([Decision(label="coral", image_id="b", action="undo", undoes=7)]) == [8]
        assert [(c.state, c.count) for c in item_counts(manifest)] == [("keep", 1), ("reject", 1)]
