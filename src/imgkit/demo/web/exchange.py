"""One request to the loopback web, and the ways to answer it, honest or broken."""

import contextlib
import socket
import struct
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from email.message import Message
from http import HTTPStatus
from typing import TypeAlias
from urllib.parse import parse_qsl, urlsplit

Headers: TypeAlias = Sequence[tuple[str, str]]


@dataclass(frozen=True, kw_only=True)
class Exchange:
    """A request as it came, with the socket to answer on.

    ``site`` is the nickname of the host or service that was asked. ``count`` says how often this address was asked
    for so far, this request included; ``site_count`` the same for the whole site. ``sites`` maps nicknames to
    "address:port"; ``neighbour`` is another image host, where there is one. ``done`` is told the status, 0 for none,
    before the last bytes of the answer are sent.
    """

    method: str
    target: str
    headers: Message
    body: bytes
    site: str
    count: int
    site_count: int
    sites: Mapping[str, str]
    neighbour: str
    connection: socket.socket
    closing: threading.Event
    done: Callable[[int], None]
    statuses: list[int] = field(default_factory=list)
    finished: threading.Event = field(default_factory=threading.Event)

    @property
    def path(self) -> str:
        """The path that was asked for, without the query."""
        return urlsplit(self.target).path

    @property
    def params(self) -> dict[str, str]:
        """The parameters of the query and of a form in the body; the last one of a name counts."""
        pairs = parse_qsl(urlsplit(self.target).query, keep_blank_values=True)
        if "form-urlencoded" in self.headers.get("Content-Type", ""):
            pairs += parse_qsl(self.body.decode("utf-8", "replace"), keep_blank_values=True)
        return dict(pairs)

    def send(
        self, status: int, body: bytes = b"", *, content_type: str = "", headers: Headers = (), length: bool = True
    ) -> None:
        """Answer with a status, headers and a body; without ``length`` the end of the connection ends the body."""
        lines = [("Content-Type", content_type)] if content_type else []
        lines += [*headers]
        if length:
            lines.append(("Content-Length", str(len(body))))
        self.raw(head(status, lines) + (b"" if self.method == "HEAD" else body), last=True)
        if not length:
            self.hang_up()

    def raw(self, data: bytes, *, last: bool = False) -> None:
        """Send bytes as they are; ``last`` says that the answer ends with them."""
        if not self.statuses and data.startswith(b"HTTP/1."):
            self.statuses.append(int(data[9:12]))
        if last:
            self.done(self.status)
        self.connection.sendall(data)

    @property
    def status(self) -> int:
        """The status that was sent, 0 for none so far."""
        return self.statuses[0] if self.statuses else 0

    def wait(self, seconds: float) -> None:
        """Do nothing for a while; ends early when the web closes or the client has gone.

        Raises:
            ConnectionError: the web closes.
        """
        if self.closing.wait(seconds):
            raise ConnectionAbortedError("the web closes")

    def wait_for_client(self, seconds: float) -> None:
        """Keep the connection open without a word until the client leaves or the time is up."""
        self.connection.settimeout(0.2)
        for _ in range(round(seconds / 0.2)):
            if self.closing.is_set():
                break
            with contextlib.suppress(TimeoutError):
                if not self.connection.recv(1024):
                    break
        self.hang_up()

    def hang_up(self) -> None:
        """Close the connection after this answer."""
        self.finished.set()

    def reset(self) -> None:
        """Break the connection so that the client sees a reset."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.hang_up()


def head(status: int, headers: Headers) -> bytes:
    """Return the status line and headers of an answer, ending in the empty line."""
    lines = [f"HTTP/1.1 {status} {HTTPStatus(status).phrase}", *(f"{name}: {value}" for name, value in headers)]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1", "replace")
