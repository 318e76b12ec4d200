"""Probabilities of the pictures that still wait, after what a person decided about the others."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from imgkit.curate.review.decision_log import Mark
from imgkit.curate.review.listing import ReviewListing
from imgkit.manifest.nouns import ItemKey
from imgkit.manifest.outcomes import COPY_REASONS

if TYPE_CHECKING:
    from imgkit.arrays import Float64Array, Int8Array, Int64Array
    from imgkit.curate.ranking.relearning import LearningInputs
    from imgkit.curate.ranking.remaining import Remaining

_NOT_SEEN, _SEEN = -2, -1  # by nobody; decided, but nothing about what the picture shows


@dataclass(frozen=True, slots=True)
class Ranked:
    """Rows that nobody decided about with their probability of being wrong, the likeliest first, and an estimate of how
    many wrong ones are among those of them that are in the set.
    """

    rows: list[int]
    probabilities: list[float]
    remaining: "Remaining"


@dataclass(frozen=True, slots=True)
class _Prepared:
    """What is fixed about the N rows of a listing that a person can be asked about."""

    revision: str
    rows: "Int64Array"
    place: Mapping[int, int]  # row to its index among them
    inputs: "LearningInputs"


class Learner:
    """Reads the features that the last curate kept in ``cache``, when it is first asked; it also works without them."""

    def __init__(self, cache: Path) -> None:
        self._cache = cache
        self._known: _Prepared | None = None

    def rank(self, listing: ReviewListing, marks: Mapping[ItemKey, Mark]) -> Ranked:
        """Return what waits, ranked by the verdicts of the checks and by what was decided about pictures like it.

        Of the copies of a picture under one label there is the best one only, and none once one of them is decided. The
        same marks give the same result, in whatever order they were made.
        """
        import numpy as np  # takes a tenth of a second, which the page need not wait for when it opens

        from imgkit.curate.ranking.relearning import BAD, GOOD, UNDECIDED, learn
        from imgkit.curate.ranking.remaining import estimate_remaining

        prepared = self._prepare(listing)
        said = _verdicts(listing, marks, prepared.place, len(prepared.rows))
        decided = np.where(said >= 0, said, UNDECIDED).astype(np.int8)
        learnt = learn(prepared.inputs, decided)
        probabilities = _probability(learnt.log_odds)
        waiting = np.flatnonzero(said == _NOT_SEEN)
        inside = np.array([listing.in_set[row] for row in prepared.rows.tolist()], dtype=np.bool_)
        remaining = estimate_remaining(
            probabilities[waiting[inside[waiting]]],
            found_bad=(decided[learnt.rows] == BAD).astype(np.int8),
            expected=_probability(learnt.held_out),
            kept=int((said == GOOD).sum()),
        )
        order = waiting[np.argsort(-probabilities[waiting], kind="stable")]
        return Ranked(prepared.rows[order].tolist(), probabilities[order].round(4).tolist(), remaining)

    def neighbours(self, listing: ReviewListing, row: int, most: int) -> list[int]:
        """Return up to ``most`` rows that look most like a row, under any label, itself first; [] without features."""
        import numpy as np

        prepared = self._prepare(listing)
        place = prepared.place.get(row, -1)
        shared = prepared.inputs.shared
        if place < 0 or not shared[place].any():
            return []
        lengths = np.sqrt((shared**2).sum(axis=1))
        near = shared @ shared[place] / np.maximum(lengths * lengths[place], 1e-9)
        near[lengths == 0] = -2.0
        near[place] = 2.0
        found = np.argsort(-near, kind="stable")[:most]
        return [int(prepared.rows[one]) for one in found if near[one] > -2.0]

    def _prepare(self, listing: ReviewListing) -> _Prepared:
        if self._known is None or self._known.revision != listing.revision:
            self._known = _prepared(listing, self._cache)
        return self._known


def _prepared(listing: ReviewListing, cache: Path) -> _Prepared:
    import numpy as np

    from imgkit.curate.ranking.reduced_features import ReducedFeatures, read_reduced
    from imgkit.curate.ranking.relearning import LARGEST_PRIOR, learning_inputs

    rows = np.array(sorted(set(listing.asked_as.values())), dtype=np.int64)
    index = {row: n for n, row in enumerate(rows.tolist())}
    place = {row: index[asked] for row, asked in listing.asked_as.items()}
    keys = list(listing.row)
    labels = np.array([listing.labels.index(keys[row][0]) for row in rows.tolist()], dtype=np.int64)
    chances = np.clip(np.array([listing.probabilities[row] for row in rows.tolist()], dtype=np.float64), 1e-6, 1 - 1e-6)
    kept = read_reduced(cache) or ReducedFeatures((), np.zeros((0, 1), np.float32))
    asked = [keys[row] for row in rows.tolist()]
    prior = np.log(chances / (1 - chances)) - np.array([kept.learnt.get(key, 0.0) for key in asked])
    prior = np.clip(prior, -LARGEST_PRIOR, LARGEST_PRIOR)  # the estimate of what is left believes nothing beyond
    return _Prepared(listing.revision, rows, place, learning_inputs(prior, kept.of(asked), labels))


def _verdicts(
    listing: ReviewListing, marks: Mapping[ItemKey, Mark], place: Mapping[int, int], count: int
) -> "Int8Array":
    """Return for each row that can be asked about: not seen, seen, 0 kept, 1 bad for its label; the latest wins."""
    import numpy as np

    found = np.full(count, _NOT_SEEN, dtype=np.int8)
    for key, mark in sorted(marks.items(), key=lambda one: one[1].order):
        row = listing.row.get(key, -1)
        if not mark.action or row not in place:
            continue
        one_file = mark.action == "reject" and mark.reason.startswith(COPY_REASONS)
        found[place[row]] = _SEEN if one_file else int(mark.action != "keep")
        if mark.action == "reject" and not one_file:  # what it shows is bad under whatever label
            for other in listing.copies.get(listing.group_of.get(row, ""), ()):
                if (beside := place.get(listing.row[other], -1)) >= 0 and found[beside] == _NOT_SEEN:
                    found[beside] = 1
    return found


def _probability(log_odds: "Float64Array") -> "Float64Array":
    import numpy as np

    found: Float64Array = 1 / (1 + np.exp(-np.clip(log_odds, -30.0, 30.0)))
    return found
