"""Take actions from the page, write them, and say what is in force afterwards."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass

from imgkit.curate.audit import AuditAnswers, answers_of, draw, estimate, interim_sizes, last_interim
from imgkit.curate.review.decision_log import DecisionLog, Mark
from imgkit.curate.review.learning import Learner
from imgkit.curate.review.listing import InSet, ReviewListing
from imgkit.curate.review.messages import DecisionChange, MalformedError, Posted
from imgkit.errors import UsageError
from imgkit.manifest import Audit, Decision, Manifest, Outcome, Question, ReviewAction, ReviewLog, Standing
from imgkit.manifest.labels import slug
from imgkit.manifest.nouns import ItemKey
from imgkit.manifest.outcomes import COPY_REASONS, outcomes_of
from imgkit.manifest.overview import search

PAGE_MODES = ("weed", "confirm", "grid", "similar", "trash")  # in which many pictures are decided about at once
OUT_FROM = 0.5  # probability from which a picture is marked to go out
HISTORY_SHOWN = 200  # actions that a page gets when it opens; older ones can still be undone, one answer later


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """What people did so far: decisions in force by kind, and pictures marked for a second look.

    ``copies`` counts the pictures that are out because a copy of them was rejected for what it shows.
    """

    kept: int
    rejected: int
    relabelled: int
    unsure: int
    copies: int = 0


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What is in force at a moment: all pictures, the marks on them, and the versions of both."""

    listing: ReviewListing
    marks: dict[ItemKey, Mark]
    versions: dict[str, str]


class ReviewService:
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
        self.listing = ReviewListing(manifest, in_set)
        self.actions_taken = 0
        self._learner = Learner(manifest.folder.cache)
        self._reload()

    def refresh(self) -> None:
        """Read pictures and verdicts again, after another command may have changed them."""
        listing = ReviewListing(self._manifest, self._in_set)
        with self._lock:
            if listing.revision != self.listing.revision:
                self.listing = listing

    # the log

    def _reload(self) -> None:
        self._decision_log = DecisionLog()
        self._last_decision = self._last_action = 0
        self._catch_up()

    def _catch_up(self) -> tuple[set[ItemKey], list[ReviewAction]]:
        """Fold what was written since the last time; return the items it touched and the new actions."""
        rows = self._manifest.decisions(after=self._last_decision)
        actions = self._log.actions(after=self._last_action)
        ours: dict[str, list[Decision]] = {action.key: [] for action in actions}
        others: list[Decision] = []
        for row in rows:
            ours.get(row.key.rpartition(".")[0], others).append(row)
        touched: set[ItemKey] = set()
        others.reverse()
        for action in actions:
            own = ours[action.key]
            while own and others and others[-1].id < own[0].id:
                touched |= self._decision_log.record_foreign(others.pop())
            touched |= self._decision_log.record(action, own)
            self._last_action = action.id
        while others:
            touched |= self._decision_log.record_foreign(others.pop())
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

    def _take(self, posted: Posted) -> tuple[str, set[ItemKey]]:
        if posted.key in self._decision_log.entries:
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
            return self._decision_log.undo_rows(posted.undoes)
        if posted.kind in ("unsure", "answer"):
            self._key(posted.at)
        if posted.kind == "answer" and self._question(posted).trial == "catch":
            return []  # the answer tests the reviewer and decides nothing
        return [one for change in posted.changes for one in self._changed(change)]

    def _changed(self, change: DecisionChange) -> list[Decision]:
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

    def _key(self, item: str) -> ItemKey:
        key = self.listing.key_of(item)
        if key is None:
            raise MalformedError(item)
        return key

    # what the page reads

    def state(self) -> dict[str, object]:
        """Return all marks, the end of the history and where the audit stands."""
        with self._lock:
            self._catch_up()
            done = list(self._decision_log.done)
            return {
                "labels": self._labels(),
                "marks": [
                    self._row(key, mark) for key, mark in self._decision_log.marks().items() if key in self.listing.row
                ],
                "done": [self._history_row(key) for key in done[-HISTORY_SHOWN:]],
                "older": max(0, len(done) - HISTORY_SHOWN),
                "undone": [self._history_row(key) for key in self._decision_log.undone],
                **self._versions(),
                "reviewer": self._reviewer,
                "audit": self.audit(),
            }

    def standing(self) -> Snapshot:
        """Return what is in force now, to learn from while decisions go on."""
        with self._lock:
            self._catch_up()
            return Snapshot(self.listing, self._decision_log.marks(), self._versions())

    def scores(self, standing: Snapshot, *, first: int | None = None) -> dict[str, object]:
        """Return the rows that wait with their probability of being wrong, the likeliest first, at most ``first`` of
        them; how many there are of which the learner would take out; and an estimate of the wrong ones that are left.
        """
        found = self._learner.rank(standing.listing, standing.marks)
        return {
            "rows": found.rows[:first],
            "scores": found.probabilities[:first],
            "waiting": len(found.rows),
            "out": sum(one >= OUT_FROM for one in found.probabilities),
            "remaining": found.remaining.as_json(),
            **standing.versions,
        }

    def similar(self, standing: Snapshot, item: str, *, most: int) -> dict[str, object]:
        """Return up to ``most`` rows that look like an item, itself first.

        Raises:
            MalformedError: there is no such item.
        """
        key = standing.listing.key_of(item)
        if key is None:
            raise MalformedError("of")
        rows = self._learner.neighbours(standing.listing, standing.listing.row[key], most)
        return {"rows": rows, **standing.versions}

    def search(self, standing: Snapshot, words: str) -> dict[str, object]:
        """Return the rows whose title, page, file name or label holds every word, whatever the case."""
        found = search(self._manifest, words.split(), dict(self._labels()))
        rows = sorted(standing.listing.row[key] for key in found if key in standing.listing.row)
        return {"rows": rows, **standing.versions}

    def history(self, *, skip: int) -> dict[str, object]:
        """Return up to 200 actions in force, older than the last ``skip``, oldest first."""
        with self._lock:
            done = list(self._decision_log.done)
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
                entry = self._decision_log.entries[action.undoes or action.key].action
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

    def _rows(self, keys: set[ItemKey]) -> list[list[object]]:
        return [self._row(key, self._decision_log.mark(key)) for key in sorted(keys) if key in self.listing.row]

    def _row(self, key: ItemKey, mark: Mark) -> list[object]:
        """Return [row, action, reason, number of the new label, unsure, order of the decision]."""
        to = self.listing.labels.index(mark.to_label) if mark.to_label in self.listing.labels else -1
        return [self.listing.row[key], mark.action, mark.reason, to, int(mark.unsure), mark.order]

    def _history_row(self, key: str) -> list[object]:
        """Return [key, kind, mode, row of the painted item or -1, number of items, key taken back, answer]."""
        entry = self._decision_log.entries[key]
        action = entry.action
        row = self.listing.row.get((action.label, action.image_id), -1)
        return [key, action.kind, action.mode, row, len(entry.decisions), action.undoes, action.answer]

    def outcomes(self) -> dict[ItemKey, Outcome]:
        """Return what becomes of each picture of the listing with the decisions in force."""
        with self._lock:
            self._catch_up()
            marks = self._decision_log.marks()
            members = {key: one for group in self.listing.copies.values() for key, one in group.items()}
            return outcomes_of(
                self._standing(key, inside, members.get(key), marks.get(key))
                for key, inside in zip(self.listing.row, self.listing.in_set, strict=True)
            )

    def _standing(self, key: ItemKey, inside: bool, member: Standing | None, mark: Mark | None) -> Standing:
        own = mark.decision(key) if mark else None
        if member is not None:
            return member._replace(decision=own)
        usable = key not in self.listing.unusable
        return Standing(*key, "keep" if inside else "reject", "", inside, usable, decision=own)

    def in_set_count(self) -> int:
        """Return how many pictures are in the set with the decisions in force."""
        return sum(bool(one.placed) for one in self.outcomes().values())

    def totals(self) -> Totals:
        """Count the marks in force, and the pictures that are out because a copy of them was rejected."""
        followed = sum(one.follows and one.state == "reject" and one.by == "person" for one in self.outcomes().values())
        with self._lock:
            marks = self._decision_log.marks().values()
            count = {name: sum(mark.action == name for mark in marks) for name in ("keep", "reject", "relabel")}
            unsure = sum(mark.unsure for mark in marks)
        return Totals(
            kept=count["keep"],
            rejected=count["reject"],
            relabelled=count["relabel"],
            unsure=unsure,
            copies=followed,
        )

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
        """Draw a new sample from the pictures of the set that nobody looked at alone, and return where it stands.

        What was kept a page at a time was kept at a glance, so it is among them like what nobody decided about.

        Raises:
            UsageError: a person has decided about every picture.
        """
        with self._lock:
            self._catch_up()
            marks = self._decision_log.marks()
            inside = [key for key, outcome in self.outcomes().items() if outcome.placed]
            glanced = self._kept_at_a_glance()
            unseen = [key for key in inside if not (mark := marks.get(key, Mark())).action or mark.order in glanced]
            if not unseen:
                raise UsageError("a person has decided about every picture of the set: there is nothing to estimate.")
            known_bad = [key for key, mark in marks.items() if key in self.listing.row and _is_known_bad(mark)]
            questions = draw(unseen, known_bad, seed=seed)
            self._log.put_audit(Audit(kept=len(inside), unseen=len(unseen), questions=questions))
            return self.audit() or {}

    def _kept_at_a_glance(self) -> set[int]:
        """Return the ids of the decisions that kept a picture together with others of a page."""
        found: set[int] = set()
        for key in self._decision_log.done:
            entry = self._decision_log.entries[key]
            kept = [one.id for one in entry.decisions if one.action == "keep"]
            if entry.action.mode in PAGE_MODES and len(kept) > 1:
                found.update(kept)
        return found

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
                "looks": self._positions(found, interim_sizes(sampled)),
                "look": last_interim(found, answers),
                "result": result.as_json() if result else None,
            }

    @staticmethod
    def _positions(audit: Audit, wanted: Sequence[int]) -> list[list[int]]:
        """Return [sampled pictures, questions up to there] for each interim analysis."""
        found, sampled = [], 0
        for n, question in enumerate(audit.questions, start=1):
            if question.trial == "sample":
                sampled += 1
                if sampled in wanted:
                    found.append([sampled, n])
        return found

    def _answers(self, audit: Audit) -> AuditAnswers:
        return answers_of([entry.action for entry in self._decision_log.entries.values()], audit.id)

    def _question(self, posted: Posted) -> Question:
        audit, key = self._log.last_audit(), self._key(posted.at)
        if audit is not None and audit.id == posted.audit:
            for question in audit.questions:
                if (question.label, question.image_id) == key:
                    return question
        raise MalformedError("audit")


def _is_known_bad(mark: Mark) -> bool:
    """Whether a person found the content bad for its label; a rejected copy does not count."""
    if mark.action == "reject":
        return not mark.reason.startswith(COPY_REASONS)
    return mark.action == "relabel"
