"""The limits of one fetch, with a clock of our own: phases, the deadline, and what is broken when they are over."""

import gzip
import socket
from types import SimpleNamespace

import pytest

from imgkit.net import body, watchdog
from imgkit.net import fetch as fetch_module
from imgkit.net.body import BodyReader, MinimumRate
from imgkit.net.fetch import Fetcher, FetchLimits, _failure_of
from imgkit.net.guard import Guard
from imgkit.net.outcomes import Failure, Fetched, Redirect
from imgkit.net.watchdog import Watch, Watchdog


@pytest.fixture
def clock(monkeypatch):
    """The time of day of the package, to be moved by hand."""
    now = [1000.0]
    for module in (watchdog, body, fetch_module):
        monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: now[0]))  # of this module alone
    return now


@pytest.fixture
def line():
    """Two ends of a connection."""
    ours, theirs = socket.socketpair()
    theirs.settimeout(5)
    yield ours, theirs
    ours.close()
    theirs.close()


def ended(theirs):
    """Whether the other end was told that nothing more comes."""
    theirs.setblocking(False)
    try:
        return theirs.recv(1) == b""
    except BlockingIOError:
        return False


def test_a_connection_is_broken_at_the_end_of_its_phase_for_the_reason_of_that_phase(clock, line):
    ours, theirs = line
    watch = Watch(clock[0] + 30, "net.deadline")
    watch.set_socket(ours)
    watch.phase(8, "net.read")

    watch.check(1007.9)
    assert (watch.broken, watch.stage, ended(theirs)) == ("", "net.read", False)
    watch.check(1008.0)
    assert (watch.broken, ended(theirs)) == ("net.read", True)
    watch.check(1030.0)
    assert watch.broken == "net.read"  # the first reason stays


def test_the_second_phase_has_its_own_time_and_none_outlasts_the_deadline(clock):
    watch = Watch(clock[0] + 30, "net.deadline")
    watch.phase(8, "net.connect")
    clock[0] += 5
    watch.phase(8, "net.read")
    watch.check(1012.9)
    assert watch.broken == ""
    watch.phase(100, "net.slow")

    watch.check(1029.9)
    assert watch.broken == ""
    watch.check(1030.0)

    assert (watch.broken, watch.stage) == ("net.deadline", "net.slow")


def test_what_is_left_until_the_deadline_is_never_negative(clock):
    watch = Watch(clock[0] + 30, "net.deadline")
    watch.phase(1, "net.read")

    assert watch.left == 30
    clock[0] += 29.5
    assert watch.left == 0.5
    clock[0] += 9
    assert watch.left == 0


def test_a_connection_that_comes_after_the_end_is_broken_at_once_and_one_that_was_given_back_is_not(clock, line):
    ours, theirs = line
    watch = Watch(clock[0] + 30, "net.deadline")
    watch.set_socket(ours)
    watch.set_socket(None)
    watch.abort("net.deadline")
    assert ended(theirs) is False

    watch.set_socket(ours)

    assert ended(theirs) is True


def test_a_connection_that_the_other_side_closed_first_is_no_error(line):
    ours, theirs = line
    theirs.close()
    ours.close()
    watch = Watch(0.0, "net.deadline")
    watch.set_socket(ours)

    watch.abort("net.read")

    assert watch.broken == "net.read"


def test_the_thread_looks_ten_times_a_second():
    assert watchdog.TICK_SECONDS == 0.1


def test_every_fetch_under_way_is_broken_and_those_that_ended_are_not():
    dog = Watchdog()
    with dog.watch(30, "net.deadline") as over:
        pass
    with dog.watch(30, "net.deadline") as one, dog.watch(30, "net.deadline") as two:
        dog.abort()
    dog.close()

    assert (over.broken, one.broken, two.broken) == ("", "net.deadline", "net.deadline")
    assert dog._thread.is_alive() is False


def test_the_second_fetch_is_watched_after_the_first_one_ended():
    """The thread sleeps in between; it is woken again."""
    dog = Watchdog()
    for _ in range(2):
        ours, theirs = socket.socketpair()
        theirs.settimeout(30)
        with dog.watch(0.0, "net.deadline") as watch:
            watch.set_socket(ours)
            assert theirs.recv(1) == b""  # comes when the connection is broken
            assert watch.broken == "net.deadline"
        ours.close()
        theirs.close()
    dog.close()


def test_the_thread_sleeps_while_nothing_is_fetched_and_looks_while_anything_is():
    dog = Watchdog()
    with dog.watch(30, "net.deadline"):
        with dog.watch(30, "net.deadline"):
            pass
        assert dog._some.is_set() is True
    assert dog._some.is_set() is False
    dog.close()


# how fast a body comes


def test_a_body_is_too_slow_below_its_pace_in_any_whole_window(clock):
    pace = MinimumRate(window_s=5.0, least=1000.0)

    clock[0] += 4.9
    assert pace.count(1) is None  # no whole window yet
    clock[0] += 0.1
    assert pace.count(4999) is None  # 5,000 B in 5 s are just enough
    clock[0] += 4.9
    assert pace.count(4999) is None
    clock[0] += 0.1
    assert pace.count(0) == Failure(reason="net.slow", detail="4,999 B in 5.0 s", transient=True)


def test_a_fast_beginning_does_not_make_up_for_a_slow_second_window(clock):
    pace = MinimumRate(window_s=5.0, least=1000.0)
    clock[0] += 5
    assert pace.count(1_000_000) is None
    clock[0] += 10

    assert pace.count(9_999) == Failure(reason="net.slow", detail="9,999 B in 10.0 s", transient=True)


# limits of a body


def receiver(**fields):
    return BodyReader(
        **{"coding": "", "announced": None, "max_bytes": 10_000, "max_ratio": 20, "picture": True, **fields}
    )


def test_a_packed_body_is_refused_beyond_the_limit_however_well_it_was_packed():
    just, more = (b"\xff\xd8\xff" + bytes(size - 3) for size in (10_000, 10_001))

    assert receiver(coding="gzip").take(gzip.compress(just)) is None
    assert receiver(coding="gzip").take(gzip.compress(more)) == Failure(
        reason="body.encoding_bomb", detail="more than 10,000 B"
    )


@pytest.mark.parametrize(("size", "bomb"), [(262_144, False), (262_145, True)])
def test_a_ratio_counts_from_256_kibibytes(size, bomb):
    one = receiver(coding="gzip", max_bytes=10**7, picture=False)

    taken = one.take(gzip.compress(bytes(size)))

    assert (taken is not None) is bomb
    assert not bomb or taken.detail.endswith(" B unpack to more than 262,145 B")


def test_what_is_no_picture_is_not_looked_at_when_none_was_asked_for():
    text = receiver(picture=False)

    assert text.take(b"User-agent: *") is None
    assert text.end() is None
    assert text.body == b"User-agent: *"


# one fetch


class Told(Fetcher):
    """A fetcher whose requests take a given time each and have given answers."""

    def __init__(self, clock, *answers, seconds=10.0):
        super().__init__(Guard(), user_agent="x", limits=FetchLimits())
        self.clock, self.answers, self.seconds, self.asked = clock, list(answers), seconds, []

    def get(self, url, *, referer="", picture=True, cookies=(), seconds=None):
        self.asked.append((url, referer, picture, seconds))
        self.clock[0] += self.seconds
        return self.answers.pop(0)


def test_redirects_share_one_deadline_and_keep_what_was_asked(clock):
    body = Fetched(body=b"x", url="http://c.org/")
    fetcher = Told(clock, Redirect("http://b.org/"), Redirect("http://c.org/"), body)

    assert fetcher.fetch("http://a.org/", referer="http://p.org/", picture=False) is body

    fetcher.close()
    assert fetcher.asked == [
        ("http://a.org/", "http://p.org/", False, 30.0),
        ("http://b.org/", "http://p.org/", False, 20.0),
        ("http://c.org/", "http://p.org/", False, 10.0),
    ]


def test_a_failure_behind_a_redirect_ends_the_fetch(clock):
    gone = Failure(reason="http.404")
    fetcher = Told(clock, Redirect("http://b.org/"), gone, Redirect("http://never.org/"))

    assert fetcher.fetch("http://a.org/") is gone
    fetcher.close()


def test_what_a_broken_connection_raises_is_the_doing_of_the_watchdog():
    watch = Watch(0.0, "net.deadline")
    watch.phase(1, "net.connect")

    assert _failure_of(OSError("closed"), watch) == Failure(
        reason="net.connect", detail="OSError: closed", transient=True
    )
    watch.abort("net.read")
    assert _failure_of(OSError("closed"), watch) == Failure(reason="net.read", detail="broken off", transient=True)
