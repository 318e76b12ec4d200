"""Progress is passed in: a stage reports to a :class:`Progress`, the command line renders it."""

from collections.abc import Iterable, Iterator
from typing import Protocol, TypeVar

T = TypeVar("T")


class Progress(Protocol):
    """Receives the progress of a stage. All calls are cheap and may come from one thread at a time."""

    def start(self, title: str, total: int | None = None) -> None:
        """Begin a piece of work of ``total`` steps (None: unknown), ending the previous one."""

    def advance(self, steps: int = 1, note: str = "") -> None:
        """Report finished steps; ``note`` is a few words such as "coral: 12 of 50"."""

    def say(self, line: str) -> None:
        """Show one plain line that stays: a plan, a result, a warning."""


class Silent:
    """The default: nothing is shown."""

    def start(self, title: str, total: int | None = None) -> None:
        """Do nothing."""

    def advance(self, steps: int = 1, note: str = "") -> None:
        """Do nothing."""

    def say(self, line: str) -> None:
        """Do nothing."""


def track(items: Iterable[T], progress: Progress, title: str, total: int | None = None) -> Iterator[T]:
    """Yield ``items`` and report each to ``progress`` after it was used."""
    progress.start(title, total)
    for item in items:
        yield item
        progress.advance()
