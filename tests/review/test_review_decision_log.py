"""Undo and redo without limit: any sequence leads back to the exact state before, and after a restart."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imgkit.curate.review.decision_log import UNDECIDED, DecisionLog, Mark
from imgkit.manifest import Decision, Manifest, ReviewAction, ReviewLog

ITEMS = [("coral", "a1"), ("coral", "b2"), ("king", "c3")]


class Reviewer:
    """Writes actions to a real log and folds them as the server does."""

    def __init__(self, manifest):
        self.manifest, self.log, self.ledger, self.count = manifest, ReviewLog(manifest), DecisionLog(), 0
        self.last_action = self.last_decision = 0

    def act(self, kind, items, action="", *, undoes="", rows=None, **values):
        self.count += 1
        key = f"s.{self.count}"
        rows = rows if rows is not None else [decision(item, action, **values) for item in items]
        first = items[0] if items else ("", "")
        event = ReviewAction(
            key=key, reviewer="ada", mode="suspects", kind=kind, label=first[0], image_id=first[1], undoes=undoes
        )
        self.log.append(event, rows)
        self.catch_up()
        return key

    def catch_up(self):
        rows = self.manifest.decisions(after=self.last_decision)
        for action in self.log.actions(after=self.last_action):
            mine = [one for one in rows if one.key.rpartition(".")[0] == action.key]
            self.ledger.record(action, mine)
            self.last_action = action.id
        self.last_decision = rows[-1].id if rows else self.last_decision

    def undo(self):
        if not self.ledger.done:
            return False
        target = next(reversed(self.ledger.done))
        self.act("undo", [], undoes=target, rows=self.ledger.undo_rows(target))
        return True

    def redo(self):
        if not self.ledger.undone:
            return False
        target = next(reversed(self.ledger.undone))
        self.act("undo", [], undoes=target, rows=self.ledger.undo_rows(target))
        return True

    def marks(self):
        return {item: self.ledger.mark(item) for item in ITEMS}


def decision(item, action, *, reason="", to_label=""):
    return Decision(label=item[0], image_id=item[1], action=action, reason=reason, to_label=to_label)


@pytest.fixture
def reviewer(manifest):
    return Reviewer(manifest)


def test_undo_brings_back_the_decision_before_not_the_beginning(reviewer):
    reviewer.act("decide", [ITEMS[0]], "keep")
    reviewer.act("decide", [ITEMS[0]], "reject", reason="bad.quality")

    reviewer.undo()

    assert reviewer.ledger.mark(ITEMS[0]) == Mark("keep")


def test_one_undo_takes_back_all_that_one_key_decided(reviewer):
    reviewer.act("decide", ITEMS, "reject", reason="bad.offtopic")

    reviewer.undo()

    assert reviewer.ledger.marks() == {}
    assert reviewer.manifest.current_decisions() == {}


def test_a_second_look_is_asked_for_without_changing_what_is_in_force(reviewer):
    reviewer.act("decide", [ITEMS[0]], "keep")
    reviewer.act("unsure", [ITEMS[0]], rows=[])

    assert reviewer.ledger.mark(ITEMS[0]) == Mark("keep", unsure=True)
    reviewer.undo()
    assert reviewer.ledger.mark(ITEMS[0]) == Mark("keep")
    reviewer.redo()
    reviewer.act("decide", [ITEMS[0]], "reject")
    assert reviewer.ledger.mark(ITEMS[0]) == Mark("reject")


def test_after_a_new_decision_nothing_can_be_done_again(reviewer):
    reviewer.act("decide", [ITEMS[0]], "keep")
    reviewer.undo()
    reviewer.act("decide", [ITEMS[1]], "keep")

    assert reviewer.redo() is False
    assert reviewer.ledger.mark(ITEMS[0]) == UNDECIDED


def test_an_action_that_is_not_in_force_cannot_be_taken_back(reviewer):
    key = reviewer.act("decide", [ITEMS[0]], "keep")
    reviewer.undo()

    assert reviewer.ledger.undo_rows(key) is None
    assert reviewer.ledger.undo_rows("unheard.of") is None


def test_a_decision_from_elsewhere_is_in_force_but_not_ours_to_undo(reviewer):
    reviewer.manifest.decide([decision(ITEMS[2], "reject", reason="user.rejected")])

    for one in reviewer.manifest.decisions():
        reviewer.ledger.record_foreign(one)

    assert reviewer.ledger.mark(ITEMS[2]) == Mark("reject", "user.rejected")
    assert reviewer.undo() is False


act = st.tuples(
    st.just("decide"),
    st.lists(st.sampled_from(ITEMS), min_size=1, max_size=3, unique=True),
    st.sampled_from(["keep", "reject", "relabel"]),
)
steps = st.lists(
    st.one_of(
        act,
        st.tuples(st.just("unsure"), st.lists(st.sampled_from(ITEMS), min_size=1, max_size=1), st.just("")),
        st.tuples(st.sampled_from(["undo", "redo", "restart"]), st.just([]), st.just("")),
    ),
    max_size=30,
)


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(steps=steps)
def test_any_sequence_of_actions_undos_redos_and_restarts_gives_the_states_of_a_plain_stack(steps, tmp_path_factory):
    with Manifest.open(tmp_path_factory.mktemp("data")) as manifest:
        reviewer = Reviewer(manifest)
        past, future = [], []  # the model: whole states, kept on two stacks
        for kind, items, action in steps:
            before = reviewer.marks()
            if kind == "undo":
                assert reviewer.undo() is bool(past)
                if past:
                    future.append(before)
                    assert reviewer.marks() == past.pop()
            elif kind == "redo":
                assert reviewer.redo() is bool(future)
                if future:
                    past.append(before)
                    assert reviewer.marks() == future.pop()
            elif kind == "restart":
                again = Reviewer(manifest)
                again.catch_up()
                again.count = reviewer.count
                reviewer = again
                assert reviewer.marks() == before
            else:
                reviewer.act(kind, items, action, rows=[] if kind == "unsure" else None, to_label="king")
                past.append(before)
                future.clear()
            folded = manifest.current_decisions()
            for item in ITEMS:
                one, mark = folded.get(item), reviewer.ledger.mark(item)
                assert (mark.action, mark.to_label) == ((one.action, one.to_label) if one else ("", ""))


@pytest.mark.parametrize(("undos", "action"), [(0, "keep"), (1, ""), (2, "keep"), (3, ""), (4, "keep"), (5, "")])
def test_each_undo_of_the_undo_before_turns_the_decision_round(undos, action):
    log = DecisionLog()
    log.record_foreign(Decision(id=1, label="coral", image_id="a1", action="keep"))
    for number in range(2, undos + 2):
        log.record_foreign(Decision(id=number, label="coral", image_id="a1", action="undo", undoes=number - 1))

    assert log.mark(ITEMS[0]).action == action


@pytest.mark.parametrize(
    ("targets", "action"),
    [
        pytest.param([1, 1], "", id="undone twice is undone"),
        pytest.param([1, 2, 2], "keep", id="an undo that is undone twice is undone"),
        pytest.param([1, 1, 2], "", id="one of two undos is undone: the other holds"),
        pytest.param([1, 1, 2, 3], "keep", id="both undos are undone"),
        pytest.param([99], "keep", id="a row that nobody knows"),
        pytest.param([99, 2], "keep", id="the undo of a row that nobody knows is undone"),
        pytest.param([99, 2, 3], "keep", id="and once more"),
        pytest.param([None], "keep", id="no row"),
        pytest.param([None, 2], "keep", id="the undo of no row is undone"),
    ],
)
def test_undos_of_one_row_are_counted(targets, action):
    log = DecisionLog()
    log.record_foreign(Decision(id=1, label="coral", image_id="a1", action="keep"))
    for number, target in enumerate(targets, start=2):
        log.record_foreign(Decision(id=number, label="coral", image_id="a1", action="undo", undoes=target))

    assert log.mark(ITEMS[0]).action == action


def test_a_mark_is_a_decision_again_and_what_is_undecided_is_none():
    mark = Mark("relabel", "bad.label", "king", order=7)

    assert mark.decision(ITEMS[0]) == Decision(
        label="coral", image_id="a1", action="relabel", reason="bad.label", to_label="king", id=7
    )
    assert Mark(unsure=True, order=7).decision(ITEMS[0]) is None


def reviewed(number, kind, item=("", ""), undoes=""):
    return ReviewAction(
        key=f"s.{number}", reviewer="ada", mode="grid", kind=kind, label=item[0], image_id=item[1], undoes=undoes
    )


def test_each_action_tells_whose_mark_it_may_have_changed():
    log, (first, second, third) = DecisionLog(), ITEMS
    row = Decision(id=1, label=first[0], image_id=first[1], action="keep")
    other = Decision(id=2, label=second[0], image_id=second[1], action="reject")
    undone = [Decision(id=3, label=first[0], image_id=first[1], action="undo", undoes=1)]

    assert log.record(reviewed(1, "decide", first), [row, other]) == {first, second}
    assert log.record(reviewed(2, "unsure", third), []) == {third}
    assert log.record(reviewed(3, "undo", undoes="s.2"), []) == {third}
    assert (log.mark(third), list(log.done), list(log.undone)) == (UNDECIDED, ["s.1"], ["s.3"])
    assert log.record(reviewed(4, "undo", undoes="s.3"), []) == {third}
    assert (log.mark(third).unsure, list(log.done), list(log.undone)) == (True, ["s.1", "s.2"], [])
    assert log.record(reviewed(5, "undo", undoes="s.1"), undone) == {first}
    assert log.record(reviewed(6, "answer", second), []) == set()
    assert list(log.undone) == []
    assert log.record_foreign(other) == {second}


def test_what_is_not_in_force_has_no_rows_that_take_it_back():
    log = DecisionLog()
    log.record(reviewed(1, "unsure", ITEMS[0]), [])
    assert log.undo_rows("s.1") == []  # it decided nothing
    log.record(reviewed(2, "undo", undoes="s.1"), [])

    assert (log.undo_rows("s.1"), log.undo_rows("s.2"), log.undo_rows("s.9")) == (None, [], None)
