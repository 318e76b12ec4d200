"""Connect to the first of several addresses that answers: IPv6 and IPv4 raced, each a quarter of a second later."""

import errno
import os
import selectors
import socket
import time
from collections.abc import Sequence

from imgkit.net.addresses import IPAddress

HEAD_START_SECONDS = 0.25
_UNDER_WAY = (0, errno.EINPROGRESS, errno.EWOULDBLOCK, errno.EALREADY)


def dial(addresses: Sequence[IPAddress], port: int, *, timeout_s: float) -> socket.socket:
    """Return a connected blocking socket to the first address that accepts.

    Raises:
        TimeoutError: none did within ``timeout_s``.
        OSError: all refused; the error of the last one.
    """
    deadline = time.monotonic() + timeout_s
    waiting = interleaved(addresses)
    last: OSError = TimeoutError(f"no address answered within {timeout_s:g} s")
    with selectors.DefaultSelector() as selector:
        try:
            while waiting or selector.get_map():
                if waiting:
                    failed = _start(selector, waiting.pop(0), port)
                    if failed:
                        last = failed
                        continue
                left = deadline - time.monotonic()
                if left <= 0:
                    raise TimeoutError(f"no address answered within {timeout_s:g} s")
                for key, _ in selector.select(min(left, HEAD_START_SECONDS) if waiting else left):
                    candidate = key.fileobj
                    assert isinstance(candidate, socket.socket)
                    selector.unregister(candidate)
                    code = candidate.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
                    if code == 0:
                        candidate.settimeout(timeout_s)
                        return candidate
                    last = OSError(code, os.strerror(code))
                    candidate.close()
            raise last
        finally:
            for key in list(selector.get_map().values()):
                if isinstance(key.fileobj, socket.socket):
                    key.fileobj.close()


def interleaved(addresses: Sequence[IPAddress]) -> list[IPAddress]:
    """Return the addresses with the families taking turns, the first one's family first."""
    first = [one for one in addresses if one.version == addresses[0].version]
    other = [one for one in addresses if one.version != addresses[0].version]
    turns = [one for pair in zip(first, other, strict=False) for one in pair]
    return [*turns, *first[len(other) :], *other[len(first) :]]


def _start(selector: selectors.BaseSelector, address: IPAddress, port: int) -> OSError | None:
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    try:
        candidate = socket.socket(family, socket.SOCK_STREAM)
    except OSError as error:
        return error
    try:
        candidate.setblocking(False)
        candidate.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        code = candidate.connect_ex((str(address), port))
        if code not in _UNDER_WAY:
            raise OSError(code, os.strerror(code))
        selector.register(candidate, selectors.EVENT_WRITE)
    except OSError as error:
        candidate.close()
        return error
    return None
