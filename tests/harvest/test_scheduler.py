"""The loop of a harvest, step by step: the threads only take down who would be asked, and time stands still."""

import queue
import re
from datetime import UTC, datetime, timedelta

import pytest

from imgkit.errors import ResourceError
from imgkit.harvest.crawl import scheduler as module
from imgkit.harvest.crawl.downloader import StoredPicture, TimedAnswer
from imgkit.harvest.crawl.frontier import LabelFrontier
from imgkit.harvest.crawl.jobs import Answered, Kept, NetworkProbed, RobotsAnswered
from imgkit.harvest.crawl.order import in_order
from imgkit.harvest.crawl.result_writer import ResultWriter
from imgkit.harvest.crawl.scheduler import Scheduler
from imgkit.harvest.search.sessions import Asking, Searched, WorkerFailed
from imgkit.harvest.storage.ingest import Shrunk
from imgkit.harvest.timeouts import Timeouts
from imgkit.manifest import Image, Proposal, Query, SearchState
from imgkit.net.guard import Allowed, Guard
from imgkit.net.host_queue import PUBLIC
from imgkit.net.outcomes import Failure, Fetched, Redirect
from imgkit.net.robots import RobotsCache, RobotsRules, read_robots

GONE = Failure(reason="http.404")
DOWN = Failure(reason="net.connect", transient=True)
BUSY = Failure(reason="http.5xx", transient=True)


class Asked:
    """Threads that do nothing but take down what they were asked."""

    def __init__(self, *_, **__):
        self.jobs, self.robots, self.probes = [], [], []

    def ask(self, host, job):
        self.jobs.append((host, job))

    def ask_robots(self, host, job):
        self.robots.append((host, job))

    def probe(self, target):
        self.probes.append(target)


class Rounds:
    """Searches that are taken down."""

    network_down = False

    def __init__(self):
        self.orders = []

    def ask(self, label, round_, *, short):
        self.orders.append((label, round_, short))


class Said:
    def __init__(self):
        self.lines, self.steps = [], []

    def say(self, line):
        self.lines.append(line)

    def advance(self, steps=1, note=""):
        self.steps.append((steps, note))


class Loop:
    """A scheduler over candidates of labels: ``{label: [address, ...]}``."""

    def __init__(self, manifest, monkeypatch, candidates, *, target=9, robots=None, allowed=(), **options):
        monkeypatch.setattr(module, "Workers", Asked)
        self.manifest, self.now = manifest, 0.0
        for label, urls in candidates.items():
            (query_id,) = manifest.put_queries([Query(label=label, name=label, text=label)])
            found = [
                one if isinstance(one, Proposal) else Proposal(url=one, rank=rank)
                for rank, one in enumerate(urls, start=1)
            ]
            manifest.put_page(SearchState(query_id=query_id, provider="bing"), found, label=label, round_=0)
        self.frontiers = {label: LabelFrontier(label=label, name=label, target=target) for label in candidates}
        self.sessions, self.said = Rounds(), Said()
        self.writer = ResultWriter(manifest)
        timeouts = Timeouts(outage_failures=2, outage_hosts=2, back_off_s=(1.0, 2.0))
        self.scheduler = Scheduler(
            manifest,
            list(self.frontiers.values()),
            writer=self.writer,
            sessions=self.sessions,
            downloader=None,
            guard=Guard(Allowed.read(allowed)),
            robots=robots,
            load=lambda label: in_order(manifest.candidates(label=label, states=("pending",)), ("bing",)),
            timeouts=timeouts,
            events=queue.SimpleQueue(),
            progress=self.said,
            clock=lambda: self.now,
            **options,
        )

    @property
    def threads(self):
        return self.scheduler._threads

    def load(self):
        """Let the searches of all labels come back, and send what may be sent."""
        for frontier in self.frontiers.values():
            frontier.round = 0
            self.handle(Searched(frontier.label, 0, 1))
        return self.go()

    def go(self):
        """Send what may be sent now; return the addresses that were asked for with it."""
        before = len(self.threads.jobs)
        self.scheduler._start_entries()
        self.scheduler._dispatch()
        return [job.attempt.url for _, job in self.threads.jobs[before:]]

    def handle(self, event):
        self.scheduler._handle(event)

    def answer(self, url, answer, seconds=1.0):
        """Let the newest request for an address be answered."""
        host, job = next(one for one in reversed(self.threads.jobs) if one[1].attempt.url == url)
        self.handle(Answered(host, job, TimedAnswer(answer, seconds)))
        return host, job

    def keep(self, url, number, final=""):
        """Let a picture arrive for an address."""
        _, job = self.answer(url, Fetched(body=b"x", url=final or url))
        self.handle(Kept(job, stored(number, final or url), job.attempt.requests + 1))

    def states(self, label="coral"):
        self.writer.flush(force=True)
        return [
            (one.proposal.url.rpartition("/")[2], one.state, one.reason, one.attempts)
            for one in self.manifest.candidates(label=label)
        ]


def stored(number, url):
    digest = f"{number:064x}"
    image = Image(sha256=digest[::-1], stored_sha256=digest, extension="jpg", bytes=9, width=4, height=3)
    return StoredPicture(image, Shrunk(jpeg=b"jpeg", sha256=digest, width=4, height=3), url)


@pytest.fixture
def loop(manifest, monkeypatch):
    return lambda candidates, **options: Loop(manifest, monkeypatch, candidates, **options)


def each_at_its_host(*names):
    return [f"http://{name}.test.org/{name}" for name in names]


# who is asked


def test_the_labels_take_turns(loop):
    one = loop({"coral": each_at_its_host("a", "b", "c"), "king": each_at_its_host("x", "y")})

    assert one.load() == each_at_its_host("a", "x", "b", "y", "c")


def test_no_more_is_started_than_is_needed_and_a_failure_lets_the_next_one_in(loop):
    one = loop({"coral": each_at_its_host("a", "b", "c", "d")}, target=2)
    a, b, c, d = each_at_its_host("a", "b", "c", "d")
    assert one.load() == [a, b]
    one.answer(a, GONE)
    assert one.go() == [c]
    one.keep(b, 1)
    assert one.go() == []
    one.keep(c, 1)  # the same picture again does not count

    assert one.go() == [d]
    assert one.states() == [
        ("a", "rejected", "http.404", 1),
        ("b", "kept", "", 1),
        ("c", "rejected", "dup.exact", 1),
        ("d", "pending", "", 0),
    ]


def test_so_many_addresses_are_under_way_at_most(loop, monkeypatch):
    assert module.OPEN_JOBS == 5_000
    monkeypatch.setattr(module, "OPEN_JOBS", 2)
    one = loop({"coral": each_at_its_host("a", "b", "c")})
    a, b, c = each_at_its_host("a", "b", "c")

    assert one.load() == [a, b]
    one.answer(a, GONE)
    assert one.go() == [c]


@pytest.mark.parametrize(("decoding", "limit"), [(0, 32), (1, 32), (2, 5), (3, 5)])
def test_few_requests_are_under_way_while_all_decoders_have_something_to_do(loop, decoding, limit):
    one = loop({"coral": []})
    one.scheduler._decoding = decoding

    assert one.scheduler._request_limit == limit
    assert (module.WORKERS, module.DECODERS, module.EXTRA_REQUESTS) == (32, 2, 1)


def test_as_many_requests_are_sent_as_there_are_threads(loop):
    one = loop({"coral": each_at_its_host("a", "b", "c")}, workers=2)
    a, b, c = each_at_its_host("a", "b", "c")

    assert one.load() == [a, b]
    one.answer(a, GONE)
    assert one.go() == [c]


def test_a_host_gets_its_requests_apart_whoever_wants_them(loop):
    one = loop({"coral": ["http://a.test.org/1"], "king": ["http://a.test.org/2"]})

    assert one.load() == ["http://a.test.org/1"]
    one.now = PUBLIC.gap_s
    assert one.go() == ["http://a.test.org/2"]


def test_a_host_that_a_person_allowed_is_asked_without_a_pause(loop):
    urls = ["http://127.0.0.1/1", "http://127.0.0.1/2"]
    one = loop({"coral": urls}, allowed=("127.0.0.0/8",))
    assert one.load() == urls

    two = loop({"king": [f"{url}0" for url in urls]}, allowed=("127.0.0.0/8",), robots=robots())
    two.load()
    two.now += 0.01
    two.go()
    ((host, asking),) = two.threads.robots
    two.handle(RobotsAnswered(host, asking, BUSY, RobotsRules()))
    two.now += 1.0
    two.go()
    assert [job for _, job in two.threads.robots] == [asking, asking]


class Waited:
    """Events that never come; takes down how long is waited for them."""

    def __init__(self):
        self.waits = []

    def get(self, timeout):
        self.waits.append(timeout)
        raise queue.Empty

    def get_nowait(self):
        self.waits.append(0.0)
        raise queue.Empty


def test_the_loop_waits_until_a_host_may_be_asked_and_a_tenth_of_a_second_at_most(loop):
    one = loop({"coral": [f"http://a.test.org/{n}" for n in range(5)]})
    one.scheduler._events = waited = Waited()
    one.load()
    for now in (0.0, 0.2, 0.25, 9.0):
        one.now = now
        assert one.scheduler._wait_for_events() is True
    one.go()  # two connections of the host are under way: only an answer helps
    assert one.scheduler._wait_for_events() is True

    assert waited.waits == pytest.approx([0.1, 0.05, 0.0, 0.0, 0.1])


def test_the_loop_ends_when_every_label_has_what_it_wants_and_nothing_is_under_way(loop):
    one = loop({"coral": each_at_its_host("a")}, target=1)
    one.scheduler._events = Waited()
    one.load()
    assert one.scheduler._wait_for_events() is True
    one.keep(each_at_its_host("a")[0], 1)

    assert one.scheduler._wait_for_events() is False


def test_an_address_that_the_guard_refuses_is_settled_and_nobody_is_asked(loop):
    one = loop({"coral": ["http://127.0.0.1/a", "http://b.test.org:22/b", "file:///etc/passwd"]})

    assert one.load() == []
    assert one.states() == [
        ("a", "rejected", "net.blocked_address", 1),
        ("b", "rejected", "net.port", 1),
        ("passwd", "rejected", "net.scheme", 1),
    ]
    assert one.scheduler.requests == 0


def test_what_an_address_led_to_before_is_not_asked_again(loop):
    one = loop({"coral": ["http://a.test.org/1"], "king": ["http://a.test.org/1"]})
    one.handle(Searched("coral", 0, 1))
    one.go()
    one.keep("http://a.test.org/1", 1)
    one.handle(Searched("king", 0, 1))

    assert one.go() == []
    assert one.states("king") == [("1", "kept", "", 0)]
    assert one.said.steps[-1] == (1, "king: 1 of 9")


# what follows an answer


def test_a_redirect_is_asked_at_its_own_host_and_checked_by_the_guard(loop):
    one = loop({"coral": ["http://a.test.org/1"]})
    one.load()
    one.answer("http://a.test.org/1", Redirect("http://b.test.org/2"))
    assert one.go() == ["http://b.test.org/2"]
    assert one.threads.jobs[-1][0] == "b.test.org"

    one.answer("http://b.test.org/2", Redirect("http://10.0.0.1/3"))

    assert one.go() == []
    assert one.states() == [("1", "rejected", "net.blocked_address", 3)]
    assert one.scheduler.requests == 2


def test_a_failure_that_passes_is_tried_again_after_its_pause_and_then_left_to_the_next_run(loop):
    one = loop({"coral": ["http://a.test.org/1"]})
    url = "http://a.test.org/1"
    one.load()
    for pause in (1.25, 2.5):  # with the most that is added by chance
        one.answer(url, BUSY)
        assert one.go() == []
        one.now += pause
        assert one.go() == [url]
    one.answer(url, BUSY)

    assert one.go() == []
    assert one.states() == [("1", "deferred", "http.5xx", 3)]
    assert one.frontiers["coral"].under_way == 0


def test_a_host_that_asks_for_too_long_a_wait_is_left_alone_with_all_that_wait_for_it(loop, manifest):
    one = loop({"coral": [f"http://a.test.org/{n}" for n in range(3)] + ["http://b.test.org/9"]})
    one.load()

    before = datetime.now(UTC)
    one.answer("http://a.test.org/0", Failure(reason="http.429", transient=True, retry_after=3600.0))

    one.now = 99.0
    assert one.go() == []
    assert one.states() == [
        ("0", "deferred", "http.429", 1),
        ("1", "deferred", "http.later", 0),
        ("2", "deferred", "http.later", 0),
        ("9", "pending", "", 0),
    ]
    said = {candidate.detail for candidate in manifest.candidates(label="coral") if candidate.reason == "http.later"}
    assert all(re.fullmatch(r"its host asks to wait until (\d{4}-\d\d-\d\d )?\d\d:\d\d", detail) for detail in said)
    (until,) = manifest.deferred_hosts().values()
    assert before + timedelta(seconds=3599) < until < datetime.now(UTC) + timedelta(seconds=3601)


def test_a_host_that_an_earlier_run_put_off_is_not_asked_and_its_pictures_wait_as_long(loop, manifest):
    manifest.defer_host("a.test.org", datetime.now(UTC) + timedelta(hours=1), "http.429")
    one = loop({"coral": ["http://a.test.org/1", "http://a.test.org/2", "http://b.test.org/3"]})

    assert one.load() == ["http://b.test.org/3"]
    assert one.states()[:2] == [("1", "deferred", "http.later", 0), ("2", "deferred", "http.later", 0)]
    waits = {one.next_try_at for one in manifest.candidates(states=("deferred",))}
    assert all(timedelta(minutes=59) < moment - datetime.now(UTC) <= timedelta(hours=1) for moment in waits)


def test_a_small_copy_is_said_to_be_one(loop):
    small, large = "http://t.test.org/small", "http://a.test.org/large"
    one = loop({"coral": [large]})
    one.scheduler._load = lambda label: [
        type(entry)(entry.key, entry.candidates, small)
        for entry in in_order(one.manifest.candidates(label=label), ("bing",))
    ]
    one.load()
    one.answer(large, GONE)
    assert one.go() == [small]
    one.keep(small, 1)

    assert one.states() == [("large", "kept", "", 2)]
    assert one.manifest.candidates()[0].detail == f"only a thumbnail: {small}"


def test_what_is_no_picture_is_settled_and_the_next_one_is_asked(loop):
    a, b = each_at_its_host("a", "b")
    one = loop({"coral": [a, b]}, target=1)
    assert one.load() == [a]
    _, job = one.answer(a, Fetched(body=b"x", url=a))
    assert (one.scheduler._busy, one.scheduler._decoding) == (1, 1)
    one.handle(Kept(job, Failure(reason="body.html"), 1))

    assert (one.scheduler._busy, one.scheduler._decoding) == (0, 0)
    assert one.go() == [b]
    assert one.states()[0] == ("a", "rejected", "body.html", 1)


def test_an_error_of_a_thread_ends_the_harvest(loop):
    with pytest.raises(ResourceError, match="disk full"):
        loop({"coral": []}).handle(WorkerFailed(ResourceError("disk full")))


# robots.txt


def robots():
    return RobotsCache(recall=lambda origin: None, store=lambda origin, text: None)


def test_the_robots_txt_of_an_origin_is_asked_for_once_and_first(loop):
    one = loop({"coral": ["http://a.test.org/open/1", "http://a.test.org/closed/2"]}, robots=robots())
    assert one.load() == []
    one.now += 1
    assert one.go() == []
    ((host, asking),) = one.threads.robots
    text = "User-agent: *\nDisallow: /closed/"

    one.handle(RobotsAnswered(host, asking, text, read_robots(text)))

    one.now += 1
    assert one.go() == ["http://a.test.org/open/1"]
    one.now += 1
    assert one.go() == []
    assert one.states() == [("1", "pending", "", 0), ("2", "rejected", "policy.robots", 0)]
    assert one.scheduler.requests == 1


def test_a_robots_txt_that_does_not_come_is_asked_for_three_times_and_then_closes_its_origin(loop):
    one = loop({"coral": ["http://a.test.org/1", "http://b.test.org/2"]}, robots=robots())
    one.load()
    for pause in (1.0, 2.0):
        host, asking = one.threads.robots[0]
        one.handle(RobotsAnswered(host, asking, BUSY, RobotsRules()))
        assert one.go() == []
        asked = len(one.threads.robots)
        one.now += pause
        one.go()
        assert len(one.threads.robots) == asked + 1
    one.handle(RobotsAnswered(host, asking, BUSY, RobotsRules()))
    one.now += 1

    assert one.go() == []
    assert one.states() == [("1", "deferred", "http.5xx", 0), ("2", "pending", "", 0)]
    assert one.scheduler.requests == 3


def test_jobs_that_wait_for_the_robots_txt_of_a_host_that_is_given_up_end_with_it(loop):
    one = loop({"coral": ["http://a.test.org/1", "http://a.test.org/2"]}, robots=robots())
    one.load()
    one.now += 1
    one.go()
    ((host, asking),) = one.threads.robots

    one.handle(
        RobotsAnswered(host, asking, Failure(reason="http.429", transient=True, retry_after=999.0), RobotsRules())
    )

    assert one.go() == []
    assert [one[1:] for one in one.states()] == [("deferred", "http.later", 0)] * 2
    assert one.frontiers["coral"].under_way == 0


# searching


def test_a_run_begins_with_a_search_for_every_label(loop):
    one = loop({"coral": [], "king": []})
    one.scheduler.stop()

    one.scheduler.run()

    assert one.sessions.orders == [("coral", 0, False), ("king", 0, False)]


def test_a_label_that_lacks_pictures_is_searched_for_further_and_looks_behind_assumed_ends(loop):
    one = loop({"coral": ["http://a.test.org/1"]})
    one.load()
    assert one.sessions.orders == [("coral", 1, True)]  # whatever becomes of what is under way
    one.handle(Searched("coral", 1, 1))
    one.go()
    assert one.sessions.orders == [("coral", 1, True), ("coral", 2, True)]
    one.handle(Searched("coral", 2, 0))
    one.go()

    assert one.frontiers["coral"].exhausted is True
    assert len(one.sessions.orders) == 2


def test_where_nobody_is_left_to_ask_what_an_earlier_run_found_is_still_taken_up(loop):
    one = loop({"coral": ["http://a.test.org/1"]})

    one.handle(Searched("coral", 0, 0))

    assert one.go() == ["http://a.test.org/1"]


def test_what_is_under_way_is_not_started_again_by_a_further_round(loop):
    a, b = each_at_its_host("a", "b")
    one = loop({"coral": [a]})
    assert one.load() == [a]
    one.manifest.put_page(SearchState(query_id=1, provider="bing"), [Proposal(url=b, rank=2)], label="coral", round_=1)

    one.handle(Searched("coral", 1, 1))

    assert one.go() == [b]
    assert one.frontiers["coral"].under_way == 2


def test_who_is_asked_is_shown(loop):
    one = loop({"coral": []})

    one.handle(Asking("Bing", "coral snake"))

    assert one.said.steps == [(0, "asking Bing for coral snake")]


# the network


def test_while_the_network_is_away_nobody_is_asked_and_what_it_took_comes_back_in_order(loop):
    a, b, c, d = each_at_its_host("a", "b", "c", "d")
    one = loop({"coral": [a, b, c, d]}, target=2)
    assert one.load() == [a, b]
    for _ in range(2):  # each may be tried three times
        for url in (a, b):
            one.answer(url, DOWN)
        one.now += 3
        one.scheduler._dispatch()
        if one.scheduler._network.is_down:
            break
    assert one.scheduler._network.is_down is True
    one.now += 15
    assert one.go() == []
    assert one.threads.probes[-1].url in (a, b)

    one.handle(NetworkProbed(False))
    one.now += 15
    one.go()
    one.handle(NetworkProbed(True))

    assert one.said.lines[-1] == "The network is back."
    assert one.scheduler.network_down is False
    one.now += 15
    assert sorted(one.go()) == [a, b]


def test_entries_that_were_lost_to_the_network_are_asked_again_before_the_others(loop):
    a, b, c, d = each_at_its_host("a", "b", "c", "d")
    one = loop({"coral": [a, b, c, d]}, target=2)
    one.load()
    final = Failure(reason="net.connect")  # a failure for good: the next ones are let in
    one.answer(a, final)
    one.answer(b, final)
    assert one.states()[:2] == [("a", "rejected", "net.connect", 1), ("b", "rejected", "net.connect", 1)]
    for frontier in one.frontiers.values():
        frontier.target = 4

    one.now += 1
    one.handle(NetworkProbed(True))

    assert one.go() == [a, b, c, d]


def test_a_network_that_stays_away_ends_the_run(loop):
    one = loop({"coral": each_at_its_host("a", "b")})
    a, b = each_at_its_host("a", "b")
    one.load()
    for url in (a, b):
        one.answer(url, DOWN)
    assert one.scheduler._network.is_down is True
    one.now = 601.0

    one.handle(NetworkProbed(False))

    assert one.scheduler.network_down is True


# the end


def test_a_label_is_announced_once_with_what_it_has(loop):
    a, b = each_at_its_host("a", "b")
    one = loop({"coral": [a, b], "king": []}, target=1)
    one.load()
    one.frontiers["king"].exhausted = True
    one.keep(a, 1)
    done = [one.scheduler._is_done(frontier) for frontier in one.frontiers.values() for _ in range(2)]

    assert done[:2] == [True, True]
    assert one.said.lines == ["coral: 1 of 1"]


def test_progress_never_counts_more_than_is_wanted_and_no_picture_twice(loop):
    urls = each_at_its_host("a", "b", "c")
    one = loop({"coral": urls}, target=2)
    one.load()
    one.keep(urls[0], 1)
    one.keep(urls[1], 1)
    one.go()
    one.keep(urls[2], 2)

    assert one.said.steps == [(1, "coral: 1 of 2"), (0, "coral: 1 of 2"), (1, "coral: 2 of 2")]


def test_a_picture_that_is_being_decoded_when_the_loop_ends_is_waited_for(loop):
    a = each_at_its_host("a")[0]
    one = loop({"coral": [a]})
    one.load()
    _, job = one.answer(a, Fetched(body=b"x", url=a))
    one.scheduler._events.put(Kept(job, stored(1, a), 1))

    one.scheduler._wait_for_decoders()

    assert one.states() == [("a", "kept", "", 1)]
