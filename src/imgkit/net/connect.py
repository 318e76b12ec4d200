"""Connections to checked addresses: opened through the guard, breakable from outside, kept for the next request."""

import contextlib
import http.client
import socket
import ssl
import threading
import time
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

from requests.certs import where  # type: ignore[attr-defined]  # the stubs leave it out
from urllib3 import HTTPResponse
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.util.connection import is_connection_dropped

from imgkit.errors import UsageError
from imgkit.net.addresses import RefusedAddress, Target, parse
from imgkit.net.dns import LookupFailedError
from imgkit.net.guard import Guard
from imgkit.net.watchdog import Watch
from imgkit.redaction import without_password

IDLE_SECONDS = 15.0
IDLE_PER_HOST = 2
IDLE_IN_ALL = 64
MOST_HINTS = 10
MOST_HINT_LINES = 100
LONGEST_LINE = 65536


class _Breakable:
    """A connection whose socket comes from the guard, with a second handle on it (``lifeline``) to break it by.

    The handle is a duplicate, since TLS takes the first one for itself before the handshake is over.
    """

    guard: Guard
    target: Target
    proxy_target: Target | None
    watch: Watch
    connect_s: float
    lifeline: socket.socket | None = None

    def _new_conn(self) -> socket.socket:
        time_left = min(self.connect_s, self.watch.left)
        if self.proxy_target is None:
            connected = self.guard.connect(self.target, timeout_s=time_left)
        else:
            with contextlib.suppress(LookupFailedError):  # the proxy may know names that this machine does not
                self.guard.addresses(self.target)
            connected = self.guard.connect_to_proxy(self.proxy_target, timeout_s=time_left)
        self.lifeline = connected.dup()
        self.watch.hold(self.lifeline)
        return connected


class _FinalResponse(http.client.HTTPResponse):
    """An HTTP response; informational ones (status 1xx, such as 103 Early Hints) before it are skipped."""

    def _read_status(self) -> tuple[str, int, str]:
        for _ in range(MOST_HINTS):
            version, status, reason = super()._read_status()  # type: ignore[misc]
            if status not in range(101, 200) or status == http.client.SWITCHING_PROTOCOLS:
                return version, status, reason
            self._skip_headers()
        raise http.client.HTTPException(f"more than {MOST_HINTS} answers before the answer")

    def _skip_headers(self) -> None:
        for _ in range(MOST_HINT_LINES):
            line = self.fp.readline(LONGEST_LINE)
            if line in (b"\r\n", b"\n", b""):
                return
        raise http.client.HTTPException(f"more than {MOST_HINT_LINES} header lines")


class _Plain(_Breakable, HTTPConnection):
    response_class = _FinalResponse


class _Encrypted(_Breakable, HTTPSConnection):
    response_class = _FinalResponse


@dataclass(slots=True)
class Link:
    """A connection on loan for one request. ``reused`` says that it served another request before."""

    connection: _Plain | _Encrypted
    origin: str
    reused: bool = False
    idle_since: float = 0.0

    @property
    def failure(self) -> str:
        """The reason code when it cannot be connected."""
        return "net.connect" if self.connection.proxy_target is None else "net.proxy"

    def connect(self) -> None:
        """Connect a new one, with TLS where the address asks for it."""
        self.connection.connect()

    def request(self, target: Target, headers: Mapping[str, str], *, headers_s: float, gap_s: float) -> HTTPResponse:
        """Send a GET and return the answer as soon as its headers are here.

        Args:
            target: what to ask for.
            headers: sent as they are.
            headers_s: seconds between two pieces of the headers.
            gap_s: seconds between two pieces of the body.
        """
        connection, plain = self.connection, target.scheme == "http"
        through_proxy = connection.proxy_target is not None
        sock = connection.sock
        assert sock is not None
        connection.timeout = headers_s  # urllib3 sets it anew for each request
        path = target.url if through_proxy and plain else target.path
        connection.request("GET", path, headers=headers, preload_content=False, decode_content=False)
        response = connection.getresponse()  # may take the socket away from the connection
        sock.settimeout(gap_s)
        assert isinstance(response, HTTPResponse)
        return response

    def close(self) -> None:
        """Close the connection and its handle."""
        with contextlib.suppress(OSError):
            self.connection.close()
        if self.connection.lifeline is not None:
            self.connection.lifeline.close()
            self.connection.lifeline = None


class Connections:
    """A few idle connections for each origin, each to an address that was checked when it was made."""

    def __init__(self, guard: Guard, *, proxy: str = "") -> None:
        self._guard = guard
        self._proxy = proxy_target(proxy) if proxy else None
        self._idle: dict[str, list[Link]] = defaultdict(list)
        self._lock = threading.Lock()
        self._tls = ssl.create_default_context()  # the system's authorities and SSL_CERT_FILE
        self._tls.load_verify_locations(where())

    def borrow(self, target: Target, watch: Watch, *, connect_s: float) -> Link:
        """Return a connection for ``target``: an idle one if there is one, else a new one, not yet connected."""
        with self._lock:
            idle = self._idle.get(target.origin, [])
            while idle:
                link = idle.pop()
                fresh = time.monotonic() - link.idle_since < IDLE_SECONDS
                if fresh and link.connection.sock is not None and not is_connection_dropped(link.connection):
                    link.reused, link.connection.watch = True, watch
                    watch.hold(link.connection.lifeline)
                    return link
                link.close()
        return self._new(target, watch, connect_s)

    def give_back(self, link: Link) -> None:
        """Keep a connection whose answer was read to its end for the next request."""
        link.connection.watch.hold(None)
        link.idle_since = time.monotonic()
        with self._lock:
            idle = self._idle[link.origin]
            if link.connection.sock is None or len(idle) >= IDLE_PER_HOST:
                link.close()
                return
            idle.append(link)
            if sum(map(len, self._idle.values())) > IDLE_IN_ALL:
                self._drop_oldest()

    def close(self) -> None:
        """Close all idle connections."""
        with self._lock:
            for links in self._idle.values():
                for link in links:
                    link.close()
            self._idle.clear()

    def _drop_oldest(self) -> None:
        origin = min(
            (name for name, links in self._idle.items() if links), key=lambda name: self._idle[name][0].idle_since
        )
        self._idle[origin].pop(0).close()
        for name in [name for name, links in self._idle.items() if not links]:
            del self._idle[name]

    def _new(self, target: Target, watch: Watch, connect_s: float) -> Link:
        asked = self._proxy or target
        connection: _Plain | _Encrypted
        if target.scheme == "https":
            connection = _Encrypted(asked.host, asked.port, timeout=connect_s, ssl_context=self._tls)
            if self._proxy:
                connection.set_tunnel(target.host, target.port)
        else:
            connection = _Plain(asked.host, asked.port, timeout=connect_s)
        connection.guard, connection.target, connection.proxy_target = self._guard, target, self._proxy
        connection.watch, connection.connect_s = watch, connect_s
        return Link(connection, target.origin)


def proxy_target(proxy: str) -> Target:
    """Read the address of a proxy: ``http://host:port``, or only ``host:port``.

    Raises:
        UsageError: it is not one.
    """
    try:
        target = parse(proxy if "://" in proxy else f"http://{proxy}")
    except RefusedAddress as error:
        raise _unreadable(proxy, error.detail) from error
    if target.scheme != "http":
        raise _unreadable(proxy, "an https proxy")
    return target


def _unreadable(proxy: str, detail: str) -> UsageError:
    shown = without_password(proxy)
    return UsageError(f"--proxy: cannot use '{shown}' ({detail}). Nothing was changed. Write it as http://host:port")
