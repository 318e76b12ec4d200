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
from dataclasses import dataclass, field, replace
from typing import Final, Literal, Protocol

from imgkit.manifest.nouns import Proposal
from imgkit.redaction import Redactor, secrets_of

PageVerdict = Literal[
    "ok",
    "empty",
    "end",
    "assumed_end",
    "blocked",
    "consent",
    "captcha",
    "auth",
    "quota",
    "throttled",
    "schema_changed",
    "unrelated",
    "transient",
    "unreachable",
]
"""ok: perhaps more, with or without proposals · empty: nothing at all for this query, as the service says · end:
nothing after this page, as the service says · assumed_end: nothing new on two pages in a row, without its word ·
blocked, consent, captcha: the service keeps programs out · auth: the key is missing or refused · quota: used up ·
throttled: come back after ``retry_after`` · schema_changed: a 2xx body of no known layout · unrelated: results that
are not about the query · transient: a failure that usually passes · unreachable: no connection."""

FINISHED: Final[frozenset[PageVerdict]] = frozenset({"empty", "end"})
"""The search of this query is done for good; its cursor is None."""

ENDED: Final[frozenset[PageVerdict]] = FINISHED | {"assumed_end"}
"""The search of this query is done in this run; a later one looks again where the end was only assumed."""

SERVICE_WIDE: Final[frozenset[PageVerdict]] = frozenset({"consent", "captcha", "auth", "quota", "unreachable"})
"""Verdicts that are about the service whatever the query: asking it again in the same run is pointless and impolite.

The others stop a provider once they were seen with a second query, or when the page is marked ``service_wide``.
"""

WORTH_RETRYING: Final[frozenset[PageVerdict]] = frozenset({"throttled", "transient", "unreachable"})
"""The same cursor may give a page later."""

REASON_OF: Final[Mapping[PageVerdict, str]] = {
    "blocked": "provider.captcha",
    "consent": "provider.captcha",
    "captcha": "provider.captcha",
    "auth": "provider.key",
    "quota": "provider.quota",
    "throttled": "provider.quota",
    "schema_changed": "provider.layout",
    "unrelated": "provider.unrelated",
    "transient": "provider.unreachable",
    "unreachable": "provider.unreachable",
}
"""The reason code of each verdict that is a failure."""

FilterName = Literal["size", "color", "type", "license", "date", "layout", "people", "safe", "language"]
DefaultRule = Literal["always", "taxon", "key", "named"]
"""When a provider takes part without being named: always · for queries that are taxa · when its key is set · never."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceRequest:
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

    def __call__(self, request: ServiceRequest) -> Response | NoAnswer:
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
class ResultPage:
    """One answer of a provider.

    Proposals come in order of rank, which counts from 1 within the query and over all pages; ``end`` may carry the
    last ones. ``cursor`` is JSON-serialisable: where the search goes on after this page, or for a failure where it
    stopped, so that a retry asks the same again; None when nothing is left. ``detail`` is a plain sentence for people.
    ``sample`` is the beginning of a body of unknown layout, for a report of the fault. ``service_wide`` says of a
    failure that the service stated it of itself (too many requests, no programs): another query would fare no better.
    ``no_new_results`` says that the page may be the end: the next one is asked for after a pause.
    """

    verdict: PageVerdict
    proposals: tuple[Proposal, ...] = ()
    cursor: object = None
    detail: str = ""
    retry_after: float | None = None
    sample: bytes = b""
    service_wide: bool = False
    no_new_results: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """The provider can be asked: at ``base``, with ``keys``. ``note`` says how, for the plan ("with your key").

    ``memory`` is what the provider remembers while the process lives; it is never stored. What is named a token in it
    is a secret like the keys.
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


KeyCheck = Callable[[Mapping[str, str]], Ready | Missing]
AskPage = Callable[[SearchQuery, object, Fetch, Ready], ResultPage]


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """A place that can be searched.

    Attributes:
        name: the word of queries files and ``--provider``.
        title: the name for people.
        page: asks for the one page at a cursor (None: the first); called through ``ask``.
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
        proposes_files: whether its addresses are files of this machine, which are read; a ``file:`` address of any
            other provider is refused.
        edited: whether what is found is a list that a person edits: an address that is no longer in it is no longer
            asked for, and what it says about an address now replaces what it said before.
        licensed: whether it says the licence of each picture; where it does not, nothing of it can be kept when
            licences were asked for.
        filters: the filters that it can ask the service for.
        policy: how the service wants to be asked.
    """

    name: str
    title: str
    page: AskPage
    check: KeyCheck
    page_size: int
    homes: Mapping[str, str] = field(default_factory=dict)
    max_results: int | None = None
    default: DefaultRule = "named"
    needs_key: bool = False
    wants_contact: bool = False
    negates: bool = False
    max_lookups: int = 0
    local: bool = False
    proposes_files: bool = False
    edited: bool = False
    licensed: bool = True
    filters: frozenset[FilterName] = frozenset()
    policy: HostPolicy = HostPolicy()

    def ask(self, query: SearchQuery, cursor: object, fetch: Fetch, ready: Ready) -> ResultPage:
        """Return the one page at a cursor; keys and tokens that the service repeats are taken out of its words."""
        page = self.page(query, cursor, fetch, ready)
        tokens = {name: value for name, value in ready.memory.items() if "token" in name}
        redactor = Redactor({**ready.keys, **tokens})
        for secret in secrets_of(ready.base):
            redactor.add({"password": secret})
        return replace(page, detail=redactor.text(page.detail), sample=redactor.data(page.sample))

    def pages(self, query: SearchQuery, cursor: object, fetch: Fetch, ready: Ready) -> Iterator[ResultPage]:
        """Yield page after page from ``cursor`` (None: the beginning) on; asks only when pulled.

        The first page whose verdict is not ``ok`` is the last one. Never raises for what a service sends.
        """
        while True:
            page = self.ask(query, cursor, fetch, ready)
            yield page
            if page.verdict != "ok":
                return
            cursor = page.cursor
