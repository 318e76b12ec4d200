"""A small client for the loopback web: as polite as a person with patience, and independent of imgkit's own."""

import socket
from urllib.parse import urlsplit

import pytest
import requests

ENOUGH_TRIES = 4


@pytest.fixture
def polite():
    """Gets an address with a few tries and the page as Referer; returns the last answer, or what broke."""

    def get(url: str, *, timeout: float = 3.0):
        last = None
        for _ in range(ENOUGH_TRIES):
            try:
                last = requests.get(url, timeout=timeout, headers={"Referer": "http://page.example/"})
            except requests.RequestException as error:
                last = error
            else:
                if last.status_code == 200:
                    return last
        return last

    return get


@pytest.fixture
def say():
    """Sends one plain request and returns the raw bytes that came within the time given."""

    def get(url: str, *, seconds: float = 1.0, most: int = 1 << 20) -> bytes:
        parts = urlsplit(url)
        received = b""
        with socket.create_connection((parts.hostname, parts.port), timeout=seconds) as sock:
            target = parts.path + (f"?{parts.query}" if parts.query else "")
            sock.sendall(f"GET {target} HTTP/1.1\r\nHost: {parts.netloc}\r\nConnection: close\r\n\r\n".encode())
            try:
                while len(received) < most and (chunk := sock.recv(65536)):
                    received += chunk
            except TimeoutError:
                pass
        return received

    return get
