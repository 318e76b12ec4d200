"""Read a picture that a person has on this machine already."""

import errno
import os
import stat
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit
from urllib.request import url2pathname

from imgkit.harvest.network.answers import Failure, Fetched

# links are not followed (a picture must not lead out of its folder), and a pipe must not block
_FLAGS: Final = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)


def is_local(url: str) -> bool:
    """Say whether an address is a file of this machine."""
    return url.startswith("file:")


def path_of(url: str) -> Path:
    """Return the path of a ``file:`` address."""
    return Path(url2pathname(urlsplit(url).path))


def read_file(url: str, *, max_bytes: int) -> Fetched | Failure:
    """Return the bytes of a ``file:`` address; only plain files of at most ``max_bytes`` bytes, no links."""
    path = path_of(url)
    try:
        descriptor = os.open(path, _FLAGS)
    except OSError as error:
        return _failure(error)
    with os.fdopen(descriptor, "rb") as file:
        facts = os.fstat(descriptor)
        if not stat.S_ISREG(facts.st_mode):
            return Failure(reason="body.not_image", detail="not a file")
        if facts.st_size > max_bytes:
            return Failure(reason="body.too_big", detail=f"{facts.st_size:,} B")
        try:
            body = file.read(max_bytes + 1)
        except OSError as error:
            return _failure(error)
    if len(body) > max_bytes:
        return Failure(reason="body.too_big", detail=f"more than {max_bytes:,} B")
    if not body:
        return Failure(reason="body.empty", detail="0 bytes")
    return Fetched(body=body, url=url)


def _failure(error: OSError) -> Failure:
    if error.errno == errno.ENOENT:
        return Failure(reason="http.404", detail="the file is gone", transient=True)  # it may come back: a USB disk
    if error.errno == errno.ELOOP:
        return Failure(reason="fs.permission", detail="a link, which is not followed")
    if error.errno in (errno.EACCES, errno.EPERM):
        return Failure(reason="fs.permission", detail="no permission to read", transient=True)
    return Failure(reason="fs.name", detail=error.strerror or str(error), transient=True)
