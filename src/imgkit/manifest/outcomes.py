"""What becomes of each item in the end: verdicts of the machine, decisions of people, and copies. Pure.

This is the one place that says which pictures are in the set. ``curate`` writes the set by it, the review page shows
and announces it (``outcomes.js`` says the same in the browser), and ``status``, exports and reports count by it.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple

from imgkit.manifest.nouns import Decision, ItemKey, Verdict

"""Label and image id of an item."""

COPY_REASONS: Final = ("dup.", "bad.conflict")
"""Beginnings of the reasons that speak of one file only: another file is better, or under the right label."""

PictureState = Literal["keep", "reject", "relabel", "suspect", "harvested"]
By = Literal["person", "machine", "suspect"]


class Standing(NamedTuple):  # a tuple, since there can be a million of them
    """An item as people and the machine left it.

    ``included`` says whether the policy takes the item by the machine's verdict alone; ``usable`` is False for a file
    that no decision can bring into the set. ``copies`` names the group of copies ("" for none) and ``rank`` is the
    place in it, 0 for the best. ``decision`` is the item's own decision in force.
    """

    label: str
    image_id: str
    verdict: Verdict | Literal[""]
    reason: str
    included: bool
    usable: bool = True
    copies: str = ""
    rank: int = 0
    decision: Decision | None = None

    @property
    def key(self) -> ItemKey:
        """Label and image id."""
        return (self.label, self.image_id)


@dataclass(frozen=True, slots=True)
class Outcome:
    """Where an item ends: ``placed`` is the label under which it is in the set, "" for out.

    ``label`` is the label it has now, in the set or not. ``state`` and ``reason`` say why: a decision of a person, else
    the machine's verdict. ``by`` names who: a person, the machine, or nobody yet about a suspect. ``decision`` is the
    one that settled it, which for a copy is about another item: ``follows`` is True then.
    """

    placed: str
    label: str
    state: PictureState
    reason: str
    by: By
    decision: Decision | None = None
    follows: bool = False


def is_about_content(decision: Decision) -> bool:
    """Whether a decision is about what the picture shows, so that it holds for every copy of it.

    To keep and to relabel are; a rejection is unless its reason is that another file is better, or under another label.
    """
    return decision.action != "reject" or not decision.reason.startswith(COPY_REASONS)


def outcomes_of(standings: Iterable[Standing]) -> dict[ItemKey, Outcome]:
    """Return the outcome of every item.

    A group of copies follows the latest decision in force on its content. A rejection takes every member out, those
    that were kept before too, except where a person wants one under another label than the rejected one. A relabelling
    gives every member the new label. A keep puts earlier rejections and relabellings of other members aside: the
    rejected file itself stays out, its copies do not follow it any more.
    Of the members of a group that nobody decided about, at most one under each label is in the set: the one that the
    machine chose, else the best one that is left.

    Two items that end in one place, the same picture under one label, are one file: that of the item harvested there.
    """
    found: dict[ItemKey, Outcome] = {}
    groups: dict[str, list[Standing]] = {}
    for one in standings:
        if one.copies:
            groups.setdefault(one.copies, []).append(one)
        else:
            found[one.key] = _alone(one)
    for members in groups.values():
        found |= _group(members)
    return _one_file_a_place(found)


def latest_content(members: Iterable[Standing]) -> Decision | None:
    """Return the latest decision in force about what the members of a group show, None without one."""
    about = [one.decision for one in members if one.decision is not None and is_about_content(one.decision)]
    return max(about, key=lambda decision: decision.id, default=None)


def _alone(one: Standing) -> Outcome:
    return _decided(one, one.decision, one.label) if one.decision is not None else _undecided(one, one.label)


def _decided(one: Standing, own: Decision, label: str) -> Outcome:
    """The outcome of an item's own decision; ``label`` is the one that its copies have, where it is kept."""
    if own.action == "reject":
        return Outcome("", one.label, "reject", own.reason or "user.rejected", "person", own)
    if own.action == "relabel":
        return Outcome(own.to_label if one.usable else "", own.to_label, "relabel", "user.moved", "person", own)
    return Outcome(label if one.usable else "", label, "keep", "", "person", own)


def _undecided(one: Standing, label: str) -> Outcome:
    placed = label if one.included and one.usable else ""
    if one.verdict == "suspect":
        return Outcome(placed, label, "suspect", one.reason, "suspect")
    if not one.verdict:
        return Outcome(placed, label, "harvested", "", "machine")
    return Outcome(placed, label, one.verdict, one.reason, "machine")


def _group(members: Sequence[Standing]) -> dict[ItemKey, Outcome]:
    content = latest_content(members)
    if content is not None and content.action == "reject":
        return {one.key: _rejected_with(one, content) for one in members}
    askable = [one for one in members if one.decision is not None or not _is_question(one)]
    questions = {one.key: _undecided(one, one.label) for one in members if one not in askable}
    return questions | _kept_group(askable, content)


def _is_copy(one: Standing) -> bool:
    """Whether the machine set an item aside as a copy of another one."""
    return one.verdict == "reject" and one.reason.startswith("dup.")


def _is_question(one: Standing) -> bool:
    """Whether the machine asks a person if an item is a copy."""
    return one.verdict == "suspect" and one.reason.startswith("dup.")


def _kept_group(members: Sequence[Standing], content: Decision | None) -> dict[ItemKey, Outcome]:
    """The outcomes of a group whose content nobody rejected."""
    found: dict[ItemKey, Outcome] = {}
    waiting: list[Standing] = []
    for one in members:
        own = one.decision
        if own is None or _is_overruled(own, content):
            waiting.append(one)
        elif own.action == "keep" and content is not None and content.action == "relabel":
            found[one.key] = _moved(one, content)
        else:
            found[one.key] = _decided(one, own, one.label)
    return found | _undecided_members(members, waiting, found, content)


def _rejected_with(one: Standing, content: Decision) -> Outcome:
    own = one.decision
    if own is not None and (own.action == "reject" or _is_of_another_label(one, own, content)):
        return _decided(one, own, one.label)
    return Outcome("", one.label, "reject", content.reason or "user.rejected", "person", content, follows=True)


def _is_of_another_label(one: Standing, own: Decision, content: Decision) -> bool:
    """Whether a person wants an item under a label that a rejection of a copy does not speak of."""
    return content.label not in (one.label, own.to_label if own.action == "relabel" else one.label)


def _is_overruled(own: Decision, content: Decision | None) -> bool:
    """Whether a relabelling is overruled by a later decision that gives the group another label."""
    if own.action != "relabel" or content is None or content is own:
        return False
    return own.to_label != (content.to_label if content.action == "relabel" else content.label)


def _moved(one: Standing, content: Decision) -> Outcome:
    """A member that was kept, before a copy of it was given another label."""
    moved = content.to_label != one.label
    return Outcome(
        content.to_label if one.usable else "",
        content.to_label,
        "relabel" if moved else "keep",
        "user.moved" if moved else "",
        "person",
        content,
        follows=True,
    )


def _undecided_members(
    members: Sequence[Standing],
    waiting: Sequence[Standing],
    decided: Mapping[ItemKey, Outcome],
    content: Decision | None,
) -> dict[ItemKey, Outcome]:
    """The members that nobody decided about: under each label the one that the machine chose, or stands in for it."""
    moved_to = content.to_label if content is not None and content.action == "relabel" else ""
    labels = {one.key: moved_to or one.label for one in waiting}
    kept = {outcome.placed for outcome in decided.values() if outcome.placed}
    others = kept | set(labels.values())
    found: dict[ItemKey, Outcome] = {}
    for label in sorted(set(labels.values())):
        rivals = [one for one in waiting if labels[one.key] == label]
        chosen = min(rivals, key=lambda one: (not one.usable, _is_copy(one), one.rank, one.key))
        for one in rivals:
            if one is not chosen:
                found[one.key] = _copy(one, label, content)
        found[chosen.key] = _representative(chosen, label, members, kept, others, content)
    return found


def _representative(
    one: Standing,
    label: str,
    members: Sequence[Standing],
    kept: set[str],
    others: set[str],
    content: Decision | None,
) -> Outcome:
    """The member of a group that is in question under a label, with no decision of its own in force."""
    if kept and label not in kept:
        return Outcome("", label, "reject", "bad.conflict", "machine")
    judged = one
    if _is_copy(one):
        if label in kept:
            return _copy(one, label, content)
        judged = _model(one, members)
    if judged.reason == "bad.conflict" and (label in kept or len(others) < 2):
        if label in kept:
            return _copy(one, label, content)
        judged = judged._replace(verdict="keep", reason="", included=True)
    outcome = _undecided(judged._replace(usable=one.usable), label)
    if label != one.label and outcome.placed:
        return Outcome(label, label, "relabel", "user.moved", "person", content, follows=True)
    return outcome


def _model(one: Standing, members: Sequence[Standing]) -> Standing:
    """The member by whose verdict a copy is judged once the member that the machine had chosen is out."""
    judged = [other for other in members if not _is_copy(other) and other.usable]
    same = [other for other in judged if other.label == one.label]
    best = min(same or judged, key=lambda other: (other.rank, other.key), default=None)
    return best or one._replace(verdict="keep", reason="", included=True)


def _copy(one: Standing, label: str, content: Decision | None) -> Outcome:
    if not one.usable:
        return _undecided(one, label)
    reason = one.reason if _is_copy(one) else "dup.near"
    follows = label != one.label
    return Outcome("", label, "reject", reason, "machine", content if follows else None, follows=follows)


def _one_file_a_place(found: Mapping[ItemKey, Outcome]) -> dict[ItemKey, Outcome]:
    """Leave one item in each place of the set: the one harvested under that label, else the first by label."""
    taken: dict[ItemKey, ItemKey] = {}
    for key in sorted(found, key=lambda key: (found[key].placed != key[0], key)):
        if found[key].placed:
            taken.setdefault((found[key].placed, key[1]), key)
    return {
        key: outcome
        if not outcome.placed or taken[outcome.placed, key[1]] == key
        else Outcome("", outcome.label, "reject", "dup.exact", "machine", outcome.decision, outcome.follows)
        for key, outcome in found.items()
    }


class Cell(NamedTuple):
    """How many items share a label, a place in the set ("" for out), a state and a reason."""

    label: str
    placed: str
    state: str
    reason: str
    items: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureCounts:
    """Where the pictures of one label are.

    ``harvested`` pictures, each in one place: ``kept`` under this label, ``moved_out`` into the set under another one,
    ``left_out`` by reason, or ``unjudged`` by any curate. ``kept`` and ``moved_in`` from other labels make ``in_set``.
    ``suspects`` counts by reason those that nobody has decided about, in the set or not.
    """

    label: str
    harvested: int
    kept: int
    moved_out: int
    moved_in: int
    unjudged: int
    left_out: Mapping[str, int]
    suspects: Mapping[str, int]

    @property
    def in_set(self) -> int:
        """Pictures of the set under this label."""
        return self.kept + self.moved_in

    @property
    def set_aside(self) -> int:
        """Pictures of this label that are not in the set."""
        return sum(self.left_out.values())

    @property
    def waiting(self) -> int:
        """Suspects that nobody has decided about."""
        return sum(self.suspects.values())


def cells_of(outcomes: Mapping[ItemKey, Outcome]) -> list[Cell]:
    """Return the cells that items make, in no order."""
    found = Counter((key[0], one.placed, one.state, one.reason) for key, one in outcomes.items())
    return [Cell(*place, count) for place, count in found.items()]


def count_pictures(cells: Iterable[Cell], labels: Iterable[str]) -> dict[str, PictureCounts]:
    """Return the counts of each label, by label: every count of pictures that is printed anywhere comes from here."""
    counts: dict[str, _Counting] = {label: _Counting() for label in labels}
    for one in cells:
        counts.setdefault(one.label, _Counting()).add(one)
        if one.placed and one.placed != one.label:
            counts.setdefault(one.placed, _Counting()).moved_in += one.items
    return {label: counts[label].result(label) for label in sorted(counts)}


class _Counting:
    def __init__(self) -> None:
        self.harvested = self.kept = self.moved_out = self.moved_in = self.unjudged = 0
        self.left_out: Counter[str] = Counter()
        self.suspects: Counter[str] = Counter()

    def add(self, cell: Cell) -> None:
        self.harvested += cell.items
        if cell.state == "suspect":
            self.suspects[cell.reason] += cell.items
        if cell.placed == cell.label:
            self.kept += cell.items
        elif cell.placed:
            self.moved_out += cell.items
        elif cell.state == "harvested":
            self.unjudged += cell.items
        else:
            self.left_out[cell.reason] += cell.items

    def result(self, label: str) -> PictureCounts:
        return PictureCounts(
            label=label,
            harvested=self.harvested,
            kept=self.kept,
            moved_out=self.moved_out,
            moved_in=self.moved_in,
            unjudged=self.unjudged,
            left_out={reason: count for reason, count in sorted(self.left_out.items()) if count},
            suspects={reason: count for reason, count in sorted(self.suspects.items()) if count},
        )
