"""The open file that every part of the manifest works on."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from imgkit.manifest.connection import Connection
from imgkit.manifest.nouns import Count

ROWS_AT_A_TIME: Final = 2000


class Opened:
    """A manifest's file with a clock. The parts of ``Manifest`` are made of it, each with its own tables."""

    def __init__(self, db: Connection, clock: Callable[[], float]) -> None:
        self._db = db
        self._clock = clock

    @property
    def connection(self) -> Connection:
        """The open file, for the other modules of this room."""
        return self._db

    def now(self) -> float:
        """Return the manifest's time in seconds since 1970."""
        return self._clock()

    @contextmanager
    def together(self, *, durable: bool = False) -> Iterator[None]:
        """Make all writes inside the block one transaction: all of them or none."""
        with self._db.write(durable=durable):
            yield

    def _tally(self, of: str) -> list[Count]:
        """Return the counts that the file keeps, those of 0 left out."""
        found = self._db.read(
            "SELECT label, provider, state, reason, count FROM tally WHERE of=? AND count<>0 "
            "ORDER BY label, provider, state, reason",
            (of,),
        )
        return [Count(**dict(row)) for row in found]
