"""Read a response body in pieces: decode at most one content coding, stop at the limits, detect web pages early.

An unknown content coding, or one that was announced but not applied, is ignored where the body is a picture as it is.
"""

import time
import zlib
from typing import Final

from imgkit.net.outcomes import Failure
from imgkit.vision import sniff

SNIFF_BYTES: Final = 1024
RATIO_COUNTS_FROM_BYTES: Final = 256 * 1024  # small bodies may shrink a lot and do no harm
HEAD_BYTES: Final = 16  # by which a picture is told from packed bytes
MOST_PARTS: Final = 1000  # of a body that is packed in parts; each costs a copy of what follows it
_STEP: Final = 1024 * 1024  # bytes unpacked before the limits are looked at again
_CODINGS: Final = ("gzip", "x-gzip", "deflate")
_GZIP: Final = b"\x1f\x8b"
"""First bytes of a gzip member; a gzip body may hold several members."""


class BodyReader:
    """Incremental reader of one response body. ``problem`` is the failure that its headers alone are, or None.

    Args:
        coding: the Content-Encoding header.
        announced: the Content-Length header in bytes, None without one.
        max_bytes: of the unpacked body.
        max_ratio: unpacked bytes for each byte received.
        picture: whether a web page is a failure.
    """

    def __init__(self, *, coding: str, announced: int | None, max_bytes: int, max_ratio: int, picture: bool) -> None:
        self._max_bytes = max_bytes
        self._max_ratio = max_ratio
        self._picture = picture
        self._chunks: list[bytes] = []
        self._size = 0
        self._received = 0
        self._sniffed = not picture
        self._head = b""
        self._parts = 1
        self.problem: Failure | None = None
        codings = [one for one in coding.lower().replace(" ", "").split(",") if one not in ("", "identity")]
        known = [one for one in codings if one in _CODINGS]
        self._may_be_bare = "deflate" in known  # without the wrapping that the word means
        # 47: gzip or zlib, whichever the first bytes say
        self._unpacker = zlib.decompressobj(47) if known else None
        self._coding = coding[:60] if codings else ""
        if len(known) > 1:
            self.problem = Failure(reason="body.encoding_bomb", detail=f"{len(known)} codings: {coding[:60]}")
        elif announced is not None and announced > max_bytes:
            self.problem = self._too_big(f"{announced:,} B announced")

    @property
    def body(self) -> bytes:
        """The unpacked body so far."""
        if len(self._chunks) > 1:
            self._chunks = [b"".join(self._chunks)]
        return self._chunks[0] if self._chunks else b""

    def take(self, piece: bytes) -> Failure | None:
        """Add received bytes; return a failure when reading should stop, None to go on."""
        self._received += len(piece)
        if self._received > self._max_bytes:
            return self._too_big(f"more than {self._max_bytes:,} B received")
        if self._unpacker is not None and self._received - len(piece) < HEAD_BYTES:
            self._head += piece
            if len(self._head) < HEAD_BYTES:
                return None  # too few to tell what it is
            piece = self._settled_head()
        failure = self._put(piece)
        if failure is None and not self._sniffed and self._size >= SNIFF_BYTES:
            self._sniffed = True
            failure = self._not_wanted()
        return failure

    def end(self) -> Failure | None:
        """Return after the last piece what is wrong with the whole body, None when nothing is."""
        if self._head and (failure := self._put(self._settled_head())):
            return failure
        if self._size == 0:
            return Failure(reason="body.empty", detail="0 bytes")
        if self._unpacker is not None and not self._unpacker.eof:
            return Failure(reason="net.short", detail="the packed body is incomplete", transient=True)
        return None if self._sniffed else self._not_wanted()

    def _settled_head(self) -> bytes:
        """Return the first bytes; whether they are packed as the headers say is told by them."""
        if sniff.raster_format(self._head) is not None:
            self._unpacker = None  # it says that it is packed, and is the picture as it is
        head, self._head = self._head, b""
        return head

    def _put(self, piece: bytes) -> Failure | None:
        return self._add(piece) if self._unpacker is None else self._unpack(piece)

    def _add(self, data: bytes) -> Failure | None:
        self._size += len(data)
        if self._size > self._max_bytes:
            return self._too_big(f"more than {self._max_bytes:,} B")
        if data:
            self._chunks.append(data)
        return None

    def _unpack(self, piece: bytes) -> Failure | None:
        assert self._unpacker is not None
        try:
            while piece:
                if self._unpacker.eof:
                    if not piece.startswith(_GZIP) or self._parts == MOST_PARTS:
                        break  # what follows the end is read and dropped
                    self._parts += 1
                    self._unpacker = zlib.decompressobj(47)  # one more of several packed parts
                failure = self._add(self._unpacker.decompress(piece, _STEP))
                if failure is None and self._size > max(RATIO_COUNTS_FROM_BYTES, self._max_ratio * self._received):
                    failure = self._too_big(f"{self._received:,} B unpack to more than {self._size:,} B")
                if failure is not None:
                    return failure
                piece = self._unpacker.unconsumed_tail or self._unpacker.unused_data
        except zlib.error as error:
            if self._size == 0 and self._may_be_bare:
                self._may_be_bare = False
                self._unpacker = zlib.decompressobj(-15)
                return self._unpack(piece)
            return Failure(reason="body.not_image", detail=f"cannot be unpacked: {error}")
        return None

    def _too_big(self, detail: str) -> Failure:
        return Failure(reason="body.too_big" if self._unpacker is None else "body.encoding_bomb", detail=detail)

    def _not_wanted(self) -> Failure | None:
        head = self.body
        if sniff.raster_format(head) is not None:
            return None
        reason, detail = sniff.explain_other(head)
        if self._coding and self._unpacker is None and reason == "body.not_image":
            detail = f"coded as {self._coding} though nobody asked for it"
        return Failure(reason=reason, detail=detail)


class MinimumRate:
    """Detects a transfer below the minimum rate: less than ``least`` bytes per second over a whole window."""

    def __init__(self, *, window_s: float, least: float) -> None:
        self._window_s = window_s
        self._least = least
        self._mark = time.monotonic()
        self._bytes = 0

    def count(self, size: int) -> Failure | None:
        """Count bytes that arrived now; return ``net.slow`` when the window's rate is below the minimum."""
        self._bytes += size
        passed = time.monotonic() - self._mark
        if passed < self._window_s:
            return None
        if self._bytes < self._least * passed:
            return Failure(reason="net.slow", detail=f"{self._bytes:,} B in {passed:.1f} s", transient=True)
        self._mark, self._bytes = time.monotonic(), 0
        return None
