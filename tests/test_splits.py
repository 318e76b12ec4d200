"""Whole groups, every label its share, a training picture always, and few pictures ever move."""

from collections import Counter, defaultdict

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imgkit.splits import Member, _number, divide

SHARES = {"test": 0.15, "validation": 0.15}
LABELS = ("coral", "king", "milk")


def split_of_groups(members, *, shares=None, seed=0, fixed=None):
    """Return the split of each group; no group may be in two."""
    found = defaultdict(set)
    for member, split in zip(members, divide(members, shares=shares or SHARES, seed=seed, fixed=fixed), strict=True):
        found[member.group].add(split)
    assert all(len(splits) == 1 for splits in found.values())
    return {group: next(iter(splits)) for group, splits in found.items()}


def lone(label, count, prefix=""):
    return [Member(label, f"{prefix}{label} {number}") for number in range(count)]


def counts(members, label, **options):
    splits = split_of_groups(members, **options)
    found = Counter(splits[group] for group in {member.group for member in members if member.label == label})
    return found["train"], found["validation"], found["test"]


many_members = st.lists(
    st.builds(Member, st.sampled_from(LABELS), st.integers(0, 40).map("group {}".format)), min_size=1, max_size=80
)
"""Pictures of three labels, in groups of one to several, some groups with several labels."""


@pytest.mark.parametrize(
    ("groups", "expected"),
    [
        (1, (1, 0, 0)),
        (2, (1, 0, 1)),
        (3, (1, 1, 1)),
        (4, (2, 1, 1)),
        (10, (6, 2, 2)),
        (30, (20, 5, 5)),
        (100, (70, 15, 15)),
        (1000, (700, 150, 150)),
    ],
)
def test_a_label_has_exactly_its_share_in_each_split(groups, expected):
    for seed in range(20):
        assert counts(lone("coral", groups) + lone("king", 7), "coral", seed=seed) == expected


@pytest.mark.parametrize(
    ("shares", "groups", "expected"),
    [
        ({"test": 0.5, "validation": 0.5}, 4, (1, 1, 2)),
        ({"test": 0.5, "validation": 0.5}, 2, (1, 0, 1)),
        ({"test": 0.2, "validation": 0.0}, 10, (8, 0, 2)),
        ({"validation": 0.2}, 10, (8, 2, 0)),
        ({"validation": 0.2}, 2, (1, 1, 0)),
        ({"test": 0.0, "validation": 0.0}, 10, (10, 0, 0)),
    ],
)
def test_training_keeps_a_group_whatever_the_shares(shares, groups, expected):
    assert counts(lone("coral", groups), "coral", shares=shares) == expected


@given(members=many_members, seed=st.integers(0, 3))
@settings(max_examples=200, deadline=None)
def test_every_label_has_a_training_group_and_no_group_parts(members, seed):
    splits = split_of_groups(members, seed=seed)

    for label in {member.label for member in members}:
        assert "train" in {splits[member.group] for member in members if member.label == label}


@given(members=many_members, order=st.randoms(use_true_random=False))
@settings(max_examples=100, deadline=None)
def test_the_order_of_the_pictures_does_not_matter(members, order):
    mixed = list(members)
    order.shuffle(mixed)

    assert split_of_groups(mixed) == split_of_groups(members)


@given(members=many_members)
@settings(max_examples=100, deadline=None)
def test_more_pictures_of_a_group_move_nothing(members):
    assert split_of_groups(members + members) == split_of_groups(members)


@given(groups=st.integers(1, 200), added=st.integers(0, 10_000), seed=st.integers(0, 5))
@settings(max_examples=200, deadline=None)
def test_a_group_that_comes_or_goes_moves_two_others_at_most(groups, added, seed):
    before = lone("coral", groups)
    after = [*before, Member("coral", f"new {added}")]

    first, second = split_of_groups(before, seed=seed), split_of_groups(after, seed=seed)

    assert sum(second[group] != split for group, split in first.items()) <= 2


@given(members=many_members, data=st.data())
@settings(max_examples=200, deadline=None)
def test_a_group_that_goes_moves_few_where_groups_have_several_labels(members, data):
    gone = data.draw(st.sampled_from(sorted({member.group for member in members})))
    rest = [member for member in members if member.group != gone]

    first = split_of_groups(members)
    second = split_of_groups(rest) if rest else {}

    moved = {group for group, split in second.items() if first[group] != split}
    assert len(moved) <= 4 * len({member.label for member in members if member.group == gone})


def test_another_label_moves_nobody():
    before = lone("coral", 40) + lone("king", 9)

    first, second = split_of_groups(before), split_of_groups(before + lone("milk", 25))

    assert {group: second[group] for group in first} == first


def test_half_as_many_groups_again_move_few():
    before = lone("coral", 100)

    first, second = split_of_groups(before), split_of_groups(before + lone("coral", 50, "new "))

    assert sum(second[group] != split for group, split in first.items()) <= 8


def test_another_seed_is_another_split():
    assert split_of_groups(lone("coral", 60), seed=0) != split_of_groups(lone("coral", 60), seed=1)


def test_a_label_that_shares_all_its_groups_is_in_every_split():
    members = [Member(label, f"{number}") for label in ("coral", "king") for number in range(3)]

    for seed in range(30):
        assert counts(members, "king", seed=seed) == counts(members, "coral", seed=seed) == (1, 1, 1)


def test_a_group_of_two_labels_moves_whole_and_takes_no_label_its_last_training_group():
    members = [*lone("coral", 20), Member("coral", "both"), Member("king", "both")]

    for seed in range(30):
        splits = split_of_groups(members, seed=seed)
        assert splits["both"] == "train"  # the only group of king
        assert sum(counts(members, "coral", seed=seed)[1:]) in (5, 6)  # of six, one may have been the shared one


def test_groups_that_have_a_split_stay_there_and_count_for_it():
    members = lone("coral", 20)
    fixed = {"coral 3": "test", "coral 4": "test", "coral 5": "test", "coral 6": "train"}

    splits = split_of_groups(members, fixed=fixed)

    assert {group: splits[group] for group in fixed} == fixed
    assert counts(members, "coral", fixed=fixed) == (14, 3, 3)


def test_a_given_test_set_counts_for_nothing_where_only_validation_is_to_be_filled():
    fixed = {f"coral {number}": "test" for number in range(10)}

    assert counts(lone("coral", 20), "coral", shares={"validation": 0.2}, fixed=fixed) == (8, 2, 10)


@given(members=many_members, seed=st.integers(0, 3), data=st.data())
@settings(max_examples=200, deadline=None)
def test_a_label_lacks_a_split_only_where_some_label_would_lose_its_last_training_group(members, seed, data):
    groups = sorted({member.group for member in members})
    fixed = data.draw(st.dictionaries(st.sampled_from(groups), st.sampled_from(["train", "test", "validation"])))

    splits = split_of_groups(members, seed=seed, fixed=fixed)

    labels_of, groups_of = defaultdict(set), defaultdict(set)
    for member in members:
        labels_of[member.group].add(member.label)
        groups_of[member.label].add(member.group)
    training = {label: sum(splits[group] == "train" for group in own) for label, own in groups_of.items()}
    assert {group: splits[group] for group in fixed} == fixed
    for own in groups_of.values():
        if {splits[group] for group in own} != {"train", "validation", "test"}:
            movable = [group for group in own if group not in fixed and splits[group] == "train"]
            assert all(min(training[label] for label in labels_of[group]) == 1 for group in movable)


def test_a_split_without_a_share_stays_empty_also_for_a_label_that_shares_its_groups():
    members = [
        *lone("coral", 20),
        *(Member(label, f"both {number}") for label in ("coral", "king") for number in (1, 2)),
    ]

    for seed in range(20):
        assert counts(members, "king", shares={"test": 0.2}, seed=seed)[1] == 0


def test_labels_take_from_each_other_in_the_order_of_their_names():
    members = [Member("milk", "g0"), *(Member(label, "g1") for label in ("king", "milk"))]
    members += [Member(label, "g2") for label in ("king", "coral")]

    assert split_of_groups(members) == {"g0": "train", "g1": "test", "g2": "train"}


def test_a_label_whose_groups_are_all_held_back_gets_the_one_in_the_middle_of_the_ranks_for_training():
    pairs = ["coral g0", "milk g0", "king g1", "coral g2", "milk g3", "king g3"]
    members = [Member(*pair.split()) for pair in pairs]

    assert split_of_groups(members) == {"g0": "train", "g1": "train", "g2": "test", "g3": "test"}


def test_the_rank_of_a_group_is_a_number_from_0_to_1_by_nothing_but_its_name_and_the_seed():
    numbers = [_number(f"group {n}", 0) for n in range(1000)]

    assert 0 <= min(numbers) < 0.01
    assert 0.99 < max(numbers) < 1
    assert sum(numbers) / 1000 == pytest.approx(0.5, abs=0.03)
    assert _number("coral 1", 0) == 0.9721243534980509
    assert _number("coral 1", 7) == 0.6833554630831582
