"""Accept connections on several loopback addresses at once and hand every request to one function."""

import contextlib
import http.client
import selectors
import socket
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from email.message import Message
from typing import BinaryIO, TypeAlias

IDLE_SECONDS = 60.0
LONGEST_LINE = 65_536  # bytes
LONGEST_BODY = 1024 * 1024  # bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """A request as it was read from a connection of one of the sites."""

    site: str
    method: str
    target: str
    headers: Message
    body: bytes
    connection: socket.socket


Respond: TypeAlias = Callable[[Received], bool]
"""Answers on the connection and says whether it may be used again."""


class Listeners:
    """One listening socket for each site, one thread that accepts, one thread for each connection.

    Args:
        names: nicknames of the sites.
        respond: called for every request, in the thread of its connection.
    """

    def __init__(self, names: Sequence[str], respond: Respond) -> None:
        self._respond = respond
        self._sockets = {_listen(number): name for number, name in enumerate(names, start=1)}
        self.addresses = {name: "{}:{}".format(*sock.getsockname()) for sock, name in self._sockets.items()}
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._wake, self._woken = socket.socketpair()
        self._thread = threading.Thread(target=self._accept, name="imgkit-demo-web", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop accepting and break the connections that are open."""
        self._wake.send(b"x")
        self._thread.join()
        for sock in (*self._sockets, self._wake, self._woken):
            sock.close()
        with self._lock:
            for connection in self._open:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        with selectors.DefaultSelector() as selector:
            for sock in (*self._sockets, self._woken):
                selector.register(sock, selectors.EVENT_READ)
            while True:
                for key, _ in selector.select():
                    if key.fileobj is self._woken:
                        return
                    self._take(self._sockets[key.fileobj], key.fileobj)  # type: ignore[index,arg-type]

    def _take(self, site: str, listener: socket.socket) -> None:
        with contextlib.suppress(OSError):  # the client may be gone again
            connection, _ = listener.accept()
            connection.settimeout(IDLE_SECONDS)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._lock:
                self._open.add(connection)
            threading.Thread(target=self._converse, args=(site, connection), daemon=True).start()

    def _converse(self, site: str, connection: socket.socket) -> None:
        # a client that leaves, or sends what is not HTTP, is its own affair: nothing is printed
        try:
            with (
                connection.makefile("rb") as stream,
                contextlib.suppress(OSError, ValueError, http.client.HTTPException),
            ):
                while (received := _read_request(site, connection, stream)) is not None:
                    if not self._respond(received) or received.headers.get("Connection", "").lower() == "close":
                        break
        finally:
            with self._lock:
                self._open.discard(connection)
            connection.close()


def _read_request(site: str, connection: socket.socket, stream: BinaryIO) -> Received | None:
    line = stream.readline(LONGEST_LINE)
    if not line.strip():
        return None
    method, target, _ = line.decode("latin-1").split(maxsplit=2)
    headers = http.client.parse_headers(stream)
    length = min(int(headers.get("Content-Length") or 0), LONGEST_BODY)
    body = stream.read(length) if length else b""
    return Received(site=site, method=method, target=target, headers=headers, body=body, connection=connection)


def _listen(number: int) -> socket.socket:
    """Listen on 127.0.0.N, so that sites differ in address as hosts do; on 127.0.0.1 where that does not exist."""
    try:
        return socket.create_server((f"127.0.0.{number + 1}", 0), backlog=128)
    except OSError:
        return socket.create_server(("127.0.0.1", 0), backlog=128)


def closed_port() -> str:
    """Return a loopback "address:port" at which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as sock:
        return "{}:{}".format(*sock.getsockname())
