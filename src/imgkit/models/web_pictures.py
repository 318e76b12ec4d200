"""Fetch the pictures whose addresses a person typed, through the guard and the connections of every other fetch."""

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

import imgkit
from imgkit.files import write_atomically
from imgkit.manifest.labels import slug
from imgkit.net.addresses import RefusedAddress, parse
from imgkit.net.fetch import Fetcher, FetchLimits
from imgkit.net.guard import Allowed, Guard, allowed_by, is_private_name, why_not_public
from imgkit.net.outcomes import Failure
from imgkit.progress import Progress, track

THREADS: Final = 4
USER_AGENT: Final = f"imgkit/{imgkit.__version__} (predict)"
LIMITS: Final = FetchLimits(headers_s=10.0, deadline_s=60.0, max_bytes=30_000_000)

HostPort = tuple[str, int]
"""The name and port of a server."""


def is_url(text: str) -> bool:
    """Return whether a source is an address of the web and not a path."""
    return re.match(r"https?://", text, re.IGNORECASE) is not None


def fetch_all(
    urls: Sequence[str],
    folder: Path,
    *,
    progress: Progress,
    limits: FetchLimits = LIMITS,
    environ: Mapping[str, str] = os.environ,
) -> dict[str, Path | Failure]:
    """Fetch each address once into a file of ``folder``; one that fails is a value, not an error.

    An address may name a private server, since a person typed it; a redirect may not lead to one, and a public name
    may not resolve to one unless ``IMGKIT_ALLOW_PRIVATE_HOSTS`` of ``environ`` says so.

    Raises:
        ResourceError: the disk is full or not writable.
        UsageError: ``IMGKIT_ALLOW_PRIVATE_HOSTS`` cannot be read.
    """
    distinct = list(dict.fromkeys(urls))
    fetchers = _fetchers(distinct, limits, environ)

    def one(place: int) -> Path | Failure:
        url = distinct[place]
        answer = fetchers[typed_private_hosts(url)].fetch(url, picture=False)
        if isinstance(answer, Failure):
            return answer
        target = folder / str(place) / _file_name(url)
        write_atomically(target, answer.body)
        return target

    try:
        with ThreadPoolExecutor(THREADS) as threads:
            outcomes = track(threads.map(one, range(len(distinct))), progress, "fetching", len(distinct))
            return dict(zip(distinct, outcomes, strict=True))
    finally:
        for fetcher in fetchers.values():
            fetcher.close()


def typed_private_hosts(url: str) -> frozenset[HostPort]:
    """Return the private server that an address names outright, with the port of https beside that of http.

    An address whose host is public, or is a name that only resolves to a private address, gives none.
    """
    try:
        target = parse(url)
    except RefusedAddress:
        return frozenset()
    private = why_not_public(target.literal) if target.literal is not None else is_private_name(target.host)
    if not private:
        return frozenset()
    return frozenset({(target.host, target.port), *({(target.host, 443)} if target.port == 80 else ())})


def _fetchers(
    urls: Iterable[str], limits: FetchLimits, environ: Mapping[str, str]
) -> dict[frozenset[HostPort], Fetcher]:
    """Return a fetcher for each private server that was typed, and one for all other addresses.

    Each allows its own private server only, so that no redirect can reach another one.
    """
    allowed = allowed_by(environ)
    return {
        hosts: Fetcher(
            Guard(Allowed(names=allowed.names | hosts, networks=allowed.networks)),
            user_agent=USER_AGENT,
            limits=limits,
        )
        for hosts in {typed_private_hosts(url) for url in urls}
    }


def _file_name(url: str) -> str:
    """Return a name for the bytes of an address; nothing of the web but letters and digits gets into it."""
    last = unquote(urlsplit(url).path).rsplit("/", 1)[-1]
    stem, dot, ending = last.rpartition(".")
    known = ending.lower() if dot and ending.lower() in {"jpg", "jpeg", "png", "webp", "gif", "bmp"} else "img"
    return f"{slug(stem if dot else last) or 'picture'}.{known}"
