"""A pool of connections to checked addresses, opened through the guard; the watchdog can shut each one down."""

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


class _GuardedConnection:
    """A connection whose socket comes from the guard; ``break_handle`` is a duplicate of it that can be shut down.

    A duplicate, since the TLS layer takes the socket over before its handshake is done.
    """

    guard: Guard
    target: Target
    proxy_target: Target | None
    watch: Watch
    connect_s: float
    break_handle: socket.socket | None = None

    def _new_conn(self) -> socket.socket:
        time_left = min(self.connect_s, self.watch.left)
        if self.proxy_target is None:
            connected = self.guard.connect(self.target, timeout_s=time_left)
        else:
            with contextlib.suppress(LookupFailedError):  # the proxy may know names that this machine does not
                self.guard.addresses(self.target)
            connected = self.guard.connect_to_proxy(self.proxy_target, timeout_s=time_left)
        self.break_handle = connected.dup()
        self.watch.set_socket(self.break_handle)
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


class _PlainConnection(_GuardedConnection, HTTPConnection):
    response_class = _FinalResponse


class _TLSConnection(_GuardedConnection, HTTPSConnection):
    response_class = _FinalResponse


@dataclass(slots=True)
class PooledConnection:
    """A connection acquired for one request. ``reused`` says that it served another request before."""

    connection: _PlainConnection | _TLSConnection
    origin: str
    reused: bool = False
    idle_since: float = 0.0

    @property
    def failure(self) -> str:
        """The reason code when it cannot be connected."""
        return "net.connect" if self.connection.proxy_target is None else "net.proxy"

    def connect(self) -> None:
        """Connect a new connection, with TLS where the scheme is https."""
        self.connection.connect()

    def request(self, target: Target, headers: Mapping[str, str], *, headers_s: float, gap_s: float) -> HTTPResponse:
        """Send a GET and return the response as soon as its headers have arrived.

        Args:
            target: the address to request.
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
        if self.connection.break_handle is not None:
            self.connection.break_handle.close()
            self.connection.break_handle = None


class ConnectionPool:
    """A few idle connections for each origin, each to an address that was checked when it was made."""

    def __init__(self, guard: Guard, *, proxy: str = "") -> None:
        self._guard = guard
        self._proxy = proxy_target(proxy) if proxy else None
        self._idle: dict[str, list[PooledConnection]] = defaultdict(list)
        self._lock = threading.Lock()
        self._tls = ssl.create_default_context()  # the system's authorities and SSL_CERT_FILE
        self._tls.load_verify_locations(where())

    def acquire(self, target: Target, watch: Watch, *, connect_s: float) -> PooledConnection:
        """Return a connection for ``target``: an idle one if there is one, else a new one, not yet connected."""
        with self._lock:
            idle = self._idle.get(target.origin, [])
            while idle:
                pooled = idle.pop()
                fresh = time.monotonic() - pooled.idle_since < IDLE_SECONDS
                if fresh and pooled.connection.sock is not None and not is_connection_dropped(pooled.connection):
                    pooled.reused, pooled.connection.watch = True, watch
                    watch.set_socket(pooled.connection.break_handle)
                    return pooled
                pooled.close()
        return self._new(target, watch, connect_s)

    def release(self, pooled: PooledConnection) -> None:
        """Keep a connection whose answer was read to its end for the next request."""
        pooled.connection.watch.set_socket(None)
        pooled.idle_since = time.monotonic()
        with self._lock:
            idle = self._idle[pooled.origin]
            if pooled.connection.sock is None or len(idle) >= IDLE_PER_HOST:
                pooled.close()
                return
            idle.append(pooled)
            if sum(map(len, self._idle.values())) > IDLE_IN_ALL:
                self._drop_oldest()

    def close(self) -> None:
        """Close all idle connections."""
        with self._lock:
            for links in self._idle.values():
                for pooled in links:
                    pooled.close()
            self._idle.clear()

    def _drop_oldest(self) -> None:
        origin = min(
            (name for name, links in self._idle.items() if links), key=lambda name: self._idle[name][0].idle_since
        )
        self._idle[origin].pop(0).close()
        for name in [name for name, links in self._idle.items() if not links]:
            del self._idle[name]

    def _new(self, target: Target, watch: Watch, connect_s: float) -> PooledConnection:
        asked = self._proxy or target
        connection: _PlainConnection | _TLSConnection
        if target.scheme == "https":
            connection = _TLSConnection(asked.host, asked.port, timeout=connect_s, ssl_context=self._tls)
            if self._proxy:
                connection.set_tunnel(target.host, target.port)
        else:
            connection = _PlainConnection(asked.host, asked.port, timeout=connect_s)
        connection.guard, connection.target, connection.proxy_target = self._guard, target, self._proxy
        connection.watch, connection.connect_s = watch, connect_s
        return PooledConnection(connection, target.origin)


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
