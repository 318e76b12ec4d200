"""The cursor of a search, serialisable as JSON, and the end of a search.

A search ends where its service says so, or after two pages in a row without new results."""

import base64
import binascii
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from imgkit.harvest.providers.interface import ResultPage
from imgkit.manifest.nouns import Proposal

DIGEST_BYTES: Final = 5  # 4,000 ids share a 40-bit digest with a probability of 1 in 100,000


@dataclass(frozen=True, slots=True, kw_only=True)
class Cursor:
    """The place in a search.

    ``page`` counts the pages that were read, ``given`` the proposals that were handed out (the next rank is one
    more), ``facts`` is what the provider found out on the way. ``seen`` holds short digests of everything handed
    out, so that a service that repeats itself is noticed in another process too.
    """

    page: int = 0
    given: int = 0
    facts: Mapping[str, str] = field(default_factory=dict)
    seen: frozenset[bytes] = frozenset()

    def as_json(self) -> dict[str, object]:
        """Return the cursor as a JSON object; ``read`` gives it back."""
        packed = base64.b64encode(b"".join(sorted(self.seen))).decode("ascii")
        return {"page": self.page, "given": self.given, "facts": dict(self.facts), "seen": packed}

    def new(self, ids: Sequence[str]) -> list[int]:
        """Return the positions in ``ids`` of those that were not handed out before, each once."""
        known = set(self.seen)
        positions = []
        for position, one in enumerate(ids):
            short = digest(one)
            if short not in known:
                known.add(short)
                positions.append(position)
        return positions

    def after(self, ids: Sequence[str], **facts: str) -> "Cursor":
        """Return the cursor behind a page that handed out ``ids``."""
        return replace(
            self,
            page=self.page + 1,
            given=self.given + len(ids),
            facts={**self.facts, **facts},
            seen=self.seen | {digest(one) for one in ids},
        )


def read(cursor: object) -> Cursor:
    """Return the cursor of a stored cursor; the beginning for None and for anything that is no cursor."""
    if not isinstance(cursor, Mapping):
        return Cursor()
    page, given, facts, seen = (cursor.get(name) for name in ("page", "given", "facts", "seen"))
    if not isinstance(page, int) or not isinstance(given, int) or not isinstance(facts, Mapping):
        return Cursor()
    try:
        packed = base64.b64decode(str(seen), validate=True)
    except (binascii.Error, ValueError):
        return Cursor()
    digests = frozenset(packed[start : start + DIGEST_BYTES] for start in range(0, len(packed), DIGEST_BYTES))
    texts = {str(key): str(value) for key, value in facts.items()}
    return Cursor(page=max(0, page), given=max(0, given), facts=texts, seen=digests)


def digest(text: str) -> bytes:
    """Return a short digest of an id or address."""
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=DIGEST_BYTES).digest()


EMPTY_PAGES: Final = "barren"
"""The fact of a cursor that counts the pages in a row that brought nothing new."""

MAX_EMPTY_PAGES: Final = 2
"""A single page without results in the middle of a search happens, and the next one is full."""


def page_of(
    proposals: Sequence[Proposal],
    following: Cursor,
    *,
    more: bool | None,
    title: str,
    what: str = "results",
    known: bool = False,
) -> ResultPage:
    """Return the page for an answer that could be read.

    Args:
        proposals: what the answer brought that was not handed out before.
        following: the place behind the answer; its fact ``barren`` is still that of the place that was asked.
        more: True: the service says that more follows; False: it marks the end; None: it says neither.
        title: the service's name for people.
        what: what it has, for people.
        known: the answer is a step further although all of it was handed out before, or is still to be completed.

    Returns:
        ``end`` or ``empty`` for a marked end; ``ok`` while the search goes on, without proposals after a first page
        that brought nothing; ``assumed_end`` after a second one.
    """
    detail = f"{title} has {following.given:,} {what}" if following.given else f"{title} finds nothing for this query"
    if more is False:
        return ResultPage(verdict="end" if following.given else "empty", proposals=tuple(proposals), detail=detail)
    if proposals or known:
        return ResultPage(verdict="ok", proposals=tuple(proposals), cursor=_with(following, 0).as_json())
    empty_pages = _count(following) + 1
    cursor = _with(following, empty_pages).as_json()
    if empty_pages < MAX_EMPTY_PAGES:
        return ResultPage(
            verdict="ok", cursor=cursor, no_new_results=True, detail=f"{title} sent a page without anything new"
        )
    return ResultPage(
        verdict="assumed_end", cursor=cursor, detail=f"{detail}; {empty_pages} pages in a row brought nothing new"
    )


def at_most(proposals: Sequence[Proposal], most: int, *, title: str, what: str = "results") -> ResultPage:
    """Return the last page of a search that has come to the most that its service gives."""
    return ResultPage(verdict="end", proposals=tuple(proposals), detail=f"{title} gives at most {most:,} {what}")


def _count(mark: Cursor) -> int:
    text = mark.facts.get(EMPTY_PAGES, "0")
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 3 else 0


def _with(mark: Cursor, empty_pages: int) -> Cursor:
    facts = {name: value for name, value in mark.facts.items() if name != EMPTY_PAGES}
    return replace(mark, facts={**facts, EMPTY_PAGES: str(empty_pages)} if empty_pages else facts)
