"""The candidates of a data folder before and after a run: which are open, and who is kept in the end."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

from imgkit.harvest.config import HarvestConfig
from imgkit.harvest.crawl.duplicate_tracker import DuplicateTracker, settled
from imgkit.harvest.crawl.order import RankedAddress, in_order
from imgkit.harvest.crawl.screening import REVERSIBLE
from imgkit.harvest.providers import PROVIDERS
from imgkit.harvest.rules import RowRules, apply
from imgkit.manifest import Candidate, Manifest
from imgkit.manifest.nouns import ItemKey

RETRIED_FAMILIES: Final = ("net.", "http.", "body.", "img.", "fs.")
"""Rejections that ``--retry`` gives another chance."""


def reopen(manifest: Manifest, config: HarvestConfig, rules: RowRules, *, retry: bool) -> None:
    """Let candidates wait again that this run judges differently (no robots.txt, another chance); apply the rules."""
    for label in manifest.labels():
        reopened = [
            replace(one, state="pending", reason="", detail="", next_try_at=None)
            for one in manifest.candidates(label=label, states=("rejected",))
            if _is_reopened(one, config, retry=retry)
        ]
        if reopened:
            manifest.settle(reopened)
        apply(manifest, rules, label)


def waiting(
    manifest: Manifest, label: str, config: HarvestConfig, rules: RowRules, ledger: DuplicateTracker
) -> list[RankedAddress]:
    """Return the open entries of a label in their fixed order; what the rules do not admit is settled as such.

    An entry holds the open ones of its candidates only; its place depends on all of them. ``ledger`` is told which
    pictures the label has no more, or has again.
    """
    now = datetime.now(UTC)
    admitted = [one for one in apply(manifest, rules, label, ledger=ledger) if one.reason not in REVERSIBLE]
    entries = []
    for entry in in_order(admitted, list(PROVIDERS)):
        is_open = tuple(one for one in entry.candidates if _is_open(one, now))
        if is_open:
            entries.append(RankedAddress(entry.key, is_open, _thumbnail(is_open) if config.thumbnails else ""))
    return entries


def settle(manifest: Manifest, rules: RowRules) -> list[ItemKey]:
    """Give every candidate its final state, by the rules and the fixed order; return what is kept."""
    for label in manifest.labels():
        apply(manifest, rules, label)
    ledger = DuplicateTracker()
    for one in manifest.each_candidate():
        if one.reason not in REVERSIBLE:
            ledger.note(one)
    kept: list[ItemKey] = []
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


def _is_reopened(one: Candidate, config: HarvestConfig, *, retry: bool) -> bool:
    if one.image_id is not None:
        return False
    if one.reason == "policy.robots":
        return not config.robots
    return retry and one.reason.startswith(RETRIED_FAMILIES)
