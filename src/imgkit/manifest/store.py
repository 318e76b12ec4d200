"""The manifest of a data folder: every query, candidate, image, finding, decision and run, and nothing forgotten."""

import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

from imgkit import commands
from imgkit.errors import ResourceError, UsageError
from imgkit.files import resource_error
from imgkit.manifest.candidates import Candidates
from imgkit.manifest.connection import Connection
from imgkit.manifest.folder import DataFolder
from imgkit.manifest.hosts import HostRecords
from imgkit.manifest.pictures import Pictures
from imgkit.manifest.runs import Runs
from imgkit.manifest.searches import Searches
from imgkit.manifest.verdicts import Verdicts


class Manifest(Searches, Candidates, Pictures, Verdicts, Runs, HostRecords):
    """The one place where stages leave what the next stage needs. Safe for threads; one writer at a time.

    Every writing method is a transaction of its own unless it is called inside ``with manifest.together():``.
    """

    def __init__(self, folder: DataFolder, *, clock: Callable[[], float] = time.time, read_only: bool = False) -> None:
        if not read_only:
            folder.refuse_links()
        super().__init__(Connection(folder.manifest, read_only=read_only), clock)
        self.folder = folder

    @classmethod
    def open(cls, data: Path, *, clock: Callable[[], float] = time.time) -> "Manifest":
        """Open the manifest of the data folder ``data``, creating folder and manifest if there is none.

        Raises:
            UsageError: the file is another program's, or a newer imgkit's.
            ResourceError: no permission or no space.
            IntegrityError: the file is damaged, or a folder of pictures is a link.
        """
        return cls(DataFolder(data), clock=clock)

    @classmethod
    def open_existing(cls, data: Path) -> "Manifest":
        """Open the manifest of ``data``, which must be there.

        Raises:
            UsageError: there is none; the sentence says which command makes one.
        """
        try:
            there = DataFolder(data).manifest.exists()
        except OSError as error:
            raise resource_error(error, DataFolder(data).manifest) from error
        if not there:
            raise UsageError(f"no manifest at {data}. Nothing was changed. Run first: {commands.harvest(data)}")
        return cls.open(data)

    @classmethod
    def open_to_read(cls, data: Path) -> "Manifest":
        """Open the manifest of ``data``, which must be there; where the folder cannot be written, only to be read.

        Raises:
            UsageError: there is none; the sentence says which command makes one.
            ResourceError: it cannot be read.
        """
        try:
            return cls.open_existing(data)
        except ResourceError as error:
            if error.code not in ("fs.permission", "fs.readonly", "fs.full"):
                raise
            return cls(DataFolder(data), read_only=True)

    def __enter__(self) -> "Manifest":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def check(self) -> str:
        """Return "ok", or what the database's own check found."""
        return self._db.check()

    def backup(self, target: Path) -> None:
        """Copy the manifest to ``target`` while others go on working."""
        self._db.backup(target)
