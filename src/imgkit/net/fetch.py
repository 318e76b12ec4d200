"""Fetch one address within limits of time, transfer rate and size, whatever the host sends."""

import contextlib
import http.client
import re
import ssl
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from urllib3 import HTTPResponse
from urllib3.exceptions import HTTPError, IncompleteRead, ProtocolError, SSLError

from imgkit.net import opt_out
from imgkit.net.addresses import RefusedAddress, Target, parse
from imgkit.net.body import BodyReader, MinimumRate
from imgkit.net.connect import ConnectionPool, PooledConnection
from imgkit.net.cookies import Cookie, cookie_header, merged, received
from imgkit.net.dns import LookupFailedError
from imgkit.net.guard import Guard
from imgkit.net.outcomes import REDIRECTS, Failure, Fetched, Redirect, of_status
from imgkit.net.watchdog import Watch, Watchdog
from imgkit.redaction import without_objects

ACCEPT: Final = "image/jpeg,image/png,image/webp,image/*;q=0.8,*/*;q=0.5"
READ_BYTES: Final = 65536


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchLimits:
    """Limits of one fetch. Times in seconds, sizes in bytes."""

    connect_s: float = 5.0  # over all addresses of the host
    headers_s: float = 8.0  # from the request to the last header
    gap_s: float = 10.0  # between two pieces of the body
    slow_window_s: float = 5.0
    slow_bytes_per_s: float = 1024.0  # less than this over a whole window is net.slow
    deadline_s: float = 30.0  # the whole fetch, redirects included
    max_bytes: int = 20 * 1024 * 1024  # decoded
    max_ratio: int = 20  # decoded bytes for each byte received
    max_redirects: int = 5


LIMITS: Final = FetchLimits()


class Fetcher:
    """Fetches addresses, one per calling thread; connections are shared and reused.

    Args:
        guard: checks every host and address before it is connected to.
        user_agent: value of the User-Agent header.
        limits: of each fetch.
        proxy: address of an HTTP proxy, "" for none.
    """

    def __init__(self, guard: Guard, *, user_agent: str, limits: FetchLimits = LIMITS, proxy: str = "") -> None:
        self.guard = guard
        self.limits = limits
        self._user_agent = user_agent
        self._connections = ConnectionPool(guard, proxy=proxy)
        self._watchdog = Watchdog()

    def fetch(self, url: str, *, referer: str = "", picture: bool = True) -> Fetched | Failure:
        """Fetch ``url``, following redirects. Never raises for a network error, and returns within the deadline.

        Args:
            url: an unchecked address.
            referer: the page on which the address was found.
            picture: whether bodies that are web pages and hosts that opt out of training are failures.
        """
        started = time.monotonic()
        cookies: tuple[Cookie, ...] = ()
        for _ in range(self.limits.max_redirects + 1):
            left = self.limits.deadline_s - (time.monotonic() - started)
            answer = self.get(url, referer=referer, picture=picture, cookies=cookies, seconds=left)
            if not isinstance(answer, Redirect):
                return answer
            url, cookies = answer.url, answer.cookies
        return too_many_redirects(self.limits)

    def get(
        self,
        url: str | Target,
        *,
        referer: str = "",
        picture: bool = True,
        cookies: tuple[Cookie, ...] = (),
        seconds: float | None = None,
    ) -> Fetched | Redirect | Failure:
        """Send one request; a redirect comes back as ``Redirect`` to an address that was parsed but not yet checked.

        Args:
            url: an unchecked address, or the target that ``Guard.check`` returned for it.
            referer: the page on which the address was found.
            picture: as for ``fetch``.
            cookies: those that earlier redirects of this fetch set.
            seconds: time left until the deadline; by default ``deadline_s``.
        """
        limits = self.limits
        left = limits.deadline_s if seconds is None else min(seconds, limits.deadline_s)
        try:
            target = url if isinstance(url, Target) else self.guard.check(url)
        except RefusedAddress as refused:
            return Failure(reason=refused.reason, detail=refused.detail)
        with self._watchdog.watch(left, "net.deadline") as watch:
            try:
                headers = self._headers(referer)
                if sent := cookie_header(cookies, target):
                    headers["Cookie"] = sent
                answer = self._exchange(target, headers, watch, picture)
                if isinstance(answer, Redirect):
                    return replace(answer, cookies=merged(cookies, answer.cookies))
                return answer
            except RefusedAddress as refused:
                return Failure(reason=refused.reason, detail=refused.detail)
            except LookupFailedError as error:
                return Failure(reason="net.dns", detail=str(error), transient=True)
            except (OSError, HTTPError, http.client.HTTPException, ValueError) as error:
                return _failure_of(error, watch)

    def abort(self) -> None:
        """Abort every fetch in progress."""
        self._watchdog.abort()

    def close(self) -> None:
        """Close idle connections and end the watchdog."""
        self._connections.close()
        self._watchdog.close()

    def _headers(self, referer: str) -> dict[str, str]:
        headers = {"User-Agent": self._user_agent, "Accept": ACCEPT, "Accept-Encoding": "identity"}
        if referer:
            with contextlib.suppress(RefusedAddress):  # an invalid page address is not sent
                headers["Referer"] = parse(referer).url
        return headers

    def _exchange(
        self, target: Target, headers: dict[str, str], watch: Watch, picture: bool
    ) -> Fetched | Redirect | Failure:
        while True:
            pooled = self._connections.acquire(target, watch, connect_s=self.limits.connect_s)
            whole = False
            try:
                response = self._ask(pooled, target, headers, watch)
                answer = self._read(response, target, watch, picture)
                if watch.broken:  # to a body without a length, a broken connection looks like the end
                    return Failure(reason=watch.broken, detail="broken off", transient=True)
                whole = isinstance(answer, Fetched)
                return answer
            except (http.client.RemoteDisconnected, ConnectionError):
                if not pooled.reused or watch.broken:
                    raise  # an idle connection may have ended since; a new one may not
            finally:
                if whole:
                    self._connections.release(pooled)
                else:
                    watch.set_socket(None)
                    pooled.close()

    def _ask(self, pooled: PooledConnection, target: Target, headers: dict[str, str], watch: Watch) -> HTTPResponse:
        if not pooled.reused:
            watch.phase(2 * self.limits.connect_s, pooled.failure)
            pooled.connect()
        watch.phase(self.limits.headers_s, "net.read")
        return pooled.request(target, headers, headers_s=self.limits.headers_s, gap_s=self.limits.gap_s)

    def _read(
        self, response: HTTPResponse, target: Target, watch: Watch, picture: bool
    ) -> Fetched | Redirect | Failure:
        status, headers = response.status, response.headers
        if status in REDIRECTS:
            return _moved(headers.get("Location", ""), headers.getlist("Set-Cookie"), target)
        if 300 <= status < 400:
            return Failure(reason="net.redirect", detail=f"status {status}")
        if status == 206 and not _is_whole(headers.get("Content-Range", "")):
            return Failure(reason="net.short", detail="a part that nobody asked for", transient=True)
        if not 200 <= status < 300:
            return of_status(status, retry_after=headers.get("Retry-After", ""))
        if picture and (line := opt_out.opt_out(headers.items())):
            return Failure(reason="policy.header", detail=line[:200])
        watch.phase(self.limits.deadline_s, "net.deadline")
        receiver = BodyReader(
            coding=headers.get("Content-Encoding", ""),
            announced=_announced(headers.get("Content-Length", "")),
            max_bytes=self.limits.max_bytes,
            max_ratio=self.limits.max_ratio,
            picture=picture,
        )
        failure = receiver.problem or self._receive(response, receiver)
        if failure is not None:
            return failure
        return Fetched(body=receiver.body, url=target.url, content_type=headers.get("Content-Type", "")[:100])

    def _receive(self, response: HTTPResponse, receiver: BodyReader) -> Failure | None:
        pace = MinimumRate(window_s=self.limits.slow_window_s, least=self.limits.slow_bytes_per_s)
        while True:
            piece = response.read1(READ_BYTES, decode_content=False)
            if not piece:
                return receiver.end()
            if failure := receiver.take(piece) or pace.count(len(piece)):
                return failure


def too_many_redirects(limits: FetchLimits) -> Failure:
    """Return the failure of an address with more redirects than allowed."""
    return Failure(reason="net.redirect", detail=f"more than {limits.max_redirects} redirects")


def _is_whole(content_range: str) -> bool:
    """Return whether the Content-Range of a 206 that was not asked for covers the whole body, as "bytes 0-99/100"."""
    found = re.fullmatch(r"\s*bytes\s+0-(\d{1,15})/(\d{1,15})\s*", content_range, re.ASCII | re.IGNORECASE)
    return found is not None and int(found[1]) + 1 == int(found[2])


def _moved(location: str, set_cookies: Sequence[str], target: Target) -> Redirect | Failure:
    if not location.strip():
        return Failure(reason="net.redirect", detail="a redirect to nowhere")
    # header lines are bytes that http.client read as Latin-1; addresses in them are UTF-8 where they are not ASCII
    text = location.encode("latin-1", "replace").decode("utf-8", "replace")
    try:
        return Redirect(parse(text, base=target.url).url, received(set_cookies, target))
    except RefusedAddress as refused:
        return Failure(reason=refused.reason, detail=f"redirect: {refused.detail}")


def _announced(length: str) -> int | None:
    # Python refuses to read numbers of thousands of digits; the first eighteen are more than any limit
    return int(length.lstrip("0")[:18] or "0") if length.isascii() and length.isdigit() else None


def _failure_of(error: Exception, watch: Watch) -> Failure:
    """Map an exception to its reason code; the watchdog's reason comes first, since it shut the socket down."""
    if watch.broken:
        return Failure(reason=watch.broken, detail="broken off", transient=True)
    cause: BaseException = error
    while isinstance(cause, ProtocolError | SSLError) and cause.args and isinstance(cause.args[-1], BaseException):
        cause = cause.args[-1]
    detail = without_objects(f"{type(cause).__name__}: {cause}")[:200]
    connecting = watch.stage in ("net.connect", "net.proxy")
    if isinstance(cause, ssl.SSLEOFError | ssl.SSLZeroReturnError):
        reason = "net.reset"
    elif isinstance(cause, ssl.SSLError | SSLError):
        reason = "net.tls"
    elif isinstance(cause, ConnectionResetError | http.client.RemoteDisconnected | BrokenPipeError):
        reason = "net.reset"
    elif connecting:
        reason = watch.stage
    elif isinstance(cause, http.client.IncompleteRead | IncompleteRead | ValueError):
        reason = "net.short"  # ValueError: a chunk whose length is no number
    elif isinstance(cause, ConnectionError):
        reason = "net.reset"
    else:
        reason = "net.read"
    return Failure(reason=reason, detail=detail, transient=True)
