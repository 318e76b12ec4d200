"""Read from the manifest what decides about each item, and count where the items are."""

import sqlite3
from collections import Counter
from collections.abc import Iterator
from typing import Final

from imgkit.components import groups_of
from imgkit.manifest import rows
from imgkit.manifest.connection import Connection
from imgkit.manifest.nouns import Decision, Finding, ItemKey, Judgement
from imgkit.manifest.outcomes import Cell, Outcome, Standing, cells_of, outcomes_of

_STANDINGS: Final = """
SELECT item.label, item.image_id, coalesce(verdict, '') AS verdict, coalesce(judgement.reason, '') AS judged_reason,
    coalesce(included, verdict = 'keep', 0) AS included, coalesce(check_name, '') AS check_name,
    coalesce(copies, '') AS copies, coalesce(copy_rank, 0) AS copy_rank, decision.*
FROM item LEFT JOIN judgement ON judgement.label = item.label AND judgement.image_id = item.image_id
    LEFT JOIN in_force ON in_force.label = item.label AND in_force.image_id = item.image_id
    LEFT JOIN decision ON decision.id = in_force.decision
"""

UNREADABLE: Final = "readable"
"""The check whose rejections no decision outranks: there is no picture in the file."""


def standings(db: Connection, *, only_copies: bool = False) -> Iterator[Standing]:
    """Yield every item as people and the machine left it; with ``only_copies`` the members of groups only."""
    groups = copy_groups(db)
    named = _has_named_groups(db)
    for row in db.read(f"{_STANDINGS} WHERE copies <> ''" if only_copies and named else _STANDINGS):
        one = _standing(row)
        copies = groups.get(one.key, "")
        if copies or not only_copies:
            yield one._replace(copies=copies)


def standing_of(judgement: Judgement, own: Decision | None) -> Standing:
    """Return what decides about an item of which this is the verdict and the decision in force."""
    return Standing(
        label=judgement.label,
        image_id=judgement.image_id,
        verdict=judgement.verdict,
        reason=judgement.reason,
        included=judgement.verdict == "keep" if judgement.included is None else judgement.included,
        usable=not (judgement.verdict == "reject" and judgement.check == UNREADABLE),
        copies=judgement.copies,
        rank=judgement.rank,
        decision=own,
    )


def outcomes(db: Connection) -> dict[ItemKey, Outcome]:
    """Return the outcome of every item."""
    return outcomes_of(standings(db))


def cells(db: Connection) -> list[Cell]:
    """Return how many items are where, without looking at more rows than the groups of copies have."""
    counted: Counter[tuple[str, str, str, str]] = Counter()
    for row in db.read("SELECT label, provider, state, reason, count FROM tally WHERE of = 'item' AND count <> 0"):
        counted[row["label"], row["provider"], row["state"], row["reason"]] += row["count"]
    members = list(standings(db, only_copies=True))
    for one in members:  # as they are counted in the tally: by their own decision or verdict
        alone = outcomes_of([one._replace(copies="")])[one.key]
        counted[one.label, alone.placed, alone.state, alone.reason] -= 1
    for cell in cells_of(outcomes_of(members)):
        counted[cell[:4]] += cell.items
    return [Cell(*place, count) for place, count in sorted(counted.items()) if count]


def written_counts(db: Connection) -> dict[str, int]:
    """Return how many pictures the set that was written holds, by label."""
    found = db.read("SELECT placed, count(*) FROM judgement WHERE placed <> '' GROUP BY placed ORDER BY placed")
    return dict(map(tuple, found))


def copy_groups(db: Connection) -> dict[ItemKey, str]:
    """Return the name of the group of copies of each member.

    Verdicts of an earlier version name no groups; then what findings call a copy or a conflict makes them.
    """
    if _has_named_groups(db):
        found = db.read("SELECT label, image_id, copies FROM judgement WHERE copies <> ''")
        return {(row["label"], row["image_id"]): row["copies"] for row in found}
    links = [((one.label, one.image_id), other) for one in findings_about_others(db) for other in _named_copies(one)]
    members = sorted({key for link in links for key in link})
    place_of = {key: place for place, key in enumerate(members)}
    groups = groups_of(len(members), [(place_of[one], place_of[other]) for one, other in links])
    return {members[place]: members[group[0]][1] for group in groups for place in group}


def findings_about_others(db: Connection) -> Iterator[Finding]:
    """Yield the findings that name other items (copies, conflicts), in the order of their keys."""
    for row in db.read(
        "SELECT * FROM finding WHERE detail LIKE '%\"copy_of\"%' OR detail LIKE '%\"others\"%' "
        "ORDER BY label, image_id, check_name"
    ):
        yield rows.finding_from(row)


def _has_named_groups(db: Connection) -> bool:
    return bool(db.read("SELECT 1 FROM judgement WHERE copies <> '' LIMIT 1"))


def _standing(row: sqlite3.Row) -> Standing:
    return Standing(
        label=row[0],
        image_id=row[1],
        verdict=row["verdict"],
        reason=row["judged_reason"],
        included=bool(row["included"]),
        usable=not (row["verdict"] == "reject" and row["check_name"] == UNREADABLE),
        copies=row["copies"],
        rank=row["copy_rank"],
        decision=rows.decision_from(row) if row["id"] is not None else None,
    )


def _named_copies(finding: Finding) -> list[ItemKey]:
    """Return the items that a finding of the checks exact, near or conflict names."""
    detail = finding.detail
    named: list[object] = [[detail.get("copy_of_label"), detail.get("copy_of")]] if "copy_of" in detail else []
    others = detail.get("others", [])
    named += others if isinstance(others, list) else []
    return [(str(one[0]), str(one[1])) for one in named if isinstance(one, list) and len(one) == 2]
