"""What the checks of copies say, label by label, and which copy is the one to keep; nothing is opened."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from imgkit.curate.checks import conflict, exact, leak, near, placeholder, quality, readable
from imgkit.curate.config import CurateConfig
from imgkit.curate.context import CheckContext
from imgkit.curate.copies.alignment import Alignment
from imgkit.curate.copies.fingerprints import RECORD
from imgkit.curate.copies.grouping import Copies, Copy, best_first, best_of, near_features
from imgkit.curate.pictures import ItemPicture
from imgkit.curate.quality import faults_of
from imgkit.manifest import Candidate, Decision, Finding, Proposal


def picture(number, label="coral", *, rank=None, url="", round_=0, provider="bing", **fields):
    image_id = f"{number:020x}"
    proposal = Proposal(url=url or f"https://h.test/{number}.jpg", rank=rank or number + 1)
    source = Candidate(id=number, label=label, query_id=1, provider=provider, round=round_, proposal=proposal)
    values = {"width": 400, "height": 300, "bytes": 9_000, "label_now": label, "source": source, **fields}
    return ItemPicture(
        label=label, image_id=image_id, path=Path(f"{image_id}.jpg"), file_sha256=image_id, sha256=image_id, **values
    )


def decided(one, action, reason="", to=""):
    decision = Decision(image_id=one.image_id, label=one.label, action=action, reason=reason, to_label=to)
    return replace(one, decision=decision, label_now=to or one.label)


def rows(count, **fields):
    """Fingerprints of good pictures; a field is one value for all or one for each."""
    made = np.zeros(count, RECORD)
    made["readable"], made["middle"], made["sharpness"], made["entropy"] = True, 1.0, 500.0, 7.0
    made["dark"], made["bright"], made["colours"], made["top_colour"] = 0.9, 0.1, 8.0, 0.1
    for name, value in fields.items():
        made[name] = value
    return made


def aligned(first, second, *, inside="", closeness=0.97, agreement=0.9, **fields):
    found = Alignment(
        correlation=0.98, agreement=agreement, closeness=closeness, area=0.8, inside=inside, orientation=1, angle=0
    )
    return Copy(first, second, found, **fields)


def context(pictures, *, same=(), near=(), best=None, related=(), pairs=(), found=None, prints=None, features=None):
    best = tuple(group[0] for group in near) if best is None else best
    ranked = tuple((one, *(each for each in group if each != one)) for group, one in zip(near, best, strict=True))
    return CheckContext(
        pictures=pictures,
        fingerprints=rows(len(pictures)) if prints is None else prints,
        copies=Copies(same=same, near=near, related=related, pairs=pairs, best=best, ranked=ranked),
        config=CurateConfig(data=Path("data")),
        cache=Path("cache"),
        found=found or {},
        features=features,
    )


def told(findings, *names):
    return [(one.label, int(one.image_id, 16), *(one.detail[name] for name in names)) for one in findings]


def copies_told(findings):
    return [(label, number, int(of, 16)) for label, number, of in told(findings, "copy_of")]


# exact copies


def test_of_equal_files_all_but_the_best_are_copies_under_each_label_by_itself():
    pictures = [picture(0), picture(1), picture(2), picture(3, "king"), picture(4, "king")]

    found = exact.run(context(pictures, same=((0, 1, 2, 3, 4),)))

    assert copies_told(found) == [("coral", 1, 0), ("coral", 2, 0), ("king", 4, 3)]
    assert {one.detail["copy_of_label"] for one in found} == {"coral", "king"}
    assert {(one.score, one.threshold) for one in found} == {(1.0, 1.0)}


def test_the_best_of_equal_files_is_that_of_the_near_copies_then_the_earliest():
    pictures = [picture(0, rank=9), picture(1, rank=2), picture(2, rank=5)]

    assert copies_told(exact.run(context(pictures, same=((0, 1, 2),)))) == [("coral", 0, 1), ("coral", 2, 1)]
    assert copies_told(exact.run(context(pictures, same=((0, 1, 2),), near=((0, 1, 2),), best=(2,)))) == [
        ("coral", 0, 2),
        ("coral", 1, 2),
    ]


def test_a_file_that_a_person_replaced_is_not_the_best_and_one_that_was_moved_counts_where_it_is():
    pictures = [decided(picture(0), "reject", "dup.near"), picture(1), picture(2)]
    assert copies_told(exact.run(context(pictures, same=((0, 1, 2),)))) == [("coral", 2, 1)]

    moved = [picture(0), decided(picture(1), "relabel", to="king"), picture(2, "king")]
    assert copies_told(exact.run(context(moved, same=((0, 1, 2),)))) == [("king", 2, 1)]
    assert exact.run(context(moved[:2], same=((0, 1),))) == []

    all_replaced = [*pictures[:1], picture(1, "king"), picture(2, "king")]
    assert copies_told(exact.run(context(all_replaced, same=((0, 1, 2),)))) == [("king", 2, 1)]


def test_a_picture_that_is_bad_for_what_it_shows_is_still_one_of_its_copies():
    pictures = [decided(picture(0), "reject", "bad.offtopic"), picture(1)]

    assert copies_told(exact.run(context(pictures, same=((0, 1),)))) == [("coral", 1, 0)]


# near copies


def test_near_copies_are_told_under_each_label_with_what_gave_them_away():
    pairs = (aligned(0, 1, bits=3, cosine=0.8123), aligned(0, 2, closeness=0.95), aligned(1, 2, closeness=0.99))
    pictures = [picture(0), picture(1), picture(2), picture(3, "king"), picture(4, "king")]

    found = near.run(context(pictures, near=((0, 1, 2), (3, 4)), best=(1, 4), pairs=pairs))

    assert copies_told(found) == [("coral", 0, 1), ("coral", 2, 1), ("king", 3, 4)]
    assert [one.score for one in found] == [0.97, 0.99, 1.0]  # by the closest copy; without a pair it is certain
    assert found[0].detail == {
        "copy_of": f"{1:020x}",
        "copy_of_label": "coral",
        "closeness": 0.97,
        "agreement": 0.9,
        "correlation": 0.98,
        "area": 0.8,
        "angle": 0,
        "orientation": 1,
        "bits": 3,
        "cosine": 0.812,
    }
    assert {"bits", "cosine"}.isdisjoint(found[1].detail)


def test_where_the_best_of_a_group_is_under_another_label_the_best_of_the_label_stays():
    pictures = [picture(0, "king"), picture(1, width=100, height=75), picture(2)]

    found = near.run(context(pictures, near=((0, 1, 2),), best=(0,)))

    assert copies_told(found) == [("coral", 1, 2)]


def test_exact_copies_and_replaced_files_are_no_near_copies():
    pictures = [picture(0), picture(1), decided(picture(2), "reject", "dup.near"), picture(3)]
    equal = [Finding(label="coral", image_id=pictures[1].image_id, check="exact", score=1.0, threshold=1.0)]

    found = near.run(context(pictures, near=((0, 1, 2, 3),), best=(2,), found={"exact": equal}))

    assert copies_told(found) == [("coral", 3, 0)]
    assert near.run(context(pictures[:2], near=((0, 1),), found={"exact": equal})) == []


# one picture under several labels


def test_a_group_under_two_labels_is_a_conflict_of_every_member_that_nobody_rejected():
    pictures = [picture(0), picture(1, "king"), decided(picture(2, "milk"), "reject", "bad.label"), picture(3)]

    found = conflict.run(context(pictures, near=((0, 1, 2, 3),)))

    assert told(found, "labels", "decided") == [
        ("coral", 0, ["coral", "king"], []),
        ("king", 1, ["coral", "king"], []),
        ("coral", 3, ["coral", "king"], []),
    ]
    assert found[0].detail["others"] == [["king", f"{1:020x}"], ["coral", f"{3:020x}"]]
    assert conflict.run(context(pictures[2:], near=((0, 1),))) == []
    assert [int(one.image_id, 16) for one in conflict.run(context(pictures, near=((0, 3), (1, 0))))] == [1, 0]
    assert {(one.score, one.threshold) for one in found} == {(1.0, 1.0)}


def test_the_label_that_a_person_gave_to_one_of_them_is_the_truth_for_all():
    kept = [picture(0), decided(picture(1, "king"), "keep"), picture(2, "king")]
    moved = [picture(0), decided(picture(1), "relabel", to="king")]

    assert told(conflict.run(context(kept, near=((0, 1, 2),))), "decided") == [("coral", 0, ["king"])]
    assert told(conflict.run(context(moved, near=((0, 1),))), "decided") == [("coral", 0, ["king"])]


# pictures that stand in for others


@pytest.mark.parametrize(
    ("labels", "addresses", "plain", "served"),
    [
        (("a", "b", "c"), 1, 0.0, True),
        (("a", "b"), 3, 0.66, True),
        (("a", "b"), 3, 0.64, False),
        (("a", "b"), 2, 0.99, False),
        (("a", "a", "a"), 3, 0.99, False),
    ],
)
def test_a_picture_is_served_under_three_labels_or_plain_from_three_addresses_under_two(
    labels, addresses, plain, served
):
    labels = labels if len(labels) > 2 else (*labels, labels[0])
    pictures = [picture(n, label, url=f"https://h.test/{n % addresses}") for n, label in enumerate(labels)]
    group = (tuple(range(len(pictures))),)

    found = placeholder.run(context(pictures, near=group, prints=rows(len(pictures), top_colour=plain)))

    assert [one.detail["addresses"] for one in found] == [addresses] * (3 if served else 0)
    again = [decided(pictures[0], "keep"), *pictures[1:]]
    assert placeholder.run(context(again, near=group, prints=rows(3, top_colour=plain))) == []


def test_members_that_a_person_rejected_make_no_placeholder():
    pictures = [picture(0, "a"), picture(1, "b"), decided(picture(2, "c"), "reject", "bad.offtopic")]

    assert placeholder.run(context(pictures, near=((0, 1, 2),))) == []


# copies on both sides of a given split


def test_a_leak_is_told_of_every_member_with_those_on_the_other_sides():
    places = ("train", "Test", "valid", "elsewhere")
    pictures = [picture(n, url=f"file:///home/{place}/coral/{n}.jpg") for n, place in enumerate(places)]

    found = leak.run(context(pictures, near=((0, 1, 2, 3),)))

    assert told(found, "split", "splits") == [
        ("coral", 0, "train", ["test", "train", "validation"]),
        ("coral", 1, "test", ["test", "train", "validation"]),
        ("coral", 2, "validation", ["test", "train", "validation"]),
    ]
    assert found[0].detail["others"] == [["coral", f"{1:020x}"], ["coral", f"{2:020x}"]]
    assert leak.run(context(pictures[2:], near=((0, 1),))) == []
    two = leak.run(context(pictures, near=((2, 3), (0, 1))))
    assert told(two, "split", "splits") == [
        ("coral", 0, "train", ["test", "train"]),
        ("coral", 1, "test", ["test", "train"]),
    ]
    assert {(one.score, one.threshold) for one in two} == {(1.0, 1.0)}


@pytest.mark.parametrize(
    ("url", "split"),
    [
        ("file:///a/train/b.jpg", "train"),
        ("file:///a/TRAINING/b.jpg", "train"),
        ("file:///a/train/val/b.jpg", "validation"),
        ("file:///a/testing/coral/b.jpg", "test"),
        ("file:///a/b/train.jpg", ""),
        ("file:///a/trained/b.jpg", ""),
        ("file:///a%20b/v%61l/b.jpg", "validation"),
        ("https://h.test/train/b.jpg", ""),
    ],
)
def test_the_split_of_a_file_is_said_by_the_folder_nearest_to_it(url, split):
    assert picture(0, url=url).given_split == split


# files and faults


def test_a_file_without_a_picture_and_a_picture_of_which_a_part_is_missing_are_told_apart():
    prints = rows(4, grey_band=[0.0, 0.0, 0.05, 0.04999])
    prints["readable"][1] = False

    found = readable.run(context([picture(n) for n in range(4)], prints=prints))

    assert [(int(one.image_id, 16), one.score) for one in found] == [(1, 1.0), (2, 0.05)]
    assert found[0].detail == {"file": f"{1:020x}.jpg", "missing": True}
    assert found[1].detail == {"missing_share": 0.05}


@pytest.mark.parametrize(
    ("fields", "faults"),
    [
        ({}, {}),
        ({"sharpness": 60.0}, {"blurred": 1.0}),
        ({"sharpness": 60.1}, {}),
        ({"sharpness": 20.0}, {"blurred": 3.0}),
        ({"sharpness": 0.0}, {"blurred": 10.0}),
        ({"dark": 0.32, "middle": 0.49}, {"dark": 1.0}),
        ({"dark": 0.33, "middle": 0.49}, {}),
        ({"dark": 0.16, "middle": 0.5}, {}),
        ({"bright": 0.975, "middle": 0.4}, {"bright": 2.0}),
        ({"bright": 0.94, "middle": 0.4}, {}),
        ({"entropy": 1.5}, {"low information": 1.0}),
        ({"entropy": 0.75, "flat": True}, {"low information": 2.0, "flat": 2.0}),
        ({"entropy": 1.5, "flat": True}, {"low information": 1.0}),
    ],
)
def test_a_fault_is_told_from_its_limit_on_with_how_far_beyond_it_is(fields, faults):
    found = faults_of(picture(0), rows(1, **fields)[0])

    assert {name: beyond for name, (beyond, _) in found.items()} == pytest.approx(faults, rel=1e-5)


@pytest.mark.parametrize(
    ("width", "height", "faults"),
    [(100, 100, {"tiny": 1.0}), (101, 101, {}), (50, 100, {"tiny": 2.0}), (1000, 350, {"sliver": 1.0}),
     (351, 1000, {}), (175, 1000, {"sliver": 2.0})],
)  # fmt: skip
def test_tiny_pictures_and_slivers_are_told_by_the_size_of_the_original(width, height, faults):
    found = faults_of(picture(0, width=width, height=height), rows(1)[0])

    assert {name: beyond for name, (beyond, _) in found.items()} == pytest.approx(faults)


def test_the_worst_fault_gives_the_score_and_all_are_listed():
    prints = rows(3, sharpness=[20.0, 1.0, 500.0])
    prints["readable"][1] = False

    (one,) = quality.run(context([picture(0, width=100, height=50), picture(1), picture(2)], prints=prints))

    assert (one.score, one.detail) == (3.0, {"fault": "blurred", "measured": {"blurred": 20.0, "tiny": 50.0}})


# the copy to keep


def order(pictures, prints, pairs=()):
    indices = range(len(pictures))
    found = best_first(tuple(indices), pairs, pictures, prints)
    assert best_first(tuple(reversed(indices)), pairs, pictures, prints) == found
    assert best_of(tuple(reversed(indices)), pairs, pictures, prints) == found[0]
    return found


@pytest.mark.parametrize(
    "worse",
    [
        pytest.param({"grey_band": [0.05, 0]}, id="a part is missing"),
        pytest.param({"dark": [0.2, 0.9], "middle": [0.4, 1]}, id="all dark"),
        pytest.param({"bright": [0.99, 0.1], "middle": [0.4, 1]}, id="all bright"),
        pytest.param({"colours": [5.9, 8]}, id="without colour"),
        pytest.param({"top_colour": [0.17, 0.1]}, id="with a frame"),
        pytest.param({"sharpness": [149.0, 500.0]}, id="blown up"),
    ],
)
def test_a_larger_copy_gives_way_where_it_shows_less(worse):
    pictures = [picture(0, width=480, height=360), picture(1)]

    assert order(pictures, rows(2)) == (0, 1)
    assert order(pictures, rows(2, **worse)) == (1, 0)


@pytest.mark.parametrize(
    "not_worse",
    [
        pytest.param({"grey_band": [0.049, 0]}, id="a narrow band"),
        pytest.param({"dark": [0.2, 0.9], "middle": [0.5, 1]}, id="dark with middle tones"),
        pytest.param({"colours": [6.0, 8]}, id="three quarters of the colours"),
        pytest.param({"top_colour": [0.15, 0.1]}, id="a little more of one colour"),
        pytest.param({"sharpness": [151.0, 500.0]}, id="softer"),
        pytest.param({"burnt": [0.5, 0]}, id="burnt out, which counts less than the size"),
    ],
)
def test_the_larger_copy_stays_where_the_difference_is_small(not_worse):
    assert order([picture(0, width=480, height=360), picture(1)], rows(2, **not_worse)) == (0, 1)


def test_of_equal_size_the_less_burnt_then_the_less_compressed_then_the_earlier_is_kept():
    assert order([picture(0), picture(1)], rows(2, burnt=[0.02, 0.0])) == (1, 0)
    assert order([picture(0), picture(1)], rows(2, burnt=[0.009, 0.0])) == (0, 1)
    assert order([picture(0), picture(1, bytes=9_001)], rows(2)) == (1, 0)
    assert order([picture(0, rank=7), picture(1, rank=3)], rows(2)) == (1, 0)
    assert order([picture(0, rank=1, round_=1), picture(1, rank=3)], rows(2)) == (1, 0)
    assert order([picture(1, rank=3), picture(0, rank=3)], rows(2)) == (1, 0)  # by name


def test_a_crop_gives_way_to_what_it_was_cut_from_unless_that_is_framed():
    pictures = [picture(0, width=480, height=360), picture(1)]

    assert order(pictures, rows(2), [aligned(0, 1, inside="first")]) == (1, 0)
    assert order(pictures, rows(2), [aligned(0, 1, inside="second")]) == (0, 1)
    assert order(pictures, rows(2, top_colour=[0.1, 0.2]), [aligned(0, 1, inside="first")]) == (0, 1)
    assert order(pictures, rows(2), [aligned(0, 5, inside="first")]) == (0, 1)  # of another group


def test_where_every_copy_is_small_sharpness_says_nothing():
    small = [picture(0, width=239, height=180), picture(1, width=230, height=170)]

    assert order(small, rows(2, sharpness=[1.0, 900.0])) == (0, 1)
    assert order(small, rows(2, sharpness=[0.1, 900.0])) == (0, 1)


@pytest.mark.parametrize(
    ("agreement", "closeness", "copy"), [(0.6, 0.93, True), (0.59, 0.99, False), (0.99, 0.929, False)]
)
def test_a_copy_agrees_in_six_of_ten_blocks_and_closely(agreement, closeness, copy):
    assert aligned(0, 1, agreement=agreement, closeness=closeness).is_copy is copy


def test_pairs_of_neighbours_come_once_with_places_among_the_rows_that_were_asked_about():
    angles = np.radians([0, 2, 90, 92, 180, 270])
    features = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)

    assert [(one, two) for one, two, _ in near_features(features, np.arange(4))] == [(0, 1), (2, 3)]
    assert near_features(features, np.array([0])) == []
    [(one, two, cosine)] = near_features(np.array([[1, 0, 0], [1, 0.1, 0], [0, 0, 1]], np.float32), np.arange(3))
    assert (one, two, cosine > 0.9) == (0, 1, True)
    assert [(one, two) for one, two, _ in near_features(features, np.array([0, 2, 3, 4, 5]))] == [(1, 2)]


# what the checks are given


def test_groups_are_called_after_their_earliest_member():
    pictures = [picture(0, rank=5), picture(1, rank=2), picture(2, rank=1), picture(3, rank=9)]
    one = context(pictures, near=((0, 1),), best=(1,), related=((0, 1, 3),))

    assert one.group_names() == [f"{1:020x}", f"{1:020x}", "", f"{1:020x}"]
    assert one.copies_of() == [(f"{1:020x}", 1), (f"{1:020x}", 0), ("", 0), ("", 0)]


def test_a_model_is_asked_about_one_of_each_group_that_nothing_is_known_against():
    pictures = [picture(n) for n in range(7)]
    pictures[2] = decided(pictures[2], "reject", "bad.offtopic")
    pictures[3] = decided(pictures[3], "keep")
    features = np.ones((7, 2), np.float32)
    features[4] = np.nan
    doubted = {
        "conflict": [Finding(label="coral", image_id=pictures[5].image_id, check="conflict", score=1, threshold=1)]
    }
    one = context(pictures, near=((0, 1),), best=(1,), found=doubted, features=features)

    assert one.judged_by_features().tolist() == [1, 3, 6]
    assert one.rejected_with_features().tolist() == [2]
    assert replace(one, features=None).judged_by_features().tolist() == []
    assert replace(one, features=None).rejected_with_features().tolist() == []


def test_examples_of_what_is_bad_are_no_copies_and_were_decided_about_themselves():
    pictures = [decided(picture(n), "reject", "bad.offtopic") for n in range(3)]
    pictures[1] = replace(pictures[1], follows=True)
    pictures[2] = decided(picture(2), "reject", "dup.near")

    assert context(pictures, features=np.ones((3, 2), np.float32)).rejected_with_features().tolist() == [0]


def test_what_earlier_checks_found_is_seen_by_later_ones():
    found = {"text": [Finding(label="coral", image_id="a", check="text", score=1.0, threshold=0.5)]}

    assert context([picture(0)]).with_found(found).flagged("text") == {("coral", "a")}


def test_a_copy_follows_what_a_person_decided_about_the_picture():
    pictures = [decided(picture(0), "reject", "bad.offtopic"), picture(1), picture(2)]

    after = context(pictures, near=((0, 1),)).as_decided()

    assert [one.rejected_by_person for one in after.pictures] == [True, True, False]
    assert [one.follows for one in after.pictures] == [False, True, False]
    assert after.rejected_with_features().tolist() == []  # without features nothing is an example


def test_a_finding_is_flagged_from_its_threshold_on():
    found = [
        Finding(label="coral", image_id=name, check="text", score=score, threshold=0.5)
        for name, score in (("a", 0.49), ("b", 0.5), ("c", 0.51))
    ]

    assert context([], found={"text": found}).flagged("text") == {("coral", "b"), ("coral", "c")}
    assert context([]).flagged("text") == set()
