"""Write down what became of each candidate, in memory at once and in the manifest a few times a second."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Final

from imgkit.harvest.crawl.downloader import StoredPicture
from imgkit.harvest.crawl.duplicate_tracker import MOVED, DuplicateTracker, is_placeholder_redirect
from imgkit.harvest.crawl.local_files import address_key
from imgkit.harvest.crawl.order import RankedAddress
from imgkit.harvest.crawl.screening import REVERSIBLE
from imgkit.harvest.storage.materialise import write_item
from imgkit.manifest import Candidate, Image, Item, Manifest
from imgkit.manifest.addresses import url_key
from imgkit.net.addresses import RefusedAddress, parse
from imgkit.net.outcomes import Failure

ROWS_PER_WRITE: Final = 200
SECONDS_PER_WRITE: Final = 0.02  # what a crash may cost: these pictures are fetched again; a write takes 1 ms

THUMBNAIL: Final = "only a thumbnail: "
"""Begins the detail of a candidate whose picture is gone and whose thumbnail was kept."""

SHARED_FAMILIES: Final = ("http.", "body.", "img.", "net.", "policy.robots", "policy.header", "policy.removed")
"""Reasons that hold for an address whatever label it is under."""


@dataclass(frozen=True, slots=True)
class Known:
    """What an address led to: a picture, or a failure. ``detail`` says how the picture came."""

    image_id: str | None = None
    detail: str = ""
    failure: Failure | None = None


class ResultWriter:
    """The account of a run. Used by one thread.

    Args:
        manifest: where it ends up.
        clock: seconds, for the pace of writing.
        now: the time of day, for what is put off.
    """

    def __init__(
        self,
        manifest: Manifest,
        *,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.ledger = DuplicateTracker()
        self._manifest = manifest
        self._clock = clock
        self._now = now
        self._known: dict[str, Known] = {}  # address to what it led to
        self._plain: dict[str, str] = {}  # the same for pictures that came straight: address to image id; most are
        self._candidates: list[Candidate] = []
        self._images: list[Image] = []
        self._items: list[Item] = []
        self._written = clock()

    def load(self, candidates: Iterable[Candidate]) -> None:
        """Take over what earlier runs found out."""
        for one in candidates:
            key = address_key(one)
            if one.image_id is not None:
                if one.reason not in REVERSIBLE:
                    self.ledger.note(one)
                self._remember(key, one.image_id, one.detail)
            elif one.state == "rejected" and one.reason.startswith(SHARED_FAMILIES):
                self._known.setdefault(key, Known(failure=Failure(reason=one.reason, detail=one.detail)))

    def forget(self, entry: RankedAddress) -> None:
        """Let an address be asked again in this run."""
        self._known.pop(entry.key, None)

    def recall(self, entry: RankedAddress) -> bool:
        """Settle an entry with what its address led to before, if that is known; return whether it was."""
        if (image_id := self._plain.get(entry.key)) is not None:
            self._keep(entry, image_id, "", requests=0)
            return True
        known = self._known.get(entry.key)
        if known is None:
            return False
        if known.failure is not None:
            self._fail(entry, known.failure, requests=0)
        else:
            assert known.image_id is not None
            self._keep(entry, known.image_id, known.detail, requests=0)
        return True

    def arrived(
        self, entries: Iterable[RankedAddress], arrived: StoredPicture, *, requests: int, thumbnail: bool = False
    ) -> None:
        """Note that an address led to a picture, or to a thumbnail of it, under every label that waits for it.

        Raises:
            ResourceError: no space or no permission for the picture under its label.
        """
        self._images.append(arrived.image)  # its candidates need it, also when there is no room for the rest
        for entry in entries:
            url = entry.first.proposal.url
            moved = arrived.url != url and url_key(arrived.url) != url_key(_as_sent(url))
            detail = f"{THUMBNAIL if thumbnail else MOVED}{arrived.url}"[:500] if moved else ""
            self._remember(entry.key, arrived.image.id, detail)
            if self._keep(entry, arrived.image.id, detail, requests=requests):
                self._items.append(
                    write_item(self._manifest.folder, entry.first.label, arrived.image.id, arrived.shrunk)
                )
            requests = 0  # they count once

    def failed(self, entries: Iterable[RankedAddress], failure: Failure, *, requests: int) -> None:
        """Note that an address led to nothing, now or for good."""
        for entry in entries:
            self._known[entry.key] = Known(failure=failure)
            self._fail(entry, failure, requests=requests)
            requests = 0

    def flush(self, *, force: bool = False) -> None:
        """Write what has come together, if it is much or some time has passed.

        Raises:
            ResourceError: no space or no permission.
        """
        due = len(self._candidates) >= ROWS_PER_WRITE or self._clock() - self._written >= SECONDS_PER_WRITE
        if not force and not due:
            return
        self._written = self._clock()
        if not (self._candidates or self._images):
            return
        with self._manifest.together():
            for image in self._images:
                self._manifest.put_image(image)
            self._manifest.settle(self._candidates)
            self._manifest.put_items(self._items)
        self._candidates, self._images, self._items = [], [], []

    def _remember(self, key: str, image_id: str, detail: str) -> None:
        if detail:
            self._known[key] = Known(image_id=image_id, detail=detail)
        else:
            self._plain[key] = image_id

    def _keep(self, entry: RankedAddress, image_id: str, detail: str, *, requests: int) -> bool:
        urls = [one.proposal.url for one in entry.candidates]
        placeholder = detail.startswith(MOVED) and is_placeholder_redirect(urls[0], detail.removeprefix(MOVED))
        new = self.ledger.add(entry.first.label, image_id, urls, placeholder=placeholder)
        # who is kept and who is the copy is settled again at the end, by the fixed order
        reasons = ["" if new else "dup.exact", *["dup.exact"] * (len(urls) - 1)]
        if self.ledger.is_placeholder(image_id):
            reasons = ["img.placeholder"] * len(urls)
        self._candidates += [
            replace(
                one,
                state="rejected" if reason else "kept",
                reason=reason,
                detail=detail,
                attempts=one.attempts + (requests if number == 0 else 0),
                next_try_at=None,
                image_id=image_id,
            )
            for number, (one, reason) in enumerate(zip(entry.candidates, reasons, strict=True))
        ]
        return new

    def _fail(self, entry: RankedAddress, failure: Failure, *, requests: int) -> None:
        wait = failure.retry_after if failure.transient else None
        self._candidates += [
            replace(
                one,
                state="deferred" if failure.transient else "rejected",
                reason=failure.reason,
                detail=failure.detail[:500],
                attempts=one.attempts + (requests if number == 0 else 0),
                next_try_at=None if wait is None else self._now() + timedelta(seconds=wait),
                image_id=None,
            )
            for number, one in enumerate(entry.candidates)
        ]


def _as_sent(url: str) -> str:
    """Return the address as it is asked for, so that a mended blemish is no move."""
    try:
        return parse(url).url
    except RefusedAddress:
        return url
