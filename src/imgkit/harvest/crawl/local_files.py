"""Read a picture that a person has on this machine already; only the provider ``folder`` may name one."""

import errno
import os
import stat
from pathlib import Path
from typing import Final
from urllib.parse import unquote_to_bytes, urlsplit
from urllib.request import url2pathname

from imgkit.files import read_error
from imgkit.harvest.providers import PROVIDERS
from imgkit.manifest import Candidate
from imgkit.manifest.addresses import url_key
from imgkit.net.outcomes import Failure, Fetched

# links are not followed (a picture must not lead out of its folder), and a pipe must not block
_FLAGS: Final = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)


def is_local(one: Candidate) -> bool:
    """Say whether a candidate is a file of this machine that may be read.

    A ``file:`` address that a search service or a list of addresses proposes is not: like every scheme but http and
    https, it is refused as ``net.scheme`` when it is asked for.
    """
    provider = PROVIDERS.get(one.provider)
    return provider is not None and provider.proposes_files and one.proposal.url.startswith("file:")


def address_key(one: Candidate) -> str:
    """Return the key under which candidates of equal addresses are one entry.

    The file that ``folder`` found and the same words from any other provider are not: the one is read, the other is
    refused, and neither may decide what becomes of the other.
    """
    key = url_key(one.proposal.url)
    if key.lower().startswith("file:") and not is_local(one):
        return f"{one.provider} proposes {key}"
    return key


def path_of(url: str) -> Path:
    """Return the path of a ``file:`` address; its name need not be UTF-8."""
    path = urlsplit(url).path
    return Path(url2pathname(path) if os.name == "nt" else os.fsdecode(unquote_to_bytes(path)))


def read_file(url: str, *, max_bytes: int) -> Fetched | Failure:
    """Return the bytes of a ``file:`` address; only plain files of at most ``max_bytes`` bytes, no links.

    Raises:
        ResourceError: no permission, or the disk failed: that says nothing about the picture, and ends the harvest.
    """
    path = path_of(url)
    try:
        descriptor = os.open(path, _FLAGS)
    except OSError as error:
        return _failure(error, path)
    facts = os.fstat(descriptor)
    if not stat.S_ISREG(facts.st_mode):
        os.close(descriptor)  # of a folder, fdopen would make an error
        return Failure(reason="fs.device", detail="not a file")
    with os.fdopen(descriptor, "rb") as file:
        if facts.st_size > max_bytes:
            return Failure(reason="body.too_big", detail=f"{facts.st_size:,} B")
        try:
            body = file.read(max_bytes + 1)
        except OSError as error:
            return _failure(error, path)
    if len(body) > max_bytes:
        return Failure(reason="body.too_big", detail=f"more than {max_bytes:,} B")
    if not body:
        return Failure(reason="body.empty", detail="0 bytes")
    return Fetched(body=body, url=url)


def _failure(error: OSError, path: Path) -> Failure:
    if error.errno in (errno.ENOENT, errno.ENOTDIR):
        return Failure(reason="http.404", detail="the file is gone", transient=True)  # it may come back: a USB disk
    if error.errno == errno.ELOOP:
        return Failure(reason="fs.link", detail="a link, which is not followed")
    if error.errno == errno.ENXIO:
        return Failure(reason="body.not_image", detail="not a file")  # a socket
    raise read_error(error, path) from error
