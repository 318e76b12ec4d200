"""What each label still needs: candidates that wait in their fixed order, how many are under way, how many are kept."""

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from imgkit.harvest.crawl.duplicate_tracker import DuplicateTracker
from imgkit.harvest.crawl.local_files import is_local
from imgkit.harvest.crawl.order import RankedAddress


@dataclass(slots=True)
class LabelFrontier:
    """One label of a run.

    A candidate is started only while kept + under way < target. So what is kept in the end is the first ``target``
    good pictures of the fixed order, whatever the timing: nothing is started that might not be needed, and nothing
    that is needed is left out.
    """

    label: str
    name: str
    target: int
    round: int = -1  # of searching: the last one that was ordered
    searching: bool = False
    loaded: bool = False
    shown: int = 0  # kept pictures that the progress bar knows of
    started: bool = False
    announced: bool = False
    exhausted: bool = False  # nobody is left to ask
    under_way: int = 0
    _remote: deque[RankedAddress] = field(default_factory=deque)
    _local: deque[RankedAddress] = field(default_factory=deque)

    def put(self, entries: Iterable[RankedAddress]) -> None:
        """Replace what waits; ``entries`` come in their fixed order."""
        self._remote.clear()
        self._local.clear()
        for entry in entries:
            (self._local if is_local(entry.first) else self._remote).append(entry)

    def put_back(self, entries: Sequence[RankedAddress]) -> None:
        """Let entries that were taken wait again, before the others."""
        self._remote.extendleft(reversed(entries))

    def wants(self, ledger: DuplicateTracker) -> bool:
        """Say whether one more picture would be needed if everything under way succeeds."""
        return ledger.kept(self.label) + self.under_way < self.target

    def next(self, ledger: DuplicateTracker) -> RankedAddress | None:
        """Take the next entry to start, None when there is none or none is needed.

        Files of this machine are all taken: they cost nothing, and a folder is adopted whole.
        """
        if self._local:
            return self._local.popleft()
        return self._remote.popleft() if self._remote and self.wants(ledger) else None

    def needs_search(self, ledger: DuplicateTracker) -> bool:
        """Say whether more candidates are needed, whatever becomes of those under way."""
        waiting = self._local or self._remote
        return not (waiting or self.searching or self.exhausted) and self.wants(ledger)

    def done(self, ledger: DuplicateTracker) -> bool:
        """Say whether nothing is under way and nothing more can be or needs to be started."""
        if self.under_way or self.searching or self._local:
            return False
        return not self.wants(ledger) or (self.exhausted and not self._remote)
