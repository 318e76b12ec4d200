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
from imgkit.harvest.patience import Patience
from imgkit.harvest.plan import Search
from imgkit.harvest.providers.interface import (
    FINISHED,
    REASON_OF,
    STOPS_PROVIDER,
    WORTH_RETRYING,
    Fetch,
    Missing,
    Page,
    Provider,
    Ready,
)
from imgkit.manifest import Manifest, Query, SearchState

SURPLUS: Final = 1.5
"""Candidates that a first round looks for, for each picture wanted: some of them are always lost."""

SMALLEST_ROUND: Final = 20
"""Candidates of one search in one round: a page of the smallest service."""

QUICK_SECONDS: Final = 3.0
SAMPLE_BYTES: Final = 64 * 1024

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
class Broken:
    """A thread met an error that ends the run."""

    error: BaseException


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Why a provider stopped answering: its verdict and its sentence."""

    provider: str
    verdict: str
    reason: str
    detail: str
    found: int  # proposals of this run before it stopped


class SearchDesk:
    """Takes orders for rounds of searching and reports each with an event.

    A search that was interrupted goes on where it was. A round of a label is the same candidates however often the
    run was killed: every search asks until it has found ``round_size`` more candidates, or has come to its end.

    Args:
        manifest: where pages and cursors go.
        searches: every query at every provider of this run.
        query_ids: the ids of the queries.
        targets: label to wanted pictures.
        put: takes events, from any thread.
        patience: how long to wait for a provider.
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
        patience: Patience,
        open_fetch: OpenFetch,
    ) -> None:
        self._manifest = manifest
        self._query_ids = query_ids
        self._put = put
        self._patience = patience
        self._open_fetch = open_fetch
        self._by_label: dict[str, list[Search]] = defaultdict(list)
        for search in searches:
            self._by_label[search.query.label].append(search)
        self._targets = targets
        self._lock = threading.Lock()
        self._open: dict[tuple[str, int], int] = {}  # (label, round) to searches under way
        self._clerks: dict[str, _Clerk] = {}
        self._closing = threading.Event()
        self.refusals: dict[str, Refusal] = {}
        self.problems: list[Refusal] = []
        self.answered: set[str] = set()
        self.found: dict[str, int] = defaultdict(int)

    def ask(self, label: str, round_: int) -> None:
        """Order a round; ``Searched`` reports its end, at once when nobody is left to ask."""
        due = [search for search in self._by_label[label] if self._is_due(search, round_)]
        if not due:
            self._put(Searched(label, round_, 0))
            return
        with self._lock:
            self._open[label, round_] = len(due)
        for search in due:
            self._clerk(search.provider).orders.put((search, round_, len(due)))

    def round_size(self, label: str) -> int:
        """Return the candidates that each search of a label looks for in one round."""
        ready = sum(isinstance(one.state, Ready) and not one.provider.local for one in self._by_label[label])
        return max(SMALLEST_ROUND, ceil(SURPLUS * self._targets[label] / max(1, ready)))

    @property
    def nobody_to_ask(self) -> bool:
        """Whether providers were wanted in this run and none of them answered, now or ever."""
        everything = [search for searches in self._by_label.values() for search in searches]
        ready = [search for search in everything if not isinstance(search.state, Missing)]
        if self.answered or any(self._state(search).verdict in FINISHED for search in ready):
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
        for clerk in self._clerks.values():
            clerk.orders.put(None)

    def serve(self, search: Search, round_: int, asked: int, fetch: Fetch) -> None:
        """Carry out one order, in its provider's thread."""
        try:
            self._search(search, round_, fetch)
        except BaseException as error:
            if not self._closing.is_set():
                self._put(Broken(error))
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

    def _is_due(self, search: Search, round_: int) -> bool:
        if isinstance(search.state, Missing) or search.provider.name in self.refusals:
            return False
        if search.provider.local:
            return round_ == 0  # the whole list at once: it costs nothing
        state = self._state(search)
        if state.verdict in FINISHED or (search.query.limit is not None and state.found >= search.query.limit):
            return False
        return state.found < self._quota(search, round_)

    def _quota(self, search: Search, round_: int) -> int:
        quota = self.round_size(search.query.label) * (round_ + 1)
        return quota if search.query.limit is None else min(quota, search.query.limit)

    def _state(self, search: Search) -> SearchState:
        return self._manifest.search_state(self._query_ids[search.query], search.provider.name)

    def _search(self, search: Search, round_: int, fetch: Fetch) -> None:
        state = self._state(search)
        if search.provider.local:
            state = replace(state, cursor=None, found=0, verdict="ok")  # the list may have grown
        failures = 0
        while not self._closing.is_set() and search.provider.name not in self.refusals:
            self._put(Asking(search.provider.title, search.query.text))
            began = time.monotonic()
            page = self._ask_page(search, state, fetch)
            if self._closing.is_set():
                return
            # a network that swallows everything is not worth the same long wait again
            patient = page.verdict != "unreachable" or time.monotonic() - began < QUICK_SECONDS
            if patient and page.verdict in WORTH_RETRYING and failures < len(self._patience.search_back_off_s):
                wait = self._patience.search_back_off_s[failures]
                if page.retry_after is not None:
                    wait = page.retry_after
                if wait <= self._patience.longest_search_wait_s:
                    failures += 1
                    self._closing.wait(wait)
                    continue
            failures = 0
            state = self._store(search, state, page, round_)
            if state.verdict != "ok" or (not search.provider.local and state.found >= self._quota(search, round_)):
                return

    def _ask_page(self, search: Search, state: SearchState, fetch: Fetch) -> Page:
        assert isinstance(search.state, Ready)
        return search.provider.page(search.asked, state.cursor, fetch, search.state)

    def _store(self, search: Search, state: SearchState, page: Page, round_: int) -> SearchState:
        proposals, verdict, cursor = page.proposals, str(page.verdict), page.cursor
        if search.query.limit is not None and state.found + len(proposals) >= search.query.limit:
            proposals = proposals[: search.query.limit - state.found]
        if page.verdict not in ("ok", *FINISHED):
            cursor = page.cursor if page.cursor is not None else state.cursor
        following = replace(
            state, cursor=cursor, verdict=verdict, detail=page.detail, found=state.found + len(proposals)
        )
        self._manifest.put_page(following, proposals, label=search.query.label, round_=round_)
        with self._lock:
            self.found[search.provider.name] += len(proposals)
            if verdict in ("ok", *FINISHED):
                self.answered.add(search.provider.name)
        if page.verdict in STOPS_PROVIDER or page.verdict in WORTH_RETRYING or page.verdict == "schema_changed":
            self._refuse(search.provider, page)
        return following

    def _refuse(self, provider: Provider, page: Page) -> None:
        detail = page.detail
        if page.sample:
            sample = self._manifest.folder.cache / "unknown-answers" / f"{provider.name}.txt"
            write_atomically(sample, page.sample[:SAMPLE_BYTES])
            detail = f"{detail} The answer is in {sample}, for a report of the fault."
        refusal = Refusal(
            provider=provider.name,
            verdict=page.verdict,
            reason=REASON_OF[page.verdict],
            detail=detail,
            found=self.found[provider.name],
        )
        with self._lock:
            self.problems.append(refusal)
            if not provider.local:  # one path that cannot be read says nothing about the others
                self.refusals[provider.name] = refusal

    def _clerk(self, provider: Provider) -> "_Clerk":
        if provider.name not in self._clerks:
            self._clerks[provider.name] = _Clerk(provider.name, self)
            self._clerks[provider.name].start()
        return self._clerks[provider.name]


class _Clerk(threading.Thread):
    """Serves the orders for one provider, one after the other; a daemon, since a service may be slow to hang up."""

    def __init__(self, name: str, desk: SearchDesk) -> None:
        super().__init__(name=f"imgkit-search-{name}", daemon=True)
        self.orders: queue.SimpleQueue[tuple[Search, int, int] | None] = queue.SimpleQueue()
        self._desk = desk

    def run(self) -> None:
        fetch: Fetch | None = None
        while (order := self.orders.get()) is not None:
            search, round_, asked = order
            fetch = fetch or self._desk.fetch_for(search)
            self._desk.serve(search, round_, asked, fetch)
        close = getattr(fetch, "close", None)
        if close is not None:
            close()
