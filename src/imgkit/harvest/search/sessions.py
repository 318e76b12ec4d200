"""Ask the providers: one thread for each, page by page, every page stored before it is used."""

import queue
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import ceil
from typing import Final

import icrawler.builtin  # noqa: F401 - two providers' threads that import it at the same moment would deadlock

from imgkit.files import write_atomically
from imgkit.harvest.plan import Search
from imgkit.harvest.providers.interface import (
    ENDED,
    FINISHED,
    REASON_OF,
    SERVICE_WIDE,
    WORTH_RETRYING,
    Fetch,
    Missing,
    Provider,
    Ready,
    ResultPage,
)
from imgkit.harvest.timeouts import Timeouts
from imgkit.manifest import Manifest, Proposal, Query, SearchState
from imgkit.manifest.addresses import url_key

SURPLUS: Final = 1.5
"""Candidates that a first round looks for, for each picture wanted: some of them are always lost."""

SMALLEST_ROUND: Final = 20
"""Candidates of one search in one round: a page of the smallest service."""

QUERIES_TO_STOP: Final = 2
"""Queries in a row that must fail before a provider is not asked for the others in this run."""

QUICK_SECONDS: Final = 3.0
SAMPLE_BYTES: Final = 64 * 1024

CUT: Final = "cut at "
"""Begins the detail of a search the last page of which held more than the query's limit."""

OpenFetch = Callable[[Provider, Ready], Fetch]


@dataclass(frozen=True, slots=True)
class Searched:
    """A round of searching for a label is over; ``asked`` says how many searches took part."""

    label: str
    round: int
    asked: int


@dataclass(frozen=True, slots=True)
class Asking:
    """A provider is being asked, for people who watch."""

    provider: str
    text: str


@dataclass(frozen=True, slots=True)
class WorkerFailed:
    """A thread met an error that ends the run."""

    error: BaseException


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderStopped:
    """Why a provider gave nothing for a query, or stopped answering: its verdict and its sentence.

    ``query`` is the text of the query that alone was affected, "" when the provider is asked nothing more in this run.
    """

    provider: str
    query: str
    verdict: str
    reason: str
    detail: str
    found: int  # proposals of this run before it stopped


class SearchSessions:
    """Takes orders for rounds of searching and reports each with an event.

    A search that was interrupted goes on where it was. A round of a label is the same candidates however often the
    run was killed: every search asks until it has found ``round_size`` more candidates, or has come to its end.

    A query that fails is left to the next run, which goes on where it stopped. Its provider is asked for the others
    until ``QUERIES_TO_STOP`` of them failed in a row, unless the failure is about the service whatever the query.

    Args:
        manifest: where pages and cursors go.
        searches: every query at every provider of this run.
        query_ids: the ids of the queries.
        targets: label to wanted pictures.
        put: takes events, from any thread.
        timeouts: how long to wait for a provider.
        open_fetch: the way to a provider's service.
    """

    def __init__(
        self,
        manifest: Manifest,
        searches: Sequence[Search],
        *,
        query_ids: Mapping[Query, int],
        targets: Mapping[str, int],
        put: Callable[[object], None],
        timeouts: Timeouts,
        open_fetch: OpenFetch,
        hide: Callable[[Proposal], Proposal] = lambda one: one,
    ) -> None:
        self._manifest = manifest
        self._query_ids = query_ids
        self._put = put
        self._timeouts = timeouts
        self._open_fetch = open_fetch
        self._hide = hide
        self._by_label: dict[str, list[Search]] = defaultdict(list)
        for search in searches:
            self._by_label[search.query.label].append(search)
        self._targets = targets
        self._lock = threading.Lock()
        self._open: dict[tuple[str, int], int] = {}  # (label, round) to searches under way
        self._provider_threads: dict[str, _ProviderThread] = {}
        self._closing = threading.Event()
        self._over: set[tuple[str, int]] = set()  # provider and query: nothing more in this run
        self._failing: dict[str, set[str]] = defaultdict(set)  # provider to texts of queries that failed in a row
        self.refusals: dict[str, ProviderStopped] = {}
        self.problems: list[ProviderStopped] = []
        self.answered: set[str] = set()
        self.found: dict[str, int] = defaultdict(int)

    def ask(self, label: str, round_: int, *, short: bool = False) -> None:
        """Order a round; ``Searched`` reports its end, at once when nobody is left to ask.

        Args:
            label: whose queries.
            round_: counts from 0.
            short: the label lacks pictures and nothing waits: look again behind ends that an earlier run only assumed.
        """
        due = [search for search in self._by_label[label] if self._is_due(search, round_, short=short)]
        if not due:
            self._put(Searched(label, round_, 0))
            return
        with self._lock:
            self._open[label, round_] = len(due)
        for search in due:
            self._provider_thread(search.provider).orders.put((search, round_, len(due)))

    def round_size(self, label: str) -> int:
        """Return the candidates that each search of a label looks for in one round."""
        ready = sum(isinstance(one.state, Ready) and not one.provider.local for one in self._by_label[label])
        return max(SMALLEST_ROUND, ceil(SURPLUS * self._targets[label] / max(1, ready)))

    @property
    def no_provider_answered(self) -> bool:
        """Whether providers were wanted in this run and none of them answered, now or ever."""
        everything = [search for searches in self._by_label.values() for search in searches]
        ready = [search for search in everything if not isinstance(search.state, Missing)]
        if self.answered or any(self._state(search).verdict in ENDED for search in ready):
            return False
        return bool(self.problems) or not ready

    @property
    def network_down(self) -> bool:
        """Whether no service could be reached at all."""
        verdicts = {refusal.verdict for refusal in self.refusals.values()}
        return not self.answered and verdicts == {"unreachable"}

    def close(self) -> None:
        """Ask nobody any more; threads that wait for an answer are left behind."""
        self._closing.set()
        for thread in self._provider_threads.values():
            thread.orders.put(None)

    def serve(self, search: Search, round_: int, asked: int, fetch: Fetch) -> None:
        """Carry out one order, in its provider's thread."""
        try:
            self._search(search, round_, fetch)
        except BaseException as error:
            if not self._closing.is_set():
                self._put(WorkerFailed(error))
            return
        label = search.query.label
        with self._lock:
            self._open[label, round_] -= 1
            over = self._open[label, round_] == 0
        if over:
            self._put(Searched(label, round_, asked))

    def fetch_for(self, search: Search) -> Fetch:
        """Return the way to a provider's service."""
        assert isinstance(search.state, Ready)
        return self._open_fetch(search.provider, search.state)

    def _is_due(self, search: Search, round_: int, *, short: bool) -> bool:
        if isinstance(search.state, Missing) or search.provider.name in self.refusals:
            return False
        if search.provider.local:
            return round_ == 0  # the whole list at once: it costs nothing
        state = self._state(search)
        if self._key(search) in self._over or (state.verdict == "assumed_end" and not short):
            return False
        ended = state.verdict in FINISHED and not state.detail.startswith(CUT)
        if ended or (search.query.limit is not None and state.found >= search.query.limit):
            return False
        return state.found < self._quota(search, round_)

    def _key(self, search: Search) -> tuple[str, int]:
        return search.provider.name, self._query_ids[search.query]

    def _quota(self, search: Search, round_: int) -> int:
        quota = self.round_size(search.query.label) * (round_ + 1)
        return quota if search.query.limit is None else min(quota, search.query.limit)

    def _state(self, search: Search) -> SearchState:
        return self._manifest.search_state(self._query_ids[search.query], search.provider.name)

    def _search(self, search: Search, round_: int, fetch: Fetch) -> None:
        state = self._state(search)
        listed: set[str] | None = set() if search.provider.edited else None
        if search.provider.local or (state.detail.startswith(CUT) and state.found < self._quota(search, round_)):
            # a list may have grown; where a page was cut at a limit that is higher now, its rest is behind the cursor
            state = replace(state, cursor=None, found=0, verdict="ok", detail="")
        failures, place = 0, state  # the place may be ahead of what is stored, behind a page that brought nothing
        while not self._closing.is_set() and search.provider.name not in self.refusals:
            self._put(Asking(search.provider.title, search.query.text))
            began = time.monotonic()
            page = self._ask_page(search, place, fetch)
            if self._closing.is_set():
                return
            # a network that swallows everything is not worth the same long wait again
            patient = page.verdict != "unreachable" or time.monotonic() - began < QUICK_SECONDS
            if patient and page.verdict in WORTH_RETRYING and failures < len(self._timeouts.search_back_off_s):
                wait = self._timeouts.search_back_off_s[failures]
                if page.retry_after is not None:
                    wait = page.retry_after
                if wait <= self._timeouts.longest_search_wait_s:
                    failures += 1
                    self._closing.wait(wait)
                    continue
            failures = 0
            if page.no_new_results:
                place = replace(place, cursor=page.cursor)
                self._closing.wait(max(self._timeouts.search_back_off_s, default=0.0))
                continue
            state = place = self._store(search, state, page, round_, listed)
            if state.verdict != "ok" or (not search.provider.local and state.found >= self._quota(search, round_)):
                return

    def _ask_page(self, search: Search, state: SearchState, fetch: Fetch) -> ResultPage:
        assert isinstance(search.state, Ready)
        return search.provider.ask(search.asked, state.cursor, fetch, search.state)

    def _store(
        self, search: Search, state: SearchState, page: ResultPage, round_: int, listed: set[str] | None
    ) -> SearchState:
        """Store a page and return the state behind it; ``listed`` collects the addresses of a list that is edited."""
        proposals, verdict, cursor, detail = page.proposals, str(page.verdict), page.cursor, page.detail
        if listed is not None:
            proposals = _not_yet(proposals, listed)
        if search.query.limit is not None and state.found + len(proposals) > search.query.limit:
            proposals = proposals[: search.query.limit - state.found]
            detail = f"{CUT}{search.query.limit}; {detail}"
        if page.verdict == "assumed_end":
            cursor = state.cursor  # behind the last page that brought something: a later run looks again from there
        elif page.verdict not in ("ok", *FINISHED):
            cursor = page.cursor if page.cursor is not None else state.cursor
        following = replace(state, cursor=cursor, verdict=verdict, detail=detail, found=state.found + len(proposals))
        known = [self._hide(one) for one in proposals]
        self._manifest.put_page(following, known, label=search.query.label, round_=round_, anew=listed is not None)
        # an empty folder may be a disk that is not there today
        is_whole = page.verdict in FINISHED and (bool(listed) or not search.provider.proposes_files)
        if listed is not None and is_whole:
            self._manifest.withdraw_others(following, listed)
        with self._lock:
            self.found[search.provider.name] += len(proposals)
            if verdict in ("ok", *ENDED):
                self.answered.add(search.provider.name)
                self._failing.pop(search.provider.name, None)
            if verdict != "ok" and not search.provider.local:
                self._over.add(self._key(search))
        if page.verdict in REASON_OF:
            self._note_failure(search, page)
        return following

    def _note_failure(self, search: Search, page: ResultPage) -> None:
        """Note that a query gave no answer, and whether its provider is asked for the others."""
        provider, detail = search.provider, page.detail
        if page.sample:
            sample = self._manifest.folder.cache / "unknown-answers" / f"{provider.name}.txt"
            write_atomically(sample, page.sample[:SAMPLE_BYTES])
            detail = f"{detail} The answer is in {sample}, for a report of the fault."
        failing = self._failing[provider.name]
        failing.add(search.asked.text)
        stops = page.verdict in SERVICE_WIDE or page.service_wide or len(failing) >= QUERIES_TO_STOP
        refusal = ProviderStopped(
            provider=provider.name,
            query="" if stops else search.query.text,
            verdict=page.verdict,
            reason=REASON_OF[page.verdict],
            detail=detail,
            found=self.found[provider.name],
        )
        with self._lock:
            self.problems.append(refusal)
            if stops and not provider.local:  # one path that cannot be read says nothing about the others
                self.refusals[provider.name] = refusal

    def _provider_thread(self, provider: Provider) -> "_ProviderThread":
        if provider.name not in self._provider_threads:
            self._provider_threads[provider.name] = _ProviderThread(provider.name, self)
            self._provider_threads[provider.name].start()
        return self._provider_threads[provider.name]


def _not_yet(proposals: Sequence[Proposal], listed: set[str]) -> tuple[Proposal, ...]:
    """Return the proposals whose address is not among the listed ones, and list them."""
    fresh = []
    for one in proposals:
        if (key := url_key(one.url)) not in listed:
            listed.add(key)
            fresh.append(one)
    return tuple(fresh)


class _ProviderThread(threading.Thread):
    """Serves the orders for one provider, one after the other; a daemon, since a service may be slow to hang up."""

    def __init__(self, name: str, sessions: SearchSessions) -> None:
        super().__init__(name=f"imgkit-search-{name}", daemon=True)
        self.orders: queue.SimpleQueue[tuple[Search, int, int] | None] = queue.SimpleQueue()
        self._sessions = sessions

    def run(self) -> None:
        fetch: Fetch | None = None
        while (order := self.orders.get()) is not None:
            search, round_, asked = order
            fetch = fetch or self._sessions.fetch_for(search)
            self._sessions.serve(search, round_, asked, fetch)
        close = getattr(fetch, "close", None)
        if close is not None:
            close()
