"""What the page sends is written once, whole, in order, and answered with what is in force."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reviewing import Builder, serving, written

from imgkit.curate.review.messages import DecisionChange, MalformedError, Posted
from imgkit.curate.review.service import ReviewService
from imgkit.curate.verdicts import in_set
from imgkit.errors import ResourceError, UsageError
from imgkit.manifest import Decision, Item, Manifest

NUMBERS = itertools.count(1)


def posted(kind, items=(), action="keep", *, key=None, reason="", to=-1, undoes="", audit=None, answer="", at=None):
    changes = (
        (DecisionChange(action=action, reason=reason, to=to, items=tuple(items)),) if items and kind != "unsure" else ()
    )
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
def service(opened):
    return ReviewService(opened, reviewer="ada", in_set=in_set("suggest"))


def fate(reply):
    return [one["fate"] for one in reply["fates"]]


def references(service):
    return [f"{service.listing.labels.index(label)}.{image_id}" for label, image_id in service.listing.row]


def test_a_decision_is_in_the_manifest_when_the_answer_leaves(service, opened):
    first, *_ = references(service)

    reply = service.take([posted("decide", [first], "reject", reason="bad.quality")])

    assert fate(reply) == ["written"]
    assert reply["marks"] == [[0, "reject", "bad.quality", -1, 0, 1]]  # the last number: the order of the decisions
    [decision] = opened.current_decisions().values()
    assert (decision.action, decision.reason, decision.command, decision.actor) == (
        "reject",
        "bad.quality",
        "review",
        "person",
    )


def test_the_same_action_twice_is_one_action(service, opened):
    first, *_ = references(service)
    action = posted("decide", [first], key="sessionx.900001")

    replies = [service.take([action]), service.take([action])]

    assert [fate(reply) for reply in replies] == [["written"], ["known"]]
    assert replies[1]["marks"] == replies[0]["marks"]
    assert len(opened.decisions()) == 1


def test_an_action_about_a_picture_that_is_not_there_is_refused_alone(service, opened):
    first, *_ = references(service)

    reply = service.take([posted("decide", ["0.ffffffffffffffffffff"]), posted("decide", [first])])

    assert fate(reply) == ["refused", "written"]
    assert len(opened.decisions()) == 1


def test_what_was_taken_back_already_is_stale_and_stays_taken_back(service):
    first, *_ = references(service)
    action = posted("decide", [first])
    service.take([action])

    replies = [service.take([posted("undo", undoes=action.key)]) for _ in range(2)]

    assert [fate(reply) for reply in replies] == [["written"], ["stale"]]
    assert service.state()["marks"] == []


def test_nothing_of_a_request_is_written_when_the_disk_fails_in_the_middle(service, opened, monkeypatch):
    first, second, *_ = references(service)
    write = opened.decide

    def fails_at_the_second(decisions):
        if len(opened.decisions()) == 1:
            raise ResourceError("disk full")
        return write(decisions)

    monkeypatch.setattr(opened, "decide", fails_at_the_second)
    with pytest.raises(ResourceError):
        service.take([posted("decide", [first]), posted("decide", [second])])
    monkeypatch.undo()

    assert opened.decisions() == []
    assert service.state()["marks"] == []
    assert fate(service.take([posted("decide", [first]), posted("decide", [second])])) == ["written", "written"]


def test_a_window_hears_what_another_did_since_its_last_answer(service):
    first, second, *_ = references(service)
    before = service.take([posted("decide", [first])])["revision"]
    mine = posted("decide", [second], "relabel", to=1)
    service.take([mine])

    news = service.changes(before)

    assert [row[0] for row in news["actions"]] == [mine.key]
    assert news["marks"] == [[1, "relabel", "", 1, 0, 2]]
    assert service.changes(news["revision"])["actions"] == []


def test_a_decision_of_another_command_is_heard_too(service, opened):
    label, image_id = next(iter(service.listing.row))
    before = service.revision
    opened.decide([Decision(label=label, image_id=image_id, action="reject", command="by hand")])

    news = service.changes(before)

    assert news["marks"] == [[0, "reject", "", -1, 0, 1]]
    assert news["actions"] == []


def test_undo_goes_on_after_a_restart(service, opened):
    first, *_ = references(service)
    action = posted("decide", [first], "reject")
    service.take([posted("decide", [first]), action])

    again = ReviewService(opened, reviewer="ada", in_set=in_set("suggest"))
    [*_, last] = again.state()["done"]
    reply = again.take([posted("undo", undoes=last[0])])

    assert last[0] == action.key
    assert reply["marks"] == [[0, "keep", "", -1, 0, 1]]


def test_a_typed_label_is_found_again_by_name_or_folder(service):
    coral = service.listing.labels.index("coral_snake")

    assert service.add_label("Coral Snake") == coral
    assert service.add_label("coral_snake") == coral
    new = service.add_label("Rat snake!")
    assert (service.listing.labels[new], service.listing.names[new]) == ("Rat_snake", "Rat snake!")
    assert service.add_label("rat snake!") == new


def test_a_label_that_no_folder_can_be_named_after_is_refused(service):
    with pytest.raises(UsageError, match="Use letters or digits"):
        service.add_label("!!!")


def test_an_audit_asks_about_kept_pictures_that_nobody_decided_about(service):
    kept = [ref for ref, inside in zip(references(service), service.listing.in_set, strict=True) if inside]
    service.take([posted("decide", kept[:2])])

    audit = service.start_audit(seed=1)

    asked = {references(service)[row] for row in audit["rows"]}
    assert asked == set(kept[2:])
    assert audit["result"] is None


def test_a_known_bad_picture_in_an_audit_tests_the_eye_and_decides_nothing(service, suspects):
    rejected = references(service)[:4]
    service.take([posted("decide", rejected, "reject", reason="bad.offtopic")])
    for n in range(30):
        suspects.add("milk_snake", body=f"not decoded here {n}".encode())
    service.refresh()
    audit = service.start_audit(seed=1)
    answers = [posted("answer", [references(service)[row]], answer="keep", audit=audit["id"]) for row in audit["rows"]]

    reply = service.take(answers)

    assert set(fate(reply)) == {"written"}
    trials = [row for row in audit["rows"] if references(service)[row] in rejected]
    assert len(trials) == 2
    assert {mark[1] for mark in service._rows({list(service.listing.row)[row] for row in trials})} == {"reject"}
    result = service.audit()["result"]
    assert (result["trials"], result["trials_found"], result["bad"]) == (2, 0, 0)


def test_the_result_of_an_audit_follows_an_undo(service):
    audit = service.start_audit(seed=1)
    answers = [
        posted("answer", [references(service)[row]], "reject", answer="reject", audit=audit["id"])
        for row in audit["rows"]
    ]
    service.take(answers)
    assert service.audit()["result"]["bad"] == len(answers)

    service.take([posted("undo", undoes=answers[-1].key)])

    assert service.audit()["result"] is None
    assert service.audit()["answers"].count("") == 1


def test_an_answer_to_another_audit_is_refused(service):
    first = service.start_audit(seed=1)
    service.start_audit(seed=2)

    reply = service.take([posted("answer", [references(service)[first["rows"][0]]], answer="keep", audit=first["id"])])

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
    builder = Builder(tmp_path_factory.mktemp("review") / "data")
    for _ in range(6):
        builder.add("coral_snake", verdict="suspect", reason="bad.offtopic", check="offtopic")
    builder.add("king_snake")
    return builder.data


@pytest.mark.slow
@settings(max_examples=40, deadline=None)
@given(steps=steps)
def test_any_sequence_of_requests_leads_back_to_the_exact_states_before(steps, drawn_once):
    """The server against a stack of whole states, with repeated requests and restarts in between."""
    with Manifest.open(drawn_once) as manifest:
        service = ReviewService(manifest, reviewer="ada", in_set=in_set("suggest"))
        refs, base, last = references(service), service.state()["marks"], None
        past, future = [], []
        king = service.listing.labels.index("king_snake")

        def marks():
            return sorted(service.state()["marks"])

        for name, rows in steps:
            before = marks()
            state = service.state()
            if name == "restart":
                service = ReviewService(manifest, reviewer="ada", in_set=in_set("suggest"))
                assert marks() == before
            elif name == "again" and last is not None:
                assert fate(service.take([last])) == ["known"]
                assert marks() == before
            elif name == "undo" and past:
                last = posted("undo", undoes=state["done"][-1][0])
                assert fate(service.take([last])) == ["written"]
                future.append(before)
                assert marks() == past.pop()
            elif name == "redo" and future:
                last = posted("undo", undoes=state["undone"][-1][0])
                assert fate(service.take([last])) == ["written"]
                past.append(before)
                assert marks() == future.pop()
            elif name in ("keep", "reject", "relabel", "unsure"):
                items = [refs[row] for row in rows]
                to = king if name == "relabel" else -1
                last = posted("unsure", items[:1]) if name == "unsure" else posted("decide", items, name, to=to)
                assert fate(service.take([last])) == ["written"]
                past.append(before)
                future.clear()
        while past:
            service.take([posted("undo", undoes=service.state()["done"][-1][0])])
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


def test_pictures_that_no_curate_has_judged_yet_are_not_shown(suspects):
    before = len(suspects.keys)
    with Manifest.open(suspects.data) as manifest:
        new = Builder(suspects.data / "elsewhere").add("milk_snake", body=b"not decoded here")
        image = image_of(suspects.data / "elsewhere", new[1])
        manifest.put_image(image)
        manifest.put_items([Item(label="king_snake", image_id=image.id, width=1, height=1, file_sha256="f")])

        service = ReviewService(manifest, reviewer="ada", in_set=in_set("suggest"))

    assert len(service.listing.row) == before
    assert ("king_snake", image.id) not in service.listing.row


def image_of(data, image_id):
    with Manifest.open(data) as manifest:
        return manifest.image(image_id)


def test_what_is_answered_was_written_to_survive_a_loss_of_power(service, opened, monkeypatch):
    """All actions of a request in one commit with synchronous=FULL, which comes before the answer."""
    statements = []
    opened.connection._sqlite.set_trace_callback(statements.append)
    first, second, *_ = references(service)

    reply = service.take([posted("decide", [first]), posted("unsure", [second])])
    opened.connection._sqlite.set_trace_callback(None)

    assert fate(reply) == ["written", "written"]
    wanted = ("PRAGMA SYNCHRONOUS=", "BEGIN", "COMMIT", "INSERT INTO REVIEW")
    kinds = [one.upper() for one in statements if one.upper().startswith(wanted)]
    assert [one.split(" (")[0] for one in kinds] == [
        "PRAGMA SYNCHRONOUS=FULL",
        "BEGIN IMMEDIATE",
        "INSERT INTO REVIEW",
        "INSERT INTO REVIEW",
        "COMMIT",
    ]


def test_a_decision_of_another_command_between_two_of_ours_is_folded_in_its_place(service, opened):
    label, image_id = next(iter(service.listing.row))
    first, *_ = references(service)
    service.take([posted("decide", [first], "keep")])
    opened.decide([Decision(label=label, image_id=image_id, action="reject", command="by hand")])
    mine = posted("decide", [first], "keep")
    service.take([mine])
    service.take([posted("undo", undoes=mine.key)])

    assert service.state()["marks"] == [[0, "reject", "", -1, 0, 2]]
    again = ReviewService(opened, reviewer="ada", in_set=in_set("suggest"))
    assert again.state()["marks"] == service.state()["marks"]


def test_a_page_gets_two_hundred_actions_and_asks_for_the_older_ones(service):
    first, second, *_ = references(service)
    keys = [f"sessionx.{700_000 + n}" for n in range(205)]
    service.take([posted("decide", [first if n % 2 else second], key=key) for n, key in enumerate(keys)])

    state = service.state()
    assert [row[0] for row in state["done"]] == keys[5:]
    assert state["older"] == 5
    assert [row[0] for row in service.history(skip=200)["done"]] == keys[:5]
    assert service.history(skip=200)["older"] == 0
    middle = service.history(skip=3)
    assert ([row[0] for row in middle["done"]], middle["older"]) == (keys[2:202], 2)
    assert service.history(skip=999) == {"done": [], "older": 0}


def test_what_is_no_revision_is_refused(service):
    for since in ("", "1", "1.", ".1", "1.2.3", "a.1", "-1.0", "1.1e3", "1" * 16 + ".0", "٣.1"):
        with pytest.raises(MalformedError, match="since"):
            service.changes(since)


def test_a_window_that_saw_everything_hears_of_nothing_and_one_that_saw_nothing_of_everything(service):
    first, second, *_ = references(service)
    action, mark = posted("decide", [first], "reject"), posted("unsure", [second])
    service.take([action, mark])

    everything, nothing = service.changes("0.0"), service.changes(service.revision)

    assert [row[0] for row in everything["actions"]] == [action.key, mark.key]
    assert everything["marks"] == [[0, "reject", "", -1, 0, 1], [1, "", "", -1, 1, 0]]
    assert (nothing["actions"], nothing["marks"]) == ([], [])
    assert everything["revision"] == nothing["revision"] == service.revision == "1.2"


def test_an_undo_in_another_window_tells_of_the_picture_whose_second_look_it_takes_back(service):
    first, *_ = references(service)
    mark = posted("unsure", [first])
    before = service.take([mark])["revision"]
    service.take([posted("undo", undoes=mark.key)])

    assert service.changes(before)["marks"] == [[0, "", "", -1, 0, 0]]


def test_a_label_that_is_not_there_is_refused_and_nothing_of_the_action_is_written(service, opened):
    first, second, *_ = references(service)
    labels = len(service.listing.labels)

    last = service.take([posted("decide", [first], "relabel", to=labels - 1)])
    beyond = service.take([posted("decide", [second], "relabel", to=labels)])

    assert (fate(last), fate(beyond)) == (["written"], ["refused"])
    assert len(opened.decisions()) == 1


def test_what_people_did_is_counted_by_kind(service):
    a, b, c, d, *_ = references(service)
    service.take(
        [
            posted("decide", [a, b], "keep"),
            posted("decide", [b], "reject", reason="bad.quality"),
            posted("decide", [c], "relabel", to=1),
            posted("unsure", [d]),
        ]
    )

    found = service.totals()

    assert (found.kept, found.rejected, found.relabelled, found.unsure, found.copies) == (1, 1, 1, 1, 0)
    assert service.actions_taken == 4
