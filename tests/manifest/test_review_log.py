"""What a person did on the review page is written whole, once, and read back in order."""

from imgkit.manifest import Audit, Decision, Question, ReviewAction, ReviewLog


def action(key, **values):
    return ReviewAction(key=key, reviewer="ada", mode="suspects", kind=values.pop("kind", "decide"), **values)


def test_an_action_and_its_decisions_are_tied_by_key(manifest):
    log = ReviewLog(manifest)

    log.append(
        action("s1.1", label="coral", image_id="a1", dwell_ms=420),
        [
            Decision(image_id="a1", label="coral", action="keep"),
            Decision(image_id="b2", label="coral", action="reject", reason="dup.near"),
        ],
    )

    [written] = log.actions()
    assert (written.key, written.dwell_ms, written.label, written.image_id) == ("s1.1", 420, "coral", "a1")
    assert [(one.key, one.action) for one in manifest.decisions()] == [("s1.1.0", "keep"), ("s1.1.1", "reject")]


def test_the_same_action_again_writes_nothing(manifest):
    log = ReviewLog(manifest)
    decision = Decision(image_id="a1", label="coral", action="keep")

    first = log.append(action("s1.1"), [decision])
    again = log.append(action("s1.1"), [decision])

    assert (first, again) == (True, False)
    assert (len(log.actions()), len(manifest.decisions())) == (1, 1)


def test_only_what_came_after_is_read(manifest):
    log = ReviewLog(manifest)
    for n in range(3):
        log.append(action(f"s1.{n}"), [])

    assert [one.key for one in log.actions(after=2)] == ["s1.2"]


def test_the_newest_audit_comes_back_in_the_order_it_is_shown(manifest):
    log = ReviewLog(manifest)
    questions = (
        Question(label="king", image_id="z9", trial="sample"),
        Question(label="coral", image_id="a1", trial="catch"),
    )
    log.put_audit(Audit(kept=10, unseen=9, questions=()))

    number = log.put_audit(Audit(kept=50, unseen=40, questions=questions))

    last = log.last_audit()
    assert (last.id, last.kept, last.unseen, last.questions) == (number, 50, 40, questions)


def test_there_is_no_audit_before_the_first(manifest):
    assert ReviewLog(manifest).last_audit() is None
