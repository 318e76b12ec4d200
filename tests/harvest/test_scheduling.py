"""The pure parts of a harvest: order, hosts, tries, shelves, ledger, robots.txt, yields."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgkit.harvest.gate import Gate
from imgkit.harvest.jobs import Job
from imgkit.harvest.ledger import Ledger, is_stand_in, settled, site_and_address
from imgkit.harvest.network.addresses import parse
from imgkit.harvest.network.answers import Failure, Fetched, Moved
from imgkit.harvest.network.attempts import Again, Attempt, Done, follow
from imgkit.harvest.network.hosts import OWN, PUBLIC, HostLimits, Hosts, host_name, limits_for
from imgkit.harvest.network.outage import Outage
from imgkit.harvest.network.robots import RobotsBook, of_answer, read_robots
from imgkit.harvest.ranking import Entry, in_order
from imgkit.harvest.report import HarvestReport, LabelResult
from imgkit.harvest.screening import Tombstones, buried_author, buried_url, screen
from imgkit.harvest.shelves import Shelf
from imgkit.harvest.yields import next_steps, total, yield_table
from imgkit.manifest import Candidate, Count, Proposal

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
    shelf, ledger = Shelf(label="coral", name="coral", target=3), Ledger()
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
    shelf, ledger = Shelf(label="coral", name="coral", target=4), Ledger()
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
    shelf, ledger = Shelf(label="bears", name="bears", target=1), Ledger()
    shelf.put(in_order([candidate(f"file:///pictures/{n}.jpg", provider="folder", rank=n) for n in range(1, 5)], ()))

    taken = [shelf.next(ledger) for _ in range(5)]

    assert [entry is not None for entry in taken] == [True, True, True, True, False]


# the ledger


def test_a_picture_counts_once_for_a_label_however_often_it_comes():
    ledger = Ledger()

    new = [
        ledger.add("coral", "1", ["https://a.example.org/x.jpg"]),
        ledger.add("coral", "1", ["https://b.example.com/y.jpg"]),
        ledger.add("king", "1", ["https://a.example.org/x.jpg"]),
    ]

    assert new == [True, False, True]
    assert (ledger.kept("coral"), ledger.kept("king")) == (1, 1)


def test_a_third_address_of_one_site_makes_it_a_placeholder_under_every_label():
    ledger = Ledger()
    ledger.add("coral", "1", ["https://img.example.org/a.jpg"])
    ledger.add("king", "1", ["https://cdn.example.org/b.jpg"])
    assert not ledger.is_placeholder("1")

    ledger.add("coral", "1", ["https://example.org/c.jpg"])

    assert ledger.is_placeholder("1")
    assert (ledger.kept("coral"), ledger.kept("king")) == (0, 0)


@pytest.mark.parametrize(
    "urls",
    [
        pytest.param(["https://a.org/1.jpg", "https://b.org/1.jpg", "https://c.org/1.jpg"], id="reposts elsewhere"),
        pytest.param([f"https://a.org/1.jpg?w={w}" for w in (1, 2, 3)], id="one file at three sizes"),
        pytest.param([f"file:///pictures/{n}.jpg" for n in range(4)], id="copies on this machine"),
        pytest.param(["https://a.co.uk/1.jpg", "https://b.co.uk/2.jpg", "https://c.co.uk/3.jpg"], id="three companies"),
    ],
)
def test_ordinary_copies_are_no_placeholder(urls):
    ledger = Ledger()

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
    assert is_stand_in("https://a.org/snake.jpg", final) == stands_in


def test_the_first_of_the_order_is_kept_whoever_came_first():
    late = candidate("b", rank=2, state="kept", image_id="1", id=2)
    early = candidate("a", rank=1, state="rejected", reason="dup.exact", image_id="1", id=1)
    ledger = Ledger()
    for one in (late, early):
        ledger.note(one)

    final = {one.id: (one.state, one.reason) for one in settled(in_order([late, early], PROVIDERS), ledger)}

    assert final == {1: ("kept", ""), 2: ("rejected", "dup.exact")}


def test_a_candidate_that_turned_up_too_late_shares_what_became_of_its_address():
    tried = candidate("a", state="rejected", reason="http.404", attempts=1, id=1)
    late = candidate("a", provider="flickr", id=2)

    final = settled(in_order([tried, late], PROVIDERS), Ledger())

    assert [(one.id, one.state, one.reason) for one in final] == [(2, "rejected", "http.404")]


# hosts


def take_all(hosts, now):
    taken = []
    while (one := hosts.take(now)) is not None:
        taken.append(one)
    return taken


def test_a_host_gets_two_requests_at_once_and_a_pause_between_their_beginnings():
    hosts = Hosts()
    for number in range(4):
        hosts.add("a", number, PUBLIC, now=0.0)

    assert take_all(hosts, 0.0) == [("a", 0)]
    assert take_all(hosts, 0.2) == []
    assert take_all(hosts, 0.25) == [("a", 1)]
    assert take_all(hosts, 9.0) == []
    hosts.answered("a", None, now=9.0)
    assert take_all(hosts, 9.0) == [("a", 2)]


def test_a_host_never_waits_for_another():
    hosts = Hosts()
    for number in range(10):
        hosts.add("slow", number, PUBLIC, now=0.0)
    hosts.add("fast", 99, PUBLIC, now=0.0)

    assert take_all(hosts, 0.0) == [("slow", 0), ("fast", 99)]


def test_retry_after_silences_the_whole_host_and_slows_it_down():
    hosts = Hosts()
    for number in range(3):
        hosts.add("a", number, PUBLIC, now=0.0)
    take_all(hosts, 0.0)
    hosts.answered("a", Failure(reason="http.429", transient=True, retry_after=20.0), now=1.0)

    assert take_all(hosts, 20.9) == []
    assert hosts.next_time() == pytest.approx(21.0)
    assert take_all(hosts, 21.0) == [("a", 1)]
    hosts.answered("a", None, now=21.1)
    assert take_all(hosts, 21.3) == []  # half as fast as before
    assert take_all(hosts, 21.5) == [("a", 2)]


def test_a_host_that_asks_for_more_than_two_minutes_is_given_up_with_all_its_jobs():
    hosts = Hosts()
    for number in range(3):
        hosts.add("a", number, PUBLIC, now=0.0)
    hosts.add("a", 3, PUBLIC, now=0.0, after_s=5.0)
    take_all(hosts, 0.0)
    failure = Failure(reason="http.429", transient=True, retry_after=121.0)

    assert sorted(hosts.answered("a", failure, now=1.0)) == [1, 2, 3]
    assert hosts.add("a", 9, PUBLIC, now=2.0) == failure
    assert take_all(hosts, 999.0) == []


def test_five_failures_in_a_row_park_a_host_and_three_parks_give_it_up():
    limits = HostLimits(connections=1, gap_s=0.0)
    hosts = Hosts()
    failure = Failure(reason="http.5xx", transient=True)
    for number in range(30):
        hosts.add("a", number, limits, now=0.0)
    now, begun = 0.0, []
    while hosts.given_up("a") is None:
        taken = hosts.take(now)
        if taken is None:
            now = hosts.next_time()
            continue
        begun.append(now)
        hosts.answered("a", failure, now=now)

    assert begun == [0.0] * 5 + [60.0] * 5 + [120.0] * 5


def test_hosts_are_forgiven_what_the_network_did():
    hosts = Hosts()
    hosts.give_up("a", PUBLIC, Failure(reason="net.connect", transient=True))
    hosts.give_up("b", PUBLIC, Failure(reason="http.429", transient=True, retry_after=3600.0))

    hosts.forgive({"net.connect"})

    assert hosts.given_up("a") is None
    assert hosts.given_up("b") is not None


def test_a_job_comes_back_after_its_pause():
    hosts = Hosts()
    hosts.add("a", "job", OWN, now=0.0, after_s=2.0)

    assert (take_all(hosts, 1.9), hosts.next_time()) == ([], 2.0)
    assert take_all(hosts, 2.0) == [("a", "job")]


def test_what_was_handed_out_unused_costs_the_host_nothing():
    hosts = Hosts()
    hosts.add("a", 1, PUBLIC, now=0.0)
    hosts.add("a", 2, PUBLIC, now=0.0)
    hosts.take(0.0)
    hosts.unused("a", now=0.0)

    assert take_all(hosts, 0.0) == [("a", 2)]


@pytest.mark.parametrize(
    ("url", "name", "connections", "gap_s"),
    [
        ("https://live.staticflickr.com/1.jpg", "live.staticflickr.com", 1, 1.0),
        ("https://upload.wikimedia.org/1.jpg", "upload.wikimedia.org", 2, 0.25),
        ("http://example.org/1.jpg", "example.org", 2, 0.25),
        ("https://example.org:8443/1.jpg", "example.org:8443", 2, 0.25),
    ],
)
def test_a_host_is_asked_as_it_wants(url, name, connections, gap_s):
    limits = limits_for(parse(url), own=False)

    assert (host_name(parse(url)), limits.connections, limits.gap_s) == (name, connections, gap_s)


# tries


def steps(*answers, attempt=None):
    attempt = attempt or Attempt(url="https://a.org/1.jpg", page_url="https://a.org/page")
    pauses = []
    for answer in answers:
        step = follow(attempt, answer, seconds=1.0, jitter=lambda: 0.0)
        attempt = step.attempt
        if isinstance(step, Again):
            pauses.append(step.after_s)
    return step, pauses


BUSY = Failure(reason="http.5xx", transient=True)


def test_a_passing_failure_is_tried_three_times_with_growing_pauses():
    step, pauses = steps(BUSY, BUSY, BUSY)

    assert isinstance(step, Done)
    assert pauses == [1.0, 2.0]
    assert step.attempt.requests == 3


def test_a_wait_that_the_host_asks_for_is_kept():
    _, pauses = steps(Failure(reason="http.429", transient=True, retry_after=30.0))

    assert pauses == [30.0]


def test_a_lasting_failure_is_not_tried_again():
    step, pauses = steps(Failure(reason="http.404"))

    assert isinstance(step, Done)
    assert pauses == []


def test_a_403_gets_one_more_try_with_the_page_as_referer():
    refused = Failure(reason="http.403")
    first, _ = steps(refused)
    second, _ = steps(refused, refused)

    assert (first.attempt.referer, first.after_s) == ("https://a.org/page", 0.0)
    assert isinstance(second, Done)


def test_a_redirect_is_followed_five_times_and_a_new_try_starts_over():
    moved = [Moved(f"https://a.org/{n}") for n in range(6)]
    fifth, _ = steps(*moved[:5])
    sixth, _ = steps(*moved)
    again, _ = steps(*moved[:2], BUSY)

    assert (fifth.attempt.url, fifth.attempt.seconds) == ("https://a.org/4", 5.0)
    assert sixth.answer.reason == "net.redirect"
    assert (again.attempt.url, again.attempt.hops, again.attempt.seconds) == ("https://a.org/1.jpg", 0, 0.0)


def test_another_size_is_tried_when_the_best_one_is_gone_but_not_when_its_owner_objects():
    attempt = Attempt(url="https://a.org/large.jpg", fallbacks=("https://a.org/small.jpg",))

    gone, _ = steps(Failure(reason="http.404"), attempt=attempt)
    both, _ = steps(Failure(reason="http.404"), Failure(reason="http.410"), attempt=attempt)
    closed, _ = steps(Failure(reason="policy.header"), attempt=attempt)
    got, _ = steps(Failure(reason="http.404"), Fetched(body=b"x", url="https://a.org/small.jpg"), attempt=attempt)

    assert gone.attempt.url == "https://a.org/small.jpg"
    assert both.answer.reason == "http.404"
    assert closed.answer.reason == "policy.header"
    assert got.answer.body == b"x"


@given(st.lists(st.sampled_from(["http.5xx", "http.429", "net.reset", "net.slow", "net.dns"]), min_size=3, max_size=3))
def test_no_address_is_tried_more_than_three_times(reasons):
    attempt = Attempt(url="https://a.org/1.jpg")
    for reason in reasons:
        step = follow(attempt, Failure(reason=reason, transient=True), seconds=1.0)
        attempt = step.attempt
        if isinstance(step, Done):
            break

    assert isinstance(step, Done)


# outages


def test_many_failures_over_many_hosts_are_an_outage_and_few_hosts_are_not():
    down = Failure(reason="net.connect", transient=True)
    few = Outage(failures=50, hosts=10, probe_s=15, patience_s=600)
    many = Outage(failures=50, hosts=10, probe_s=15, patience_s=600)

    assert not any(few.note(f"host{n % 9}", down, now=0.0) for n in range(500))
    assert [many.note(f"host{n % 10}", down, now=0.0) for n in range(50)].index(True) == 49
    assert many.due(14.9) is False
    assert many.due(15.0) is True


def test_one_answer_ends_the_count():
    outage = Outage(failures=5, hosts=2, probe_s=15, patience_s=600)
    down = Failure(reason="net.dns", transient=True)

    for number in range(20):
        assert not outage.note(f"host{number}", None if number % 4 == 3 else down, now=0.0)


def test_an_outage_ends_with_the_network_or_with_patience():
    outage = Outage(failures=1, hosts=1, probe_s=15, patience_s=40)
    outage.note("a", Failure(reason="net.dns", transient=True), now=0.0)

    assert [outage.goes_on(now) for now in (15.0, 30.0, 45.0)] == [True, True, False]
    outage.over()
    assert not outage.under_way


# robots.txt


@pytest.mark.parametrize(
    ("text", "path", "refused"),
    [
        pytest.param("", "/a.jpg", False, id="empty"),
        pytest.param("User-agent: *\nDisallow: /", "/a.jpg", True, id="all closed"),
        pytest.param("User-agent: *\nDisallow:", "/a.jpg", False, id="nothing closed"),
        pytest.param("User-agent: imgkit\nDisallow: /\nUser-agent: *\nAllow: /", "/a.jpg", True, id="us by name"),
        pytest.param("User-agent: *\nDisallow: /\n\nUser-agent: ImgKit\nAllow: /", "/a.jpg", False, id="us allowed"),
        pytest.param("User-agent: a\nUser-agent: imgkit\nDisallow: /x", "/x/1.jpg", True, id="shared group"),
        pytest.param("User-agent: otherbot\nDisallow: /", "/a.jpg", False, id="another bot"),
        pytest.param("User-agent: *\nDisallow: /p\nAllow: /p/open/", "/p/open/1.jpg", False, id="longest wins"),
        pytest.param("User-agent: *\nAllow: /p\nDisallow: /p", "/p", False, id="allow wins a tie"),
        pytest.param("User-agent: *\nDisallow: /*.jpg$", "/a/b.jpg", True, id="wildcard"),
        pytest.param("User-agent: *\nDisallow: /*.jpg$", "/a/b.jpg?w=1", False, id="end anchor"),
        pytest.param("User-agent: *\nDisallow: /*?w=", "/a.jpg?w=1", True, id="query"),
        pytest.param("User-agent: *\nDisallow: /%7Ejoe/", "/~joe/1.jpg", True, id="encoded"),
        pytest.param("User-agent: *\nDisallow: /caf%C3%A9", "/caf%c3%a9/1.jpg", True, id="encoded in lower case"),
        pytest.param("\ufeffUSER-AGENT : *\r\nDISALLOW : /x # not here", "/x/1", True, id="loose spelling"),
        pytest.param("Disallow: /", "/a.jpg", False, id="a rule for nobody"),
        pytest.param("User-agent: *\nContent-Signal: search=yes, ai-train=no", "/a.jpg", True, id="signal"),
        pytest.param("User-agent: *\nContent-Usage: train-ai=n\nAllow: /", "/a.jpg", True, id="usage"),
        pytest.param("User-agent: *\nContent-Usage: /art train-ai=n", "/a.jpg", False, id="usage elsewhere"),
    ],
)
def test_robots_txt_is_read_as_the_rfc_says(text, path, refused):
    assert (read_robots(text).refuses(path) is not None) == refused


@given(st.text(max_size=200), st.text(max_size=40))
def test_no_robots_txt_is_a_crash(text, path):
    read_robots(text).refuses(f"/{path}")


def test_a_host_without_robots_txt_closes_nothing_and_one_with_errors_is_asked_later():
    assert of_answer(Failure(reason="http.404")) == ""
    assert of_answer(Failure(reason="http.403")) == ""
    assert of_answer(Failure(reason="http.5xx", detail="status 503", transient=True)) == Failure(
        reason="http.5xx", detail="robots.txt: status 503", transient=True
    )


def job(url):
    first = candidate(url)
    return Job([Entry(url, (first,))], Attempt(url=url), parse(url))


@pytest.fixture
def gate():
    return Gate(RobotsBook(recall=lambda origin: None, store=lambda origin, text: None), back_off_s=(1.0, 2.0))


def test_jobs_of_one_origin_wait_for_one_robots_txt_and_those_of_another_do_not(gate):
    first, second = job("http://a.example.org/1.jpg"), job("http://a.example.org/private/2.jpg")
    other = job("http://b.example.org/3.jpg")

    asking = gate.judge(first)

    assert gate.judge(second) is asking
    assert gate.judge(other) is not asking
    assert gate.open(asking, "User-agent: *\nDisallow: /private/") == [first, second]
    assert gate.judge(first) is None
    assert gate.judge(second).reason == "policy.robots"


def test_a_robots_txt_that_cannot_be_had_is_asked_for_three_times_and_closes_its_origin_for_the_run(gate):
    failure = Failure(reason="http.5xx", transient=True)
    waiting = job("http://a.example.org/1.jpg")
    asking = gate.judge(waiting)

    assert [gate.pause(asking, failure) for _ in range(3)] == [1.0, 2.0, None]
    assert gate.open(asking, failure) == [waiting]
    assert gate.judge(waiting) == failure
    gate.forget_failures()
    assert gate.judge(waiting) is not failure


# screening


def proposal(**fields):
    return Proposal(**{"url": "https://img.example.org/a.jpg", "rank": 1, **fields})


def why(one, *, exclude=(), licences=(), tombstones=None):
    found = screen(one, exclude=exclude, wanted_licences=licences, tombstones=tombstones or Tombstones())
    return found and found.reason


def test_what_was_removed_stays_away_by_address_host_and_author():
    by_url = Tombstones(urls=frozenset({buried_url("https://IMG.example.org:443/a.jpg#x")}))
    by_host = Tombstones(hosts=frozenset({"example.org"}))
    by_author = Tombstones(authors=frozenset({buried_author("Ada  Example")}))

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


def test_the_commonest_reasons_come_with_what_to_do():
    counts = [count("coral", "bing", "rejected", "http.404", 9), count("coral", "bing", "deferred", "net.dns", 12)]

    first, second = next_steps(total(yield_table(counts, labels=["coral"], providers=PROVIDERS)))

    assert first.startswith("12 × net.dns (the host's name does not resolve). Run the same command again")
    assert second.startswith("9 × http.404 (not found). ")


@pytest.mark.parametrize(
    ("kept", "nobody", "code"), [(5, False, 0), (4, False, 3), (4, True, 5), (5, True, 0)], ids=str
)
def test_the_exit_code_says_how_it_ended(kept, nobody, code):
    label = LabelResult(label="coral", name="coral", target=5, kept=kept)
    report = HarvestReport(data="data", labels=(label,), rows=(), nobody_to_ask=nobody)

    assert report.exit_code == code
    assert str(kept) in report.summary
