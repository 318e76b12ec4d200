"""All that waits is ranked by what a person decided, not suspects only; nothing that is in force changes."""

from dataclasses import replace

import numpy as np
import pytest

from imgkit.curate.ranking.reduced_features import read_reduced, reduce_features, write_reduced
from imgkit.curate.review.messages import DecisionChange, MalformedError, Posted
from imgkit.curate.review.service import ReviewService
from imgkit.curate.verdicts import in_set
from imgkit.manifest import Manifest


def opened(manifest):
    return ReviewService(manifest, reviewer="ada", in_set=in_set("suggest"))


@pytest.fixture
def service(builder):
    """Twenty pictures with a probability of 0.4, ten of one look and ten of another, and three good ones."""
    for _ in range(20):
        builder.add("coral_snake", verdict="suspect", reason="bad.offtopic", check="offtopic", score=0.6)
    for _ in range(3):
        builder.add("king_snake")
    builder.judgements = [
        replace(one, probability=0.4 if one.label == "coral_snake" else 0.02) for one in builder.judgements
    ]
    looks = np.zeros((23, 4), np.float32)
    looks[:10, 0], looks[10:20, 1], looks[20:, 2] = 1, 1, 1
    with Manifest.open(builder.data) as manifest:
        found = zip(sorted(manifest.candidates(), key=lambda one: one.id), builder.keys, strict=True)
        manifest.settle([replace(one, state="kept", image_id=image_id) for one, (_, image_id) in found])
        manifest.replace_judgements(builder.judgements)
        write_reduced(reduce_features(builder.keys, looks), manifest.folder.cache)
        service = opened(manifest)
        yield service, [service.listing.row[key] for key in builder.keys]


def posted(service, rows, action, number, *, mode="suspects", reason=""):
    keys = list(service.listing.row)
    items = tuple(f"{service.listing.labels.index(keys[row][0])}.{keys[row][1]}" for row in rows)
    reason = reason or ("bad.offtopic" if action == "reject" else "")
    return Posted(
        key=f"sessionx.{number}",
        kind="decide",
        mode=mode,
        at=items[0],
        dwell_ms=400,
        changes=(DecisionChange(action=action, reason=reason, to=-1, items=items),),
        undoes="",
        audit=None,
        answer="",
    )


def decide(service, row, action, number, **more):
    service.take([posted(service, [row], action, number, **more)])


def scores(service):
    found = service.scores(service.standing())
    return dict(zip(found["rows"], found["scores"], strict=True))


def remaining(service):
    return service.scores(service.standing())["remaining"]


def test_without_decisions_everything_is_ranked_by_the_probabilities_of_the_checks(service):
    service, rows = service

    found = scores(service)

    assert list(found) == sorted(rows[:20]) + sorted(rows[20:])
    assert set(found.values()) == {0.4, 0.02}


def test_what_the_last_curate_learnt_is_not_learnt_twice(service):
    """The probability of 0.4 holds +1 in log-odds that decisions gave; the review gives those again by itself."""
    service, rows = service
    keys = list(service.listing.row)
    cache = service._manifest.folder.cache
    kept = read_reduced(cache)
    write_reduced(replace(kept, learnt={keys[rows[5]]: 1.0}), cache)

    assert scores(service)[rows[5]] == pytest.approx(1 / (1 + np.exp(1 - np.log(0.4 / 0.6))), abs=1e-4)


def test_pictures_like_rejected_ones_come_before_pictures_like_kept_ones(service):
    service, rows = service
    for n in range(3):
        decide(service, rows[n], "reject", n + 1)
        decide(service, rows[10 + n], "keep", n + 11)

    found = scores(service)

    assert min(found[row] for row in rows[3:10]) > 0.5 > 0.3 > max(found[row] for row in rows[13:20])


def test_what_was_decided_is_not_ranked_and_what_is_no_suspect_is(service):
    service, rows = service
    for n in range(6):
        decide(service, rows[n], "reject", n + 1)

    assert sorted(scores(service)) == sorted(rows[6:])


def test_an_undo_takes_back_what_was_learnt_from_it(service):
    service, rows = service
    for n in range(5):
        decide(service, rows[n], "reject", n + 1)
    before = scores(service)
    decide(service, rows[15], "keep", 99)
    undo = replace(posted(service, [0], "keep", 100), kind="undo", at="", changes=(), undoes="sessionx.99")

    service.take([undo])

    assert scores(service) == before


def test_the_same_decisions_in_another_order_rank_the_same(builder, service):
    service, rows = service
    decided = [(0, "reject"), (11, "keep"), (1, "reject"), (21, "keep")]
    for n, (one, action) in enumerate(decided):
        decide(service, rows[one], action, n + 1)
    before = scores(service)
    for n, (one, action) in enumerate(reversed(decided)):
        decide(service, rows[one], action, n + 11)

    assert scores(service) == before


def test_without_features_the_probabilities_alone_rank(suspects):
    with Manifest.open(suspects.data) as manifest:
        service = opened(manifest)

        assert len(scores(service)) == 11  # the copy of another one is not asked about
        assert service.similar(service.standing(), f"0.{suspects.keys[0][1]}", most=5)["rows"] == []


def test_of_copies_the_best_is_ranked_and_none_once_one_is_decided(builder):
    best = builder.add("coral_snake", verdict="suspect", reason="bad.offtopic", check="offtopic", score=0.6)
    copy = builder.add("coral_snake", verdict="reject", reason="dup.near", check="near")
    other = builder.add("coral_snake")
    builder.judgements[0] = replace(builder.judgements[0], copies="a", rank=0)
    builder.judgements[1] = replace(builder.judgements[1], copies="a", rank=1)
    with Manifest.open(builder.data) as manifest:
        manifest.replace_judgements(builder.judgements)
        service = opened(manifest)
        row = service.listing.row

        assert sorted(scores(service)) == sorted([row[best], row[other]])
        decide(service, row[copy], "reject", 1, reason="bad.quality")
        assert list(scores(service)) == [row[other]]


def test_the_best_of_copies_is_the_one_of_the_lowest_rank_however_they_are_listed(builder):
    keys = [builder.add("coral_snake") for _ in range(4)]
    listed = sorted(range(4), key=lambda n: keys[n][1])
    for rank, n in enumerate(reversed(listed)):
        builder.judgements[n] = replace(builder.judgements[n], copies="a", rank=rank)
    with Manifest.open(builder.data) as manifest:
        manifest.replace_judgements(builder.judgements)
        service = opened(manifest)

        assert list(scores(service)) == [service.listing.row[keys[listed[-1]]]]


def test_a_suspect_that_is_out_of_the_set_is_ranked_but_not_estimated(builder):
    out = builder.add("coral_snake", verdict="suspect", reason="bad.offtopic", check="offtopic", score=0.99)
    inside = builder.add("coral_snake")
    builder.judgements = [
        replace(one, probability=0.9 if one.image_id == out[1] else 0.1) for one in builder.judgements
    ]
    with Manifest.open(builder.data) as manifest:
        manifest.replace_judgements(builder.judgements)
        service = opened(manifest)
        assert [service.listing.in_set[service.listing.row[key]] for key in (out, inside)] == [False, True]

        found = service.scores(service.standing())

        assert found["waiting"] == 2
        assert (found["remaining"]["unseen"], found["remaining"]["value"]) == (1, 0.1)


def test_the_estimate_counts_the_unseen_pictures_of_the_set_only(service):
    service, rows = service
    before = remaining(service)
    service.take([posted(service, rows[:10], "keep", 1, mode="weed"), posted(service, rows[10:12], "reject", 2)])
    after = remaining(service)

    assert (before["unseen"], after["unseen"]) == (23, 11)
    assert before["value"] == pytest.approx(20 * 0.4 + 3 * 0.02, abs=0.1)
    assert before["low"] < 8 < before["high"]
    assert not before["stop"]


def test_after_the_last_picture_nothing_is_left_and_the_page_says_stop(service):
    service, rows = service
    service.take([posted(service, rows, "keep", 1, mode="weed")])

    found = service.scores(service.standing())

    assert (found["rows"], found["waiting"], found["out"]) == ([], 0, 0)
    assert found["remaining"] == {
        "value": 0.0, "low": 0, "high": 0, "margin": 0, "unseen": 0, "halved_after": 0, "stop": True,
    }  # fmt: skip


def test_the_nearest_of_a_picture_come_after_it_whatever_their_label(service):
    service, rows = service
    key = list(service.listing.row)[rows[20]]

    found = service.similar(service.standing(), f"{service.listing.labels.index(key[0])}.{key[1]}", most=4)["rows"]

    assert (found[0], set(found[1:3])) == (rows[20], {rows[21], rows[22]})
    assert found[3] in rows[:20]
    with pytest.raises(MalformedError):
        service.similar(service.standing(), "0.nobody", most=4)


def test_words_are_searched_in_titles_pages_addresses_and_labels(service):
    service, rows = service

    def found(words):
        return service.search(service.standing(), words)["rows"]

    assert found("host.test/7.JPG") == [rows[7]]
    assert found("king SNAKE") == sorted(rows[20:])
    assert found("coral host.test/page") == sorted(rows[:20])
    assert (found("nothing like it"), found(" ")) == ([], [])


def test_what_was_kept_a_page_at_a_time_is_unseen_for_the_audit(service):
    service, rows = service
    service.take([posted(service, rows[:20], "keep", 1, mode="weed")])
    for n, row in enumerate(rows[20:]):
        decide(service, row, "keep", n + 2)

    audit = service.start_audit(seed=1)

    assert sorted(audit["rows"]) == sorted(rows[:20])
