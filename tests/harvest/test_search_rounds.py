"""Rounds of searching: what one query's trouble does to the others, what is remembered, and where a search ends."""

import queue
from dataclasses import replace

import pytest

from imgkit.harvest.plan import Search
from imgkit.harvest.providers.interface import Missing, Provider, Ready, ResultPage, SearchQuery
from imgkit.harvest.report import notes_of
from imgkit.harvest.search.sessions import Asking, Searched, SearchSessions, WorkerFailed
from imgkit.harvest.timeouts import Timeouts
from imgkit.manifest import Manifest, Proposal, Query

QUICK = Timeouts(search_back_off_s=(0.0, 0.0))
FAILURES = ["blocked", "throttled", "schema_changed", "transient"]


def proposals(text, place, number):
    return tuple(
        Proposal(url=f"https://h.test/{text}/{place}-{n}.jpg", rank=place * number + n) for n in range(1, number + 1)
    )


def full(number=20):
    """A page of results with more behind it."""
    return lambda text, place: ResultPage(verdict="ok", proposals=proposals(text, place, number), cursor=place + 1)


def last(number=5):
    """A page of results that is marked as the end."""
    return lambda text, place: ResultPage(verdict="end", proposals=proposals(text, place, number))


def nothing_new(text, place):
    return ResultPage(verdict="ok", cursor=place + 1, no_new_results=True)


def assumed_end(text, place):
    return ResultPage(verdict="assumed_end", cursor=place + 1)


def failure(verdict, **fields):
    return lambda text, place: ResultPage(verdict=verdict, cursor=place, detail=f"{verdict} at {place}.", **fields)


class Service:
    """A provider whose pages are listed for each query; what is behind them is the last one again."""

    def __init__(self, **scripts):
        self.scripts = scripts
        self.asked = []
        self.provider = Provider(
            name="bing", title="Bing", page=self._page, check=lambda environ: Ready(), page_size=20
        )

    def _page(self, query, cursor, fetch, ready):
        place = cursor or 0
        self.asked.append((query.text, place))
        script = self.scripts[query.text]
        return script[min(place, len(script) - 1)](query.text, place)


class Run:
    """One run of a harvest's searches on a data folder."""

    def __init__(self, manifest, service, *, target=20, labels=None, limit=None):
        texts = list(service.scripts)
        self.queries = [
            Query(label=label, name=label, text=text, limit=limit)
            for text in texts
            for label in [(labels or {}).get(text, text)]
        ]
        ids = dict(zip(self.queries, manifest.put_queries(self.queries), strict=True))
        self.searches = [
            Search(query=one, provider=service.provider, asked=SearchQuery(text=one.text), state=Ready())
            for one in self.queries
        ]
        self.events = queue.SimpleQueue()
        self.manifest = manifest
        self.ids = ids
        self.sessions = SearchSessions(
            manifest,
            self.searches,
            query_ids=ids,
            targets={one.label: target for one in self.queries},
            put=self.events.put,
            timeouts=QUICK,
            open_fetch=lambda provider, ready: None,
        )

    def round(self, number=0, *, short=False):
        """Ask for a round of every label, one after the other; return how many searches took part in each."""
        taken = {}
        for label in dict.fromkeys(one.label for one in self.queries):
            self.sessions.ask(label, number, short=short)
            while True:
                event = self.events.get(timeout=20)
                assert not isinstance(event, WorkerFailed), event
                if isinstance(event, Searched):
                    taken[event.label] = event.asked
                    break
                assert isinstance(event, Asking)
        return taken

    def state(self, text):
        return self.manifest.search_state(self.ids[next(one for one in self.queries if one.text == text)], "bing")

    def sentences(self):
        return [note.sentence for note in notes_of(self.searches, self.sessions.problems)]


@pytest.fixture
def manifest(tmp_path):
    with Manifest.open(tmp_path / "data") as opened:
        yield opened


@pytest.mark.parametrize("verdict", FAILURES)
def test_trouble_of_one_query_leaves_the_others_alone(manifest, verdict):
    service = Service(a=[failure(verdict)], b=[last(5)], c=[last(7)])
    run = Run(manifest, service)

    assert run.round() == {"a": 1, "b": 1, "c": 1}
    assert [run.state(text).found for text in "abc"] == [0, 5, 7]
    assert run.sessions.refusals == {}
    assert run.sentences() == [f"bing left 'a' to the next run: {verdict} at 0."]
    assert run.sessions.no_provider_answered is False


@pytest.mark.parametrize("verdict", FAILURES)
def test_trouble_seen_with_a_second_query_stops_the_provider_for_this_run(manifest, verdict):
    service = Service(a=[failure(verdict)], b=[failure(verdict)], c=[last(7)])
    run = Run(manifest, service)

    assert run.round() == {"a": 1, "b": 1, "c": 0}
    assert "c" not in {text for text, _ in service.asked}
    assert run.sentences() == [
        f"bing left 'a' to the next run: {verdict} at 0.",
        f"bing stopped: {verdict} at 0.",
    ]
    assert run.sessions.no_provider_answered is True


def test_the_same_words_under_two_labels_are_one_query(manifest):
    service = Service(a=[failure("schema_changed")], b=[last(5)])
    run = Run(manifest, service)
    twin = Query(label="twin", name="twin", text="a")
    ids = {**run.ids, twin: manifest.put_queries([twin])[0]}
    searches = [
        *run.searches[:1],
        Search(query=twin, provider=service.provider, asked=SearchQuery(text="a"), state=Ready()),
        *run.searches[1:],
    ]
    events = queue.SimpleQueue()
    sessions = SearchSessions(
        manifest,
        searches,
        query_ids=ids,
        targets={"a": 20, "twin": 20, "b": 20},
        put=events.put,
        timeouts=QUICK,
        open_fetch=lambda provider, ready: None,
    )
    for label in ("a", "twin", "b"):
        sessions.ask(label, 0)
        while not isinstance(events.get(timeout=20), Searched):
            pass

    assert sessions.refusals == {}
    assert run.state("b").found == 5


def test_an_answer_in_between_shows_that_the_provider_is_well(manifest):
    service = Service(a=[failure("schema_changed")], b=[last(5)], c=[failure("schema_changed")], d=[last(6)])
    run = Run(manifest, service)

    run.round()

    assert [run.state(text).found for text in "abcd"] == [0, 5, 0, 6]
    assert run.sessions.refusals == {}


@pytest.mark.parametrize("verdict", ["consent", "captcha", "auth", "quota", "unreachable"])
def test_a_wall_of_the_service_is_not_tried_with_a_second_query(manifest, verdict):
    service = Service(a=[failure(verdict)], b=[last(5)])
    run = Run(manifest, service)

    assert run.round() == {"a": 1, "b": 0}
    assert run.sentences() == [f"bing stopped: {verdict} at 0."]


@pytest.mark.parametrize("verdict", FAILURES)
def test_what_a_service_says_of_itself_is_not_tried_with_a_second_query(manifest, verdict):
    service = Service(a=[failure(verdict, service_wide=True)], b=[last(5)])

    assert Run(manifest, service).round() == {"a": 1, "b": 0}


@pytest.mark.parametrize("verdict", FAILURES)
def test_a_query_that_failed_rests_in_this_run_and_goes_on_where_it_was_in_the_next(manifest, verdict):
    service = Service(a=[full(), failure(verdict), last(3)], b=[full()])
    first = Run(manifest, service)
    first.round(0)
    first.round(1)
    assert (first.state("a").verdict, first.state("a").found) == (verdict, 20)
    first.round(2)
    asked = service.asked.count(("a", 1))
    first.round(3)
    assert service.asked.count(("a", 1)) == asked  # not again in this run

    service.scripts["a"][1] = full()
    before = len(service.asked)
    second = Run(manifest, service)
    second.round(1)

    assert [one for one in service.asked[before:] if one[0] == "a"] == [("a", 1), ("a", 2)]
    assert (second.state("a").found, second.state("a").verdict) == (43, "end")


def test_a_barren_page_is_neither_stored_nor_the_end(manifest):
    service = Service(a=[full(), nothing_new, full(), last(5)])
    run = Run(manifest, service, target=100)

    run.round()

    assert [place for _, place in service.asked] == [0, 1, 2, 3]
    assert (run.state("a").found, run.state("a").verdict) == (45, "end")


def test_a_run_that_ended_behind_a_barren_page_goes_on_before_it(manifest):
    service = Service(a=[full(), nothing_new, failure("captcha")])
    run = Run(manifest, service, target=100)

    run.round()

    assert (run.state("a").cursor, run.state("a").verdict) == (2, "captcha")  # the failure says where it stopped


def test_an_assumed_end_is_final_in_its_run_and_looked_behind_by_a_later_one_that_lacks_pictures(manifest):
    service = Service(a=[full(), nothing_new, assumed_end])
    first = Run(manifest, service, target=100)
    assert [first.round(number, short=number > 0) for number in (0, 1)] == [{"a": 1}, {"a": 0}]
    assert [place for _, place in service.asked] == [0, 1, 2]
    assert (first.state("a").verdict, first.state("a").cursor) == ("assumed_end", 1)

    service.scripts["a"] = [full(), full(), last(5)]
    second = Run(manifest, service, target=100)
    assert second.round(0) == {"a": 0}  # nothing is lacking: nobody is asked
    assert second.round(1, short=True) == {"a": 1}

    assert [place for _, place in service.asked] == [0, 1, 2, 1, 2]
    assert (second.state("a").found, second.state("a").verdict) == (45, "end")


def test_an_end_that_the_service_marks_is_never_looked_behind(manifest):
    service = Service(a=[last(5)])
    Run(manifest, service).round(0)

    second = Run(manifest, service)

    assert [second.round(number, short=True) for number in (0, 1)] == [{"a": 0}, {"a": 0}]
    assert len(service.asked) == 1
    assert second.sessions.no_provider_answered is False  # it was asked, and has no more


def test_an_assumed_end_counts_as_an_answer(manifest):
    service = Service(a=[nothing_new, assumed_end])
    run = Run(manifest, service)

    run.round()

    assert run.sessions.answered == {"bing"}
    assert (run.sessions.no_provider_answered, run.sessions.problems) == (False, [])


def test_the_limit_of_a_query_holds_over_all_its_pages(manifest):
    service = Service(a=[full(), full(), full()])
    run = Run(manifest, service, target=100, limit=30)

    run.round(0)

    assert run.state("a").found == 30
    assert len(manifest.candidates()) == 30
    assert [place for _, place in service.asked] == [0, 1]
    assert run.round(1) == {"a": 0}


def test_a_provider_without_its_key_is_asked_nothing(manifest):
    service = Service(a=[last(5)])
    run = Run(manifest, service)
    run.searches[0] = Search(
        query=run.queries[0],
        provider=service.provider,
        asked=SearchQuery(text="a"),
        state=Missing(reason="no key", how_to_fix="set it"),
    )
    sessions = SearchSessions(
        manifest,
        run.searches,
        query_ids=run.ids,
        targets={"a": 20},
        put=run.events.put,
        timeouts=QUICK,
        open_fetch=lambda provider, ready: None,
    )

    sessions.ask("a", 0)

    assert run.events.get(timeout=20) == Searched("a", 0, 0)
    assert sessions.no_provider_answered is True


@pytest.mark.parametrize(
    ("target", "services", "size"),
    [
        pytest.param(200, 1, 300, id="half as many again as are wanted"),
        pytest.param(200, 4, 75, id="shared by those that can be asked"),
        pytest.param(201, 4, 76, id="rounded up"),
        pytest.param(3, 1, 20, id="a page of the smallest service at least"),
    ],
)
def test_a_round_looks_for_half_as_many_again_as_are_wanted(manifest, target, services, size):
    run = Run(manifest, Service(a=[last()]), target=target)
    own = run.searches[0]
    keyless = replace(own, state=Missing(reason="no key", how_to_fix="set it"))
    local = replace(own, provider=replace(own.provider, local=True))
    run.sessions._by_label["a"] = [own] * services + [keyless, local]

    assert run.sessions.round_size("a") == size


def test_each_round_goes_on_where_the_one_before_ended_until_it_has_its_size(manifest):
    service = Service(a=[full(8)] * 9)
    run = Run(manifest, service, target=10)  # 20 a round

    assert run.round(0) == {"a": 1}
    assert service.asked == [("a", 0), ("a", 1), ("a", 2)]  # 24 are 20 or more
    assert run.state("a").found == 24
    assert run.round(0) == {"a": 0}
    assert run.round(1) == {"a": 1}
    assert service.asked[3:] == [("a", 3), ("a", 4)]
    assert {(one.round, one.proposal.rank) for one in manifest.candidates()} == {
        *((0, rank) for rank in range(1, 25)),
        *((1, rank) for rank in range(25, 41)),
    }


def test_a_killed_round_asks_only_for_what_is_not_stored(manifest):
    first = Service(a=[full(8), full(8), failure("unreachable")])
    Run(manifest, first, target=10).round()
    second = Service(a=[full(8)] * 9)

    Run(manifest, second, target=10).round()

    assert second.asked == [("a", 2)]
    assert [one.proposal.rank for one in manifest.candidates()] == list(range(1, 25))


def test_a_page_beyond_the_limit_is_cut_and_found_again_when_the_limit_is_raised(manifest):
    Run(manifest, Service(a=[full(20)] * 9), target=100, limit=30).round()
    assert [one.proposal.rank for one in manifest.candidates()] == list(range(1, 31))
    at_the_edge = Service(a=[full(20)] * 9)
    Run(manifest, at_the_edge, target=100, limit=30).round()
    assert at_the_edge.asked == []

    higher = Service(a=[full(20)] * 9)
    Run(manifest, higher, target=100, limit=50).round()

    assert [one.proposal.rank for one in manifest.candidates()] == list(range(1, 51))


def test_a_limit_that_a_page_meets_exactly_goes_on_behind_it_when_it_is_raised(manifest):
    Run(manifest, Service(a=[full(20)] * 9), target=100, limit=40).round()
    higher = Service(a=[full(20)] * 9)

    Run(manifest, higher, target=100, limit=60).round()

    assert higher.asked == [("a", 2)]
    assert [one.proposal.rank for one in manifest.candidates()] == list(range(1, 61))


def test_a_last_page_that_was_cut_is_looked_at_again_when_the_limit_is_raised(manifest):
    Run(manifest, Service(a=[last(12)]), limit=5).round()

    Run(manifest, Service(a=[last(12)]), limit=None).round()

    assert [one.proposal.rank for one in manifest.candidates()] == list(range(1, 13))


def test_a_failure_that_passes_is_asked_again_twice_and_then_left(manifest):
    answers = iter([*[failure("transient")] * 3, full(20), last()])
    service = Service(a=[lambda text, place: next(answers)(text, place)], b=[last(4)])
    run = Run(manifest, service)

    run.round()

    assert [text for text, _ in service.asked] == ["a", "a", "a", "b"]
    assert [run.state(text).verdict for text in "ab"] == ["transient", "end"]


def test_the_waits_are_those_of_the_timeouts_and_of_the_service_up_to_a_minute(manifest):
    service = Service(a=[failure("throttled", retry_after=59.0)], b=[failure("throttled", retry_after=61.0)])
    run = Run(manifest, service)
    waits = []
    run.sessions._closing = type(
        "Closing", (), {"wait": lambda self, s: waits.append(s), "is_set": lambda self: False}
    )()

    run.round()

    assert waits == [59.0, 59.0]
    assert [text for text, _ in service.asked] == ["a", "a", "a", "b"]


def test_an_answer_of_no_known_layout_is_kept_up_to_64_kib_for_a_report(manifest):
    run = Run(manifest, Service(a=[failure("schema_changed", sample=b"x" * 70_000)]))

    run.round()

    sample = manifest.folder.cache / "unknown-answers" / "bing.txt"
    assert sample.stat().st_size == 64 * 1024
    assert f"The answer is in {sample}, for a report of the fault." in run.sentences()[0]


def test_what_a_provider_found_before_it_stopped_is_said(manifest):
    run = Run(manifest, Service(a=[full(3), failure("quota")], b=[last()]))

    run.round()

    assert run.sentences() == ["bing stopped after 3 candidates: quota at 1."]
    assert (run.sessions.found["bing"], run.sessions.no_provider_answered) == (3, False)


def test_two_searches_of_a_label_are_one_round_that_is_over_once(manifest):
    service = Service(a=[last(4)], b=[last(6)])
    run = Run(manifest, service, labels={"a": "both", "b": "both"})

    assert run.round() == {"both": 2}
    assert run.events.empty()
    assert len(manifest.candidates()) == 10


def test_an_address_of_two_queries_is_one_candidate_of_the_first_and_both_propose_it(manifest):
    same = (Proposal(url="https://h.test/1.jpg", rank=1),)
    other = (Proposal(url="HTTPS://h.test:443/1.jpg", rank=9),)
    service = Service(
        a=[lambda text, place: ResultPage(verdict="end", proposals=same)],
        b=[lambda text, place: ResultPage(verdict="end", proposals=other)],
    )
    run = Run(manifest, service, labels={"a": "both", "b": "both"})

    run.round()

    (one,) = manifest.candidates()
    assert (one.query_id, one.proposal.rank) == (1, 1)
    assert manifest.proposed("both") == [(one.id, 1, 1), (one.id, 2, 9)]
