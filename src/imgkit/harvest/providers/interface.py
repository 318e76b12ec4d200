"""What a provider is: a description in a table, a check of its key, and a search that asks only when pulled.

A provider searches and never downloads pictures. It is one file beside this one, with one line in the table
``PROVIDERS``, and it is tested by the conformance suite from that moment on. Its search is one function that asks
for one page; everything it must remember between pages is in the page's cursor, so that a search goes on in another
process exactly where it was::

    match provider.check(os.environ):
        case Missing(reason=reason, how_to_fix=fix): ...
        case Ready() as ready:
            for page in provider.pages(query, cursor, fetch, ready):
                ...  # store page.proposals and page.cursor in one transaction

Proposals that hold an excluded word are *not* dropped here: the caller asks ``harvest.excludes.excluded_by`` and
accounts for each of them. The same goes for licences and ``harvest.licences.allowed``.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, Protocol

from imgkit.manifest.nouns import Proposal

Verdict = Literal[
    "ok",
    "empty",
    "end",
    "blocked",
    "consent",
    "captcha",
    "auth",
    "quota",
    "throttled",
    "schema_changed",
    "transient",
    "unreachable",
]
"""ok: proposals, and perhaps more · empty: nothing at all for this query · end: nothing after this page ·
blocked, consent, captcha: the service keeps programs out · auth: the key is missing or refused · quota: used up ·
throttled: come back after ``retry_after`` · schema_changed: a 2xx body of no known layout · transient: a failure that
usually passes · unreachable: no connection."""

FINISHED: Final[frozenset[Verdict]] = frozenset({"empty", "end"})
"""The search of this query is done; its cursor is None."""

STOPS_PROVIDER: Final[frozenset[Verdict]] = frozenset({"blocked", "consent", "captcha", "auth", "quota"})
"""Asking this provider again in the same run is pointless and impolite."""

WORTH_RETRYING: Final[frozenset[Verdict]] = frozenset({"throttled", "transient", "unreachable"})
"""The same cursor may give a page later."""

REASON_OF: Final[Mapping[Verdict, str]] = {
    "blocked": "provider.captcha",
    "consent": "provider.captcha",
    "captcha": "provider.captcha",
    "auth": "provider.key",
    "quota": "provider.quota",
    "throttled": "provider.quota",
    "schema_changed": "provider.layout",
    "transient": "provider.unreachable",
    "unreachable": "provider.unreachable",
}
"""The reason code of each verdict that is a failure."""

FilterName = Literal["size", "color", "type", "license", "date", "layout", "people", "safe", "language"]
DefaultRule = Literal["always", "taxon", "key", "named"]
"""When a provider takes part without being named: always · for queries that are taxa · when its key is set · never."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request to a service. ``params`` are encoded into the query string; ``url`` has none of its own."""

    url: str
    params: Mapping[str, str] = field(default_factory=dict)
    method: Literal["GET", "POST"] = "GET"
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """What a service answered. Names of ``headers`` are lower case; ``url`` is the address that answered.

    Redirects within the same host were followed; a redirect to another host is returned as it came (status 3xx).
    """

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    url: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class NoAnswer:
    """The network gave no response; ``reason`` is a code of ``imgkit.reasons`` such as ``net.dns``."""

    reason: str
    detail: str = ""


class Fetch(Protocol):
    """The network as an argument. Never raises for what the network does; it may wait to keep the provider's pause."""

    def __call__(self, request: Request) -> Response | NoAnswer:
        """Send one request."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchQuery:
    """What a provider is asked.

    ``text`` is what to search for, or for a local provider the path to read. ``label`` and ``name`` are the label's
    slug and display name. ``licences`` are codes of ``harvest.licences``. ``filters`` use the words of
    ``harvest.filters``; a provider ignores those that it does not list.
    """

    text: str
    label: str = ""
    name: str = ""
    exclude: tuple[str, ...] = ()
    licences: tuple[str, ...] = ()
    filters: Mapping[str, str] = field(default_factory=dict)
    language: str = "en-US"
    safe_search: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """One answer of a provider.

    Proposals come in order of rank, which counts from 1 within the query and over all pages; ``end`` may carry the
    last ones. ``cursor`` is JSON-serialisable: where the search goes on after this page, or for a failure where it
    stopped, so that a retry asks the same again; None when nothing is left. ``detail`` is a plain sentence for people.
    ``sample`` is the beginning of a body of unknown layout, for a report of the fault.
    """

    verdict: Verdict
    proposals: tuple[Proposal, ...] = ()
    cursor: object = None
    detail: str = ""
    retry_after: float | None = None
    sample: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """The provider can be asked: at ``base``, with ``keys``. ``note`` says how, for the plan ("with your key").

    ``memory`` is what the provider remembers while the process lives, such as a token; it is never stored.
    The numbers stand where this way of asking differs from the provider's.
    """

    base: str = ""
    keys: Mapping[str, str] = field(default_factory=dict, repr=False)
    note: str = ""
    memory: dict[str, str] = field(default_factory=dict, repr=False, compare=False)
    page_size: int | None = None
    max_results: int | None = None
    calls_per_day: int | None = None
    pause_seconds: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Missing:
    """The provider cannot be asked; ``how_to_fix`` says what to set."""

    reason: str
    how_to_fix: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HostPolicy:
    """How a service wants to be asked: one request at a time, ``pause_seconds`` from one answer to the next request.

    ``quota`` says the service's limits in words; ``calls_per_day`` is the number that the plan compares with.
    """

    pause_seconds: float = 1.0
    calls_per_day: int | None = None
    quota: str = ""


Check = Callable[[Mapping[str, str]], Ready | Missing]
AskPage = Callable[[SearchQuery, object, Fetch, Ready], Page]


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """A place that can be searched.

    Attributes:
        name: the word of queries files and ``--provider``.
        title: the name for people.
        page: asks for the one page at a cursor (None: the first).
        check: says from the environment whether the provider can be asked, without asking it.
        homes: environment variable to default base URL; the variable replaces scheme, host and prefix.
        page_size: proposals of one call at most.
        max_results: proposals of one query at most; None: no limit is known.
        default: when it takes part without being named.
        needs_key: whether it cannot be asked without a key.
        wants_contact: whether it refuses programs whose user agent names nobody to write to.
        negates: whether the service itself understands ``-word``.
        max_lookups: calls before the first page: for the query's name and then each excluded word, where those are
            looked up as taxa, or for the service's list of licences.
        local: whether the query's text is a path instead of words.
        licensed: whether it says the licence of each picture; where it does not, nothing of it can be kept when
            licences were asked for.
        filters: the filters that it can ask the service for.
        policy: how the service wants to be asked.
    """

    name: str
    title: str
    page: AskPage
    check: Check
    page_size: int
    homes: Mapping[str, str] = field(default_factory=dict)
    max_results: int | None = None
    default: DefaultRule = "named"
    needs_key: bool = False
    wants_contact: bool = False
    negates: bool = False
    max_lookups: int = 0
    local: bool = False
    licensed: bool = True
    filters: frozenset[FilterName] = frozenset()
    policy: HostPolicy = HostPolicy()

    def pages(self, query: SearchQuery, cursor: object, fetch: Fetch, ready: Ready) -> Iterator[Page]:
        """Yield page after page from ``cursor`` (None: the beginning) on; asks only when pulled.

        The first page whose verdict is not ``ok`` is the last one. Never raises for what a service sends.
        """
        while True:
            page = self.page(query, cursor, fetch, ready)
            yield page
            if page.verdict != "ok":
                return
            cursor = page.cursor
