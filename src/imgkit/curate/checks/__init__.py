"""The checks, cheap ones first, in one table. A check is added by one file and one line."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from imgkit.curate.checks import (
    conflict,
    exact,
    junk,
    label,
    leak,
    near,
    not_photo,
    offtopic,
    placeholder,
    quality,
    readable,
    side,
    text,
)
from imgkit.curate.evidence import Evidence
from imgkit.manifest import Finding


@dataclass(frozen=True, slots=True)
class Check:
    """A question asked of all pictures at once.

    ``run`` returns at most one finding per item, for those worth a look only: a score (higher is worse) with the
    threshold from which the check takes it for bad, and evidence in ``detail``. ``needs_model`` says whether it is
    skipped when there are no features.
    """

    run: Callable[[Evidence], Sequence[Finding]]
    version: int
    needs_model: bool = False


CHECKS: dict[str, Check] = {
    readable.NAME: Check(readable.run, readable.VERSION),
    exact.NAME: Check(exact.run, exact.VERSION),
    near.NAME: Check(near.run, near.VERSION),
    leak.NAME: Check(leak.run, leak.VERSION),
    placeholder.NAME: Check(placeholder.run, placeholder.VERSION),
    conflict.NAME: Check(conflict.run, conflict.VERSION),
    quality.NAME: Check(quality.run, quality.VERSION),
    not_photo.NAME: Check(not_photo.run, not_photo.VERSION, needs_model=True),
    text.NAME: Check(text.run, text.VERSION, needs_model=True),
    offtopic.NAME: Check(offtopic.run, offtopic.VERSION, needs_model=True),
    junk.NAME: Check(junk.run, junk.VERSION, needs_model=True),
    label.NAME: Check(label.run, label.VERSION, needs_model=True),
    side.NAME: Check(side.run, side.VERSION, needs_model=True),
}
"""Name of a check to the check, in the order in which they run; a later one may build on an earlier one's findings."""
