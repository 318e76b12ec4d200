"""What the page may send, to the last character; everything else is refused whole."""

import json

import pytest

from imgkit.curate.review.messages import (
    DecisionChange,
    MalformedError,
    Posted,
    actions_from,
    object_from,
    text_from,
)

CHANGE = {"action": "keep", "items": ["0.a"]}
DECIDE = {"key": "abcdefgh.1", "kind": "decide", "mode": "grid", "do": [CHANGE]}


def read(*actions):
    return actions_from(json.dumps({"actions": actions}).encode())


def accepted(action):
    try:
        read(action)
    except MalformedError:
        return False
    return True


def test_an_action_is_read_whole_and_in_order():
    first = DECIDE | {
        "at": "0.a",
        "dwell": 1200,
        "do": [{"action": "relabel", "reason": "bad.label", "to": 3, "items": ["0.a", "1.b"]}, CHANGE],
    }
    second = {"key": "abcdefgh.2", "kind": "undo", "mode": "trash", "undoes": "abcdefgh.1"}
    third = {"key": "abcdefgh.3", "kind": "answer", "mode": "audit", "at": "0.a", "audit": 7, "answer": "reject"}

    assert read(first, second, third) == [
        Posted(
            key="abcdefgh.1", kind="decide", mode="grid", at="0.a", dwell_ms=1200, undoes="", audit=None, answer="",
            changes=(
                DecisionChange(action="relabel", reason="bad.label", to=3, items=("0.a", "1.b")),
                DecisionChange(action="keep", reason="", to=-1, items=("0.a",)),
            ),
        ),
        Posted(
            key="abcdefgh.2", kind="undo", mode="trash", at="", dwell_ms=0, undoes="abcdefgh.1", audit=None, answer="",
            changes=(),
        ),
        Posted(
            key="abcdefgh.3", kind="answer", mode="audit", at="0.a", dwell_ms=0, undoes="", audit=7, answer="reject",
            changes=(),
        ),
    ]  # fmt: skip
    assert read() == []


@pytest.mark.parametrize(
    ("fields", "welcome"),
    [
        ({}, True),
        ({"key": "a" * 7 + ".1"}, False),
        ({"key": "a" * 8 + ".1"}, True),
        ({"key": "a" * 40 + ".123456789"}, True),
        ({"key": "a" * 41 + ".1"}, False),
        ({"key": "abcdefgh.1234567890"}, False),
        ({"key": "abcdefgh."}, False),
        ({"key": "Abcdefgh.1"}, False),
        ({"key": "abcdefgh.1\n"}, False),
        ({"key": None}, False),
        ({"kind": "destroy"}, False),
        ({"kind": None}, False),
        ({"mode": "elsewhere"}, False),
        ({"mode": ["grid"]}, False),
        ({"dwell": 0}, True),
        ({"dwell": -1}, False),
        ({"dwell": 86_400_000}, True),
        ({"dwell": 86_400_001}, False),
        ({"dwell": 1.5}, False),
        ({"dwell": True}, False),
        ({"at": 7}, False),
        ({"undoes": "abcdefgh.1"}, False),
        ({"audit": 7}, False),
        ({"answer": "unsure"}, True),
        ({"answer": "perhaps"}, False),
        ({"do": []}, False),
        ({"do": None}, False),
        ({"do": [[]]}, False),
        ({"do": [{**CHANGE, "items": []}]}, False),
        ({"do": [{**CHANGE, "items": ["0.a", 7]}]}, False),
        ({"do": [{**CHANGE, "action": "undo"}]}, False),
        ({"do": [{**CHANGE, "action": "unsure"}]}, False),
        ({"do": [{**CHANGE, "reason": "bad.quality"}]}, True),
        ({"do": [{**CHANGE, "reason": "of my own"}]}, False),
        ({"do": [{**CHANGE, "reason": 7}]}, False),
        ({"do": [{**CHANGE, "to": 0}]}, False),
        ({"do": [{**CHANGE, "to": -1}]}, True),
        ({"do": [{**CHANGE, "action": "relabel"}]}, False),
        ({"do": [{**CHANGE, "action": "relabel", "to": 0}]}, True),
        ({"do": [{**CHANGE, "action": "relabel", "to": -2}]}, False),
        ({"do": [{**CHANGE, "action": "relabel", "to": 1 << 20}]}, True),
        ({"do": [{**CHANGE, "action": "relabel", "to": (1 << 20) + 1}]}, False),
        ({"do": [{**CHANGE, "action": "relabel", "to": True}]}, False),
        ({"do": [CHANGE, {}]}, False),
    ],
)  # fmt: skip
def test_a_decision_is_understood_or_refused(fields, welcome):
    assert accepted(DECIDE | fields) is welcome


@pytest.mark.parametrize(
    ("fields", "welcome"),
    [
        ({"kind": "undo", "undoes": "abcdefgh.1"}, True),
        ({"kind": "undo"}, False),
        ({"kind": "undo", "undoes": "x"}, False),
        ({"kind": "undo", "undoes": "abcdefgh.1", "do": [CHANGE]}, False),
        ({"kind": "unsure", "at": "0.a"}, True),
        ({"kind": "unsure", "do": [CHANGE]}, False),
        ({"kind": "answer", "audit": 0}, True),
        ({"kind": "answer", "audit": 0, "do": [CHANGE]}, True),
        ({"kind": "answer"}, False),
        ({"kind": "answer", "audit": -1}, False),
        ({"kind": "answer", "audit": 1 << 31}, True),
        ({"kind": "answer", "audit": (1 << 31) + 1}, False),
        ({"kind": "answer", "audit": "7"}, False),
        ({"kind": "answer", "audit": False}, False),
    ],
)
def test_each_kind_of_action_has_its_own_parts(fields, welcome):
    assert accepted({"key": "abcdefgh.1", "mode": "grid"} | fields) is welcome


def test_one_malformed_action_refuses_those_before_it_too():
    with pytest.raises(MalformedError, match=r"^mode$"):
        read(DECIDE, DECIDE | {"mode": ""})


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"7", b'{"actions": {}}', b'{"actions": [7]}', b"{}", b"[" * 100_000]
)
def test_what_is_no_list_of_actions_is_refused(body):
    with pytest.raises(MalformedError):
        actions_from(body)


def test_an_object_is_read_and_nothing_else():
    assert object_from(b'{"a": [1]}') == {"a": [1]}
    with pytest.raises(MalformedError, match=r"^not JSON$"):
        object_from(b"\xff")


@pytest.mark.parametrize(
    ("value", "text"),
    [("a", "a"), (" a ", "a"), ("a" * 5, "a" * 5), ("a" * 6, None), ("", None), ("  ", None), ("a\n", "a"),
     ("a\nb", None), ("a\x00", None), ("ü-é", "ü-é"), (7, None), (None, None)],
)  # fmt: skip
def test_a_text_has_one_to_so_many_characters_that_can_be_printed(value, text):
    if text is None:
        with pytest.raises(MalformedError, match="name"):
            text_from({"name": value}, "name", longest=5)
    else:
        assert text_from({"name": value}, "name", longest=5) == text
