"""Queues of hosts: how many requests at once, how far apart, and when a host is left alone."""

import pytest

from imgkit.net.addresses import parse
from imgkit.net.host_queue import OWN, PUBLIC, HostLimits, HostQueue, host_name, limits_for
from imgkit.net.outcomes import Failure


def take_all(hosts, now):
    taken = []
    while (one := hosts.take(now)) is not None:
        taken.append(one)
    return taken


def test_a_host_gets_two_requests_at_once_and_a_pause_between_their_beginnings():
    hosts = HostQueue()
    for number in range(4):
        hosts.add("a", number, PUBLIC, now=0.0)

    assert take_all(hosts, 0.0) == [("a", 0)]
    assert take_all(hosts, 0.2) == []
    assert take_all(hosts, 0.25) == [("a", 1)]
    assert take_all(hosts, 9.0) == []
    hosts.answered("a", None, now=9.0)
    assert take_all(hosts, 9.0) == [("a", 2)]


def test_a_host_never_waits_for_another():
    hosts = HostQueue()
    for number in range(10):
        hosts.add("slow", number, PUBLIC, now=0.0)
    hosts.add("fast", 99, PUBLIC, now=0.0)

    assert take_all(hosts, 0.0) == [("slow", 0), ("fast", 99)]


def test_retry_after_silences_the_whole_host_and_slows_it_down():
    hosts = HostQueue()
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
    hosts = HostQueue()
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
    hosts = HostQueue()
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


def test_failures_that_the_network_caused_are_reset():
    hosts = HostQueue()
    hosts.give_up("a", PUBLIC, Failure(reason="net.connect", transient=True))
    hosts.give_up("b", PUBLIC, Failure(reason="http.429", transient=True, retry_after=3600.0))

    hosts.reset_failures({"net.connect"})

    assert hosts.given_up("a") is None
    assert hosts.given_up("b") is not None


def test_a_job_comes_back_after_its_pause():
    hosts = HostQueue()
    hosts.add("a", "job", OWN, now=0.0, after_s=2.0)

    assert (take_all(hosts, 1.9), hosts.next_time()) == ([], 2.0)
    assert take_all(hosts, 2.0) == [("a", "job")]


def test_what_was_handed_out_unused_costs_the_host_nothing():
    hosts = HostQueue()
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


def test_only_a_host_that_is_given_up_hands_its_jobs_back():
    hosts = HostQueue()
    hosts.add("a", 1, PUBLIC, now=0.0)
    hosts.add("a", 2, PUBLIC, now=0.0)
    hosts.take(0.0)

    assert hosts.answered("a", None, now=0.1) == []
    assert (hosts.given_up("a"), hosts.given_up("never heard of")) == (None, None)
