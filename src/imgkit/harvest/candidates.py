"""The candidates of a data folder before and after a run: which are open, and who is kept in the end."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

from imgkit.harvest.config import HarvestConfig
from imgkit.harvest.ledger import Ledger, settled
from imgkit.harvest.materialise import Key
from imgkit.harvest.providers import PROVIDERS
from imgkit.harvest.ranking import Entry, in_order
from imgkit.harvest.screening import REVERSIBLE, Screened, Tombstones, screen
from imgkit.manifest import Candidate, Manifest, Query

RETRIED_FAMILIES: Final = ("net.", "http.", "body.", "img.", "fs.")
"""Rejections that ``--retry`` gives another chance."""


def reopen(manifest: Manifest, config: HarvestConfig, *, retry: bool) -> None:
    """Let candidates wait again that this run judges differently: other licences, no robots.txt, another chance."""
    queries, tombstones = manifest.queries(), Tombstones.of(manifest)
    for label in manifest.labels():
        reopened = [
            replace(one, state="pending", reason="", detail="", next_try_at=None)
            for one in manifest.candidates(label=label, states=("rejected",))
            if _is_reopened(one, queries[one.query_id], config, tombstones, retry=retry)
        ]
        if reopened:
            manifest.settle(reopened)


def waiting(manifest: Manifest, label: str, config: HarvestConfig, tombstones: Tombstones) -> list[Entry]:
    """Return the open entries of a label in their fixed order; what the run must not fetch is settled as such.

    An entry holds the open ones of its candidates only; its place depends on all of them.
    """
    queries, now = manifest.queries(), datetime.now(UTC)
    admitted: list[Candidate] = []
    screened: list[Candidate] = []
    for one in manifest.candidates(label=label):
        if one.state == "pending" and (why := _screen(one, queries[one.query_id], config, tombstones)):
            screened.append(replace(one, state="rejected", reason=why.reason, detail=why.detail))
        elif one.reason not in REVERSIBLE:
            admitted.append(one)
    if screened:
        manifest.settle(screened)
    entries = []
    for entry in in_order(admitted, list(PROVIDERS)):
        is_open = tuple(one for one in entry.candidates if _is_open(one, now))
        if is_open:
            entries.append(Entry(entry.key, is_open, _thumbnail(is_open) if config.thumbnails else ""))
    return entries


def settle(manifest: Manifest) -> list[Key]:
    """Give every candidate that brought a picture its final state, by the fixed order; return what is kept."""
    ledger = Ledger()
    for one in manifest.each_candidate():
        ledger.note(one)
    kept: list[Key] = []
    for label in manifest.labels():
        before = manifest.candidates(label=label)
        after = settled(in_order([one for one in before if one.reason not in REVERSIBLE], list(PROVIDERS)), ledger)
        known = set(map(id, before))
        manifest.settle(one for one in after if id(one) not in known)
        kept += [(label, one.image_id) for one in after if one.state == "kept" and one.image_id is not None]
    return kept


def _thumbnail(candidates: Sequence[Candidate]) -> str:
    return next((one.proposal.thumbnail for one in candidates if one.proposal.thumbnail), "")


def _is_open(one: Candidate, now: datetime) -> bool:
    if one.state == "deferred":
        return one.next_try_at is None or one.next_try_at <= now
    return one.state == "pending"


def _is_reopened(one: Candidate, query: Query, config: HarvestConfig, tombstones: Tombstones, *, retry: bool) -> bool:
    if one.image_id is not None:
        return False
    if one.reason in REVERSIBLE:
        return _screen(one, query, config, tombstones) is None
    if one.reason == "policy.robots":
        return not config.robots
    return retry and one.reason.startswith(RETRIED_FAMILIES)


def _screen(one: Candidate, query: Query, config: HarvestConfig, tombstones: Tombstones) -> Screened | None:
    return screen(
        one.proposal,
        exclude=query.exclude,
        wanted_licences=query.licences or config.licences,
        tombstones=tombstones,
    )
