"""Extract the pictures of tar shards into a folder. Shards are untrusted: only pictures are written."""

import re
import tarfile
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any, Final

from imgkit import commands
from imgkit.errors import IntegrityError, ResourceError, UsageError
from imgkit.files import (
    LONGEST_NAME_BYTES,
    read_plain_file,
    resource_error,
    sha256_of,
    temporary_folder,
    write_atomically,
)
from imgkit.progress import Progress, Silent
from imgkit.shards.formats import BESIDE
from imgkit.shards.remote_folder import INDEX, SUMS, RemoteFolder
from imgkit.vision import sniff
from imgkit.vision.imagefolder import leads_out

LARGEST_PICTURE_BYTES: Final = 512 << 20
_SHARD: Final = re.compile(r"[\w-][\w.-]{0,200}\.tar", re.ASCII)


def restore_shards(url: str, folder: Path, *, progress: Progress | None = None) -> int:
    """Write the pictures of the shards at ``url`` below ``folder``, each under its path; return how many were written.

    A shard is read as a whole and compared with its sum before anything of it is written, and every member is
    validated before the first one is written. Pictures that are there with the same bytes are left
    alone, so that an interrupted run goes on; those with other bytes are replaced.

    Raises:
        UsageError: no tar shards of imgkit at ``url``, or the export was not finished.
        IntegrityError: a shard is damaged, or holds what is no picture below ``folder``; the shards before it were
            brought back, and nothing of it.
        ResourceError: reading or writing failed.
    """
    progress = progress or Silent()
    place = RemoteFolder(url)
    index, sums = place.index(), place.sums()
    names = _shards(place.shown, index)
    if INDEX not in sums or any(name not in sums for name in names):
        raise UsageError(
            f"the export to {place.shown} was not finished: {SUMS} misses shards. Nothing was written. Finish it."
        )
    progress.start("bringing shards back", len(names))
    written = 0
    with temporary_folder("imgkit-shards-") as local:
        for name in names:
            file = local / "shard.tar"
            place.get(name, file)
            if sha256_of(file) != sums[name]:
                raise IntegrityError(
                    f"{place.shown}/{name} is damaged: its SHA-256 is not the one in {SUMS}. The shards before it were "
                    f"brought back. Write it again with: {commands.command('shards', 'FOLDER', place.shown)}"
                )
            written += _unpack(file, folder, f"{place.shown}/{name}")
            progress.advance(note=name)
    return written


def _shards(url: str, index: Mapping[str, Any] | None) -> list[str]:
    """Return the names of the shards in an untrusted index."""
    if index is None or index.get("format") != "webdataset":
        raise UsageError(f"{url} holds no tar shards of imgkit. Nothing was written. Look at the address.")
    listed = index["shards"]
    names = [one.get("name") for one in listed if isinstance(one, dict)] if isinstance(listed, list) else []
    if (
        not names
        or len(names) != len(listed)
        or not all(isinstance(one, str) and _SHARD.fullmatch(one) for one in names)
    ):
        raise UsageError(f"{url}/{INDEX} names what are no tar shards. Nothing was written. Look at the address.")
    return [str(name) for name in names]


def _unpack(file: Path, folder: Path, shard: str) -> int:
    written = 0
    try:
        with tarfile.open(file, mode="r:") as tar:
            members = [member for member in tar if PurePosixPath(member.name).suffix not in BESIDE]
            for member in members:
                if why := _refusal(tar, member):
                    raise IntegrityError(
                        f"{shard} holds {member.name!r:.300}, which {why}. Nothing of it was written below {folder}. "
                        "Somebody else made this shard: do not trust it."
                    )
            for member in members:
                written += _write(_body(tar, member), folder, member.name)
    except (tarfile.TarError, EOFError, ValueError, OverflowError) as error:
        raise IntegrityError(
            f"{shard} is no tar ({error}). The shards before it were brought back. "
            f"Write it again with: {commands.command('shards', 'FOLDER', shard.rpartition('/')[0])}"
        ) from error
    return written


def _refusal(tar: tarfile.TarFile, member: tarfile.TarInfo) -> str:
    """Return why a member must not be written, "" for a picture below the folder."""
    parts = PurePosixPath(member.name).parts
    if not member.isreg() or member.issparse():
        return "is no plain file"
    if leads_out(member.name) or "\\" in member.name or "\0" in member.name:
        return "leads out of the folder"
    if not parts or any(part.startswith(".") for part in parts):
        return "is hidden"
    if any(len(part.encode("utf-8", "surrogateescape")) > LONGEST_NAME_BYTES for part in parts):
        return f"has a name of more than {LONGEST_NAME_BYTES} bytes"
    if member.size > LARGEST_PICTURE_BYTES:
        return f"has {member.size:,} bytes"
    return "" if sniff.raster_format(_body(tar, member, sniff.WINDOW)) else "is no picture"


def _body(tar: tarfile.TarFile, member: tarfile.TarInfo, at_most: int = -1) -> bytes:
    body = tar.extractfile(member)
    assert body is not None  # a plain file
    with body:
        return body.read() if at_most < 0 else body.read(at_most)


def _write(body: bytes, folder: Path, name: str) -> bool:
    """Write a picture; return whether it was not there with the same bytes.

    Raises:
        ResourceError: it cannot be written, or its place lies behind a link.
    """
    target = folder.joinpath(*PurePosixPath(name).parts)
    try:
        for place in (target, *target.parents):
            if place == folder:
                break
            if place.is_symlink():
                raise ResourceError(
                    f"{place} is a link, which is not followed. What was brought back before is safe. Give a folder "
                    "without links, or move the link away."
                )
        if target.is_file() and target.stat().st_size == len(body) and read_plain_file(target) == body:
            return False
    except OSError as error:
        raise resource_error(error, target) from error
    write_atomically(target, body)
    return True
