"""Pictures in a folder of this machine: every file in it is proposed, so that each is accounted for."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from imgkit.harvest.providers import bookmark
from imgkit.harvest.providers.interface import Fetch, HostPolicy, Missing, Page, Provider, Ready, SearchQuery
from imgkit.manifest.nouns import Proposal

PAGE_SIZE: Final = 500


def check(environ: Mapping[str, str]) -> Ready | Missing:
    """A folder needs nothing."""
    return Ready(note="reads this machine")


def page(query: SearchQuery, cursor: object, fetch: Fetch, ready: Ready) -> Page:
    """List the next 500 files, in the order of their paths; hidden files and folders are left out.

    ``fetch`` is not used. The cursor holds the last path, so files that come later behind it are found as well.
    """
    mark = bookmark.read(cursor)
    root = Path(query.text)
    if not root.is_dir():
        what = "is a file, not a folder" if root.exists() else "does not exist"
        return Page(verdict="unreachable", cursor=mark.as_json(), detail=f"{root} {what}")
    try:
        files = sorted(_files(root))
    except OSError as error:
        detail = f"{error.filename or root} cannot be read: {error.strerror}"
        return Page(verdict="unreachable", cursor=mark.as_json(), detail=detail)
    last = mark.facts.get("last", "")
    waiting = [name for name in files if name > last]
    if not waiting:
        if mark.given:
            return Page(verdict="end", detail=f"{mark.given} files")
        return Page(verdict="empty", detail=f"{root} holds no files")
    names = waiting[:PAGE_SIZE]
    proposals = tuple(_proposal(root, name, mark.given + rank) for rank, name in enumerate(names, start=1))
    if len(names) == len(waiting):
        return Page(verdict="end", proposals=proposals, detail=f"{mark.given + len(names)} files")
    following = bookmark.Bookmark(page=mark.page + 1, given=mark.given + len(names), facts={"last": names[-1]})
    return Page(verdict="ok", proposals=proposals, cursor=following.as_json())


def _files(root: Path) -> Iterator[str]:
    """Yield the paths of all files below ``root``, relative to it; links to folders are not followed.

    Raises:
        OSError: a folder cannot be read; leaving its pictures out would hide them.
    """

    def stop(error: OSError) -> None:
        raise error

    for folder, folders, names in os.walk(root, onerror=stop):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in names:
            if not name.startswith("."):
                yield (Path(folder) / name).relative_to(root).as_posix()


def _proposal(root: Path, name: str, rank: int) -> Proposal:
    title = name.encode("utf-8", "replace").decode("utf-8")  # a name need not be UTF-8
    return Proposal(url=(root / name).absolute().as_uri(), rank=rank, title=title)


PROVIDER: Final = Provider(
    name="folder",
    title="folder",
    page=page,
    check=check,
    page_size=PAGE_SIZE,
    local=True,
    licensed=False,
    policy=HostPolicy(pause_seconds=0.0),
)
