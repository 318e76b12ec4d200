"""What a run changed in ``harvested/`` because rows of queries files changed, and what it left alone, for people."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from imgkit import commands
from imgkit.harvest.crawl.screening import REVERSIBLE
from imgkit.manifest import Manifest, QueryRow
from imgkit.manifest.nouns import ItemKey
from imgkit.reasons import explain

COMMAND_LINE: Final = "words on the command line"


@dataclass(frozen=True, slots=True, kw_only=True)
class Before:
    """A data folder before a run: the rows in force, the pictures in ``harvested/``, and those that had left it."""

    rows: tuple[QueryRow, ...]
    here: frozenset[ItemKey]
    had_left: frozenset[ItemKey]


@dataclass(frozen=True, slots=True, kw_only=True)
class NewName:
    """A label that nobody asks for any more, and the new label that asks for the same."""

    old: str
    new: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SameWords:
    """A new label that asks for the same as one that another queries file still asks for."""

    label: str
    other: str
    file: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """What became of earlier pictures in a run.

    Attributes:
        left: reason to pictures that left ``harvested/`` for it.
        back: pictures that are in ``harvested/`` again, without a download.
        decided: decisions of people about pictures that left; they hold again when the pictures are back.
        others: queries file to the display names of labels that only it asks for; they are as they were.
        new_names: labels that were probably renamed in the file.
        same_words: new labels that ask for what another file's label asks for.
    """

    left: Mapping[str, int]
    back: int = 0
    decided: int = 0
    others: Mapping[str, tuple[str, ...]]
    new_names: tuple[NewName, ...] = ()
    same_words: tuple[SameWords, ...] = ()

    def as_json(self) -> dict[str, object]:
        """Return the changes as values that JSON can hold."""
        return asdict(self)

    def sentences(self, data: str) -> list[str]:
        """Return one sentence for each kind of change, none where there was none; ``data`` is the data folder."""
        found = []
        if self.left:
            reasons = ", ".join(f"{count:,} {reason} ({explain(reason)})" for reason, count in self.left.items())
            found.append(
                f"{_pictures(sum(self.left.values()))} left {data}/harvested: {reasons}. Their rows and originals "
                "stay; nothing is downloaded again when they are asked for and allowed again."
            )
        if self.decided:
            found.append(f"{self.decided:,} decisions of people about them stay, and hold again when they are back.")
        if self.back:
            found.append(f"{_pictures(self.back)} came back to {data}/harvested without a download.")
        found += [
            f"Labels that only {file or COMMAND_LINE} asks for stay: {', '.join(names)}."
            for file, names in self.others.items()
        ]
        found += [
            f"'{one.old}' is not asked for any more and '{one.new}' asks for the same. If it is a new name, move its "
            f"pictures and decisions with: {_command(one.old, one.new, data)}"
            for one in self.new_names
        ]
        found += [
            f"'{one.label}' asks for the same as '{one.other}' of {one.file or COMMAND_LINE}: pictures under both are "
            f"conflicts for curate. If it is a new name: {_command(one.other, one.label, data)}"
            for one in self.same_words
        ]
        return found


def before(manifest: Manifest) -> Before:
    """Return what a run begins with."""
    return Before(
        rows=tuple(manifest.rows_in_force()),
        here=frozenset((one.label, one.image_id) for one in manifest.items()),
        had_left=frozenset(
            (one.label, one.image_id)
            for one in manifest.each_candidate()
            if one.image_id is not None and one.reason in REVERSIBLE
        ),
    )


def changes(manifest: Manifest, earlier: Before, kept: Iterable[ItemKey], *, mine: Set[str]) -> Changes:
    """Return what became of the pictures of ``earlier`` when ``kept`` is what is in ``harvested/`` now.

    Args:
        manifest: after the run.
        earlier: the data folder before it.
        kept: (label, image id) of every picture that is kept.
        mine: the labels that the run asked for, by folder name.
    """
    now = frozenset(kept)
    left = earlier.here - now
    rows = manifest.rows_in_force()
    return Changes(
        left=_by_reason(manifest, left),
        back=len((now & earlier.had_left) - earlier.here),
        decided=len(left & manifest.current_decisions().keys()),
        others=_others(rows, mine),
        new_names=_new_names(manifest, earlier.rows, rows),
        same_words=_same_words(earlier.rows, rows, mine),
    )


def _by_reason(manifest: Manifest, left: Set[ItemKey]) -> dict[str, int]:
    reasons: dict[ItemKey, str] = {}
    if left:
        for one in manifest.each_candidate():
            key = (one.label, one.image_id or "")
            if key in left:
                reasons.setdefault(key, one.reason)
    return dict(Counter(sorted(reasons.values())).most_common())


def _others(rows: Sequence[QueryRow], mine: Set[str]) -> dict[str, tuple[str, ...]]:
    others: dict[str, dict[str, None]] = defaultdict(dict)
    for row in rows:
        if row.query.label not in mine:
            others[row.file][row.query.name] = None
    return {file: tuple(names) for file, names in sorted(others.items())}


def _new_names(manifest: Manifest, earlier: Sequence[QueryRow], rows: Sequence[QueryRow]) -> tuple[NewName, ...]:
    """Return each label that nobody asks for now, with the one new label that has its words or most of its pictures."""
    asked_before, asked_now = _texts(earlier), _texts(rows)
    gone = [label for label in asked_before if label not in asked_now]
    new = [label for label in asked_now if label not in asked_before]
    names = manifest.labels()
    pictures = {label: _pictures_of(manifest, label) for label in (*gone, *new)} if gone and new else {}
    pairs = []
    for old in gone:
        alike = [
            label
            for label in new
            if _mostly(pictures[old], pictures[label])
            or (asked_before[old] & asked_now[label] and _only_here(asked_before[old] & asked_now[label], asked_now))
        ]
        if len(alike) == 1:
            pairs.append(NewName(old=names[old], new=names[alike[0]]))
    return tuple(pairs)


def _same_words(earlier: Sequence[QueryRow], rows: Sequence[QueryRow], mine: Set[str]) -> tuple[SameWords, ...]:
    known = {row.query.label for row in earlier}
    fresh = [row for row in rows if row.query.label in mine and row.query.label not in known]
    return tuple(
        dict.fromkeys(
            SameWords(label=row.query.name, other=other.query.name, file=other.file)
            for row in fresh
            for other in rows
            if other.query.text == row.query.text and other.query.label not in mine
        )
    )


def _texts(rows: Sequence[QueryRow]) -> dict[str, set[str]]:
    texts: dict[str, set[str]] = defaultdict(set)
    for row in rows:
        texts[row.query.label].add(row.query.text)
    return texts


def _only_here(shared: Set[str], asked: Mapping[str, Set[str]]) -> bool:
    """Say whether some of the shared words are those of one label alone, and no list of addresses of several."""
    return any(sum(text in texts for texts in asked.values()) == 1 for text in shared)


def _pictures_of(manifest: Manifest, label: str) -> set[str]:
    return {one.image_id for one in manifest.each_candidate(label=label) if one.image_id is not None}


def _mostly(old: Set[str], new: Set[str]) -> bool:
    return bool(old) and 2 * len(old & new) > len(old)


def _pictures(count: int) -> str:
    return f"{count:,} picture{'' if count == 1 else 's'}"


def _command(old: str, new: str, data: str) -> str:
    return commands.command("labels", "rename", old, new, "--data", Path(data))
