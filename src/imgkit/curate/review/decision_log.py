"""Fold the log of decisions into what is in force, what can be undone and what can be done again."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import cast

from imgkit.manifest.nouns import Action, Decision, ItemKey, ReviewAction


@dataclass(frozen=True, slots=True)
class Mark:
    """What people have said about an item: ``action`` is keep, reject, relabel or "" (nothing in force).

    ``unsure`` asks for a second look; it does not change what is in force. ``order`` is the id of the decision, 0 for
    none: of two marks the later one has the higher order.
    """

    action: str = ""
    reason: str = ""
    to_label: str = ""
    unsure: bool = False
    order: int = field(default=0, compare=False)

    def decision(self, item: ItemKey) -> Decision | None:
        """Return the decision that put the mark on an item, None where none is in force."""
        if not self.action:
            return None
        return Decision(
            label=item[0],
            image_id=item[1],
            action=cast("Action", self.action),
            reason=self.reason,
            to_label=self.to_label,
            id=self.order,
        )


UNDECIDED = Mark()


@dataclass(slots=True)
class _Step:
    """An event in the life of one item: a decision, or a mark for a second look (``decision`` is None)."""

    action_key: str
    decision: Decision | None


@dataclass(frozen=True, slots=True)
class LogEntry:
    """An action in the history, with the decisions that came with it."""

    action: ReviewAction
    decisions: tuple[Decision, ...]


class DecisionLog:
    """The state that follows from a log, kept up to date event by event.

    ``done`` holds the keys of the actions in force, oldest first: undo takes back the last one. ``undone`` holds the
    keys of the undo actions that can be undone in turn (redo), oldest first; a new action empties it.
    """

    def __init__(self) -> None:
        self.done: dict[str, None] = {}  # a dict for its order: any key leaves in no time
        self.undone: dict[str, None] = {}
        self.entries: dict[str, LogEntry] = {}
        self._rows: dict[int, Decision] = {}
        self._taken_back: Counter[int] = Counter()  # decision id to the undo rows in force that point at it
        self._steps: dict[ItemKey, list[_Step]] = {}
        self._withdrawn: set[str] = set()  # actions that only marked or answered, and were undone

    def record(self, action: ReviewAction, decisions: Sequence[Decision]) -> set[ItemKey]:
        """Add an action of the page with its written decisions; return the items whose mark may have changed."""
        self.entries[action.key] = LogEntry(action, tuple(decisions))
        if action.kind == "undo":
            return self._undo(action, decisions)
        self.done[action.key] = None
        self.undone.clear()
        changed = {self._add(one, action.key) for one in decisions}
        if action.kind == "unsure":
            item = (action.label, action.image_id)
            self._steps.setdefault(item, []).append(_Step(action.key, None))
            changed.add(item)
        return changed

    def record_foreign(self, decision: Decision) -> set[ItemKey]:
        """Add a decision that no action of the page brought: another command, or an imported log."""
        return {self._add(decision, "")}

    def mark(self, item: ItemKey) -> Mark:
        """Return what is in force for an item."""
        unsure = False
        for step in reversed(self._steps.get(item, ())):
            if step.decision is None:
                unsure = unsure or step.action_key not in self._withdrawn
            elif not self._taken_back[step.decision.id]:
                one = step.decision
                return Mark(one.action, one.reason, one.to_label, unsure, one.id)
        return Mark(unsure=unsure)

    def marks(self) -> dict[ItemKey, Mark]:
        """Return every mark that is not empty."""
        found = {item: self.mark(item) for item in self._steps}
        return {item: mark for item, mark in found.items() if mark != UNDECIDED}

    def undo_rows(self, target: str) -> list[Decision] | None:
        """Return the decisions that take the action ``target`` back; None if it is not in force (any more)."""
        if target not in self.done and target not in self.undone:
            return None
        return [
            Decision(image_id=one.image_id, label=one.label, action="undo", undoes=one.id, command="review")
            for one in self.entries[target].decisions
        ]

    def _undo(self, action: ReviewAction, decisions: Sequence[Decision]) -> set[ItemKey]:
        target = self.entries[action.undoes].action
        if target.kind == "undo":  # redo
            original = self.entries[target.undoes].action
            self.undone.pop(target.key, None)
            self.done[original.key] = None
            self._withdrawn.discard(original.key)
        else:
            original = target
            self.done.pop(original.key, None)
            self.undone[action.key] = None
            self._withdrawn.add(original.key)
        changed = {self._add(one, action.key) for one in decisions}
        if original.kind == "unsure":
            changed.add((original.label, original.image_id))
        return changed

    def _add(self, decision: Decision, action_key: str) -> ItemKey:
        self._rows[decision.id] = decision
        item = (decision.label, decision.image_id)
        if decision.action == "undo":
            self._take_back(decision.undoes)
        else:
            self._steps.setdefault(item, []).append(_Step(action_key, decision))
        return item

    def _take_back(self, target: int | None) -> None:
        """Count an undo row against its target; a target that is an undo row itself loses its effect."""
        if target is None:
            return
        self._taken_back[target] += 1
        row = self._rows.get(target)
        if row is not None and row.action == "undo" and self._taken_back[target] == 1:
            self._give_back(row.undoes)

    def _give_back(self, target: int | None) -> None:
        if target is None:
            return
        self._taken_back[target] -= 1
        row = self._rows.get(target)
        if row is not None and row.action == "undo" and self._taken_back[target] == 0:
            self._take_back(row.undoes)
