"""Questions that a person must answer before a set loses or changes many of its pictures."""

from collections.abc import Callable, Mapping, Sequence

from imgkit.curate.pictures import ItemPicture
from imgkit.curate.publish.folders import PublishedSet
from imgkit.curate.publish.plan import SetPlan
from imgkit.errors import UsageError
from imgkit.manifest import Judgement
from imgkit.manifest.nouns import ItemKey

Confirm = Callable[[str], bool]
"""Is given a question in full sentences, and returns whether a person said yes."""


def refuse(question: str) -> bool:
    """Answer no: for callers that cannot ask anybody."""
    return False


def ask(confirm: Confirm, question: str, *, code: str) -> None:
    """Go on if a person says yes.

    Raises:
        UsageError: nobody did; nothing was changed.
    """
    if question and not confirm(question):
        raise UsageError(f"{question} Nothing was changed. If that is right, run it again with --yes.", code=code)


def shrinking(
    present: PublishedSet | None,
    planned: SetPlan,
    pictures: Sequence[ItemPicture],
    judgements: Sequence[Judgement],
    *,
    rules: str,
) -> str:
    """Return the question about a set that would lose more than half of its pictures, "" where there is none to ask.

    There is none where the settings are others than those that the present set was made with. Pictures that people
    decided about, or that left the harvest by its rules or by a removal, do not count, neither before nor after.

    Args:
        present: the set that is there.
        planned: the set that is going to be.
        pictures: N pictures of the harvest.
        judgements: N verdicts.
        rules: what ``folders.rules_of`` returns for the settings.
    """
    if present is None or present.rules != rules:
        return ""
    before, after = len(present.placed), len(planned.entries)
    kept = {one.picture.key for one in planned.entries}
    reasons = {picture.key: judgement for picture, judgement in zip(pictures, judgements, strict=True)}
    decided = {picture.key for picture in pictures if picture.decision is not None}
    gone = [key for one in present.placed.values() if (key := (one.label, one.image_id)) not in kept]
    unexplained = [key for key in gone if key in reasons and key not in decided]
    explained = len(gone) - len(unexplained)
    if 2 * after >= before or 2 * len(unexplained) <= before - explained:
        return ""
    return (
        f"The set would shrink from {before:,} pictures to {after:,}: {len(unexplained):,} leave it without a decision "
        f"of yours or another setting ({_by_reason(unexplained, reasons)})."
    )


def _by_reason(keys: Sequence[ItemKey], judgements: Mapping[ItemKey, Judgement]) -> str:
    counts: dict[str, int] = {}
    for key in keys:
        reason = judgements[key].reason or "in another place"
        counts[reason] = counts.get(reason, 0) + 1
    return ", ".join(
        f"{count:,} {reason}" for reason, count in sorted(counts.items(), key=lambda each: (-each[1], each[0]))
    )
