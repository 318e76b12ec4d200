"""The pure parts of a harvest: order, shelves, ledger, who waits for a robots.txt, screening, yields."""

import random
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgkit.harvest.crawl.duplicate_tracker import DuplicateTracker, is_placeholder_redirect, settled, site_and_address
from imgkit.harvest.crawl.frontier import LabelFrontier
from imgkit.harvest.crawl.jobs import Job
from imgkit.harvest.crawl.order import RankedAddress, in_order
from imgkit.harvest.crawl.robots_queue import RobotsQueue
from imgkit.harvest.crawl.screening import Tombstones, author_hash, host_hash, url_hash
from imgkit.harvest.report import HarvestReport, LabelResult, next_steps, total, yield_table
from imgkit.harvest.rules import screen
from imgkit.manifest import Candidate, Count, Proposal, Query, QueryRow
from imgkit.net.addresses import parse
from imgkit.net.outcomes import Failure
from imgkit.net.retry import DownloadAttempt
from imgkit.net.robots import RobotsCache, RobotsRules, read_robots

PROVIDERS = ("bing", "openverse", "flickr")


def candidate(url, *, provider="bing", rank=1, round=0, query_id=1, label="coral", id=0, **fields):
    if not url.startswith(("http", "file")):
        url = f"https://pictures.example.org/{url}.jpg"
    return Candidate(
        id=id or abs(hash((url, provider, label))),
        label=label,
        query_id=query_id,
        provider=provider,
        round=round,
        proposal=Proposal(url=url, rank=rank),
        **fields,
    )


def names(entries):
    return [entry.key.rsplit("/", 1)[-1].removesuffix(".jpg") for entry in entries]


# the fixed order


def test_ranks_of_all_providers_are_merged_and_agreement_comes_first():
    found = [
        candidate("a", rank=1),
        candidate("b", rank=2),
        candidate("c", rank=3),
        candidate("x", provider="openverse", rank=1),
        candidate("c", provider="openverse", rank=2),
    ]

    assert names(in_order(found, PROVIDERS)) == ["c", "a", "x", "b"]


def test_an_earlier_round_comes_before_a_later_one():
    found = [candidate("late", rank=1, round=1), candidate("early", rank=90)]

    assert names(in_order(found, PROVIDERS)) == ["early", "late"]


def test_one_address_of_two_providers_is_one_entry_kept_for_the_first_provider():
    found = [
        candidate("https://Pictures.example.org:443/a.jpg", provider="flickr"),
        candidate("https://pictures.example.org/a.jpg#top", provider="bing", rank=7),
    ]

    (entry,) = in_order(found, PROVIDERS)

    assert [one.provider for one in entry.candidates] == ["bing", "flickr"]


@given(st.randoms(use_true_random=False))
def test_the_order_does_not_depend_on_the_order_of_arrival(chance):
    found = [
        candidate(name, provider=provider, rank=rank, round=rank // 5)
        for provider in PROVIDERS
        for rank, name in enumerate(random.Random(provider).sample("abcdefghijkl", 9), start=1)
    ]
    shuffled = chance.sample(found, len(found))

    assert names(in_order(shuffled, PROVIDERS)) == names(in_order(found, PROVIDERS))


# shelves


def test_nothing_is_started_that_might_not_be_needed():
    shelf, ledger = LabelFrontier(label="coral", name="coral", target=3), DuplicateTracker()
    shelf.put(in_order([candidate(name, rank=rank) for rank, name in enumerate("abcdef", start=1)], PROVIDERS))

    for _ in range(3):
        assert shelf.next(ledger) is not None
        shelf.under_way += 1

    assert shelf.next(ledger) is None
    shelf.under_way -= 1  # one failed
    assert shelf.next(ledger) is not None


@given(st.data())
def test_the_set_is_the_first_good_pictures_of_the_order_whatever_the_timing(data):
    good = data.draw(st.lists(st.booleans(), min_size=8, max_size=20))
    shelf, ledger = LabelFrontier(label="coral", name="coral", target=4), DuplicateTracker()
    shelf.put(in_order([candidate(f"{n:02d}", rank=n + 1) for n in range(len(good))], PROVIDERS))
    started, kept = [], []

    while True:
        while (entry := shelf.next(ledger)) is not None:
            shelf.under_way += 1
            started.append(entry)
        if not started:
            break
        entry = started.pop(data.draw(st.integers(0, len(started) - 1)))
        shelf.under_way -= 1
        number = entry.first.proposal.rank - 1
        if good[number]:
            kept.append(number)
            ledger.add("coral", f"image{number}", [entry.first.proposal.url])

    assert sorted(kept) == [number for number, is_good in enumerate(good) if is_good][:4]


def test_files_of_this_machine_are_all_taken():
    shelf, ledger = LabelFrontier(label="bears", name="bears", target=1), DuplicateTracker()
    shelf.put(in_order([candidate(f"file:///pictures/{n}.jpg", provider="folder", rank=n) for n in range(1, 5)], ()))
    shelf.under_way = 1  # no picture of the web would be needed

    assert (shelf.wants(ledger), shelf.done(ledger)) == (False, False)
    taken = [shelf.next(ledger) for _ in range(5)]

    assert [entry is not None for entry in taken] == [True, True, True, True, False]


# the ledger


def test_a_picture_counts_once_for_a_label_however_often_it_comes():
    ledger = DuplicateTracker()

    new = [
        ledger.add("coral", "1", ["https://a.example.org/x.jpg"]),
        ledger.add("coral", "1", ["https://b.example.com/y.jpg"]),
        ledger.add("king", "1", ["https://a.example.org/x.jpg"]),
    ]

    assert new == [True, False, True]
    assert (ledger.kept("coral"), ledger.kept("king")) == (1, 1)


def test_a_fourth_address_of_one_site_makes_it_a_placeholder_under_every_label():
    ledger = DuplicateTracker()
    ledger.add("coral", "1", ["https://img.example.org/a.jpg"])
    ledger.add("king", "1", ["https://cdn.example.org/b.jpg"])
    ledger.add("king", "1", ["https://example.org/c.jpg"])
    assert not ledger.is_placeholder("1")

    ledger.add("coral", "1", ["https://example.org/d.jpg"])

    assert ledger.is_placeholder("1")
    assert (ledger.kept("coral"), ledger.kept("king")) == (0, 0)


@pytest.mark.parametrize(
    "urls",
    [
        pytest.param([f"https://{host}.org/1.jpg" for host in "abcd"], id="reposts elsewhere"),
        pytest.param([f"https://a.org/1.jpg?w={w}" for w in range(4)], id="one file at four sizes"),
        pytest.param(
            [f"https://a.org/photo?id=7&sig={n}&Expires={n}" for n in range(9)], id="one under nine signatures"
        ),
        pytest.param([f"https://a.org/albums/{n}/x.jpg" for n in range(3)], id="one in three albums"),
        pytest.param([f"file:///pictures/{n}.jpg" for n in range(4)], id="copies on this machine"),
        pytest.param([f"https://{name}.co.uk/{name}.jpg" for name in "abcd"], id="four companies"),
    ],
)
def test_ordinary_copies_are_no_placeholder(urls):
    ledger = DuplicateTracker()

    for url in urls:
        ledger.add("coral", "1", [url])

    assert not ledger.is_placeholder("1")


def test_a_script_that_chooses_by_its_query_has_many_addresses():
    assert site_and_address("https://a.org/show.php?id=1") != site_and_address("https://a.org/show.php?id=2")


@pytest.mark.parametrize(
    ("final", "stands_in"),
    [
        ("https://a.org/images/photo_unavailable.png", True),
        ("https://a.org/no-image.jpg", True),
        ("https://a.org/404.jpg", True),
        ("https://a.org/removed.png", True),
        ("https://a.org/snake_14040.jpg", False),
        ("https://a.org/unremovedness.jpg", False),
        ("https://b.org/snake.jpg", False),
    ],
)
def test_a_redirect_to_a_stand_in_is_known_by_its_name(final, stands_in):
    assert is_placeholder_redirect("https://a.org/snake.jpg", final) == stands_in


def test_the_first_of_the_order_is_kept_whoever_came_first():
    late = candidate("b", rank=2, state="kept", image_id="1", id=2)
    early = candidate("a", rank=1, state="rejected", reason="dup.exact", image_id="1", id=1)
    ledger = DuplicateTracker()
    for one in (late, early):
        ledger.note(one)

    final = {one.id: (one.state, one.reason) for one in settled(in_order([late, early], PROVIDERS), ledger)}

    assert final == {1: ("kept", ""), 2: ("rejected", "dup.exact")}


def test_all_candidates_of_a_picture_that_stands_in_for_others_are_placeholders():
    found = [candidate(name, state="kept", image_id="1", id=n) for n, name in enumerate("abc", start=1)]
    other = candidate("d", state="kept", image_id="2", id=4)
    ledger = DuplicateTracker()
    for one in (*found, other):
        ledger.note(one)
    ledger.add("coral", "1", ["https://pictures.example.org/z.jpg"])

    final = settled(in_order([*found, other], PROVIDERS), ledger)

    assert [(one.id, one.state, one.reason) for one in final] == [
        (1, "rejected", "img.placeholder"),
        (2, "rejected", "img.placeholder"),
        (3, "rejected", "img.placeholder"),
        (4, "kept", ""),
    ]


def test_a_candidate_that_its_own_query_screened_out_stays_so_and_those_behind_it_share_the_picture():
    kept = candidate("a", state="kept", image_id="1", id=1)
    screened = candidate("a", provider="openverse", state="rejected", reason="policy.licence", id=2)
    late = candidate("a", provider="flickr", id=3)
    ledger = DuplicateTracker()
    ledger.note(kept)

    final = settled([RankedAddress("a", (kept, screened, late))], ledger)

    assert [(one.id, one.state, one.reason, one.image_id) for one in final] == [
        (1, "kept", "", "1"),
        (3, "rejected", "dup.exact", "1"),
    ]


def test_a_candidate_that_turned_up_too_late_shares_what_became_of_its_address():
    tried = candidate("a", state="rejected", reason="http.404", attempts=1, id=1)
    late = candidate("a", provider="flickr", id=2)

    final = settled(in_order([tried, late], PROVIDERS), DuplicateTracker())

    assert [(one.id, one.state, one.reason) for one in final] == [(2, "rejected", "http.404")]


# who waits for a robots.txt


def job(url):
    first = candidate(url)
    return Job([RankedAddress(url, (first,))], DownloadAttempt(url=url), parse(url))


@pytest.fixture
def gate():
    return RobotsQueue(RobotsCache(recall=lambda origin: None, store=lambda origin, text: None), back_off_s=(1.0, 2.0))


def test_jobs_of_one_origin_wait_for_one_robots_txt_and_those_of_another_do_not(gate):
    first, second = job("http://a.example.org/1.jpg"), job("http://a.example.org/private/2.jpg")
    other = job("http://b.example.org/3.jpg")

    asking = gate.judge(first)

    assert gate.judge(second) is asking
    assert gate.judge(other) is not asking
    text = "User-agent: *\nDisallow: /private/"
    assert gate.open(asking, text, read_robots(text)) == [first, second]
    assert gate.judge(first) is None
    assert gate.judge(second).reason == "policy.robots"


def test_a_robots_txt_that_cannot_be_had_is_asked_for_three_times_and_closes_its_origin_for_the_run(gate):
    failure = Failure(reason="http.5xx", transient=True)
    waiting = job("http://a.example.org/1.jpg")
    asking = gate.judge(waiting)

    assert [gate.pause(asking, failure) for _ in range(3)] == [1.0, 2.0, None]
    assert gate.open(asking, failure, RobotsRules()) == [waiting]
    assert gate.judge(waiting) == failure
    gate.forget_failures()
    assert gate.judge(waiting) is not failure


# screening


def proposal(**fields):
    return Proposal(**{"url": "https://img.example.org/a.jpg", "rank": 1, **fields})


def why(one, *, exclude=(), licences=(), tombstones=None):
    query = Query(label="a", name="a", text="a", exclude=exclude, licences=licences)
    found = screen(one, [QueryRow(file="", query_id=1, query=query)], tombstones or Tombstones())
    return found and found.reason


def test_what_was_removed_stays_away_by_address_host_and_author():
    by_url = Tombstones(urls=frozenset({url_hash("https://IMG.example.org:443/a.jpg#x")}))
    by_host = Tombstones(hosts=frozenset({host_hash("example.org")}))
    by_author = Tombstones(authors=frozenset({author_hash("Ada  Example")}))

    assert why(proposal(), tombstones=by_url) == "policy.removed"
    assert why(proposal(), tombstones=by_host) == "policy.removed"
    assert why(proposal(author="ada example"), tombstones=by_author) == "policy.removed"
    assert why(proposal(url="https://notexample.org/a.jpg"), tombstones=by_host) is None


def test_words_and_licences_screen():
    assert why(proposal(title="A toy snake"), exclude=("toy",)) == "policy.excluded"
    assert why(proposal(title="A toyota"), exclude=("toy",)) is None
    assert why(proposal(license="by-nc"), licences=("by",)) == "policy.licence"
    assert why(proposal(license="CC BY 4.0"), licences=("by",)) is None
    assert why(proposal(), licences=("by",)) == "policy.licence"


# yields and the report


def count(label, provider, state, reason, number):
    return Count(label=label, provider=provider, state=state, reason=reason, count=number)


def test_the_yield_table_sums_exactly():
    counts = [
        count("king", "bing", "kept", "", 3),
        count("coral", "flickr", "kept", "", 5),
        count("coral", "flickr", "rejected", "http.404", 2),
        count("coral", "flickr", "deferred", "http.429", 1),
        count("coral", "flickr", "pending", "", 7),
        count("old", "bing", "kept", "", 100),
    ]

    rows = yield_table(counts, labels=["coral", "king"], providers=PROVIDERS)

    assert [(row.label, row.found, row.tried, row.kept, row.deferred, row.waiting) for row in rows] == [
        ("coral", 15, 8, 5, 1, 7),
        ("king", 3, 3, 3, 0, 0),
    ]
    assert total(rows).found == 18
    assert total(rows).reasons == {"http.404": 2, "http.429": 1}


def test_what_a_host_was_not_asked_for_is_deferred_and_not_tried():
    counts = [
        count("coral", "urls", "deferred", "http.5xx", 1),
        count("coral", "urls", "deferred", "http.later", 19),
        count("coral", "urls", "rejected", "http.404", 2),
        count("coral", "urls", "kept", "", 3),
    ]

    (row,) = yield_table(counts, labels=["coral"], providers=PROVIDERS)

    assert (row.found, row.tried, row.kept, row.not_kept, row.deferred) == (25, 6, 3, 2, 20)


def test_the_first_hosts_that_ask_to_wait_are_named_with_their_times_and_the_others_counted():
    now = datetime.now(UTC)
    waits = {f"h{n}.test": now + timedelta(days=9 - n) for n in range(7)}

    *named, more = HarvestReport(data="data", labels=(), rows=(), waits=waits).wait_sentences()

    times = [f"{(now + timedelta(days=days)).astimezone():%Y-%m-%d %H:%M}" for days in (3, 4, 5, 6, 7)]
    assert named == [
        f"h{n}.test asks to wait until {time}; it is not asked before."
        for n, time in zip((6, 5, 4, 3, 2), times, strict=True)
    ]
    assert more == "2 more hosts ask to wait."


def test_the_commonest_reasons_come_with_what_to_do():
    counts = [count("coral", "bing", "rejected", "http.404", 9), count("coral", "bing", "deferred", "net.dns", 12)]

    first, second = next_steps(total(yield_table(counts, labels=["coral"], providers=PROVIDERS)))

    assert first.startswith("12 × net.dns (the host's name does not resolve). Run the same command again")
    assert second.startswith("9 × http.404 (not found). ")


@pytest.mark.parametrize("reason", ["net.scheme", "net.blocked_address", "net.port", "net.redirect"])
def test_nobody_is_told_to_try_again_what_is_refused_for_good(reason):
    counts = [count("coral", "bing", "rejected", reason, 9)]

    (step,) = next_steps(total(yield_table(counts, labels=["coral"], providers=PROVIDERS)))

    assert "again later" not in step


@pytest.mark.parametrize(
    ("kept", "nobody", "code"), [(5, False, 0), (4, False, 3), (4, True, 5), (5, True, 0)], ids=str
)
def test_the_exit_code_says_how_it_ended(kept, nobody, code):
    label = LabelResult(label="coral", name="coral", target=5, kept=kept)
    report = HarvestReport(data="data", labels=(label,), rows=(), no_provider_answered=nobody)

    assert report.exit_code == code
    assert str(kept) in report.summary
