"""What the manifest promises to the stages."""

import sqlite3
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from imgkit.errors import IntegrityError, LockedError, UsageError
from imgkit.manifest import (
    Count,
    Decision,
    Finding,
    Image,
    Item,
    Judgement,
    Manifest,
    Proposal,
    Query,
    SearchState,
    sole_owner,
)
from item_counts import item_counts

CORAL = Query(label="coral_snake", name="coral snake", text="Micrurus fulvius", exclude=("king",))


def image(number: int) -> Image:
    digest = f"{number:064x}"
    return Image(sha256=digest[::-1], stored_sha256=digest, extension="jpg", bytes=9, width=4, height=3)


@pytest.fixture
def searched(manifest):
    """A manifest after one page of three proposals."""
    (query_id,) = manifest.put_queries([CORAL])
    state = SearchState(query_id=query_id, provider="bing", cursor={"first": 36}, found=3)
    proposals = [
        Proposal(url=f"http://host/{n}.jpg", rank=n, author="Ann", fallbacks=("http://b/",)) for n in (1, 2, 3)
    ]
    manifest.put_page(state, proposals, label="coral_snake", round_=1)
    return manifest


def test_a_query_asked_again_keeps_its_id(manifest):
    first = manifest.put_queries([CORAL])

    again = manifest.put_queries([replace(CORAL, limit=10)])

    assert again == first
    assert [(row.query_id, row.query.limit) for row in manifest.rows_in_force()] == [(first[0], 10)]


def test_two_labels_with_one_folder_name_are_refused(manifest):
    manifest.put_queries([CORAL])

    with pytest.raises(UsageError, match="share the folder name coral_snake"):
        manifest.put_queries([replace(CORAL, name="Coral-Snake", text="x")])


def test_a_refused_batch_of_queries_leaves_nothing_behind(manifest):
    with pytest.raises(UsageError):
        manifest.put_queries([CORAL, replace(CORAL, name="another")])

    assert manifest.queries() == {}
    assert manifest.labels() == {}


def test_a_page_is_stored_with_its_bookmark(searched):
    state = searched.search_state(1, "bing")

    assert (state.cursor, state.found) == ({"first": 36}, 3)
    assert [c.proposal.rank for c in searched.candidates()] == [1, 2, 3]
    assert searched.candidates()[0].proposal.author == "Ann"
    assert searched.candidates()[0].proposal.fallbacks == ("http://b/",)


def test_an_address_proposed_twice_by_a_provider_is_one_candidate(searched):
    same = Proposal(url="HTTP://HOST:80/1.jpg#top", rank=9)

    new = searched.put_page(searched.search_state(1, "bing"), [same], label="coral_snake", round_=2)

    assert new == 0
    assert len(searched.candidates()) == 3


def test_states_of_candidates_sum_to_candidates(searched):
    one, two, three = searched.candidates()
    searched.put_image(image(1))

    searched.settle(
        [
            replace(one, state="kept", image_id=image(1).id),
            replace(two, state="rejected", reason="http.404", attempts=1),
            replace(three, state="deferred", reason="http.429", next_try_at=datetime.now(UTC) + timedelta(hours=1)),
        ]
    )

    assert searched.candidate_counts() == [
        Count(label="coral_snake", provider="bing", state="deferred", reason="http.429", count=1),
        Count(label="coral_snake", provider="bing", state="kept", reason="", count=1),
        Count(label="coral_snake", provider="bing", state="rejected", reason="http.404", count=1),
    ]


def test_a_candidate_comes_back_as_it_was_settled(searched):
    later = datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC)
    settled = replace(searched.candidates()[0], state="deferred", reason="http.429", attempts=2, next_try_at=later)

    searched.settle([settled])

    assert searched.candidates(states=["deferred"]) == [settled]


def test_a_picture_remembers_everyone_who_proposed_it(searched):
    searched.put_image(image(1))
    one, two, _ = searched.candidates()

    searched.settle([replace(one, state="kept", image_id=image(1).id)])
    searched.settle([replace(two, state="rejected", reason="dup.exact", image_id=image(1).id)])

    assert [c.proposal.url for c in searched.candidates_of(image(1).id)] == ["http://host/1.jpg", "http://host/2.jpg"]


def test_states_of_items_sum_to_items_and_a_person_outranks_the_machine(searched):
    for number in (1, 2, 3):
        searched.put_image(image(number))
    ids = [image(n).id for n in (1, 2, 3)]
    searched.put_items([Item(label="coral_snake", image_id=i, width=4, height=3, file_sha256="f") for i in ids])
    searched.replace_judgements(
        [
            Judgement(label="coral_snake", image_id=ids[0], verdict="reject", reason="dup.near"),
            Judgement(label="coral_snake", image_id=ids[1], verdict="suspect", reason="bad.label"),
        ]
    )

    searched.decide([Decision(image_id=ids[0], label="coral_snake", action="keep")])

    assert [(c.state, c.reason, c.count) for c in item_counts(searched)] == [
        ("harvested", "", 1),
        ("keep", "", 1),
        ("suspect", "bad.label", 1),
    ]


def test_new_judgements_replace_old_ones_and_touch_no_decision(searched):
    searched.decide([Decision(image_id="a", label="coral_snake", action="reject")])
    searched.replace_judgements([Judgement(label="coral_snake", image_id="a", verdict="keep")])

    searched.replace_judgements([])

    assert searched.judgements() == {}
    assert len(searched.current_decisions()) == 1


def test_the_same_judgements_again_write_the_same_rows(searched):
    judgements = [Judgement(label="coral_snake", image_id="a", verdict="reject", reason="dup.near", score=0.25)]
    searched.replace_judgements(judgements)
    before = searched.judgements()

    searched.replace_judgements(judgements)

    assert searched.judgements() == before


def test_findings_of_a_check_are_replaced_and_others_stay(manifest):
    blur = Finding(label="a", image_id="1", check="blur", score=0.9, threshold=0.5, detail={"tiles": [1, 2]})
    dark = Finding(label="a", image_id="1", check="dark", score=0.7, threshold=0.5)
    manifest.replace_findings(["blur", "dark"], [blur, dark])

    manifest.replace_findings(["blur"], [replace(blur, score=0.8)])

    assert manifest.findings() == [replace(blur, score=0.8), dark]


def test_an_undo_brings_back_the_decision_before(manifest):
    manifest.decide([Decision(image_id="1", label="a", action="keep")])
    _, second = manifest.decide(
        [Decision(image_id="2", label="a", action="keep"), Decision(image_id="1", label="a", action="reject")]
    )

    manifest.decide([Decision(image_id="1", label="a", action="undo", undoes=second)])

    assert manifest.current_decisions()[("a", "1")].action == "keep"


def test_an_undo_can_be_undone(manifest):
    (first,) = manifest.decide([Decision(image_id="1", label="a", action="reject")])
    (undo,) = manifest.decide([Decision(image_id="1", label="a", action="undo", undoes=first)])
    assert manifest.current_decisions() == {}

    manifest.decide([Decision(image_id="1", label="a", action="undo", undoes=undo)])

    assert manifest.current_decisions()[("a", "1")].action == "reject"


def test_a_decision_sent_twice_is_written_once(manifest):
    decision = Decision(image_id="1", label="a", action="reject", key="tab-1:7")

    first, again = manifest.decide([decision]), manifest.decide([decision])

    assert first == again
    assert len(manifest.decisions()) == 1


def test_a_failure_inside_a_block_undoes_all_of_it(searched):
    with pytest.raises(RuntimeError), searched.together():
        searched.add_tombstones("url", ["http://host/1.jpg"], reason="asked")
        raise RuntimeError

    assert searched.tombstones("url") == frozenset()


def test_a_host_is_deferred_until_its_time_has_come(tmp_path):
    now = datetime(2026, 1, 1, tzinfo=UTC)
    time = now.timestamp()
    with Manifest.open(tmp_path, clock=lambda: time) as manifest:
        manifest.defer_host("slow.example", now + timedelta(seconds=60), "http.429")
        assert manifest.deferred_hosts() == {"slow.example": now + timedelta(seconds=60)}

        time += 61

        assert manifest.deferred_hosts() == {}


def test_an_old_robots_text_is_forgotten(tmp_path):
    time = 1000.0
    with Manifest.open(tmp_path, clock=lambda: time) as manifest:
        manifest.put_robots("host", "User-agent: *")
        assert manifest.robots("host", max_age_s=60) == "User-agent: *"

        time += 61

        assert manifest.robots("host", max_age_s=60) is None


def test_a_second_harvest_is_refused_with_the_owners_process_id(manifest):
    import os

    with (
        sole_owner(manifest.folder.locks, "harvest"),
        pytest.raises(LockedError, match=f"pid {os.getpid()}, started"),
        sole_owner(manifest.folder.locks, "harvest"),
    ):
        pass


def test_two_writers_take_turns(tmp_path):
    with Manifest.open(tmp_path) as one, Manifest.open(tmp_path) as other:
        for number in range(20):
            one.decide([Decision(image_id=str(number), label="a", action="keep")])
            other.decide([Decision(image_id=str(number), label="b", action="keep")])

        assert len(one.decisions()) == len(other.decisions()) == 40
        assert one.check() == "ok"


def test_another_programs_database_is_left_alone(tmp_path):
    file = tmp_path / "manifest.db"
    with sqlite3.connect(file) as database:
        database.execute("CREATE TABLE theirs (x)")
    database.close()
    before = file.read_bytes()

    with pytest.raises(UsageError, match="another program"):
        Manifest.open(tmp_path)

    assert file.read_bytes() == before


def test_a_newer_manifest_is_refused(tmp_path):
    Manifest.open(tmp_path).close()
    database = sqlite3.connect(tmp_path / "manifest.db")
    database.execute("PRAGMA user_version=99")
    database.close()

    with pytest.raises(UsageError, match="newer imgkit"):
        Manifest.open(tmp_path)


def test_a_damaged_manifest_is_named(tmp_path):
    (tmp_path / "manifest.db").write_bytes(b"not a database at all, but long enough to have a header" * 40)

    with pytest.raises(IntegrityError, match=r"manifest\.db is damaged"):
        Manifest.open(tmp_path)


def test_a_missing_manifest_says_which_command_makes_one(tmp_path):
    with pytest.raises(UsageError, match="Run first: imgkit harvest"):
        Manifest.open_existing(tmp_path)

    assert list(tmp_path.iterdir()) == []
