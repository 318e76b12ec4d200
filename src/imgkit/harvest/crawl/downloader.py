"""Download one picture: send a request, decode the bytes in a worker process and store the original."""

import time
from dataclasses import dataclass

from imgkit.engine import Engine
from imgkit.harvest.crawl import local_files
from imgkit.harvest.crawl.screening import Tombstones
from imgkit.harvest.storage.ingest import Ingested, Shrunk, Task, packed_ingest, unpacked_ingest
from imgkit.harvest.storage.originals import Originals
from imgkit.manifest import Image
from imgkit.net import robots
from imgkit.net.addresses import Target
from imgkit.net.fetch import Fetcher
from imgkit.net.outcomes import Failure, Fetched, Redirect
from imgkit.net.retry import DownloadAttempt
from imgkit.vision.decode import Rejected


@dataclass(frozen=True, slots=True)
class TimedAnswer:
    """An answer, and the seconds it took."""

    answer: Fetched | Redirect | Failure
    seconds: float


@dataclass(frozen=True, slots=True)
class StoredPicture:
    """A picture whose original is safe on disk, ready to be put under its labels. ``url`` is where it came from."""

    image: Image
    shrunk: Shrunk
    url: str


class Downloader:
    """Downloads, decodes and stores pictures. Safe for threads.

    Args:
        fetcher: asks hosts.
        engine: decodes, in other processes.
        originals: keeps what was received.
        size: longest side in pixels to shrink to.
        smallest_side: pictures with a shorter side are rejected, in pixels.
        removed: what was removed on request.
    """

    def __init__(
        self,
        fetcher: Fetcher,
        engine: Engine,
        originals: Originals,
        *,
        size: int,
        smallest_side: int,
        removed: Tombstones,
    ) -> None:
        self._fetcher = fetcher
        self._engine = engine
        self._originals = originals
        self._size = size
        self._smallest_side = smallest_side
        self._removed = removed

    def request(self, attempt: DownloadAttempt, target: Target | None) -> TimedAnswer:
        """Ask once. ``target`` is what the guard made of the attempt's address, None for a file of this machine."""
        began = time.monotonic()
        answer: Fetched | Redirect | Failure
        if target is None:
            answer = local_files.read_file(attempt.url, max_bytes=self._fetcher.limits.max_bytes)
        else:
            left = self._fetcher.limits.deadline_s - attempt.seconds
            answer = self._fetcher.get(target, referer=attempt.referer, cookies=attempt.cookies, seconds=left)
        return TimedAnswer(answer, time.monotonic() - began)

    def ask_robots(self, target: Target) -> str | Failure:
        """Return the robots.txt of a target's origin, or why it cannot be had now."""
        return robots.of_answer(self._fetcher.fetch(target.origin + robots.PATH, picture=False))

    def arrive(self, fetched: Fetched) -> StoredPicture | Failure:
        """Decode and keep what was fetched.

        Raises:
            ResourceError: no space or no permission.
        """
        task = Task(
            body=fetched.body, size=self._size, smallest_side=self._smallest_side, looks=bool(self._removed.looks)
        )
        outcome = self._engine.submit(packed_ingest, task).result()
        return self.keep(unpacked_ingest(outcome, fetched.body), fetched.url)

    def keep(self, outcome: Ingested | Rejected, url: str) -> StoredPicture | Failure:
        """Keep what came of decoding, or say why nothing is kept.

        Raises:
            ResourceError: no space or no permission.
        """
        if isinstance(outcome, Rejected):
            return Failure(reason=outcome.reason, detail=outcome.detail)
        if why := self._removed.cover_picture(outcome.sha256, outcome.looks):
            return Failure(reason="policy.removed", detail=why)
        return StoredPicture(self._originals.keep(outcome), outcome.shrunk, url)

    def abort(self) -> None:
        """End every fetch that is under way at once."""
        self._fetcher.abort()
