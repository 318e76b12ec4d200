"""What asks hosts and keeps what comes, here and on other machines: every argument that it passes on, and what it lets
through."""

import queue
from concurrent.futures import Future
from types import SimpleNamespace

import pytest

from imgkit.engine import WorkerFailure
from imgkit.errors import ResourceError
from imgkit.harvest.crawl import downloader as module
from imgkit.harvest.crawl.downloader import Downloader, StoredPicture, TimedAnswer
from imgkit.harvest.crawl.jobs import Answered, Job, Kept, NetworkProbed, RobotsAnswered, RobotsJob
from imgkit.harvest.crawl.network_monitor import NetworkMonitor
from imgkit.harvest.crawl.remote_downloader import (
    RemoteDownloader,
    RemoteResult,
    RemoteSettings,
    RemoteTask,
    RemoteWorker,
)
from imgkit.harvest.crawl.robots_queue import RobotsQueue
from imgkit.harvest.crawl.screening import Tombstones
from imgkit.harvest.crawl.workers import Workers
from imgkit.harvest.search.sessions import WorkerFailed
from imgkit.harvest.storage.ingest import Ingested, Shrunk, Task, packed_ingest
from imgkit.harvest.timeouts import Timeouts
from imgkit.net.addresses import parse
from imgkit.net.fetch import FetchLimits
from imgkit.net.guard import Allowed
from imgkit.net.outcomes import Failure, Fetched, Redirect
from imgkit.net.retry import DownloadAttempt
from imgkit.net.robots import RobotsCache, RobotsRules, read_robots
from imgkit.vision.decode import Rejected

TARGET = parse("http://a.example.org:8080/1.jpg")
SHRUNK = Shrunk(jpeg=b"small", sha256="0" * 64, width=5, height=4)
PICTURE = Ingested(
    sha256="ab" + "0" * 62,
    stored=b"bytes",
    stored_sha256="1" * 64,
    extension="jpg",
    width=50,
    height=40,
    frames=1,
    notes=(),
    shrunk=SHRUNK,
    looks=(0b1111,),
)


class Told:
    """A fetcher that answers as it is told and takes down what it was asked."""

    limits = FetchLimits(deadline_s=30.0, max_bytes=5)

    def __init__(self, answer=None):
        self.answer, self.asked = answer, []

    def get(self, target, *, referer, seconds, cookies=()):
        self.asked.append((target, referer, seconds))
        return self.answer

    def fetch(self, url, *, picture):
        self.asked.append((url, picture))
        return self.answer

    def abort(self):
        self.asked.append("broken off")


class Shelf:
    """Originals that are kept in a list."""

    def __init__(self):
        self.kept = []

    def keep(self, picture):
        self.kept.append(picture)
        return f"row of {picture.sha256[:2]}"


class Decoder:
    """An engine that answers as it is told."""

    def __init__(self, outcome=b""):
        self.outcome, self.tasks = outcome, []

    def submit(self, function, task):
        self.tasks.append((function, task))
        future = Future()
        future.set_result(self.outcome)
        return future


def downloader(answer=None, *, removed=None, engine=None):
    return Downloader(
        Told(answer), engine or Decoder(), Shelf(), size=500, smallest_side=64, removed=removed or Tombstones()
    )


def test_a_request_has_the_seconds_that_earlier_hops_left_of_the_deadline():
    one = downloader(Redirect("http://b.example.org/"))

    timed = one.request(DownloadAttempt(url="x", referer="http://p.org/", seconds=12.5), TARGET)

    assert one._fetcher.asked == [(TARGET, "http://p.org/", 17.5)]
    assert timed.answer == Redirect("http://b.example.org/")
    assert timed.seconds >= 0


def test_a_file_of_this_machine_is_read_up_to_the_size_of_a_body(tmp_path):
    (tmp_path / "small").write_bytes(b"12345")
    (tmp_path / "large").write_bytes(b"123456")
    one = downloader()

    small, large = (
        one.request(DownloadAttempt(url=(tmp_path / name).as_uri()), None).answer for name in ("small", "large")
    )

    assert (small.body, large.reason) == (b"12345", "body.too_big")
    assert one._fetcher.asked == []


def test_the_robots_txt_of_an_origin_is_asked_for_as_text():
    one = downloader(Fetched(body=b"User-agent: *", url=""))

    assert one.ask_robots(TARGET) == "User-agent: *"
    assert one._fetcher.asked == [("http://a.example.org:8080/robots.txt", False)]


@pytest.mark.parametrize(
    ("removed", "looks"), [(Tombstones(), False), (Tombstones(looks=frozenset({0x7FFF0000})), True)]
)
def test_looks_are_asked_of_the_decoder_only_where_some_were_removed(monkeypatch, removed, looks):
    def unpacked(outcome, body):
        assert (outcome, body) == (b"packed", b"body")
        return PICTURE

    monkeypatch.setattr(module, "unpacked_ingest", unpacked)
    one = downloader(removed=removed, engine=Decoder(b"packed"))

    found = one.arrive(Fetched(body=b"body", url="http://end.org/"))

    assert one._engine.tasks == [(packed_ingest, Task(body=b"body", size=500, smallest_side=64, looks=looks))]
    assert found == StoredPicture("row of ab", SHRUNK, "http://end.org/")


def test_what_cannot_be_decoded_is_a_lasting_failure_and_is_not_kept():
    one = downloader()

    assert one.keep(Rejected("img.small", "9 px"), "u") == Failure(reason="img.small", detail="9 px")
    assert one._originals.kept == []


@pytest.mark.parametrize(
    ("removed", "why"),
    [
        (Tombstones(sha256s=frozenset({PICTURE.sha256})), "picture removed on request"),
        (Tombstones(looks=frozenset({0b0000})), "a picture that looks the same was removed on request"),
    ],
)
def test_a_picture_that_was_removed_on_request_is_not_kept_though_it_was_fetched(removed, why):
    one = downloader(removed=removed)

    assert one.keep(PICTURE, "u") == Failure(reason="policy.removed", detail=why)
    assert one._originals.kept == []


def test_a_picture_is_kept_before_it_is_handed_on_with_where_it_came_from():
    one = downloader(removed=Tombstones(sha256s=frozenset({"other"})))

    assert one.keep(PICTURE, "http://end.org/") == StoredPicture("row of ab", SHRUNK, "http://end.org/")
    assert one._originals.kept == [PICTURE]


def test_breaking_off_ends_what_is_fetched():
    one = downloader()
    one.abort()

    assert one._fetcher.asked == ["broken off"]


# on other machines

SETTINGS = RemoteSettings(
    allowed=Allowed(), user_agent="x", limits=FetchLimits(deadline_s=30.0), proxy="", size=500, smallest_side=64
)


class Cluster:
    """Machines that answer as they are told."""

    def __init__(self, outcome):
        self.outcome, self.calls = outcome, []

    def run_with_state(self, set_up, function, argument, *, affinity):
        self.calls.append((set_up, function, argument, affinity))
        future = Future()
        if self.outcome is not None:
            future.set_result(self.outcome)
        return future


def remote(outcome):
    return RemoteDownloader(Told(), Cluster(outcome), Shelf(), settings=SETTINGS, removed=Tombstones())


def test_a_host_belongs_to_one_machine_and_a_request_to_it_has_the_seconds_that_are_left():
    timed = TimedAnswer(Failure(reason="http.404"), 3.0)
    one = remote(timed)

    assert one.request(DownloadAttempt(url="x", referer="r", seconds=10.0), TARGET) is timed
    [(set_up, function, argument, affinity)] = one._cluster.calls
    assert (set_up, function) == (SETTINGS.set_up, RemoteWorker.fetch)
    assert argument == RemoteTask(target=TARGET, referer="r", seconds=20.0)
    assert affinity == "a.example.org:8080"
    assert one._pending == set()


def test_a_machine_that_is_lost_is_a_failure_that_passes_and_one_that_fails_ends_the_harvest():
    lost = remote(WorkerFailure("killed", "gone"))

    assert lost.request(DownloadAttempt(url="x"), TARGET) == TimedAnswer(
        Failure(reason="net.reset", detail="gone", transient=True), 0.0
    )
    assert lost.ask_robots(TARGET) == Failure(reason="net.reset", detail="gone", transient=True)
    with pytest.raises(ResourceError, match="a worker cannot do its work: boom"):
        remote(WorkerFailure("error", "boom")).ask_robots(TARGET)


def test_a_file_of_this_machine_is_not_asked_of_others(tmp_path):
    (tmp_path / "a").write_bytes(b"12345")
    one = remote(None)

    assert one.request(DownloadAttempt(url=(tmp_path / "a").as_uri()), None).answer.body == b"12345"
    assert one._cluster.calls == []


def test_what_was_decoded_elsewhere_is_kept_here_and_an_error_of_the_system_there_is_raised_here():
    one = remote(None)
    answer = {"body": b"", "url": "http://end.org/"}

    assert one.arrive(RemoteResult(**answer, outcome=PICTURE)) == StoredPicture("row of ab", SHRUNK, "http://end.org/")
    assert one.arrive(RemoteResult(**answer, outcome=Rejected("img.small", ""))).reason == "img.small"
    with pytest.raises(ResourceError, match="memory"):
        one.arrive(RemoteResult(**answer, outcome=ResourceError("memory")))
    assert one._originals.kept == [PICTURE]


def test_a_file_that_was_read_here_is_decoded_like_any_other(monkeypatch):
    monkeypatch.setattr(module, "unpacked_ingest", lambda outcome, body: PICTURE)
    one = RemoteDownloader(Told(), Decoder(b"packed"), Shelf(), settings=SETTINGS, removed=Tombstones())

    assert one.arrive(Fetched(body=b"body", url="file:///a")) == StoredPicture("row of ab", SHRUNK, "file:///a")


def test_a_machine_asks_for_the_robots_txt_of_an_origin_as_text():
    worker = RemoteWorker(Told(Fetched(body=b"User-agent: *", url="")), Decoder(), SETTINGS)

    assert worker.ask_robots(TARGET) == "User-agent: *"
    assert worker._fetcher.asked == [("http://a.example.org:8080/robots.txt", False)]


def test_breaking_off_waits_for_no_machine():
    one, pending = remote(None), Future()
    one._pending.add(pending)
    one._pending.add(done := Future())
    done.set_result("answered in this moment")

    one.abort()

    assert pending.result(0) == WorkerFailure("killed", "the harvest was ended")
    assert done.result(0) == "answered in this moment"


def test_a_machine_decodes_what_it_fetched_and_sends_no_body_back(monkeypatch):
    monkeypatch.setattr("imgkit.harvest.crawl.remote_downloader.unpacked_ingest", lambda outcome, body: PICTURE)
    fetched = Fetched(body=b"body", url="http://end.org/", content_type="image/jpeg")
    worker = RemoteWorker(Told(fetched), Decoder(b"packed"), SETTINGS)

    timed = worker.fetch(RemoteTask(target=TARGET, referer="r", seconds=20.0))

    assert timed.answer == RemoteResult(body=b"", url="http://end.org/", content_type="image/jpeg", outcome=PICTURE)
    assert worker._fetcher.asked == [(TARGET, "r", 20.0)]
    assert worker._engine.tasks == [(packed_ingest, Task(body=b"body", size=500, smallest_side=64, looks=False))]


def test_a_failure_elsewhere_comes_back_as_it_is():
    gone = Failure(reason="http.404")

    assert (
        RemoteWorker(Told(gone), Decoder(), SETTINGS).fetch(RemoteTask(target=TARGET, referer="", seconds=1.0)).answer
        is gone
    )


# threads and their events


class Plain:
    """A downloader for threads."""

    def __init__(self, answer, outcome=None):
        self.answer, self.outcome = answer, outcome

    def request(self, attempt, target):
        if isinstance(self.answer, Exception):
            raise self.answer
        return TimedAnswer(self.answer, 1.0)

    def arrive(self, fetched):
        return self.outcome

    def ask_robots(self, target):
        return self.answer


def events_of(downloader, work, guard=None):
    """What is reported, in order, when ``work`` was asked of the threads."""
    events = queue.SimpleQueue()
    threads = Workers(downloader, guard, events, workers=1)
    work(threads)
    threads._threads.shutdown(wait=True)
    return [events.get_nowait() for _ in range(events.qsize())]


JOB = Job([], DownloadAttempt(url="x", requests=2), TARGET)


def test_an_answer_is_reported_before_the_picture_that_it_brought_and_its_requests_are_counted():
    fetched, stored = Fetched(body=b"x", url=""), StoredPicture(None, SHRUNK, "u")

    both = events_of(Plain(fetched, stored), lambda threads: threads.ask("host", JOB))
    one = events_of(Plain(Failure(reason="http.404")), lambda threads: threads.ask("host", JOB))

    assert both == [Answered("host", JOB, TimedAnswer(fetched, 1.0)), Kept(JOB, stored, 3)]
    assert one == [Answered("host", JOB, TimedAnswer(Failure(reason="http.404"), 1.0))]


def test_an_error_in_a_thread_is_reported_and_not_swallowed():
    error = ResourceError("disk full")

    (told,) = events_of(Plain(error), lambda threads: threads.ask("host", JOB))

    assert isinstance(told, WorkerFailed)
    assert told == WorkerFailed(error)


def test_a_robots_txt_is_read_in_the_thread_that_asked_for_it():
    asking, text, failure = RobotsJob(TARGET), "User-agent: *\nDisallow: /", Failure(reason="net.dns", transient=True)

    assert events_of(Plain(text), lambda threads: threads.ask_robots("host", asking)) == [
        RobotsAnswered("host", asking, text, read_robots(text))
    ]
    assert events_of(Plain(failure), lambda threads: threads.ask_robots("host", asking)) == [
        RobotsAnswered("host", asking, failure, RobotsRules())
    ]


@pytest.mark.parametrize("reachable", [True, False])
def test_a_probe_looks_names_up_anew_and_closes_its_connection(reachable):
    said = []

    def connect(target, *, timeout_s):
        said.append((target, timeout_s))
        if not reachable:
            raise OSError("down")
        return SimpleNamespace(close=lambda: said.append("closed"))

    lookup = SimpleNamespace(forget_failures=lambda: said.append("forgotten"))

    told = events_of(None, lambda threads: threads.probe(TARGET), SimpleNamespace(lookup=lookup, connect=connect))

    assert told == [NetworkProbed(reachable)]
    assert said == ["forgotten", (TARGET, 5.0), *(["closed"] if reachable else [])]


# the network


class Said:
    def __init__(self):
        self.lines = []

    def say(self, line):
        self.lines.append(line)


def monitor(**fields):
    timeouts = Timeouts(**{"outage_failures": 2, "outage_hosts": 2, "probe_s": 15.0, "outage_s": 40.0, **fields})
    return NetworkMonitor(timeouts, Said())


DOWN = Failure(reason="net.connect", transient=True)
OTHER = parse("http://b.example.org/")


def test_an_outage_is_said_once_and_the_host_that_answered_last_is_looked_for():
    one = monitor()
    one.record("a", TARGET, None, now=0.0)
    one.record("a", TARGET, DOWN, now=1.0)
    assert (one.is_down, one.given_up) == (False, False)
    one.record("b", OTHER, DOWN, now=2.0)

    assert (one.is_down, one.given_up) == (True, False)
    assert one._progress.lines == [
        "The network seems to be down. Looking again every 15 s; nothing is lost, and Ctrl-C saves."
    ]
    assert (one.next_probe, one.probe_due(16.9)) == (17.0, None)
    assert one.probe_due(17.0) is TARGET
    assert one.probe_due(99.0) is None  # one look at a time


def test_where_nobody_ever_answered_the_host_that_began_the_outage_is_looked_for():
    one = monitor()
    one.record("a", TARGET, DOWN, now=1.0)
    one.record("b", OTHER, DOWN, now=2.0)

    assert one.probe_due(17.0) is OTHER


def test_what_failed_while_the_network_was_away_comes_back_in_order_and_once():
    one = monitor()
    for name in ("a", "b"):
        one.record(name, TARGET, DOWN, now=0.0)
    one.lost("coral", "first", DOWN)
    one.lost("king", "second", Failure(reason="net.dns", transient=True))
    one.lost("king", "not its doing", Failure(reason="http.404"))

    assert one.probed(False, now=15.0) == []
    assert (one.is_down, one.given_up, one.next_probe) == (True, False, 30.0)
    assert one.probed(True, now=30.0) == [("coral", "first"), ("king", "second")]
    assert (one.is_down, one._progress.lines[-1]) == (False, "The network is back.")
    assert one.probed(True, now=31.0) == []


def test_a_picture_that_arrives_shows_that_earlier_failures_were_not_the_networks():
    one = monitor()
    one.lost("coral", "gone for good", DOWN)
    one.arrived()
    one.lost("coral", "later", DOWN)

    assert one.probed(True, now=0.0) == [("coral", "later")]


@pytest.mark.parametrize(("now", "gone"), [(39.9, False), (40.0, True)])
def test_the_network_is_given_up_after_so_many_seconds(now, gone):
    one = monitor()
    for name in ("a", "b"):
        one.record(name, TARGET, DOWN, now=0.0)

    one.probed(False, now=now)

    assert one.given_up is gone


# who waits for a robots.txt


def robots_queue(cache=None, **fields):
    stored = RobotsCache(recall=lambda origin: None, store=lambda origin, text: None)
    return RobotsQueue(stored if cache is None else cache, **{"back_off_s": (1.0, 2.0), **fields})


@pytest.mark.parametrize(
    ("failure", "pauses"),
    [
        (Failure(reason="http.5xx", transient=True), [1.0, 2.0, None]),
        (Failure(reason="net.read", transient=True), [1.0, None, None]),
        (Failure(reason="net.dns", transient=True), [None, None, None]),
        (Failure(reason="http.429", transient=True, retry_after=30.0), [30.0, 30.0, None]),
        (Failure(reason="http.429", transient=True, retry_after=0.0), [1.0, 2.0, None]),
    ],
)
def test_a_robots_txt_is_tried_as_often_as_a_picture_and_after_the_pause_that_its_host_asks_for(failure, pauses):
    one, asking = robots_queue(), RobotsJob(TARGET)

    assert [one.pause(asking, failure) for _ in range(3)] == pauses


def test_the_last_pause_is_kept_where_there_are_more_tries_than_pauses():
    one, asking = robots_queue(back_off_s=(7.0,)), RobotsJob(TARGET)

    assert [one.pause(asking, Failure(reason="http.5xx", transient=True)) for _ in range(3)] == [7.0, 7.0, None]


def test_without_a_cache_and_for_files_nobody_waits():
    off = RobotsQueue(None, back_off_s=(1.0,))

    assert off.judge(JOB) is None
    assert robots_queue().judge(Job([], DownloadAttempt(url="file:///a"), None)) is None
    assert off.open(RobotsJob(TARGET, waiting=[JOB]), "User-agent: *", RobotsRules()) == [JOB]


def test_an_origin_that_could_not_be_asked_is_asked_again_once_that_is_forgotten():
    one = robots_queue()
    asking = one.judge(JOB)
    one.open(asking, DOWN, RobotsRules())
    assert one.judge(JOB) is DOWN

    one.forget_failures()
    again = one.judge(JOB)

    assert isinstance(again, RobotsJob)
    assert again is not asking
    assert (again.waiting, again.sent) == ([JOB], False)
