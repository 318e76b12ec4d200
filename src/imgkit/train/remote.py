"""Fetch the pictures whose addresses a person typed, within limits of bytes and time."""

import ipaddress
import re
import socket
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urljoin, urlsplit

import requests
import urllib3.exceptions

import imgkit
from imgkit.files import write_atomically
from imgkit.manifest.labels import slug
from imgkit.progress import Progress, track

THREADS = 4
MOST_REDIRECTS = 5
CHUNK_BYTES = 1 << 16
USER_AGENT = f"imgkit/{imgkit.__version__} (predict)"
KNOWN_STATUS = {401, 403, 404, 410, 429}


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one fetch may take: ``size`` in bytes after decompression, ``seconds`` in all and ``pause`` of silence."""

    size: int = 30_000_000
    seconds: float = 60.0
    pause: float = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """An address that gave no bytes: a code of :mod:`imgkit.reasons` and a few words."""

    reason: str
    detail: str


LIMITS = Limits()


def is_url(text: str) -> bool:
    """Return whether a source is an address of the web and not a path."""
    return re.match(r"https?://", text, re.IGNORECASE) is not None


def fetch_all(
    urls: Sequence[str], folder: Path, *, progress: Progress, limits: Limits = LIMITS
) -> dict[str, Path | Refused]:
    """Fetch each address once into a file of ``folder``; one that fails is a value, not an error.

    Raises:
        ResourceError: the disk is full or not writable.
    """
    distinct = list(dict.fromkeys(urls))

    def one(place: int) -> Path | Refused:
        url = distinct[place]
        body = fetch(url, limits=limits)
        if isinstance(body, Refused):
            return body
        target = folder / str(place) / _file_name(url)
        write_atomically(target, body)
        return target

    with ThreadPoolExecutor(THREADS) as threads:
        outcomes = track(threads.map(one, range(len(distinct))), progress, "fetching", len(distinct))
        return dict(zip(distinct, outcomes, strict=True))


def fetch(url: str, *, limits: Limits = LIMITS) -> bytes | Refused:
    """Return what an http or https address gives, or why it gave nothing.

    A person may name any host, their own machine too; a redirect from there to another host may lead to the public
    internet only.
    """
    deadline = time.monotonic() + limits.seconds
    try:
        with requests.Session() as session:
            for _ in range(MOST_REDIRECTS + 1):
                outcome = _get(session, url, limits=limits, deadline=deadline)
                if not isinstance(outcome, str):
                    return outcome
                following = urljoin(url, outcome)
                if not is_url(following):
                    return Refused(reason="net.redirect", detail="to another scheme")
                if _host(following) != _host(url) and not _is_public(_host(following)):
                    return Refused(reason="net.blocked_address", detail=f"a redirect to {_host(following)}")
                url = following
    except (requests.RequestException, urllib3.exceptions.HTTPError, OSError, ValueError) as error:
        return Refused(reason=_reason(error), detail=type(error).__name__)
    return Refused(reason="net.redirect", detail=f"more than {MOST_REDIRECTS}")


def _get(session: requests.Session, url: str, *, limits: Limits, deadline: float) -> bytes | Refused | str:
    """Return the body, why there is none, or where a redirect leads."""
    headers = {"User-Agent": USER_AGENT, "Accept": "image/*", "Accept-Encoding": "identity"}
    with session.get(url, headers=headers, timeout=limits.pause, stream=True, allow_redirects=False) as response:
        following = session.get_redirect_target(response)
        if following is not None:
            return following
        if response.status_code != requests.codes.ok:
            return _refused(response.status_code)
        announced = response.headers.get("content-length", "")
        if announced.isdigit() and int(announced) > limits.size:
            return Refused(reason="body.too_big", detail=f"{int(announced):,} B")
        body = bytearray()
        while chunk := response.raw.read1(CHUNK_BYTES, decode_content=True):  # what has come, without waiting for more
            body += chunk
            if len(body) > limits.size:
                return Refused(reason="body.too_big", detail=f"more than {limits.size:,} B")
            if time.monotonic() > deadline:
                return Refused(reason="net.deadline", detail=f"{len(body):,} B in {limits.seconds:g} s")
        return bytes(body) or Refused(reason="body.empty", detail="")


def _refused(status: int) -> Refused:
    code = str(status) if status in KNOWN_STATUS else "5xx" if status >= 500 else "4xx"
    return Refused(reason=f"http.{code}", detail=f"status {status}")


def _reason(error: Exception) -> str:
    """Return the reason code of what requests, urllib3 or the system raised."""
    causes: list[BaseException] = [error]
    while (inner := causes[-1].__cause__ or causes[-1].__context__) is not None and inner not in causes:
        causes.append(inner)
    table: tuple[tuple[str, tuple[type[BaseException], ...]], ...] = (
        ("net.proxy", (requests.exceptions.ProxyError,)),
        ("net.tls", (requests.exceptions.SSLError, urllib3.exceptions.SSLError)),
        ("net.dns", (urllib3.exceptions.NameResolutionError, socket.gaierror)),
        ("net.scheme", (requests.exceptions.InvalidURL, requests.exceptions.InvalidSchema, UnicodeError)),
        ("net.connect", (requests.exceptions.ConnectTimeout, urllib3.exceptions.NewConnectionError)),
        ("net.read", (requests.exceptions.ReadTimeout, urllib3.exceptions.ReadTimeoutError, TimeoutError)),
        ("body.not_image", (urllib3.exceptions.DecodeError,)),
        ("net.short", (urllib3.exceptions.IncompleteRead,)),
        ("net.reset", (ConnectionResetError, urllib3.exceptions.ProtocolError)),
    )
    for code, kinds in table:
        if any(isinstance(each, kinds) for each in causes):
            return code
    return "net.connect"


def _host(url: str) -> str:
    return (urlsplit(url).hostname or "").lower()


def _is_public(host: str) -> bool:
    addresses = {info[4][0] for info in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)}
    return all(ipaddress.ip_address(str(address).split("%")[0]).is_global for address in addresses)


def _file_name(url: str) -> str:
    """Return a name for the bytes of an address; nothing of the web but letters and digits gets into it."""
    last = unquote(urlsplit(url).path).rsplit("/", 1)[-1]
    stem, dot, ending = last.rpartition(".")
    known = ending.lower() if dot and ending.lower() in {"jpg", "jpeg", "png", "webp", "gif", "bmp"} else "img"
    return f"{slug(stem if dot else last) or 'picture'}.{known}"
