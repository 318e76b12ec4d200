"""The nouns of the data folder as frozen dataclasses: what stages hand to each other through the manifest."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

CandidateState = Literal["pending", "kept", "rejected", "deferred"]
"""pending: not tried, or not needed yet · kept: its picture is in the set · rejected: final, with a reason ·
deferred: a passing failure, tried again by the next harvest."""

Verdict = Literal["keep", "reject", "suspect"]
Action = Literal["keep", "reject", "relabel", "undo"]
Actor = Literal["machine", "person"]
ReviewKind = Literal["decide", "unsure", "answer", "undo"]
AuditKind = Literal["sample", "catch"]

ItemKey = tuple[str, str]  # label and id of an item


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """One row of a queries file: what to search for, and what the pictures are called.

    ``label`` is the folder name (a slug); ``name`` is what people read. ``providers`` empty means the defaults of the
    run; ``limit`` caps the candidates of each provider for this query; ``licences`` empty means any.
    """

    label: str
    name: str
    text: str
    exclude: tuple[str, ...] = ()
    providers: tuple[str, ...] = ()
    limit: int | None = None
    licences: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class QueryRow:
    """A row that is in force: somebody asks for its query. ``file`` is its queries file, "" for the command line."""

    file: str
    query_id: int
    query: Query


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """A search hit, before anyone fetched it, as a provider returns it.

    ``rank`` counts from 1 within the query. ``license`` is what the provider says ("" when it says nothing, never a
    guess). ``group`` names pictures that belong together (one observation, one album); "" when alone. ``fallbacks``
    are further addresses of the same picture, best first; ``thumbnail`` is a small copy that the service itself keeps.
    A file of this machine is a ``file:`` address, which only the provider ``folder`` may propose.
    """

    url: str
    rank: int
    page_url: str = ""
    title: str = ""
    tags: str = ""
    author: str = ""
    author_url: str = ""
    license: str = ""
    license_url: str = ""
    group: str = ""
    fallbacks: tuple[str, ...] = ()
    thumbnail: str = ""
    width: int | None = None
    height: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A proposal as the manifest keeps it. Every candidate is in exactly one state, with one reason."""

    id: int
    label: str
    query_id: int
    provider: str
    round: int
    proposal: Proposal
    state: CandidateState = "pending"
    reason: str = ""
    detail: str = ""
    attempts: int = 0
    next_try_at: datetime | None = None
    image_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """Bytes that decode to a picture.

    ``id`` is the first 20 hex digits of ``sha256``, the hash of the bytes as received; ``stored_sha256`` is the hash
    of the file in ``originals/`` (after the metadata was stripped). ``width`` and ``height`` are pixels of the upright
    picture; ``notes`` say what the decoder had to do ("cmyk", "alpha on white", "12 frames").
    """

    sha256: str
    stored_sha256: str
    extension: str
    bytes: int
    width: int
    height: int
    frames: int = 1
    notes: tuple[str, ...] = ()

    @property
    def id(self) -> str:
        """The name of the picture everywhere: 20 hex digits."""
        return self.sha256[:20]


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """An image under a label: the unit that is harvested, curated and trained on.

    ``width``/``height``/``file_sha256`` describe the materialised file ``harvested/<label>/<image_id>.jpg``.
    """

    label: str
    image_id: str
    width: int
    height: int
    file_sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What one check says about one item; ``score`` is comparable within its check, higher is worse.

    ``detail`` is evidence that JSON can hold: the other picture, the suggested label, measured values.
    """

    label: str
    image_id: str
    check: str
    score: float
    threshold: float
    detail: dict[str, object] = field(default_factory=dict)
    version: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """The machine's verdict on one item, rewritten by every curate; a person's decision outranks it.

    ``group`` names what must stay in one split, copies and pictures of one moment ("" when alone); ``suggested`` is
    another label that fits better. ``copies`` names the group of copies ("" when alone) and ``rank`` is the place in
    it, 0 for the best. ``included`` says whether the picture is in the set while nobody decides about it (None: not
    said, as the verdict has it), ``placed`` under which label the set that was written holds it ("" for out).

    ``probability`` is the chance that a person would throw the picture out, more than 0 and less than 1, and ``why``
    says in words what speaks for that; 1/2 and "" where no curate that estimates it has run yet. Copies share theirs.
    """

    label: str
    image_id: str
    verdict: Verdict
    reason: str = ""
    check: str = ""
    score: float = 0.0
    detail: str = ""
    suggested: str = ""
    group: str = ""
    copies: str = ""
    rank: int = 0
    included: bool | None = None
    placed: str = ""
    probability: float = 0.5
    why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """One event in the append-only log of decisions.

    ``to_label`` belongs to relabel; ``undoes`` is the id of the decision that an undo takes back. ``key`` makes a
    retry harmless: a second decision with the same non-empty key is not written.
    """

    image_id: str
    label: str
    action: Action
    reason: str = ""
    to_label: str = ""
    actor: Actor = "person"
    command: str = ""
    undoes: int | None = None
    key: str = ""
    id: int = 0
    at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewAction:
    """One thing that a person did on the review page: a key, a click, a swipe.

    ``kind``: "decide" and "undo" come with decisions, whose keys are ``<key>.0``, ``<key>.1`` and so on; "unsure" marks
    the item for a second look; "answer" answers a question of an audit, with or without decisions. ``label`` and
    ``image_id`` name the item that was painted. ``answer`` is what was chosen (keep, reject, relabel or unsure).
    ``undoes`` is the key of the action that an undo takes back; undoing an undo is redoing. ``audit`` is the id of the
    audit that asked. ``dwell_ms`` is how long the item had been painted, 0 when unknown.
    """

    key: str
    reviewer: str
    mode: str
    kind: ReviewKind
    label: str = ""
    image_id: str = ""
    answer: str = ""
    undoes: str = ""
    audit: int | None = None
    dwell_ms: int = 0
    id: int = 0
    at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One picture of an audit: drawn at random from the set, or a known bad one that tests the reviewer."""

    label: str
    image_id: str
    trial: AuditKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Audit:
    """A random sample of the kept pictures that nobody had looked at, in the order shown, with trials in between.

    ``kept`` counts the pictures of the set at that moment, ``unseen`` those of them that no person had decided about:
    the sample was drawn from these without replacement.
    """

    kept: int
    unseen: int
    questions: tuple[Question, ...]
    id: int = 0
    at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchState:
    """How far the search of one query at one provider has come.

    ``cursor`` is the provider's own bookmark (JSON-serialisable, None at the start); ``verdict`` is the provider's
    last word (``ok`` while there is more, ``end`` when everything was seen, or why it stopped).
    """

    query_id: int
    provider: str
    cursor: object = None
    verdict: str = "ok"
    detail: str = ""
    found: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Count:
    """One cell of a table: how many candidates or items share these values."""

    label: str
    provider: str
    state: str
    reason: str
    count: int
