"""The numbers by which hosts are asked and answers are judged, written out."""

import gzip
import itertools

import pytest

from imgkit.net import host_queue, outage, outcomes, retry
from imgkit.net.addresses import parse
from imgkit.net.body import BodyReader
from imgkit.net.fetch import FetchLimits
from imgkit.net.host_queue import BY_DOMAIN, OWN, PUBLIC, HostLimits, HostQueue, limits_for
from imgkit.net.outage import OutageDetector
from imgkit.net.outcomes import Failure, Fetched, Redirect, of_status
from imgkit.net.retry import Completed, DownloadAttempt, NextAttempt, follow

PASSING = Failure(reason="http.5xx", transient=True)


def test_how_hosts_are_asked():
    assert HostLimits(connections=2, gap_s=0.25, pause_after=5, pause_s=60.0, pauses=3) == PUBLIC
    assert HostLimits(connections=2, gap_s=0.0, pause_after=5, pause_s=1.0, pauses=3) == OWN
    assert {
        "staticflickr.com": HostLimits(connections=1, gap_s=1.0),
        "wikimedia.org": HostLimits(connections=2, gap_s=0.25),
        "inaturalist-open-data.s3.amazonaws.com": HostLimits(connections=1, gap_s=1.0),
        "inaturalist.org": HostLimits(connections=1, gap_s=1.0),
    } == BY_DOMAIN
    assert host_queue.SLOWEST_GAP_S == 10.0


def test_a_packed_body_that_was_cut_may_come_whole_the_next_time():
    one = BodyReader(coding="gzip", announced=None, max_bytes=10_000, max_ratio=20, picture=True)
    one.take(gzip.compress(b"\xff\xd8\xff" + bytes(2000))[:-4])

    assert one.end() == Failure(reason="net.short", detail="the packed body is incomplete", transient=True)


def test_what_one_fetch_may_take():
    assert FetchLimits() == FetchLimits(
        connect_s=5.0,
        headers_s=8.0,
        gap_s=10.0,
        slow_window_s=5.0,
        slow_bytes_per_s=1024.0,
        deadline_s=30.0,
        max_bytes=20 * 1024 * 1024,
        max_ratio=20,
        max_redirects=5,
    )


def test_how_often_and_after_which_pauses_an_address_is_tried():
    assert (retry.TRIES, retry.BACK_OFF_S, retry.LONGEST_WAIT_S) == (3, (1.0, 2.0, 4.0), 120.0)
    assert retry.FEW_TRIES == {"net.dns": 1, "net.tls": 1, "net.read": 2, "net.slow": 1, "net.deadline": 1}
    assert outcomes.LONGEST_RETRY_AFTER_S == 604_800.0
    assert {"net.dns", "net.connect", "net.proxy"} == outage.UNREACHABLE
    assert {301, 302, 303, 307, 308} == outcomes.REDIRECTS


@pytest.mark.parametrize(
    ("url", "gap_s"),
    [
        ("https://a.b.staticflickr.com/", 1.0),
        ("https://notstaticflickr.com/", 0.25),
        ("https://staticflickr.com.evil.org/", 0.25),
        ("https://inaturalist-open-data.s3.amazonaws.com/", 1.0),
        ("https://other.s3.amazonaws.com/", 0.25),
    ],
)
def test_a_domain_is_asked_as_it_wants_with_all_hosts_below_it(url, gap_s):
    assert limits_for(parse(url), own=False).gap_s == gap_s
    assert limits_for(parse(url), own=True) is OWN


@pytest.mark.parametrize(
    ("status", "reason", "transient"),
    [
        (400, "http.4xx", False),
        (401, "http.401", False),
        (403, "http.403", False),
        (404, "http.404", False),
        (408, "http.4xx", True),
        (410, "http.410", False),
        (418, "http.4xx", False),
        (425, "http.4xx", True),
        (429, "http.429", True),
        (451, "http.4xx", False),
        (499, "http.4xx", False),
        (500, "http.5xx", True),
        (501, "http.5xx", False),
        (502, "http.5xx", True),
        (503, "http.5xx", True),
        (504, "http.5xx", True),
        (505, "http.5xx", False),
        (520, "http.5xx", True),
        (525, "http.5xx", True),
        (526, "http.5xx", False),
        (527, "http.5xx", True),
        (529, "http.5xx", True),
        (100, "http.4xx", False),
    ],
)
def test_what_a_status_means(status, reason, transient):
    assert of_status(status) == Failure(reason=reason, detail=f"status {status}", transient=transient)


# queues


def begun(queue, now):
    found = []
    while (one := queue.take(now)) is not None:
        found.append(one[1])
    return found


def asked_too_often(queue, now, *, reason="http.429", retry_after=None):
    queue.answered("a", Failure(reason=reason, transient=True, retry_after=retry_after), now=now)


def test_each_429_doubles_the_pause_up_to_ten_seconds():
    queue = HostQueue()
    limits = HostLimits(connections=1, gap_s=1.0, pause_after=100)
    for number in range(8):
        queue.add("a", number, limits, now=0.0)
    starts, now = [], 0.0
    while len(starts) < 7:
        if begun(queue, now):
            starts.append(now)
            asked_too_often(queue, now)
        now += 0.5

    # the pause before a request was set when the one before began, so a doubling shows one later
    assert [later - sooner for sooner, later in itertools.pairwise(starts)] == [
        1.0,
        2.0,
        4.0,
        8.0,
        10.0,
        10.0,
    ]


@pytest.mark.parametrize(("gap_s", "after"), [(0.0, 0.1), (0.1, 0.5), (0.25, 0.5), (1.0, 2.0), (9.0, 10.0)])
def test_a_429_makes_the_pause_at_least_half_a_second_for_others_and_a_tenth_for_own_hosts(gap_s, after):
    queue = HostQueue()
    limits = HostLimits(connections=1, gap_s=gap_s)
    for number in range(3):
        queue.add("a", number, limits, now=0.0)
    begun(queue, 0.0)
    asked_too_often(queue, 100.0)
    begun(queue, 100.0)
    queue.answered("a", None, now=100.0)

    assert queue.next_time() == pytest.approx(100.0 + after)


def test_other_failures_leave_the_pause_as_it_is():
    queue = HostQueue()
    for number in range(3):
        queue.add("a", number, HostLimits(connections=1, gap_s=1.0), now=0.0)
    begun(queue, 0.0)
    asked_too_often(queue, 100.0, reason="http.5xx")
    begun(queue, 100.0)
    queue.answered("a", None, now=100.0)

    assert queue.next_time() == pytest.approx(101.0)


@pytest.mark.parametrize(("wait", "given_up"), [(119.0, False), (120.0, False), (120.5, True)])
def test_a_host_may_ask_for_two_minutes_and_no_more(wait, given_up):
    queue = HostQueue()
    queue.add("a", 0, PUBLIC, now=0.0)
    queue.add("a", 1, PUBLIC, now=0.0)
    begun(queue, 0.0)
    asked_too_often(queue, 10.0, retry_after=wait)

    assert (queue.given_up("a") is not None) is given_up
    assert begun(queue, 10.0 + wait - 0.01) == []
    assert begun(queue, 10.0 + wait) == ([] if given_up else [1])


def test_an_answer_ends_the_count_of_failures_and_of_rests():
    limits = HostLimits(connections=1, gap_s=0.0, pause_after=2, pause_s=10.0, pauses=2)
    queue = HostQueue()
    for number in range(20):
        queue.add("a", number, limits, now=0.0)
    now = 0.0
    for ended in (PASSING, None, PASSING, PASSING):  # the two last ones in a row: it rests
        assert begun(queue, now)
        queue.answered("a", ended, now=now)
    assert begun(queue, 9.9) == []
    assert begun(queue, 10.0) == [4]
    queue.answered("a", None, now=10.0)  # well again: the rest before is forgotten
    for ended in (PASSING, PASSING):
        assert begun(queue, 10.0)
        queue.answered("a", ended, now=10.0)
    assert queue.given_up("a") is None
    for ended in (PASSING, PASSING):
        assert begun(queue, 20.0)
        queue.answered("a", ended, now=20.0)
    assert queue.given_up("a") == PASSING


def test_the_jobs_of_a_host_that_is_given_up_come_back_in_their_order_and_those_of_others_stay():
    queue = HostQueue()
    for number in range(3):
        queue.add("a", number, PUBLIC, now=0.0)
    queue.add("a", 3, PUBLIC, now=0.0, after_s=5.0)
    queue.add("b", 9, PUBLIC, now=0.0, after_s=6.0)
    queue.take(0.0)

    drained = queue.answered("a", Failure(reason="http.429", transient=True, retry_after=999.0), now=1.0)

    assert drained == [1, 2, 3]
    assert begun(queue, 5.5) == []
    assert begun(queue, 6.0) == [9]


def test_what_was_given_back_unused_makes_the_next_one_wait_for_nothing():
    queue = HostQueue()
    for number in range(3):
        queue.add("a", number, HostLimits(connections=1, gap_s=5.0), now=0.0)
    queue.take(0.0)
    queue.answered("a", None, now=1.0)
    assert queue.take(5.0) == ("a", 1)
    queue.unused("a", now=5.0)

    assert queue.take(5.0) == ("a", 2)


# tries


def test_pauses_grow_and_are_spread_by_up_to_a_quarter():
    attempt = DownloadAttempt(url="http://a.org/")
    pauses = []
    for spread in (0.0, 1.0):
        step = follow(attempt, PASSING, seconds=1.0, jitter=lambda spread=spread: spread)
        pauses.append(step.after_s)
        step = follow(step.attempt, PASSING, seconds=1.0, jitter=lambda spread=spread: spread)
        pauses.append(step.after_s)

    assert pauses == [1.0, 2.0, 1.25, 2.5]


def test_the_last_pause_is_kept_when_there_are_more_tries_than_pauses():
    step = follow(
        DownloadAttempt(url="http://a.org/", tries=2), PASSING, seconds=1.0, back_off_s=(7.0,), jitter=lambda: 0.0
    )

    assert step.after_s == 7.0


@pytest.mark.parametrize(
    ("reason", "requests"),
    [("net.dns", 1), ("net.tls", 1), ("net.read", 2), ("net.slow", 1), ("net.deadline", 1), ("x", 3)],
)
def test_how_many_requests_a_failure_is_worth(reason, requests):
    attempt, step = DownloadAttempt(url="http://a.org/"), None
    while not isinstance(step, Completed):
        step = follow(attempt, Failure(reason=reason, transient=True), seconds=1.0)
        attempt = step.attempt

    assert attempt.requests == requests


@pytest.mark.parametrize(("wait", "again"), [(0.0, True), (120.0, True), (121.0, False)])
def test_a_wait_of_more_than_two_minutes_is_left_to_the_next_run(wait, again):
    step = follow(
        DownloadAttempt(url="http://a.org/"), Failure(reason="http.429", transient=True, retry_after=wait), seconds=1.0
    )

    assert isinstance(step, NextAttempt) is again
    assert not again or step.after_s == wait


def test_a_403_is_tried_with_the_page_once_and_only_where_there_is_a_page():
    refused = Failure(reason="http.403")
    with_page = DownloadAttempt(
        url="http://a.org/moved", start_url="http://a.org/", page_url="http://a.org/page", hops=2, seconds=9.0
    )

    step = follow(with_page, refused, seconds=1.0)

    assert step == NextAttempt(
        DownloadAttempt(url="http://a.org/", page_url="http://a.org/page", referer="http://a.org/page", requests=1), 0.0
    )
    assert isinstance(follow(step.attempt, refused, seconds=1.0), Completed)
    assert isinstance(follow(DownloadAttempt(url="http://a.org/"), refused, seconds=1.0), Completed)


def test_a_redirect_keeps_what_the_try_is_about():
    attempt = DownloadAttempt(
        url="http://a.org/", page_url="http://p.org/", fallbacks=("http://b.org/",), tries=2, seconds=3.0
    )

    step = follow(attempt, Redirect("http://c.org/"), seconds=2.0)

    assert step.attempt == DownloadAttempt(
        url="http://c.org/",
        start_url="http://a.org/",
        page_url="http://p.org/",
        fallbacks=("http://b.org/",),
        tries=2,
        requests=1,
        hops=1,
        seconds=5.0,
    )
    assert follow(step.attempt, Redirect("http://d.org/"), seconds=1.0).attempt.origin_url == "http://a.org/"


def test_the_failure_that_is_reported_is_the_first_unless_a_later_one_may_pass():
    gone, busy = Failure(reason="http.404"), Failure(reason="net.dns", transient=True)

    def ends(*failures):
        attempt = DownloadAttempt(url="http://a.org/", fallbacks=("http://b.org/", "http://c.org/"))
        for failure in failures:
            step = follow(attempt, failure, seconds=1.0)
            attempt = step.attempt
        assert isinstance(step, Completed)
        return step.answer.reason

    other = Failure(reason="http.410")
    assert ends(gone, other, other) == "http.404"
    assert ends(busy, gone, gone) == "net.dns"
    assert ends(gone, busy, gone) == "net.dns"


@pytest.mark.parametrize("reason", ["policy.header", "policy.robots", "policy.removed", "body.encoding_bomb"])
def test_no_other_size_of_a_picture_is_asked_for_when_its_owner_objects_or_it_is_a_bomb(reason):
    attempt = DownloadAttempt(url="http://a.org/", fallbacks=("http://b.org/",))

    assert follow(attempt, Failure(reason=reason), seconds=1.0) == Completed(
        DownloadAttempt(url="http://a.org/", fallbacks=("http://b.org/",), requests=1), Failure(reason=reason)
    )


# outages


def test_an_outage_needs_its_failures_in_a_row_and_its_hosts():
    down = Failure(reason="net.connect", transient=True)
    watch = OutageDetector(failures=3, hosts=2, probe_s=10.0, longest_s=25.0)

    assert [watch.record("a", down, now=1.0), watch.record("a", down, now=1.0), watch.record("a", down, now=1.0)] == [
        False
    ] * 3
    assert watch.record("b", Failure(reason="net.read", transient=True), now=1.0) is False  # an answer of a kind
    assert [watch.record(host, down, now=2.0) for host in ("a", "b", "a", "b")] == [False, False, True, False]
    assert (watch.under_way, watch.next_probe) == (True, 12.0)
    assert [watch.probe_due(11.9), watch.probe_due(12.0)] == [False, True]
    watch.probing = True
    assert watch.probe_due(12.0) is False
    assert watch.still_down(26.9) is True
    assert (watch.next_probe, watch.probing) == (36.9, False)
    assert watch.still_down(27.0) is False
    watch.recovered()
    assert (watch.under_way, watch.probe_due(99.0)) == (False, False)
    assert [watch.record(host, down, now=50.0) for host in ("a", "b")] == [False, False]


# bodies

JPEG = b"\xff\xd8\xff\xe0" + bytes(5000)


def receiver(**fields):
    return BodyReader(
        **{"coding": "", "announced": None, "max_bytes": 10_000, "max_ratio": 20, "picture": True, **fields}
    )


@pytest.mark.parametrize(("size", "reason"), [(9_999, ""), (10_000, ""), (10_001, "body.too_big")])
def test_a_body_may_have_as_many_bytes_as_the_limit_announced_or_not(size, reason):
    body = (JPEG + bytes(10_000))[:size]
    one = receiver()
    taken = one.take(body)

    assert (taken.reason if taken else "") == reason
    problem = receiver(announced=size).problem
    assert (problem.reason if problem else "") == reason


@pytest.mark.parametrize(
    ("coding", "reason"),
    [
        ("", ""),
        ("identity", ""),
        ("gzip", ""),
        ("x-gzip", ""),
        ("Deflate", ""),
        ("identity, gzip", ""),
        ("gzip, gzip", "body.encoding_bomb"),
        ("gzip, x-gzip, br", "body.encoding_bomb"),
        ("gzip, br", ""),
        ("br", ""),
        ("zstd", ""),
        ("compress", ""),
    ],
)
def test_one_coding_is_unpacked_and_two_are_a_bomb_and_unknown_ones_do_not_count(coding, reason):
    problem = receiver(coding=coding).problem

    assert (problem.reason if problem else "") == reason


def test_a_page_is_told_by_its_first_kibibyte_and_not_before():
    page = b"<html>" + b"x" * 2000
    one, two, short = receiver(), receiver(), receiver()

    assert one.take(page[:1023]) is None
    assert one.take(page[1023:1024]).reason == "body.html"
    assert two.take(page).reason == "body.html"
    assert (short.take(page[:100]), short.end().reason) == (None, "body.html")
    assert receiver(picture=False).take(page) is None


def test_a_body_comes_together_in_its_order():
    one = receiver()
    for start in range(0, len(JPEG), 999):
        assert one.take(JPEG[start : start + 999]) is None

    assert (one.end(), one.body) == (None, JPEG)
    assert receiver().end() == Failure(reason="body.empty", detail="0 bytes")
    assert Fetched(body=one.body, url="").body == JPEG
