"""Turn rows of SQLite into nouns and back."""

import json
import sqlite3
from dataclasses import asdict
from datetime import UTC, datetime
from sys import intern
from typing import Final, get_args

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
    ReviewAction,
    SearchState,
)

# what many candidates share is one text for all of them: "intern" below says the same of texts from outside
_STATES: Final[dict[str, CandidateState]] = {state: state for state in get_args(CandidateState)}
_SHARED: Final = ("license", "license_url")


def to_json(value: object) -> str:
    """Return compact JSON with sorted keys, so that equal values are equal text."""
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


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


def proposal_from(row: sqlite3.Row) -> Proposal:
    """Return the proposal of a candidate's row."""
    fields = json.loads(row["proposal"])
    fields["fallbacks"] = tuple(fields.get("fallbacks", ()))
    fields |= {name: intern(fields[name]) for name in _SHARED if name in fields}
    return Proposal(url=row["url"], rank=row["rank"], **fields)


def candidate_from(row: sqlite3.Row) -> Candidate:
    """Return the candidate in a row of the table ``candidate``."""
    return Candidate(
        id=row["id"],
        label=intern(row["label"]),
        query_id=row["query_id"],
        provider=intern(row["provider"]),
        round=row["round"],
        proposal=proposal_from(row),
        state=_STATES[row["state"]],
        reason=intern(row["reason"]),
        detail=row["detail"],
        attempts=row["attempts"],
        next_try_at=moment(row["next_try_at"]),
        image_id=row["image_id"],
    )


def query_from(row: sqlite3.Row) -> Query:
    """Return the query in a row of ``query`` joined with ``label``."""
    return Query(
        label=row["label"],
        name=row["name"],
        text=row["text"],
        exclude=tuple(json.loads(row["exclude"])),
        providers=tuple(json.loads(row["providers"])),
        limit=row["max_candidates"],
        licences=tuple(json.loads(row["licences"])),
    )


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


def image_from(row: sqlite3.Row) -> Image:
    """Return the image in a row of ``image``."""
    return Image(
        sha256=row["sha256"],
        stored_sha256=row["stored_sha256"],
        extension=row["extension"],
        bytes=row["bytes"],
        width=row["width"],
        height=row["height"],
        frames=row["frames"],
        notes=tuple(json.loads(row["notes"])),
    )


def item_from(row: sqlite3.Row) -> Item:
    """Return the item in a row of ``item``."""
    return Item(
        label=row["label"],
        image_id=row["image_id"],
        width=row["width"],
        height=row["height"],
        file_sha256=row["file_sha256"],
    )


def finding_from(row: sqlite3.Row) -> Finding:
    """Return the finding in a row of ``finding``."""
    return Finding(
        label=row["label"],
        image_id=row["image_id"],
        check=row["check_name"],
        score=row["score"],
        threshold=row["threshold"],
        detail=json.loads(row["detail"]),
        version=row["version"],
    )


def judgement_from(row: sqlite3.Row) -> Judgement:
    """Return the judgement in a row of ``judgement``."""
    return Judgement(
        label=row["label"],
        image_id=row["image_id"],
        verdict=row["verdict"],
        reason=row["reason"],
        check=row["check_name"],
        score=row["score"],
        detail=row["detail"],
        suggested=row["suggested"],
        group=row["group_name"],
    )


def decision_from(row: sqlite3.Row) -> Decision:
    """Return the event in a row of ``decision``."""
    return Decision(
        id=row["id"],
        at=moment(row["at"]),
        actor=row["actor"],
        command=row["command"],
        image_id=row["image_id"],
        label=row["label"],
        action=row["action"],
        reason=row["reason"],
        to_label=row["to_label"],
        undoes=row["undoes"],
        key=row["key"] or "",
    )


def review_action_from(row: sqlite3.Row) -> ReviewAction:
    """Return the action in a row of ``review``."""
    return ReviewAction(
        id=row["id"],
        at=moment(row["at"]),
        key=row["key"],
        reviewer=row["reviewer"],
        mode=row["mode"],
        kind=row["kind"],
        label=row["label"],
        image_id=row["image_id"],
        answer=row["answer"],
        undoes=row["undoes"],
        audit=row["audit"],
        dwell_ms=row["dwell_ms"],
    )
