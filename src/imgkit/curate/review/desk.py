"""Take actions from the page, write them, and say what is in force afterwards."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass

from imgkit.curate.audit import Answers, answers_of, draw, estimate, last_look, looks
from imgkit.curate.review.learning import Learner
from imgkit.curate.review.ledger import Ledger, Mark
from imgkit.curate.review.listing import InSet, Key, Listing
from imgkit.curate.review.wire import Change, MalformedError, Posted
from imgkit.errors import UsageError
from imgkit.manifest import Audit, Decision, Manifest, Question, ReviewAction, ReviewLog
from imgkit.manifest.labels import slug

HISTORY_SHOWN = 200  # actions that a page gets when it opens; older ones can still be undone, one answer later


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """What people did so far: decisions in force by kind, and pictures marked for a second look."""

    kept: int
    rejected: int
    relabelled: int
    unsure: int


@dataclass(frozen=True, slots=True)
class Standing:
    """What is in force at a moment: all pictures, the marks on them, and the versions of both."""

    listing: Listing
    marks: dict[Key, Mark]
    versions: dict[str, str]


class Desk:
    """The one place that writes while the page is open. Safe for threads.

    Everything shown is a fold of the manifest's logs, read back after each write: what is in memory can be thrown
    away at any time.
    """

    def __init__(self, manifest: Manifest, *, reviewer: str, in_set: InSet) -> None:
        self._manifest = manifest
        self._log = ReviewLog(manifest)
        self._reviewer = reviewer
        self._in_set = in_set
        self._lock = threading.RLock()
        self.listing = Listing(manifest, in_set)
        self.actions_taken = 0
        self._learner = Learner(manifest.folder.cache)
        self._reload()

    def refresh(self) -> None:
        """Read pictures and verdicts again, after another command may have changed them."""
        listing = Listing(self._manifest, self._in_set)
        with self._lock:
            if listing.revision != self.listing.revision:
                self.listing = listing

    # the log

    def _reload(self) -> None:
        self._ledger = Ledger()
        self._last_decision = self._last_action = 0
        self._catch_up()

    def _catch_up(self) -> tuple[set[Key], list[ReviewAction]]:
        """Fold what was written since the last time; return the items it touched and the new actions."""
        rows = self._manifest.decisions(after=self._last_decision)
        actions = self._log.actions(after=self._last_action)
        ours: dict[str, list[Decision]] = {action.key: [] for action in actions}
        others: list[Decision] = []
        for row in rows:
            ours.get(row.key.rpartition(".")[0], others).append(row)
        touched: set[Key] = set()
        others.reverse()
        for action in actions:
            own = ours[action.key]
            while own and others and others[-1].id < own[0].id:
                touched |= self._ledger.record_foreign(others.pop())
            touched |= self._ledger.record(action, own)
            self._last_action = action.id
        while others:
            touched |= self._ledger.record_foreign(others.pop())
        if rows:
            self._last_decision = rows[-1].id
        return touched, actions

    @property
    def revision(self) -> str:
        """How far the log was read: the last decision and the last action."""
        return f"{self._last_decision}.{self._last_action}"

    def take(self, posted: Sequence[Posted]) -> dict[str, object]:
        """Write actions, all durable before this returns, and say for each what became of it.

        "written"; "known": it was written before; "stale": what it takes back is not in force any more; "refused": it
        names a picture or label that is not there.
        """
        with self._lock:
            touched, _ = self._catch_up()
            fates: list[dict[str, str]] = []
            try:
                with self._manifest.together(durable=True):
                    for one in posted:
                        fate, changed = self._take(one)
                        touched |= changed
                        fates.append({"key": one.key, "fate": fate})
            except BaseException:
                self._reload()
                raise
            return {"fates": fates, "marks": self._rows(touched), **self._versions()}

    def _take(self, posted: Posted) -> tuple[str, set[Key]]:
        if posted.key in self._ledger.entries:
            return "known", {self._key(item) for change in posted.changes for item in change.items if self._knows(item)}
        try:
            decisions = self._decisions(posted)
        except MalformedError:
            return "refused", set()
        if decisions is None:
            return "stale", set()
        label, image_id = self.listing.key_of(posted.at) or ("", "")
        action = ReviewAction(
            key=posted.key,
            reviewer=self._reviewer,
            mode=posted.mode,
            kind=posted.kind,
            label=label,
            image_id=image_id,
            answer=posted.answer,
            undoes=posted.undoes,
            audit=posted.audit,
            dwell_ms=posted.dwell_ms,
        )
        self._log.append(action, decisions)
        self.actions_taken += 1
        touched, _ = self._catch_up()
        return "written", touched

    def _decisions(self, posted: Posted) -> list[Decision] | None:
        if posted.kind == "undo":
            return self._ledger.undo_rows(posted.undoes)
        if posted.kind in ("unsure", "answer"):
            self._key(posted.at)
        if posted.kind == "answer" and self._question(posted).trial == "catch":
            return []  # the answer tests the reviewer and decides nothing
        return [one for change in posted.changes for one in self._changed(change)]

    def _changed(self, change: Change) -> list[Decision]:
        if change.to >= len(self.listing.labels):
            raise MalformedError("to")
        to_label = self.listing.labels[change.to] if change.to >= 0 else ""
        return [
            Decision(
                image_id=image_id,
                label=label,
                action=change.action,
                reason=change.reason,
                to_label=to_label,
                command="review",
            )
            for label, image_id in map(self._key, change.items)
        ]

    def _knows(self, item: str) -> bool:
        return self.listing.key_of(item) is not None

    def _key(self, item: str) -> Key:
        key = self.listing.key_of(item)
        if key is None:
            raise MalformedError(item)
        return key

    # what the page reads

    def state(self) -> dict[str, object]:
        """Return all marks, the end of the history and where the audit stands."""
        with self._lock:
            self._catch_up()
            done = list(self._ledger.done)
            return {
                "labels": self._labels(),
                "marks": [
                    self._row(key, mark) for key, mark in self._ledger.marks().items() if key in self.listing.row
                ],
                "done": [self._history_row(key) for key in done[-HISTORY_SHOWN:]],
                "older": max(0, len(done) - HISTORY_SHOWN),
                "undone": [self._history_row(key) for key in self._ledger.undone],
                **self._versions(),
                "reviewer": self._reviewer,
                "audit": self.audit(),
            }

    def standing(self) -> Standing:
        """Return what is in force now, to learn from while decisions go on."""
        with self._lock:
            self._catch_up()
            return Standing(self.listing, self._ledger.marks(), self._versions())

    def scores(self, standing: Standing) -> dict[str, object]:
        """Return the scores of the suspects that wait, by row, after what was decided; empty while that is little."""
        found = self._learner.scores(standing.listing, standing.marks)
        return {"rows": list(found), "scores": list(found.values()), **standing.versions}

    def history(self, *, skip: int) -> dict[str, object]:
        """Return up to 200 actions in force, older than the last ``skip``, oldest first."""
        with self._lock:
            done = list(self._ledger.done)
            end = max(0, len(done) - skip)
            start = max(0, end - HISTORY_SHOWN)
            return {"done": [self._history_row(key) for key in done[start:end]], "older": start}

    def changes(self, since: str) -> dict[str, object]:
        """Return what happened after the revision ``since``: marks, and actions in order.

        Raises:
            MalformedError: ``since`` is no revision.
        """
        parts = since.split(".")
        if len(parts) != 2 or not all(part.isascii() and part.isdigit() and len(part) < 16 for part in parts):
            raise MalformedError("since")
        after_decision, after_action = int(parts[0]), int(parts[1])
        with self._lock:
            self._catch_up()
            if (after_decision, after_action) == (self._last_decision, self._last_action):
                return {"marks": [], "actions": [], "labels": self._labels(), **self._versions()}
            actions = self._log.actions(after=after_action)
            touched = {(row.label, row.image_id) for row in self._manifest.decisions(after=after_decision)}
            for action in actions:
                entry = self._ledger.entries[action.undoes or action.key].action
                touched.add((entry.label, entry.image_id))
            return {
                "marks": self._rows(touched),
                "actions": [self._history_row(action.key) for action in actions],
                "labels": self._labels(),
                **self._versions(),
            }

    def _versions(self) -> dict[str, str]:
        """Say how far the log was read, and which listing the row numbers beside it belong to."""
        return {"revision": self.revision, "listing": self.listing.revision}

    def _labels(self) -> list[list[str]]:
        self.listing.add_labels(self._manifest.labels())
        return [[folder, name] for folder, name in zip(self.listing.labels, self.listing.names, strict=True)]

    def _rows(self, keys: set[Key]) -> list[list[object]]:
        return [self._row(key, self._ledger.mark(key)) for key in sorted(keys) if key in self.listing.row]

    def _row(self, key: Key, mark: Mark) -> list[object]:
        """Return [row, action, reason, number of the new label, unsure]."""
        to = self.listing.labels.index(mark.to_label) if mark.to_label in self.listing.labels else -1
        return [self.listing.row[key], mark.action, mark.reason, to, int(mark.unsure)]

    def _history_row(self, key: str) -> list[object]:
        """Return [key, kind, mode, row of the painted item or -1, number of items, key taken back, answer]."""
        entry = self._ledger.entries[key]
        action = entry.action
        row = self.listing.row.get((action.label, action.image_id), -1)
        return [key, action.kind, action.mode, row, len(entry.decisions), action.undoes, action.answer]

    def totals(self) -> Totals:
        """Count the marks in force."""
        with self._lock:
            marks = self._ledger.marks().values()
            count = {name: sum(mark.action == name for mark in marks) for name in ("keep", "reject", "relabel")}
            unsure = sum(mark.unsure for mark in marks)
        return Totals(kept=count["keep"], rejected=count["reject"], relabelled=count["relabel"], unsure=unsure)

    # labels and audits

    def add_label(self, name: str) -> int:
        """Return the number of the label called ``name``, made known if it is new.

        Raises:
            UsageError: no folder can be named after it, or another label has that folder.
        """
        folder = slug(name)
        if not folder:
            raise UsageError(f'no folder can be named after "{name}". Nothing was changed. Use letters or digits.')
        with self._lock:
            for n, (known_folder, known_name) in enumerate(self._labels()):
                if name.casefold() in (known_folder.casefold(), known_name.casefold()) or folder == known_folder:
                    return n
            self._manifest.add_label(folder, name)
            return len(self._labels()) - 1

    def start_audit(self, *, seed: int) -> dict[str, object]:
        """Draw a new sample from the pictures of the set that nobody decided about, and return where it stands.

        Raises:
            UsageError: a person has decided about every picture.
        """
        with self._lock:
            self._catch_up()
            marks = self._ledger.marks()
            undecided = [
                key
                for key, inside in zip(self.listing.row, self.listing.in_set, strict=True)
                if inside and not marks.get(key, Mark()).action
            ]
            if not undecided:
                raise UsageError("a person has decided about every picture of the set: there is nothing to estimate.")
            decided = sum(mark.action in ("keep", "relabel") for mark in marks.values())
            known_bad = [key for key, mark in marks.items() if key in self.listing.row and _tests_the_eye(mark)]
            questions = draw(undecided, known_bad, seed=seed)
            self._log.put_audit(Audit(kept=len(undecided) + decided, unseen=len(undecided), questions=questions))
            return self.audit() or {}

    def audit(self) -> dict[str, object] | None:
        """Return the newest audit: its questions in order (blind: a trial looks like any other), answers, result."""
        with self._lock:
            found = self._log.last_audit()
            if found is None:
                return None
            answers = self._answers(found)
            result = estimate(found, answers)
            sampled = sum(one.trial == "sample" for one in found.questions)
            rows = [self.listing.row.get((one.label, one.image_id), -1) for one in found.questions]
            return {
                "id": found.id,
                "rows": rows,
                "answers": [answers.get((one.label, one.image_id), "") for one in found.questions],
                "looks": self._positions(found, looks(sampled)),
                "look": last_look(found, answers),
                "result": result.as_json() if result else None,
            }

    @staticmethod
    def _positions(audit: Audit, wanted: Sequence[int]) -> list[list[int]]:
        """Return [sampled pictures, questions up to there] for each look."""
        found, sampled = [], 0
        for n, question in enumerate(audit.questions, start=1):
            if question.trial == "sample":
                sampled += 1
                if sampled in wanted:
                    found.append([sampled, n])
        return found

    def _answers(self, audit: Audit) -> Answers:
        return answers_of([entry.action for entry in self._ledger.entries.values()], audit.id)

    def _question(self, posted: Posted) -> Question:
        audit, key = self._log.last_audit(), self._key(posted.at)
        if audit is not None and audit.id == posted.audit:
            for question in audit.questions:
                if (question.label, question.image_id) == key:
                    return question
        raise MalformedError("audit")


def _tests_the_eye(mark: Mark) -> bool:
    """Whether a picture is bad to look at under its label; a copy is not."""
    if mark.action == "reject":
        return not mark.reason.startswith(("dup.", "bad.conflict"))
    return mark.action == "relabel"
