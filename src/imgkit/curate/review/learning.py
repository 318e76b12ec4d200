"""Scores of the suspects that still wait, after what a person decided about the others."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

from imgkit.curate.pictures import COPY_REASONS
from imgkit.curate.review.ledger import Mark
from imgkit.curate.review.listing import Key, Listing

if TYPE_CHECKING:
    from imgkit.curate.ranking import Ranking

FEWEST: Final = 5  # decisions from which the order of the rest follows them
_SURE: Final = 0.999  # scores are held between this and its counterpart, so that decisions can still move them


class Learner:
    """Reads the ranking that the last curate kept in ``cache``, when it is first asked."""

    def __init__(self, cache: Path) -> None:
        self._cache = cache
        self._ranking: Ranking | None = None
        self._of = ""

    def scores(self, listing: Listing, marks: Mapping[Key, Mark]) -> dict[int, float]:
        """Return a score by row, 0 to 1 with 1 worst, for suspects that nobody decided about.

        Each keeps the score of its check, moved by what the decisions say about pictures like it. Empty before five
        decisions, and where no ranking was kept. The same marks give the same scores, in whatever order they were made.
        """
        ranking = self._read(listing.revision)
        if ranking is None:
            return {}
        import numpy as np  # takes a tenth of a second, which the page need not wait for when it opens

        from imgkit.curate.relearn import UNDECIDED, relearn

        decided = np.array([_verdict(marks.get(key)) for key in ranking.keys], dtype=np.int8)
        if (decided != UNDECIDED).sum() < FEWEST:
            return {}
        moved = relearn(ranking.prior, ranking.scores, ranking.looks, decided) - ranking.learnt
        found: dict[int, float] = {}
        for key, shift in zip(ranking.keys, moved, strict=True):
            row = listing.row.get(key, -1)
            if row not in listing.suspects or (key in marks and marks[key].action):
                continue
            score = min(_SURE, max(1 - _SURE, listing.suspects[row]))
            odds = score / (1 - score) * float(np.exp(np.clip(shift, -20, 20)))
            found[row] = round(odds / (1 + odds), 4)
        return found

    def _read(self, revision: str) -> "Ranking | None":
        if self._of != revision:
            from imgkit.curate.ranking import read_ranking

            self._ranking, self._of = read_ranking(self._cache), revision
        return self._ranking


def _verdict(mark: Mark | None) -> int:
    """Return -1 undecided, 0 kept, 1 bad; a picture that was moved, or set aside as a copy, says nothing."""
    if mark is None:
        return -1
    if mark.action == "keep":
        return 0
    return 1 if mark.action == "reject" and not mark.reason.startswith(COPY_REASONS) else -1
