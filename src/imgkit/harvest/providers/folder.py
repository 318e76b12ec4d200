"""Pictures in a folder of this machine: every file in it is proposed, so that each is accounted for."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from imgkit.files import read_error
from imgkit.harvest.providers.interface import Fetch, HostPolicy, Missing, Provider, Ready, ResultPage, SearchQuery
from imgkit.harvest.search import paging
from imgkit.manifest.nouns import Proposal

PAGE_SIZE: Final = 500


def check(environ: Mapping[str, str]) -> Ready | Missing:
    """A folder needs nothing."""
    return Ready(note="reads this machine")


def page(query: SearchQuery, cursor: object, fetch: Fetch, ready: Ready) -> ResultPage:
    """List the next 500 files, in the order of their paths; hidden files and folders are left out.

    ``fetch`` is not used. The cursor holds the last path, so files that come later behind it are found as well.

    Raises:
        ResourceError: a folder cannot be listed; leaving its pictures out would hide them.
    """
    mark = paging.read(cursor)
    root = Path(query.text)
    if not root.is_dir():
        what = "is a file, not a folder" if root.exists() else "does not exist"
        return ResultPage(verdict="unreachable", cursor=mark.as_json(), detail=f"{root} {what}")
    files = sorted(_files(root))
    last = mark.facts.get("last", "")
    waiting = [name for name in files if name > last]
    if not waiting:
        if mark.given:
            return ResultPage(verdict="end", detail=f"{mark.given} files")
        return ResultPage(verdict="empty", detail=f"{root} holds no files")
    names = waiting[:PAGE_SIZE]
    proposals = tuple(_proposal(root, name, mark.given + rank) for rank, name in enumerate(names, start=1))
    if len(names) == len(waiting):
        return ResultPage(verdict="end", proposals=proposals, detail=f"{mark.given + len(names)} files")
    following = paging.Cursor(page=mark.page + 1, given=mark.given + len(names), facts={"last": names[-1]})
    return ResultPage(verdict="ok", proposals=proposals, cursor=following.as_json())


def _files(root: Path) -> Iterator[str]:
    """Yield the paths of all files below ``root``, relative to it; links to folders are not followed."""

    def stop(error: OSError) -> None:
        raise read_error(error, Path(error.filename or root))

    for folder, folders, names in os.walk(root, onerror=stop):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in names:
            if not name.startswith("."):
                yield (Path(folder) / name).relative_to(root).as_posix()


def address_of(path: Path) -> str:
    """Return the ``file:`` address of a path, with what changes when the file is written anew behind ``#``.

    A file that was replaced is another candidate by that, and is read again.
    """
    try:
        found = path.stat()
        version = f"#{found.st_mtime_ns:x}-{found.st_size:x}"
    except OSError:
        version = ""  # reading it says what is wrong
    return f"{path.absolute().as_uri()}{version}"


def _proposal(root: Path, name: str, rank: int) -> Proposal:
    title = name.encode("utf-8", "replace").decode("utf-8")  # a name need not be UTF-8
    return Proposal(url=address_of(root / name), rank=rank, title=title)


PROVIDER: Final = Provider(
    name="folder",
    title="folder",
    page=page,
    check=check,
    page_size=PAGE_SIZE,
    local=True,
    proposes_files=True,
    edited=True,
    licensed=False,
    policy=HostPolicy(pause_seconds=0.0),
)
