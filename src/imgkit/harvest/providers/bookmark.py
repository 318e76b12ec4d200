"""Where a search stands: what a provider must remember between two pages, as JSON can hold it."""

import base64
import binascii
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

DIGEST_BYTES: Final = 5  # 4,000 ids share a 40-bit digest with a probability of 1 in 100,000


@dataclass(frozen=True, slots=True, kw_only=True)
class Bookmark:
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
        """Return the bookmark as a JSON object; ``read`` gives it back."""
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

    def after(self, ids: Sequence[str], **facts: str) -> "Bookmark":
        """Return the bookmark behind a page that handed out ``ids``."""
        return replace(
            self,
            page=self.page + 1,
            given=self.given + len(ids),
            facts={**self.facts, **facts},
            seen=self.seen | {digest(one) for one in ids},
        )


def read(cursor: object) -> Bookmark:
    """Return the bookmark of a stored cursor; the beginning for None and for anything that is no bookmark."""
    if not isinstance(cursor, Mapping):
        return Bookmark()
    page, given, facts, seen = (cursor.get(name) for name in ("page", "given", "facts", "seen"))
    if not isinstance(page, int) or not isinstance(given, int) or not isinstance(facts, Mapping):
        return Bookmark()
    try:
        packed = base64.b64decode(str(seen), validate=True)
    except (binascii.Error, ValueError):
        return Bookmark()
    digests = frozenset(packed[start : start + DIGEST_BYTES] for start in range(0, len(packed), DIGEST_BYTES))
    texts = {str(key): str(value) for key, value in facts.items()}
    return Bookmark(page=max(0, page), given=max(0, given), facts=texts, seen=digests)


def digest(text: str) -> bytes:
    """Return a short digest of an id or address."""
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=DIGEST_BYTES).digest()
