"""In which order rows come, what is written together, and what is on the disk before anybody is told."""

import csv
import io
import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from imgkit.manifest import (
    Audit,
    Decision,
    Finding,
    Image,
    Item,
    Judgement,
    Manifest,
    Proposal,
    Query,
    ReviewAction,
    ReviewLog,
    SearchState,
    rows,
)
from imgkit.manifest import connection as opened_rows
from imgkit.manifest.connection import CHECKPOINT_EVERY
from imgkit.manifest.exports import COLUMNS, decisions_jsonl, manifest_csv, spreadsheet_safe
from imgkit.manifest.searches import WORDS


def image(number: int) -> Image:
    digest = f"{number:064x}"
    return Image(sha256=digest[::-1], stored_sha256=digest, extension="jpg", bytes=9, width=4, height=3)


def page(manifest, query_id, provider, *ranks, round_=0, label="coral"):
    found = [Proposal(url=f"http://{provider}/{round_}/{rank}.jpg", rank=rank) for rank in ranks]
    state = SearchState(query_id=query_id, provider=provider)
    return manifest.put_page(state, found, label=label, round_=round_)


@pytest.fixture
def filled(manifest):
    king, coral = manifest.put_queries([Query(label=one, name=one, text=one) for one in ("king", "coral")])
    page(manifest, king, "bing", 1, label="king")
    page(manifest, coral, "openverse", 2, 1, round_=1)
    page(manifest, coral, "openverse", 3, 1)
    page(manifest, coral, "bing", 3, 2)
    return manifest


def places(candidates):
    return [(one.label, one.round, one.proposal.rank, one.provider) for one in candidates]


ORDER = [
    ("coral", 0, 1, "openverse"),
    ("coral", 0, 2, "bing"),
    ("coral", 0, 3, "bing"),
    ("coral", 0, 3, "openverse"),
    ("coral", 1, 1, "openverse"),
    ("coral", 1, 2, "openverse"),
    ("king", 0, 1, "bing"),
]


def test_candidates_come_by_label_round_rank_and_provider(filled):
    assert places(filled.candidates()) == ORDER
    assert places(filled.candidates(label="coral")) == ORDER[:-1]
    one, two, *_ = filled.candidates(label="coral")
    filled.settle([replace(one, state="deferred"), replace(two, state="rejected", reason="http.404")])
    assert places(filled.candidates(label="coral", states=("deferred", "rejected"))) == ORDER[:2]
    assert places(filled.candidates(states=("pending",))) == ORDER[2:]


@pytest.mark.parametrize("at_a_time", [1, 2, 3, 7, 8])
def test_candidates_one_by_one_come_by_id_each_once_however_many_are_read_at_a_time(filled, monkeypatch, at_a_time):
    monkeypatch.setattr("imgkit.manifest.candidates.ROWS_AT_A_TIME", at_a_time)
    ids = sorted(one.id for one in filled.candidates())

    assert opened_rows.ROWS_AT_A_TIME == 2000
    assert [one.id for one in filled.each_candidate()] == ids
    assert [one.id for one in filled.each_candidate(label="coral")] == ids[1:]
    assert [one.id for one in filled.each_candidate(among={ids[0], ids[5]})] == [ids[0], ids[5]]
    assert [one.id for one in filled.each_candidate(label="coral", among={ids[0], ids[5]})] == [ids[5]]
    assert list(filled.each_candidate(label="milk")) == []


def test_whoever_proposed_a_picture_comes_by_round_rank_and_provider(filled):
    filled.put_image(image(1))
    filled.settle(replace(one, image_id=image(1).id) for one in filled.candidates())

    found = [(one.round, one.proposal.rank, one.provider) for one in filled.candidates_of(image(1).id)]

    assert found == [
        (0, 1, "bing"),
        (0, 1, "openverse"),
        (0, 2, "bing"),
        (0, 3, "bing"),
        (0, 3, "openverse"),
        (1, 1, "openverse"),
        (1, 2, "openverse"),
    ]


def test_the_last_round_is_that_of_the_label_and_0_without_any(filled):
    assert [filled.last_round(label) for label in ("coral", "king", "milk")] == [1, 0, 0]


def test_labels_come_in_order_of_first_appearance_and_queries_by_id(filled):
    filled.put_queries([Query(label="aaa", name="Aaa", text="x"), Query(label="coral", name="coral", text="coral")])

    assert list(filled.labels().items()) == [("king", "king"), ("coral", "coral"), ("aaa", "Aaa")]
    assert [(key, one.text) for key, one in filled.queries().items()] == [(1, "king"), (2, "coral"), (3, "x")]


def test_searches_come_by_query_and_provider_and_a_fresh_one_is_at_its_beginning(filled):
    assert [(one.query_id, one.provider) for one in filled.search_states()] == [
        (1, "bing"),
        (2, "bing"),
        (2, "openverse"),
    ]
    assert filled.search_state(2, "flickr") == SearchState(query_id=2, provider="flickr", cursor=None, verdict="ok")


def test_a_page_says_how_many_of_its_proposals_are_new(filled):
    assert page(filled, 2, "bing", 1, 2, 3, 4) == 2  # 2 and 3 are there


def test_a_page_and_its_bookmark_are_stored_both_or_neither(filled):
    before = (places(filled.candidates()), filled.search_states(), filled.proposed("coral"))
    state = SearchState(query_id=99, provider="bing", cursor=7, found=1)

    with pytest.raises(Exception, match="FOREIGN KEY"):
        filled.put_page(state, [Proposal(url="http://h/9.jpg", rank=9)], label="coral", round_=0)

    assert (places(filled.candidates()), filled.search_states(), filled.proposed("coral")) == before


def test_a_page_of_a_list_replaces_what_was_said_about_known_addresses_and_the_first_row_of_two_counts(filled):
    known = filled.candidates(label="king")[0]
    url = known.proposal.url
    state = SearchState(query_id=1, provider="bing", found=3)
    listed = [
        Proposal(url="http://h/new.jpg", rank=1),
        Proposal(url=url, rank=2, license="CC BY", title="new"),
        Proposal(url=f"{url}#again", rank=3, license="CC0"),
    ]

    assert filled.put_page(state, listed, label="king", round_=4, anew=True) == 1

    first, second = filled.candidates(label="king")
    assert (first.id, first.round, first.proposal) == (known.id, 0, listed[1])
    assert second.proposal.url == "http://h/new.jpg"
    assert filled.proposed("king") == [(first.id, 1, 2), (second.id, 1, 1)]


def test_what_a_list_holds_no_more_is_proposed_by_nobody_and_other_providers_stay(filled):
    coral = filled.candidates(label="coral")
    (other,) = filled.put_queries([Query(label="coral", name="coral", text="coral", exclude=("toy",))])
    page(filled, other, "bing", 2, 3)
    keep = next(one for one in coral if (one.provider, one.proposal.rank) == ("bing", 2))

    filled.withdraw_others(SearchState(query_id=other, provider="bing"), {keep.proposal.url})

    left = {candidate_id for candidate_id, _, _ in filled.proposed("coral")}
    assert left == {one.id for one in coral if one.provider == "openverse"} | {keep.id}


def test_rows_in_force_come_oldest_first_and_the_newest_of_a_label_and_text_holds(manifest, tmp_path):
    one, two = tmp_path / "one.csv", tmp_path / "two.csv"
    coral = Query(label="coral", name="coral", text="coral", providers=("bing",), limit=7)
    king, milk = (Query(label=name, name=name, text=name) for name in ("king", "milk"))
    manifest.put_queries([king, coral], file=one)
    manifest.put_queries([milk])
    manifest.put_queries(
        [replace(coral, exclude=("toy",), limit=None), replace(coral, providers=("flickr",))], file=two
    )

    def in_force():
        return [
            (row.file and row.file.rsplit("/", 1)[1], row.query.label, row.query.providers, row.query.limit)
            for row in manifest.rows_in_force()
        ]

    assert in_force() == [
        ("one.csv", "king", (), None),
        ("", "milk", (), None),
        ("two.csv", "coral", ("bing",), None),
        ("two.csv", "coral", ("flickr",), 7),
    ]
    assert [row.query.label for row in manifest.rows_of(one)] == ["king"]
    manifest.put_queries([milk], file=two)
    assert in_force() == [
        ("one.csv", "king", (), None),
        ("one.csv", "coral", ("bing",), 7),
        ("two.csv", "milk", (), None),
    ]
    manifest.drop_rows("milk")
    assert [row.query.label for row in manifest.rows_in_force()] == ["king", "coral"]
    assert WORDS == 1


def test_findings_come_worst_first_within_each_check(manifest):
    found = [
        Finding(label="b", image_id=image(1).id, check="label", score=0.5, threshold=0.1),
        Finding(label="a", image_id=image(1).id, check="label", score=0.5, threshold=0.1),
        Finding(label="a", image_id=image(2).id, check="label", score=0.9, threshold=0.1),
        Finding(label="a", image_id=image(3).id, check="dark", score=0.2, threshold=0.1),
    ]
    manifest.replace_findings(["label", "dark"], found)

    assert [(one.check, one.score, one.label) for one in manifest.findings()] == [
        ("dark", 0.2, "a"),
        ("label", 0.9, "a"),
        ("label", 0.5, "a"),
        ("label", 0.5, "b"),
    ]
    assert [one.score for one in manifest.findings(check="label")] == [0.9, 0.5, 0.5]


def test_a_decision_that_is_sent_again_has_its_first_id_and_only_later_ones_are_read(manifest):
    one = Decision(image_id=image(1).id, label="a", action="keep", key="k")
    two = Decision(image_id=image(2).id, label="a", action="reject", key="l")

    assert manifest.decide([one, two]) == [1, 2]
    assert manifest.decide([replace(two, action="keep"), one]) == [2, 1]
    assert [(found.id, found.action) for found in manifest.decisions()] == [(1, "keep"), (2, "reject")]
    assert [found.id for found in manifest.decisions(after=1)] == [2]
    assert manifest.decisions(after=2) == []


def test_a_limit_in_seconds_is_met_at_its_last_second(tmp_path):
    time = 1000.0
    with Manifest.open(tmp_path, clock=lambda: time) as manifest:
        manifest.put_robots("host", "text")
        manifest.defer_host("slow", datetime.fromtimestamp(1060.0, UTC), "http.429")
        time = 1060.0

        assert manifest.robots("host", max_age_s=60) == "text"
        assert manifest.deferred_hosts() == {}
        manifest.defer_host("slow", datetime.fromtimestamp(1061.0, UTC), "http.429")
        assert manifest.robots("slow", max_age_s=60) is None
        manifest.defer_host("host", datetime.fromtimestamp(1061.0, UTC), "http.429")
        assert manifest.robots("host", max_age_s=60) == "text"  # the one is not forgotten for the other
        assert set(manifest.deferred_hosts()) == {"slow", "host"}
        manifest.defer_host("host", None, "")
        assert set(manifest.deferred_hosts()) == {"slow"}


def synced(manifest, work):
    """Return how the disk is waited for when ``work`` commits: the last word before each commit."""
    said, told = [], []

    def watch(statement):
        if statement.startswith("PRAGMA synchronous"):
            said.append(statement.removeprefix("PRAGMA synchronous="))
        if statement == "COMMIT":
            told.append(said[-1])

    manifest.connection._sqlite.set_trace_callback(watch)
    work()
    manifest.connection._sqlite.set_trace_callback(None)
    return told


def test_what_people_said_and_what_they_asked_for_is_on_the_disk_before_it_is_acknowledged(filled):
    log = ReviewLog(filled)
    one = Decision(image_id=image(1).id, label="coral", action="keep")
    action = ReviewAction(key="k", reviewer="r", mode="grid", kind="decide")
    state = SearchState(query_id=1, provider="bing")

    assert synced(filled, lambda: filled.decide([one])) == ["FULL"]
    assert synced(filled, lambda: log.append(action, [one])) == ["FULL"]
    assert synced(filled, lambda: log.put_audit(Audit(kept=1, unseen=1, questions=()))) == ["FULL"]
    assert synced(filled, lambda: filled.put_queries([Query(label="z", name="z", text="z")])) == ["FULL"]
    assert synced(filled, lambda: filled.drop_rows("z")) == ["FULL"]
    assert synced(filled, lambda: filled.add_tombstones("url", ["x"], reason="asked")) == ["FULL"]
    assert synced(filled, lambda: filled.replace_judgements([])) == ["FULL"]
    assert synced(filled, lambda: filled.put_page(state, [], label="king", round_=0)) == ["NORMAL"]
    assert synced(filled, lambda: filled.settle([])) == ["NORMAL"]


def test_the_log_of_writes_is_folded_into_the_file_after_every_64_of_them(manifest):
    seen = []
    writes = manifest.connection._writes
    manifest.connection._sqlite.set_trace_callback(lambda one: seen.append(one) if "checkpoint" in one else None)

    for n in range(CHECKPOINT_EVERY - writes % CHECKPOINT_EVERY):
        assert seen == [], n
        manifest.settle([])

    assert seen == ["PRAGMA wal_checkpoint(PASSIVE)"]
    assert CHECKPOINT_EVERY == 64


def test_the_table_of_a_manifest_is_exactly_this(filled):
    first = filled.candidates(label="king")[0]
    filled.put_image(image(1))
    filled.settle([replace(first, state="kept", detail="moved to x", image_id=image(1).id)])
    filled.put_items([Item(label="king", image_id=image(1).id, width=4, height=3, file_sha256=image(1).sha256)])
    filled.replace_judgements(
        [Judgement(label="king", image_id=image(1).id, verdict="suspect", reason="bad.label", group="g")]
    )

    lines = manifest_csv(filled).splitlines()

    assert lines[0] == (
        "label,provider,rank,query,state,reason,detail,image_id,curate_state,curate_reason,url,page_url,title,author,"
        "license,license_url,sha256,width,height"
    )
    assert lines[1] == "coral,openverse,1,coral,pending,,,,,,http://openverse/0/1.jpg,,,,,,,,"
    assert lines[-1] == (
        f"king,bing,1,king,kept,,moved to x,{image(1).id},suspect,bad.label,http://bing/0/1.jpg,,,,,,"
        f"{image(1).sha256},4,3"
    )
    assert len(lines) == 1 + len(ORDER)
    assert tuple(lines[0].split(",")) == COLUMNS
    assert len(list(csv.reader(io.StringIO(manifest_csv(filled))))) == 1 + len(ORDER)


def test_what_a_spreadsheet_would_run_is_text():
    row = ["=a", "+a", "-a", "@a", "\ta", "a=", "", 5, -5, None]

    assert spreadsheet_safe(row) == ["'=a", "'+a", "'-a", "'@a", "'\ta", "a=", "", 5, -5, None]


def test_a_line_of_the_log_is_exactly_this():
    at = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    log = [
        Decision(id=3, at=at, image_id=image(1).id, label="a", action="relabel", to_label="ä", command="review"),
        Decision(id=4, at=None, image_id=image(1).id, label="a", action="undo", undoes=3, key="k"),
    ]

    assert decisions_jsonl(log) == (
        '{"action": "relabel", "actor": "person", "at": "2026-01-02T03:04:05+00:00", "command": "review", "id": 3, '
        f'"image_id": "{image(1).id}", "label": "a", "to_label": "ä"}}\n'
        '{"action": "undo", "actor": "person", "at": "", "id": 4, '
        f'"image_id": "{image(1).id}", "key": "k", "label": "a", "undoes": 3}}\n'
    )


def test_equal_values_are_equal_text_and_what_is_empty_is_left_out():
    assert rows.to_json({"b": 1, "a": ["ü", None]}) == '{"a":["ü",null],"b":1}'
    assert json.loads(rows.proposal_json(Proposal(url="u", rank=7, title="t", fallbacks=("f",), width=3))) == {
        "title": "t",
        "fallbacks": ["f"],
        "width": 3,
    }
    assert (rows.timestamp(None), rows.moment(None)) == (None, None)
    assert rows.moment(0.0) == datetime(1970, 1, 1, tzinfo=UTC)
    assert rows.timestamp(datetime(1970, 1, 1, tzinfo=UTC)) == 0.0


def test_a_proposal_comes_back_with_all_that_was_said(manifest):
    (query_id,) = manifest.put_queries([Query(label="a", name="A", text="a", exclude=("x",), licences=("by",))])
    whole = Proposal(
        url="http://h/1.jpg", rank=3, page_url="p", title="t", tags="g", author="w", author_url="wu", license="CC BY",
        license_url="lu", group="o", fallbacks=("f", "e"), thumbnail="m", width=5, height=6,
    )  # fmt: skip
    state = SearchState(query_id=query_id, provider="bing", cursor={"a": [1]}, verdict="end", detail="d", found=1)
    manifest.put_page(state, [whole], label="a", round_=2)

    (one,) = manifest.candidates()

    assert (one.proposal, one.round, one.state, one.attempts, one.next_try_at) == (whole, 2, "pending", 0, None)
    assert manifest.search_state(query_id, "bing") == state
    assert manifest.queries() == {query_id: Query(label="a", name="A", text="a", exclude=("x",), licences=("by",))}
