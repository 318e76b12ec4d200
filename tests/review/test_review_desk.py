"""What the page sends is written once, whole, in order, and answered with what is in force."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reviewing import Builder, serving, written

from imgkit.curate.judge import in_set
from imgkit.curate.review.desk import Desk
from imgkit.curate.review.wire import Change, Posted
from imgkit.errors import ResourceError, UsageError
from imgkit.manifest import Decision, Manifest

NUMBERS = itertools.count(1)


def posted(kind, items=(), action="keep", *, key=None, reason="", to=-1, undoes="", audit=None, answer="", at=None):
    changes = (Change(action=action, reason=reason, to=to, items=tuple(items)),) if items and kind != "unsure" else ()
    return Posted(
        key=key or f"sessionx.{next(NUMBERS)}",
        kind=kind,
        mode="suspects",
        at=at if at is not None else (items[0] if items else ""),
        dwell_ms=400,
        changes=changes,
        undoes=undoes,
        audit=audit,
        answer=answer,
    )


@pytest.fixture
def opened(suspects):
    with Manifest.open(suspects.data) as manifest:
        yield manifest


@pytest.fixture
def desk(opened):
    return Desk(opened, reviewer="ada", in_set=in_set("suggest"))


def fate(reply):
    return [one["fate"] for one in reply["fates"]]


def references(desk):
    return [f"{desk.listing.labels.index(label)}.{image_id}" for label, image_id in desk.listing.row]


def test_a_decision_is_in_the_manifest_when_the_answer_leaves(desk, opened):
    first, *_ = references(desk)

    reply = desk.take([posted("decide", [first], "reject", reason="bad.quality")])

    assert fate(reply) == ["written"]
    assert reply["marks"] == [[0, "reject", "bad.quality", -1, 0]]
    [decision] = opened.current_decisions().values()
    assert (decision.action, decision.reason, decision.command, decision.actor) == (
        "reject",
        "bad.quality",
        "review",
        "person",
    )


def test_the_same_action_twice_is_one_action(desk, opened):
    first, *_ = references(desk)
    action = posted("decide", [first], key="sessionx.900001")

    replies = [desk.take([action]), desk.take([action])]

    assert [fate(reply) for reply in replies] == [["written"], ["known"]]
    assert replies[1]["marks"] == replies[0]["marks"]
    assert len(opened.decisions()) == 1


def test_an_action_about_a_picture_that_is_not_there_is_refused_alone(desk, opened):
    first, *_ = references(desk)

    reply = desk.take([posted("decide", ["0.ffffffffffffffffffff"]), posted("decide", [first])])

    assert fate(reply) == ["refused", "written"]
    assert len(opened.decisions()) == 1


def test_what_was_taken_back_already_is_stale_and_stays_taken_back(desk):
    first, *_ = references(desk)
    action = posted("decide", [first])
    desk.take([action])

    replies = [desk.take([posted("undo", undoes=action.key)]) for _ in range(2)]

    assert [fate(reply) for reply in replies] == [["written"], ["stale"]]
    assert desk.state()["marks"] == []


def test_nothing_of_a_request_is_written_when_the_disk_fails_in_the_middle(desk, opened, monkeypatch):
    first, second, *_ = references(desk)
    write = opened.decide

    def fails_at_the_second(decisions):
        if len(opened.decisions()) == 1:
            raise ResourceError("disk full")
        return write(decisions)

    monkeypatch.setattr(opened, "decide", fails_at_the_second)
    with pytest.raises(ResourceError):
        desk.take([posted("decide", [first]), posted("decide", [second])])
    monkeypatch.undo()

    assert opened.decisions() == []
    assert desk.state()["marks"] == []
    assert fate(desk.take([posted("decide", [first]), posted("decide", [second])])) == ["written", "written"]


def test_a_window_hears_what_another_did_since_its_last_answer(desk):
    first, second, *_ = references(desk)
    before = desk.take([posted("decide", [first])])["revision"]
    mine = posted("decide", [second], "relabel", to=1)
    desk.take([mine])

    news = desk.changes(before)

    assert [row[0] for row in news["actions"]] == [mine.key]
    assert news["marks"] == [[1, "relabel", "", 1, 0]]
    assert desk.changes(news["revision"])["actions"] == []


def test_a_decision_of_another_command_is_heard_too(desk, opened):
    label, image_id = next(iter(desk.listing.row))
    before = desk.revision
    opened.decide([Decision(label=label, image_id=image_id, action="reject", command="by hand")])

    news = desk.changes(before)

    assert news["marks"] == [[0, "reject", "", -1, 0]]
    assert news["actions"] == []


def test_undo_goes_on_after_a_restart(desk, opened):
    first, *_ = references(desk)
    action = posted("decide", [first], "reject")
    desk.take([posted("decide", [first]), action])

    again = Desk(opened, reviewer="ada", in_set=in_set("suggest"))
    [*_, last] = again.state()["done"]
    reply = again.take([posted("undo", undoes=last[0])])

    assert last[0] == action.key
    assert reply["marks"] == [[0, "keep", "", -1, 0]]


def test_a_typed_label_is_found_again_by_name_or_folder(desk):
    coral = desk.listing.labels.index("coral_snake")

    assert desk.add_label("Coral Snake") == coral
    assert desk.add_label("coral_snake") == coral
    new = desk.add_label("Rat snake!")
    assert (desk.listing.labels[new], desk.listing.names[new]) == ("Rat_snake", "Rat snake!")
    assert desk.add_label("rat snake!") == new


def test_a_label_that_no_folder_can_be_named_after_is_refused(desk):
    with pytest.raises(UsageError, match="Use letters or digits"):
        desk.add_label("!!!")


def test_an_audit_asks_about_kept_pictures_that_nobody_decided_about(desk):
    kept = [ref for ref, inside in zip(references(desk), desk.listing.in_set, strict=True) if inside]
    desk.take([posted("decide", kept[:2])])

    audit = desk.start_audit(seed=1)

    asked = {references(desk)[row] for row in audit["rows"]}
    assert asked == set(kept[2:])
    assert audit["result"] is None


def test_a_known_bad_picture_in_an_audit_tests_the_eye_and_decides_nothing(desk, opened):
    rejected = references(desk)[:4]
    desk.take([posted("decide", rejected, "reject", reason="bad.offtopic")])
    for n in range(30):
        Builder(desk._manifest.folder.root).add("milk_snake", body=f"not decoded here {n}".encode())
    desk.refresh()
    audit = desk.start_audit(seed=1)
    answers = [posted("answer", [references(desk)[row]], answer="keep", audit=audit["id"]) for row in audit["rows"]]

    reply = desk.take(answers)

    assert set(fate(reply)) == {"written"}
    trials = [row for row in audit["rows"] if references(desk)[row] in rejected]
    assert len(trials) == 2
    assert {mark[1] for mark in desk._rows({list(desk.listing.row)[row] for row in trials})} == {"reject"}
    result = desk.audit()["result"]
    assert (result["trials"], result["trials_found"], result["bad"]) == (2, 0, 0)


def test_the_result_of_an_audit_follows_an_undo(desk):
    audit = desk.start_audit(seed=1)
    answers = [
        posted("answer", [references(desk)[row]], "reject", answer="reject", audit=audit["id"]) for row in audit["rows"]
    ]
    desk.take(answers)
    assert desk.audit()["result"]["bad"] == len(answers)

    desk.take([posted("undo", undoes=answers[-1].key)])

    assert desk.audit()["result"] is None
    assert desk.audit()["answers"].count("") == 1


def test_an_answer_to_another_audit_is_refused(desk):
    first = desk.start_audit(seed=1)
    desk.start_audit(seed=2)

    reply = desk.take([posted("answer", [references(desk)[first["rows"][0]]], answer="keep", audit=first["id"])])

    assert fate(reply) == ["refused"]


steps = st.lists(
    st.tuples(
        st.sampled_from(["keep", "reject", "relabel", "unsure", "undo", "redo", "again", "restart"]),
        st.lists(st.integers(0, 5), min_size=1, max_size=3, unique=True),
    ),
    max_size=25,
)


@pytest.fixture(scope="module")
def drawn_once(tmp_path_factory):
    builder = Builder(tmp_path_factory.mktemp("desk") / "data")
    for _ in range(6):
        builder.add("coral_snake", verdict="suspect", reason="bad.offtopic", check="offtopic")
    builder.add("king_snake")
    return builder.data


@settings(max_examples=40, deadline=None)
@given(steps=steps)
def test_any_sequence_of_requests_leads_back_to_the_exact_states_before(steps, drawn_once):
    """The server against a stack of whole states, with repeated requests and restarts in between."""
    with Manifest.open(drawn_once) as manifest:
        desk = Desk(manifest, reviewer="ada", in_set=in_set("suggest"))
        refs, base, last = references(desk), desk.state()["marks"], None
        past, future = [], []
        king = desk.listing.labels.index("king_snake")

        def marks():
            return sorted(desk.state()["marks"])

        for name, rows in steps:
            before = marks()
            state = desk.state()
            if name == "restart":
                desk = Desk(manifest, reviewer="ada", in_set=in_set("suggest"))
                assert marks() == before
            elif name == "again" and last is not None:
                assert fate(desk.take([last])) == ["known"]
                assert marks() == before
            elif name == "undo" and past:
                last = posted("undo", undoes=state["done"][-1][0])
                assert fate(desk.take([last])) == ["written"]
                future.append(before)
                assert marks() == past.pop()
            elif name == "redo" and future:
                last = posted("undo", undoes=state["undone"][-1][0])
                assert fate(desk.take([last])) == ["written"]
                past.append(before)
                assert marks() == future.pop()
            elif name in ("keep", "reject", "relabel", "unsure"):
                items = [refs[row] for row in rows]
                to = king if name == "relabel" else -1
                last = posted("unsure", items[:1]) if name == "unsure" else posted("decide", items, name, to=to)
                assert fate(desk.take([last])) == ["written"]
                past.append(before)
                future.clear()
        while past:
            desk.take([posted("undo", undoes=desk.state()["done"][-1][0])])
            assert marks() == past.pop()
        assert marks() == sorted(base)


def test_a_review_over_http_finishes_and_says_what_came_of_it(suspects):
    with serving(suspects.data) as server:
        listing = server.get("/api/set")
        reference = f"{listing['label'][0]}.{listing['id'][:20]}"
        action = {"key": "overhttp.1", "kind": "decide", "mode": "suspects", "at": reference}
        reply = server.post("/api/actions", {"actions": [action | {"do": [{"action": "keep", "items": [reference]}]}]})
        told = server.post("/api/finish", {})

    assert reply["fates"] == [{"key": "overhttp.1", "fate": "written"}]
    assert told["next"] == "imgkit train data/curated"
    [report] = server.report
    assert (report.actions, report.totals.kept, len(server.finished)) == (1, 1, 1)
    assert server.token not in str(report.as_json())


def test_closing_without_finishing_writes_the_set_when_something_was_decided(suspects):
    with serving(suspects.data) as untouched:
        pass
    with serving(suspects.data) as decided:
        listing = decided.get("/api/set")
        reference = f"{listing['label'][0]}.{listing['id'][:20]}"
        action = {"key": "overhttp.1", "kind": "decide", "mode": "suspects", "at": reference}
        decided.post("/api/actions", {"actions": [action | {"do": [{"action": "keep", "items": [reference]}]}]})

    assert (len(untouched.finished), len(decided.finished)) == (0, 1)
    assert written(suspects.data) == (1, 1)


def test_what_may_pass_by_itself_is_told_apart_from_what_is_wrong_with_the_request(suspects):
    fails = [UsageError("no such folder"), ResourceError("disk full")]
    with serving(suspects.data, fails=fails) as server:
        answers = [server.ask("POST", "/api/finish", {}) for _ in range(3)]

    assert [status for status, _, _ in answers] == [503, 422, 200]
    assert b"disk full" in answers[0][2]
