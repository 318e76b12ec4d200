"""Turn rows of SQLite into nouns and back; what becomes a path is checked as it is read, for it may be a stranger's."""

import functools
import json
import re
import sqlite3
from collections.abc import Callable
from dataclasses import asdict, replace
from datetime import UTC, datetime
from sys import intern
from typing import Final, TypeVar, get_args

from imgkit.errors import IntegrityError
from imgkit.files import shown
from imgkit.manifest.labels import is_folder_name
from imgkit.manifest.nouns import (
    Candidate,
    CandidateState,
    Decision,
    Finding,
    Image,
    Item,
    Judgement,
    Proposal,
    Query,
    QueryRow,
    ReviewAction,
    SearchState,
)

# what many candidates share is one text for all of them: "intern" below says the same of texts from outside
_STATES: Final[dict[str, CandidateState]] = {state: state for state in get_args(CandidateState)}
_SHARED: Final = ("license", "license_url")
_NO_TEXTS: Final = ("fallbacks", "width", "height")


Noun = TypeVar("Noun")
_ID: Final = re.compile(r"[0-9a-f]{20}")
_NAME: Final = re.compile(r"[\w-]{1,64}", re.ASCII)
_SHA256: Final = re.compile(r"[0-9a-f]{64}")
_HASH: Final = re.compile(r"[0-9a-f]{1,64}")
_EXTENSION: Final = re.compile(r"[a-z0-9]{1,8}")
_FOLDERS: Final[set[str]] = set()  # names that were checked before
_MOST_FOLDERS: Final = 10_000


def checked_id(value: object) -> str:
    """Return the id of a picture: 20 hex digits.

    Raises:
        IntegrityError: it is none.
    """
    return _matched(_ID, value, "the id of a picture")


def checked_name(value: object) -> str:
    """Return the id of a picture that something is said about, known here or not: letters, digits, ``-`` and ``_``.

    Raises:
        IntegrityError: it is none.
    """
    return _matched(_NAME, value, "the id of a picture")


def checked_sha256(value: object) -> str:
    """Return a SHA-256 as 64 hex digits.

    Raises:
        IntegrityError: it is none.
    """
    return _matched(_SHA256, value, "a SHA-256")


def checked_hash(value: object) -> str:
    """Return the hash of a file of ours as hex digits.

    Raises:
        IntegrityError: it is none.
    """
    return _matched(_HASH, value, "a hash")


def checked_label(value: object) -> str:
    """Return the folder name of a label.

    Raises:
        IntegrityError: it is none: it could lead out of the data folder.
    """
    if value not in _FOLDERS:
        if not isinstance(value, str) or not is_folder_name(value):
            raise strange(value, "the folder name of a label")
        if len(_FOLDERS) < _MOST_FOLDERS:
            _FOLDERS.add(value)
    return intern(str(value))


def strange(value: object, what: str) -> IntegrityError:
    """Return the error for a value of a manifest that imgkit would not have written."""
    return IntegrityError(
        f"the manifest holds {value!r:.80} where {what} belongs. Nothing was changed. Something other than imgkit "
        "wrote that: do not trust this data folder, or put a backup of manifest.db in its place.",
        code="manifest.row",
    )


def _matched(pattern: re.Pattern[str], value: object, what: str) -> str:
    if not isinstance(value, str) or not pattern.fullmatch(value):
        raise strange(value, what)
    return value


def _number(value: object, what: str) -> int:
    if not isinstance(value, int):
        raise strange(value, what)
    return value


def _checked(function: Callable[[sqlite3.Row], Noun]) -> Callable[[sqlite3.Row], Noun]:
    """Make a reader of rows whose texts may hold anything raise nothing but ``IntegrityError``."""

    @functools.wraps(function)
    def read(row: sqlite3.Row) -> Noun:
        try:
            return function(row)
        except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError, OSError) as error:
            raise strange(f"{type(error).__name__}: {error}", f"a row for {function.__name__}") from error

    return read


def to_json(value: object) -> str:
    """Return compact JSON with sorted keys, so that equal values are equal text; SQLite takes no text but UTF-8."""
    return shown(json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":")))


def timestamp(moment: datetime | None) -> float | None:
    """Return seconds since 1970, or None."""
    return None if moment is None else moment.timestamp()


def moment(timestamp: float | None) -> datetime | None:
    """Return a UTC time, or None."""
    return None if timestamp is None else datetime.fromtimestamp(timestamp, UTC)


def proposal_json(proposal: Proposal) -> str:
    """Return a proposal as JSON, leaving out what is empty and what has a column of its own."""
    fields = {name: value for name, value in asdict(proposal).items() if value not in ("", (), None)}
    del fields["url"], fields["rank"]
    return to_json(fields)


@_checked
def proposal_from(row: sqlite3.Row) -> Proposal:
    """Return the proposal of a candidate's row."""
    fields = json.loads(row["proposal"])
    fields["fallbacks"] = tuple(fields.get("fallbacks", ()))
    texts = [*fields["fallbacks"], *(value for name, value in fields.items() if name not in _NO_TEXTS), row["url"]]
    if not all(isinstance(text, str) for text in texts):
        raise strange(row["proposal"], "a proposal")
    fields |= {name: intern(fields[name]) for name in _SHARED if name in fields}
    return Proposal(url=row["url"], rank=row["rank"], **fields)


@_checked
def candidate_from(row: sqlite3.Row) -> Candidate:
    """Return the candidate in a row of the table ``candidate``."""
    return Candidate(
        id=row["id"],
        label=checked_label(row["label"]),
        query_id=row["query_id"],
        provider=intern(row["provider"]),
        round=row["round"],
        proposal=proposal_from(row),
        state=_STATES[row["state"]],
        reason=intern(row["reason"]),
        detail=row["detail"],
        attempts=row["attempts"],
        next_try_at=moment(row["next_try_at"]),
        image_id=None if row["image_id"] is None else checked_id(row["image_id"]),
    )


@_checked
def query_from(row: sqlite3.Row) -> Query:
    """Return the query in a row of ``query`` joined with ``label``."""
    return Query(
        label=checked_label(row["label"]),
        name=row["name"],
        text=row["text"],
        exclude=tuple(json.loads(row["exclude"])),
        licences=tuple(json.loads(row["licences"])),
    )


@_checked
def query_row_from(row: sqlite3.Row) -> QueryRow:
    """Return the row of a queries file in a row of ``query_row``, ``query_file``, ``query`` and ``label`` joined."""
    providers = tuple(json.loads(row["providers"]))
    return QueryRow(
        file=row["path"],
        query_id=row["query_id"],
        query=replace(query_from(row), providers=providers, limit=row["max_candidates"]),
    )


@_checked
def search_from(row: sqlite3.Row) -> SearchState:
    """Return the state in a row of ``search``."""
    return SearchState(
        query_id=row["query_id"],
        provider=row["provider"],
        cursor=json.loads(row["cursor"]),
        verdict=row["verdict"],
        detail=row["detail"],
        found=row["found"],
    )


@_checked
def image_from(row: sqlite3.Row) -> Image:
    """Return the image in a row of ``image``, whose id is that of its bytes."""
    if row["id"] != str(row["sha256"])[:20]:
        raise strange(row["id"], "the id of a picture")
    return Image(
        sha256=checked_sha256(row["sha256"]),
        stored_sha256=checked_sha256(row["stored_sha256"]),
        extension=_matched(_EXTENSION, row["extension"], "the extension of a file"),
        bytes=_number(row["bytes"], "a number"),
        width=_number(row["width"], "a number"),
        height=_number(row["height"], "a number"),
        frames=_number(row["frames"], "a number"),
        notes=tuple(json.loads(row["notes"])),
    )


@_checked
def item_from(row: sqlite3.Row) -> Item:
    """Return the item in a row of ``item``."""
    return Item(
        label=checked_label(row["label"]),
        image_id=checked_id(row["image_id"]),
        width=_number(row["width"], "a number"),
        height=_number(row["height"], "a number"),
        file_sha256=checked_hash(row["file_sha256"]),
    )


@_checked
def finding_from(row: sqlite3.Row) -> Finding:
    """Return the finding in a row of ``finding``."""
    return Finding(
        label=checked_label(row["label"]),
        image_id=checked_name(row["image_id"]),
        check=row["check_name"],
        score=row["score"],
        threshold=row["threshold"],
        detail=json.loads(row["detail"]),
        version=row["version"],
    )


@_checked
def judgement_from(row: sqlite3.Row) -> Judgement:
    """Return the judgement in a row of ``judgement``."""
    return Judgement(
        label=checked_label(row["label"]),
        image_id=checked_name(row["image_id"]),
        verdict=row["verdict"],
        reason=row["reason"],
        check=row["check_name"],
        score=row["score"],
        detail=row["detail"],
        suggested=checked_label(row["suggested"]) if row["suggested"] else "",
        group=row["group_name"],
        copies=row["copies"],
        rank=row["copy_rank"],
        included=None if row["included"] is None else bool(row["included"]),
        placed=row["placed"],
        probability=row["probability"],
        why=row["why"],
    )


@_checked
def decision_from(row: sqlite3.Row) -> Decision:
    """Return the event in a row of ``decision``."""
    return Decision(
        id=row["id"],
        at=moment(row["at"]),
        actor=row["actor"],
        command=row["command"],
        image_id=checked_name(row["image_id"]),
        label=checked_label(row["label"]),
        action=row["action"],
        reason=row["reason"],
        to_label=checked_label(row["to_label"]) if row["to_label"] else "",
        undoes=row["undoes"],
        key=row["key"] or "",
    )


@_checked
def review_action_from(row: sqlite3.Row) -> ReviewAction:
    """Return the action in a row of ``review``."""
    return ReviewAction(
        id=row["id"],
        at=moment(row["at"]),
        key=row["key"],
        reviewer=row["reviewer"],
        mode=row["mode"],
        kind=row["kind"],
        label=checked_label(row["label"]) if row["label"] else "",
        image_id=checked_name(row["image_id"]) if row["image_id"] else "",
        answer=row["answer"],
        undoes=row["undoes"],
        audit=row["audit"],
        dwell_ms=row["dwell_ms"],
    )
