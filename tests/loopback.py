"""Servers on loopback for tests of the fetch: one that nobody may reach, one that answers as a test says."""

import contextlib
import socket
import threading
import time


class Server:
    """A raw server. ``answer(request, connection)`` is called in a thread for each connection."""

    def __init__(self, answer, address="127.0.0.1", port=0, tls=None):
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self._answer = answer
        self._tls = tls
        self.requests = []
        self.connections = 0
        self._open = []
        self._listener = socket.socket(family)
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._listener.bind((address, port))
        self._listener.listen(64)
        self.address, self.port = self._listener.getsockname()[:2]
        self.host = f"[{self.address}]:{self.port}" if ":" in self.address else f"{self.address}:{self.port}"
        self.url = f"http://{self.host}"
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        for one in (self._listener, *self._open):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def _accept(self):
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            self._open.append(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        with contextlib.suppress(OSError), self._secured(connection) as connection:
            while request := _read_request(connection):
                self.requests.append(request)
                if self._answer(request, connection) != "again":
                    return

    def _secured(self, connection):
        return self._tls.wrap_socket(connection, server_side=True) if self._tls else connection


def _read_request(connection):
    data = b""
    while b"\r\n\r\n" not in data:
        piece = connection.recv(65536)
        if not piece:
            return ""
        data += piece
    return data.decode("latin-1")


def reply(body=b"", *, status="200 OK", headers=(), length=True):
    """The bytes of an answer."""
    lines = [f"HTTP/1.1 {status}", *headers]
    if length:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def always(data):
    """Answer every request with the same bytes, on one connection after the other."""

    def answer(request, connection):
        connection.sendall(data)
        return "again" if b"Content-Length" in data else "close"

    return answer


def drip(connection, data, *, pause):
    """Send a byte at a time."""
    for byte in data:
        connection.sendall(bytes([byte]))
        time.sleep(pause)
