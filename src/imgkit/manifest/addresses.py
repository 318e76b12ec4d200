"""Tell when two addresses are the same address, also where only the hash of one is known."""

import re
from hashlib import sha256
from typing import Final
from urllib.parse import urlsplit, urlunsplit

_DEFAULT_PORTS = {"http": 80, "https": 443}


_WITHOUT_SCHEME: Final = re.compile(r"//[^/\s]|(?:[\w-]+\.)+[^\W\d_]{2,}(?::\d+)?(?:[/?#]|$)|localhost(?::\d+)?/", re.I)
_FILE_NAME: Final = re.compile(r"[^/?#:]+\.(?:jpe?g|png|gif|webp|bmp|tiff?|avif|heic|jp2)", re.I)


def with_scheme(url: str) -> str:
    """Return ``url`` with https in front where it has no scheme and begins like a web address, else as it is."""
    if not _WITHOUT_SCHEME.match(url) or _FILE_NAME.fullmatch(url):
        return url
    return f"https:{url}" if url.startswith("//") else f"https://{url}"


REMOVED: Final = "removed:"  # in front of the hash of an address that was removed on request


def address_hash(url: str) -> str:
    """Return the SHA-256, as 64 hex digits, under which an address is known after its removal."""
    key = url_key(url)
    if key.startswith("file:"):
        key = key.partition("#")[0]  # behind it is the version of the file
    return sha256(key.encode("utf-8", "surrogatepass")).hexdigest()


def removed(url: str) -> str:
    """Return what stands in the place of a removed address: ``removed:`` and its hash. Idempotent."""
    return url if url.startswith(REMOVED) else REMOVED + address_hash(url)


def url_key(url: str) -> str:
    """Return the form of ``url`` under which equal addresses are equal.

    Scheme and host in lower case, no default port, no fragment, "/" for an empty path. Query strings stay, since many
    hosts choose the picture by them. An address that cannot be parsed is its own key. Idempotent.
    """
    try:
        parts = urlsplit(url.strip())
        port = parts.port
    except ValueError:
        return url.strip()
    if parts.scheme.lower() not in _DEFAULT_PORTS or not parts.hostname:
        return url.strip()
    scheme = parts.scheme.lower()
    host = parts.hostname.rstrip(".")
    if ":" in host:
        host = f"[{host}]"
    if port and port != _DEFAULT_PORTS[scheme]:
        host = f"{host}:{port}"
    return urlunsplit((scheme, host, parts.path or "/", parts.query, ""))
