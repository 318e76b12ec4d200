"""What becomes of pictures and their copies: decisions on what is shown hold for every copy."""

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imgkit.manifest import Decision, Standing
from imgkit.manifest.outcomes import cells_of, count_pictures, is_about_content, outcomes_of

CONTENT = ("", "user.rejected", "bad.offtopic", "bad.label", "bad.quality", "bad.not_photo", "img.placeholder")
OF_ONE_FILE = ("dup.near", "dup.exact", "bad.conflict")


class Group:
    """A group of copies: the first member is the best, the others were set aside as its copies."""

    def __init__(self, *labels):
        best = {label: labels.index(label) for label in labels}
        self.members = [
            Standing(label, f"{n}", *(("keep", "", True) if best[label] == n else ("reject", "dup.near", False)))
            for n, label in enumerate(labels)
        ]
        self.members = [one._replace(copies="0", rank=n) for n, one in enumerate(self.members)]
        self.count = 0

    def decide(self, n, action, reason="", to_label=""):
        self.count += 1
        one = self.members[n]
        made = Decision(
            label=one.label, image_id=one.image_id, action=action, reason=reason, to_label=to_label, id=self.count
        )
        self.members[n] = one._replace(decision=made)
        return self

    def undo(self, n):
        self.members[n] = self.members[n]._replace(decision=None)
        return self

    @property
    def ends(self):
        found = outcomes_of(self.members)
        return [(found[one.key].placed, found[one.key].reason) for one in self.members]


@pytest.mark.parametrize("reason", CONTENT)
def test_a_rejection_for_what_is_shown_takes_every_copy_along(reason):
    group = Group("coral", "coral", "coral").decide(0, "reject", reason)

    assert group.ends == [("", reason or "user.rejected")] * 3
    assert group.undo(0).ends == [("coral", ""), ("", "dup.near"), ("", "dup.near")]


@pytest.mark.parametrize("reason", OF_ONE_FILE)
def test_that_another_file_is_better_concerns_that_file_only(reason):
    group = Group("coral", "coral", "coral").decide(0, "reject", reason)

    assert group.ends == [("", reason), ("coral", ""), ("", "dup.near")]


def test_the_copy_that_stands_in_is_judged_as_the_one_that_it_replaces():
    group = Group("coral", "coral").decide(0, "reject", "dup.near")
    group.members[0] = group.members[0]._replace(verdict="suspect", reason="bad.offtopic", included=False)

    assert group.ends == [("", "dup.near"), ("", "bad.offtopic")]


def test_the_copy_that_stands_in_is_judged_as_the_one_of_its_own_label_before_those_of_others():
    group = Group("king", "coral", "coral").decide(1, "reject", "dup.near")
    group.members[1] = group.members[1]._replace(verdict="suspect", reason="bad.quality", included=False)

    assert group.ends == [("king", ""), ("", "dup.near"), ("", "bad.quality")]


def test_a_relabelling_moves_the_group_and_one_file_of_it_is_in_the_set():
    group = Group("coral", "coral", "king").decide(0, "relabel", to_label="king")

    assert group.ends == [("king", "user.moved"), ("", "dup.near"), ("king", "")]
    assert Group("coral", "coral").decide(0, "relabel", to_label="king").ends == [
        ("king", "user.moved"),
        ("", "dup.near"),
    ]


def test_the_file_that_the_machine_chose_moves_where_its_copy_is_moved():
    group = Group("coral", "coral").decide(1, "relabel", to_label="king")

    assert group.ends == [("king", "user.moved"), ("king", "user.moved")]


def test_of_decisions_that_contradict_each_other_the_latest_holds():
    group = Group("coral", "coral", "coral").decide(0, "keep").decide(1, "reject", "bad.offtopic")
    assert group.ends == [("", "bad.offtopic")] * 3

    group.decide(2, "keep")
    assert group.ends == [("coral", ""), ("", "bad.offtopic"), ("coral", "")]

    group.decide(0, "relabel", to_label="king")
    assert group.ends == [("king", "user.moved"), ("", "bad.offtopic"), ("king", "user.moved")]


def test_a_copy_that_a_person_kept_under_another_label_stays_there():
    group = Group("coral", "king").decide(1, "keep").decide(0, "reject", "bad.label")

    assert group.ends == [("", "bad.label"), ("king", "")]


def test_once_one_label_of_a_picture_is_kept_the_other_is_out():
    group = Group("coral", "king").decide(1, "keep")

    assert group.ends == [("", "bad.conflict"), ("king", "")]


def test_two_labels_of_one_picture_are_no_conflict_once_one_is_rejected():
    group = Group("coral", "king")
    group.members = [one._replace(verdict="suspect", reason="bad.conflict", included=False) for one in group.members]
    assert group.ends == [("", "bad.conflict"), ("", "bad.conflict")]

    group.decide(0, "reject", "bad.conflict")

    assert group.ends == [("", "bad.conflict"), ("king", "")]


def test_a_file_without_a_picture_is_never_in_the_set():
    one = Standing("coral", "1", "reject", "img.truncated", included=False, usable=False)
    kept = one._replace(decision=Decision(label="coral", image_id="1", action="keep", id=1))

    assert outcomes_of([kept])[one.key].placed == ""


def test_the_same_picture_moved_to_where_it_is_already_is_one_file():
    moved = Decision(label="coral", image_id="1", action="relabel", to_label="king", id=1)
    both = [Standing("coral", "1", "keep", "", True, decision=moved), Standing("king", "1", "keep", "", True)]

    found = outcomes_of(both)

    assert [found[one.key].placed for one in both] == ["", "king"]


MEMBERS = st.lists(
    st.tuples(
        st.sampled_from(("coral", "king", "milk")),
        st.sampled_from(("", "a", "b")),
        st.sampled_from(
            (("keep", "", True), ("suspect", "bad.offtopic", True), ("suspect", "bad.label", False),
             ("reject", "dup.near", False), ("reject", "dup.exact", False), ("suspect", "bad.conflict", False))
        ),
    ),
    min_size=1,
    max_size=9,
)  # fmt: skip
DECISIONS = st.lists(
    st.tuples(
        st.integers(0, 8),
        st.sampled_from(("keep", "relabel", "reject", "undo")),
        st.sampled_from((*CONTENT, *OF_ONE_FILE)),
        st.sampled_from(("coral", "king", "milk")),
    ),
    max_size=10,
)


def played(members, decisions):
    """Items with random verdicts, after random decisions and undos about them."""
    items = [
        Standing(label, f"{n}", *verdict, copies=copies, rank=n) for n, (label, copies, verdict) in enumerate(members)
    ]
    for number, (n, action, reason, to_label) in enumerate(decisions, 1):
        n %= len(items)
        one = items[n]
        made = None
        if action != "undo":
            made = Decision(
                label=one.label,
                image_id=one.image_id,
                action=action,
                id=number,
                reason=reason if action == "reject" else "",
                to_label=to_label if action == "relabel" else "",
            )
        items[n] = one._replace(decision=made)
    return items


@given(MEMBERS, DECISIONS)
@settings(max_examples=400, deadline=None)
def test_no_copy_of_a_picture_that_was_rejected_last_is_in_the_set(members, decisions):
    items = played(members, decisions)
    found = outcomes_of(items)

    for group in {one.copies for one in items} - {""}:
        own = [one.decision for one in items if one.copies == group and one.decision is not None]
        last = max((one for one in own if is_about_content(one)), key=lambda one: one.id, default=None)
        if last is not None and last.action == "reject":
            inside = [one for one in items if one.copies == group and found[one.key].placed]
            assert all(one.decision is not None and one.label != last.label for one in inside)


@given(MEMBERS, DECISIONS)
@settings(max_examples=300, deadline=None)
def test_every_picture_is_counted_in_one_place_and_the_set_is_what_is_placed(members, decisions):
    items = played(members, decisions)
    found = outcomes_of(items)

    counts = count_pictures(cells_of(found), ("coral", "king", "milk"))

    assert {label: one.harvested for label, one in counts.items()} == {
        label: sum(one.label == label for one in items) for label in counts
    }
    for one in counts.values():
        assert one.harvested == one.kept + one.moved_out + one.unjudged + one.set_aside
    placed = Counter(one.placed for one in found.values() if one.placed)
    assert {label: one.in_set for label, one in counts.items()} == {label: placed[label] for label in counts}


@given(MEMBERS, DECISIONS)
@settings(max_examples=200, deadline=None)
def test_of_undecided_copies_at_most_one_under_a_label_is_in_the_set(members, decisions):
    items = played(members, decisions)
    found = outcomes_of(items)

    placed = Counter(
        (one.copies, found[one.key].placed)
        for one in items
        if one.copies and one.decision is None and found[one.key].placed
    )
    assert not placed or max(placed.values()) == 1
