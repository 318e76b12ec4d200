"""How a host misbehaves on the wire: statuses, redirects, stalls, resets, lengths and encodings that lie."""

import functools
import gzip
import struct
import zlib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import TypeAlias
from urllib.parse import quote

from imgkit.demo.web.exchange import Exchange, head

Answer: TypeAlias = Callable[[Exchange, bytes], None]
"""Answers a request; the bytes are those of the good picture."""

JPEG = "image/jpeg"
STALL_SECONDS = 60.0  # longer than every deadline of the client
MEGABYTE = 1024 * 1024
BOMB_MEGABYTES = 1024


def good(exchange: Exchange, data: bytes) -> None:
    """Send the picture as a well-kept host does."""
    exchange.send(200, data, content_type=JPEG)


def typed(content_type: str) -> Answer:
    """Send the picture under a content type of one's own, "" for none."""
    return lambda exchange, data: exchange.send(200, data, content_type=content_type)


def status(code: int, *headers: tuple[str, str]) -> Answer:
    """Answer with a status and a short page, always."""
    page = f"<!doctype html><title>{code}</title><h1>{code}</h1>".encode()
    return lambda exchange, data: exchange.send(code, page, content_type="text/html", headers=headers)


def until(times: int, broken: Answer, then: Answer = good) -> Answer:
    """Be broken for the first ``times`` requests of an address and then as good as ``then``."""
    return lambda exchange, data: (broken if exchange.count <= times else then)(exchange, data)


def opted_out(*headers: tuple[str, str]) -> Answer:
    """Send the picture with headers that say who may not use it."""
    return lambda exchange, data: exchange.send(200, data, content_type=JPEG, headers=headers)


def retry_date(exchange: Exchange, data: bytes) -> None:
    """Answer 429 with a Retry-After that is a date, two seconds from now."""
    later = datetime.now(UTC) + timedelta(seconds=2)
    status(429, ("Retry-After", format_datetime(later, usegmt=True)))(exchange, data)


def needs_referer(exchange: Exchange, data: bytes) -> None:
    """Refuse whoever does not come from a page."""
    if exchange.headers.get("Referer", "").startswith("http"):
        good(exchange, data)
    else:
        status(403)(exchange, data)


def reset(exchange: Exchange, data: bytes) -> None:
    """Break the connection before a word."""
    exchange.reset()


def reset_halfway(exchange: Exchange, data: bytes) -> None:
    """Break the connection in the middle of the body."""
    exchange.raw(head(200, [("Content-Type", JPEG), ("Content-Length", str(len(data)))]) + data[: len(data) // 2])
    exchange.wait(0.05)
    exchange.reset()


def silent(exchange: Exchange, data: bytes) -> None:
    """Take the request and never answer."""
    exchange.wait_for_client(STALL_SECONDS)


def slow_headers(exchange: Exchange, data: bytes) -> None:
    """Send the headers a byte a second."""
    _drip(exchange, head(200, [("Content-Type", JPEG), ("Content-Length", str(len(data)))]))


def slow_body(exchange: Exchange, data: bytes) -> None:
    """Send the body a byte a second."""
    exchange.raw(head(200, [("Content-Type", JPEG), ("Content-Length", str(len(data)))]))
    _drip(exchange, data)


def after(seconds: float) -> Answer:
    """Be good after a pause of some seconds."""

    def answer(exchange: Exchange, data: bytes) -> None:
        exchange.wait(seconds)
        good(exchange, data)

    return answer


def steady(exchange: Exchange, data: bytes) -> None:
    """Send the body in ten pieces with short pauses: slow, but well above every limit."""
    exchange.raw(head(200, [("Content-Type", JPEG), ("Content-Length", str(len(data)))]))
    size = max(1, len(data) // 10)
    for start in range(0, len(data), size):
        exchange.wait(0.03)
        exchange.raw(data[start : start + size], last=start + size >= len(data))


def endless(exchange: Exchange, data: bytes) -> None:
    """Start like a picture and never end."""
    exchange.raw(head(200, [("Content-Type", JPEG)]) + data)
    chunk = bytes(256 * 1024)
    for _ in range(4096):  # 1 GiB is endless enough, and a client without a limit is not killed by it
        exchange.raw(chunk)
    exchange.hang_up()


def announced(length: int) -> Answer:
    """Announce a length that nobody should wait for, and send what there is."""

    def answer(exchange: Exchange, data: bytes) -> None:
        exchange.raw(head(200, [("Content-Type", JPEG), ("Content-Length", str(length))]) + data)
        exchange.wait_for_client(STALL_SECONDS)

    return answer


def ends_early(exchange: Exchange, data: bytes) -> None:
    """Announce the whole body, send two thirds and close."""
    exchange.raw(head(200, [("Content-Type", JPEG), ("Content-Length", str(len(data)))]) + data[: len(data) * 2 // 3])
    exchange.hang_up()


def announced_short(exchange: Exchange, data: bytes) -> None:
    """Announce half of the body and send all of it."""
    exchange.raw(head(200, [("Content-Type", JPEG), ("Content-Length", str(len(data) // 2))]) + data, last=True)
    exchange.hang_up()


def no_length(exchange: Exchange, data: bytes) -> None:
    """Let the end of the connection end the body, as HTTP/1.0 did."""
    exchange.send(200, data, content_type=JPEG, headers=[("Connection", "close")], length=False)


def chunked(exchange: Exchange, data: bytes) -> None:
    """Send the body in chunks."""
    exchange.raw(head(200, [("Content-Type", JPEG), ("Transfer-Encoding", "chunked")]))
    exchange.raw(
        b"".join(_chunk(data[start : start + 4000]) for start in range(0, len(data), 4000)) + b"0\r\n\r\n", last=True
    )


def chunked_cut(exchange: Exchange, data: bytes) -> None:
    """Send chunks and close before the last one."""
    exchange.raw(head(200, [("Content-Type", JPEG), ("Transfer-Encoding", "chunked")]))
    exchange.raw(_chunk(data[: len(data) // 2]))
    exchange.hang_up()


def chunked_nonsense(exchange: Exchange, data: bytes) -> None:
    """Send a chunk whose length is not a number."""
    exchange.raw(head(200, [("Content-Type", JPEG), ("Transfer-Encoding", "chunked")]))
    exchange.raw(_chunk(data[: len(data) // 2]) + b"zz\r\n" + data[len(data) // 2 :])
    exchange.hang_up()


def gzipped(exchange: Exchange, data: bytes) -> None:
    """Send the picture gzipped, though nobody asked for it."""
    exchange.send(200, gzip.compress(data, 1), content_type=JPEG, headers=[("Content-Encoding", "gzip")])


def gzip_bomb(exchange: Exchange, data: bytes) -> None:
    """Send 1 MB that unpacks to 1 GiB."""
    exchange.send(200, _bomb(), content_type=JPEG, headers=[("Content-Encoding", "gzip")])


def stacked(exchange: Exchange, data: bytes) -> None:
    """Send the picture gzipped six times over."""
    for _ in range(6):
        data = gzip.compress(data, 1)
    exchange.send(200, data, content_type=JPEG, headers=[("Content-Encoding", ", ".join(["gzip"] * 6))])


def redirects(hops: int, *, code: int = 302) -> Answer:
    """Redirect this many times, each to a new address on the same host, then be good."""

    def answer(exchange: Exchange, data: bytes) -> None:
        hop = int(exchange.params.get("hop", "0"))
        if hop >= hops:
            good(exchange, data)
        else:
            redirect(exchange, f"{_without_hop(exchange)}hop={hop + 1}", code=code)

    return answer


def redirect_loop(exchange: Exchange, data: bytes) -> None:
    """Redirect from one address to another and back."""
    hop = 1 - int(exchange.params.get("hop", "0"))
    redirect(exchange, f"{_without_hop(exchange)}hop={hop}")


def redirect_elsewhere(exchange: Exchange, data: bytes) -> None:
    """Redirect to the same picture on another host."""
    if "hop" in exchange.params:
        good(exchange, data)
    else:
        redirect(exchange, f"http://{exchange.sites[exchange.neighbour]}{_without_hop(exchange)}hop=1")


def redirect_to(location: str) -> Answer:
    """Redirect to one place; ``{name}`` stands for the address of a site."""

    def answer(exchange: Exchange, data: bytes) -> None:
        place = location
        for name, address in exchange.sites.items():
            place = place.replace(f"{{{name}}}", address)
        redirect(exchange, place)

    return answer


def redirect_nowhere(exchange: Exchange, data: bytes) -> None:
    """Answer 302 without saying where to go."""
    exchange.send(302, b"moved", content_type="text/plain")


def redirect(exchange: Exchange, location: str, *, code: int = 302) -> None:
    """Send a redirect."""
    exchange.send(code, b"moved", content_type="text/plain", headers=[("Location", location)])


def _without_hop(exchange: Exchange) -> str:
    base = exchange.target.split("hop=")[0].rstrip("?&")
    return quote(base, safe="/?&=%") + ("&" if "?" in base else "?")


def _drip(exchange: Exchange, data: bytes) -> None:
    for start in range(min(len(data), round(STALL_SECONDS))):
        exchange.raw(data[start : start + 1])
        exchange.wait(1.0)
    exchange.hang_up()


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


@functools.cache
def _bomb() -> bytes:
    """A gzip file of 1 MB with 1 GiB of zeros: one packed megabyte, repeated."""
    zeros, checksum = bytes(MEGABYTE), 0
    packer = zlib.compressobj(9, wbits=-15)
    packed = packer.compress(zeros) + packer.flush(zlib.Z_FULL_FLUSH)  # after a full flush it may be repeated
    for _ in range(BOMB_MEGABYTES):
        checksum = zlib.crc32(zeros, checksum)
    start = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\xff"
    end = packer.flush() + struct.pack("<II", checksum, BOMB_MEGABYTES * MEGABYTE)
    return start + packed * BOMB_MEGABYTES + end
