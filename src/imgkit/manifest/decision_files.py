"""Take over the decisions in a file that another data folder wrote; those about unknown pictures are kept aside."""

import json
import re
from collections.abc import Callable, Iterable, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Final, get_args

from imgkit.errors import IntegrityError, UsageError
from imgkit.files import NO_FILE, read_file, write_text
from imgkit.manifest import rows
from imgkit.manifest.exports import decisions_jsonl, write_exports
from imgkit.manifest.locks import exclusive_access
from imgkit.manifest.nouns import Action, Actor, Decision
from imgkit.manifest.renaming import renamed_labels
from imgkit.manifest.store import Manifest

_REASON: Final = re.compile(r"[a-z]{1,32}\.[a-z0-9_]{1,64}|")
_Identity = tuple[datetime | None, str, str, str, str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionImport:
    """What an import did with the ``read`` decisions of a file: ``new`` ones were added to the log, ``known`` ones were
    there, ``aside`` ones are about pictures that the data folder does not have.

    ``taken_up`` counts those that an earlier import had put aside and whose pictures are there now.
    """

    file: str
    read: int
    new: int
    known: int
    aside: int
    taken_up: int
    kept_in: str

    def as_json(self) -> dict[str, object]:
        """Return it as values that JSON can hold."""
        return asdict(self)


def import_decisions(data: Path, file: Path, *, dry_run: bool = False) -> DecisionImport:
    """Append the decisions of a file to the log of a data folder; those that are in it already are left out.

    A decision is the same when time, picture, action and label are the same, so importing a file twice changes nothing.
    What is imported counts as later than what is in the log. Decisions about pictures that the folder does not have are
    kept in ``decisions-aside.jsonl`` and taken over by a later import, when the pictures are there.

    Args:
        data: the data folder.
        file: a ``decisions.jsonl``.
        dry_run: only count.

    Raises:
        UsageError: no manifest, no file, or a line that is not a decision. Nothing was imported.
        LockedError: a review is open, or another command rewrites the folder.
        ResourceError: no permission, or the disk failed.
    """
    decisions = read_decisions(file)
    with (
        Manifest.open_existing(data) as manifest,
        exclusive_access(manifest.folder.locks, "decisions", running=("review",)),
    ):
        aside_file = manifest.folder.decisions_aside
        earlier = read_decisions(aside_file) if aside_file.exists() else []
        with nullcontext() if dry_run else manifest.together(durable=True):
            found, aside = _merged(manifest, earlier, decisions, dry_run=dry_run)
        if not dry_run:
            _write_aside(aside_file, aside)
            write_exports(manifest)
        return replace(found, file=str(file), kept_in=str(aside_file) if found.aside else "")


def export_decisions(data: Path) -> str:
    """Return the log of decisions of a data folder as ``decisions.jsonl`` has it, one JSON object a line.

    Raises:
        UsageError: there is no manifest.
    """
    with Manifest.open_existing(data) as manifest:
        return decisions_jsonl(manifest.decisions())


def read_decisions(path: Path) -> list[Decision]:
    """Return the decisions in a file that ``decisions_jsonl`` wrote, with the ids they had there.

    Raises:
        UsageError: there is no such file, or a line is not a decision; the sentence names file and line.
        ResourceError: it cannot be read.
    """
    try:
        data = read_file(path)
    except NO_FILE as error:
        raise UsageError(f"there is no file {path}. Nothing was imported. Give a decisions.jsonl.") from error
    found: list[Decision] = []
    pictures: dict[int, tuple[str, str]] = {}
    for number, line in enumerate(data.removeprefix(b"\xef\xbb\xbf").split(b"\n"), 1):
        if not line.strip():
            continue
        try:
            one = _read(line, pictures)
        except (ValueError, TypeError, AttributeError, OverflowError, OSError, RecursionError, IntegrityError) as error:
            raise UsageError(
                f"{path}, line {number} is not a decision ({error}). Nothing was imported. "
                "Give a decisions.jsonl as imgkit wrote it."
            ) from error
        pictures[one.id] = (one.label, one.image_id)
        found.append(one)
    return found


def _read(line: bytes, pictures: dict[int, tuple[str, str]]) -> Decision:
    """Return the decision in a line of a file that may be a stranger's.

    Args:
        line: a JSON object.
        pictures: label and image id of the decisions above it, by id.

    Raises:
        ValueError, TypeError, IntegrityError: it says what no decision says, or names what could lead out of the
            data folder.
    """
    fields = json.loads(line)
    at = datetime.fromisoformat(fields.pop("at", ""))
    if at.tzinfo is None:
        raise ValueError("its time has no time zone")
    one = Decision(**fields, at=rows.moment(rows.timestamp(at)))
    rows.checked_label(one.label)
    rows.checked_name(one.image_id)
    if one.action not in get_args(Action) or one.actor not in get_args(Actor):
        raise ValueError(f"action {one.action!r} of {one.actor!r}")
    if not all(isinstance(text, str) for text in (one.reason, one.command, one.key, one.to_label)):
        raise ValueError("a text is none")
    if not _REASON.fullmatch(one.reason):
        raise ValueError(f"the reason {one.reason!r}")
    if type(one.undoes) not in (int, type(None)) or type(one.id) is not int:
        raise ValueError("an id is none")
    if (one.action == "relabel") != bool(one.to_label):
        raise ValueError("a label to move to belongs to relabel, and to nothing else")
    if one.to_label:
        rows.checked_label(one.to_label)
    if (one.action == "undo") != (one.undoes is not None):
        raise ValueError("what it undoes belongs to undo, and to nothing else")
    if one.undoes is not None and pictures.get(one.undoes) != (one.label, one.image_id):
        raise ValueError(f"it undoes {one.undoes}, which is no decision about this picture on a line above")
    return one


def _merged(
    manifest: Manifest, earlier: Sequence[Decision], decisions: Sequence[Decision], *, dry_run: bool
) -> tuple[DecisionImport, list[Decision]]:
    """Append what is new and return what became of it, and the decisions about unknown pictures, numbered afresh.

    Args:
        manifest: of the data folder, in a transaction.
        earlier: what was put aside before.
        decisions: those of the file.
        dry_run: append nothing.
    """
    log = manifest.decisions()
    there = {(one.label, one.image_id) for one in log} | {(one.label, one.image_id) for one in manifest.items()}
    known = {_identity(one, one.undoes or 0): one.id for one in log}
    labels, names = manifest.labels(), renamed_labels(manifest)
    aside: list[Decision] = []
    known_aside: dict[_Identity, int] = {}

    def append(one: Decision) -> int:
        if dry_run:
            return -len(known) - 1
        if one.to_label and one.to_label not in labels:
            manifest.add_label(one.to_label, one.to_label)
            labels[one.to_label] = one.to_label
        return manifest.decide([one])[0]

    def put_aside(one: Decision) -> int:
        aside.append(replace(one, id=len(aside) + 1))
        return len(aside)

    new = []
    for source in (earlier, decisions):
        named = [_as_named_here(one, labels, names) for one in source]
        new.append(_merge(known, (one for one in named if (one.label, one.image_id) in there), append))
        unknown = [one for one in named if (one.label, one.image_id) not in there]
        _merge(known_aside, unknown, put_aside)
    report = DecisionImport(
        file="",
        read=len(decisions),
        new=new[1],
        known=len(decisions) - len(unknown) - new[1],
        aside=len(unknown),
        taken_up=new[0],
        kept_in="",
    )
    return report, aside


def _as_named_here(one: Decision, labels: dict[str, str], names: dict[str, str]) -> Decision:
    """Return a decision with the names that its labels have now: those that were renamed, and those spelled alike."""
    alike = {label.casefold(): label for label in labels}

    def now(label: str) -> str:
        return label if label in labels else alike.get(label.casefold(), names.get(label, label))

    one = replace(one, label=now(one.label), to_label=now(one.to_label) if one.to_label else "")
    return replace(one, action="keep", to_label="", reason="") if one.to_label == one.label else one


def _merge(known: dict[_Identity, int], decisions: Iterable[Decision], append: Callable[[Decision], int]) -> int:
    """Append those decisions that are not known, with the ids of where they are now, and return how many."""
    before = len(known)
    ids: dict[int | None, int] = {}
    for one in decisions:
        undoes = ids.get(one.undoes, 0)
        identity = _identity(one, undoes)
        if identity not in known:
            known[identity] = append(replace(one, undoes=undoes or None, key="", id=0))
        ids[one.id] = known[identity]
    return len(known) - before


def _identity(one: Decision, undoes: int) -> _Identity:
    return (one.at, one.label, one.image_id, one.action, one.to_label, undoes)


def _write_aside(file: Path, aside: Sequence[Decision]) -> None:
    if aside:
        write_text(file, decisions_jsonl(aside))
    else:
        file.unlink(missing_ok=True)
