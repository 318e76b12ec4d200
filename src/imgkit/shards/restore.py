"""Bring the pictures of tar shards back into a folder."""

import tarfile
import tempfile
from pathlib import Path, PurePosixPath

from imgkit.errors import IntegrityError, UsageError
from imgkit.files import sha256_of, write_atomically
from imgkit.progress import Progress, Silent
from imgkit.shards.forms import BESIDE
from imgkit.shards.place import INDEX, SUMS, Place


def restore_shards(url: str, folder: Path, *, progress: Progress | None = None) -> int:
    """Write the pictures of the shards at ``url`` below ``folder``, each under its path; return how many were written.

    A shard is read as a whole and compared with its sum before anything of it is written. Pictures that are there with
    the same size are left alone, so that an interrupted run goes on.

    Raises:
        UsageError: no tar shards of imgkit at ``url``, or the export was not finished.
        IntegrityError: a shard is damaged, or leads out of ``folder``; the shards before it were brought back.
        ResourceError: reading or writing failed.
    """
    progress = progress or Silent()
    place = Place(url)
    index, sums = place.index(), place.sums()
    if index is None or index["format"] != "webdataset":
        raise UsageError(f"{url} holds no tar shards of imgkit. Nothing was written. Look at the address.")
    names = [str(shard["name"]) for shard in index["shards"]]
    if INDEX not in sums or any(name not in sums for name in names):
        raise UsageError(f"the export to {url} was not finished: {SUMS} misses shards. Nothing was written. Finish it.")
    progress.start("bringing shards back", len(names))
    written = 0
    with tempfile.TemporaryDirectory(prefix="imgkit-shards-") as local:
        for name in names:
            file = Path(local) / "shard.tar"
            place.get(name, file)
            if sha256_of(file) != sums[name]:
                raise IntegrityError(
                    f"{url}/{name} is damaged: its SHA-256 is not the one in {SUMS}. The shards before it were brought "
                    "back. Write it again with: imgkit shards"
                )
            written += _unpack(file, folder)
            progress.advance(note=name)
    return written


def _unpack(file: Path, folder: Path) -> int:
    written = 0
    with tarfile.open(file, mode="r:") as tar:
        for member in tar:
            path = PurePosixPath(member.name)
            if path.suffix in BESIDE:
                continue
            if not member.isfile() or path.is_absolute() or ".." in path.parts:
                raise IntegrityError(
                    f"a shard holds {member.name!r}, which is no picture below {folder}. It was not written. Somebody "
                    "else made this shard: do not trust it."
                )
            target = folder / path
            if target.is_file() and target.stat().st_size == member.size:
                continue
            body = tar.extractfile(member)
            assert body is not None
            write_atomically(target, body.read())
            written += 1
    return written
