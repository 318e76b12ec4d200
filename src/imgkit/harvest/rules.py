"""What the rows of queries files that are in force ask for and allow, and what that means for each candidate."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from imgkit.harvest.crawl.duplicate_tracker import MOVED, DuplicateTracker
from imgkit.harvest.crawl.result_writer import THUMBNAIL
from imgkit.harvest.crawl.screening import REVERSIBLE, Screened, Tombstones
from imgkit.harvest.search import excludes, licences
from imgkit.manifest import Candidate, Manifest, QueryRow
from imgkit.manifest.nouns import Proposal

_DETAIL_PREFIXES: Final = (MOVED, THUMBNAIL)
_NOTHING: Final = Tombstones()
_GONE: Final = Screened("query.gone", "")


@dataclass(frozen=True, slots=True, kw_only=True)
class RowRules:
    """The rows in force, by label, and what was removed on request."""

    rows: Mapping[str, Sequence[QueryRow]]
    removed: Tombstones

    @classmethod
    def of(cls, manifest: Manifest) -> "RowRules":
        """Return those of a manifest."""
        by_label: dict[str, list[QueryRow]] = defaultdict(list)
        for row in manifest.rows_in_force():
            by_label[row.query.label].append(row)
        return cls(rows=by_label, removed=Tombstones.of(manifest))


def apply(
    manifest: Manifest, rules: RowRules, label: str, *, ledger: DuplicateTracker | None = None
) -> list[Candidate]:
    """Give every candidate of a label the state that the rules ask for, and return all of them.

    A candidate that waits, is put off or has brought a picture is ``policy.excluded``, ``policy.licence`` or
    ``query.gone`` while no row admits it, and what it was before as soon as one does: what was fetched is there still.
    Other rejections stay; they are about the address, whoever asks for it.

    Args:
        manifest: where the candidates are, and go.
        rules: what holds.
        label: whose candidates are looked at.
        ledger: is told which pictures the label loses and gets by this; None where nobody counts.
    """
    candidates = manifest.candidates(label=label)
    asking = _asking(manifest, rules.rows.get(label, ()), label, candidates)
    after = [_judged(one, asking.get(one.id, ()), rules.removed) for one in candidates]
    changed = [new for old, new in zip(candidates, after, strict=True) if new is not old]
    if changed:
        manifest.settle(changed)
        if ledger is not None:
            _count_again(ledger, label, candidates, after)
    return after


def _count_again(ledger: DuplicateTracker, label: str, before: Sequence[Candidate], after: Sequence[Candidate]) -> None:
    here = {one.image_id for one in after if is_in_force(one)}
    for image_id in {one.image_id for one in before if is_in_force(one)} - here:
        assert image_id is not None
        ledger.remove(label, image_id)
    for old, new in zip(before, after, strict=True):
        if is_in_force(new) and not is_in_force(old):
            ledger.note(new)


def is_in_force(one: Candidate) -> bool:
    """Say whether a candidate has brought a picture and a row admits it: it is kept, a copy or a placeholder."""
    return one.image_id is not None and one.reason not in REVERSIBLE


def _asking(
    manifest: Manifest, rows: Sequence[QueryRow], label: str, candidates: Sequence[Candidate]
) -> dict[int, tuple[QueryRow, ...]]:
    """Return the rows that ask for each candidate: one of their searches proposed it, within the row's limit."""
    texts = {key: query.text for key, query in manifest.queries().items()}
    proposed: dict[str, list[tuple[int, int, int]]] = defaultdict(list)
    for one in manifest.proposed(label):
        proposed[texts[one[1]]].append(one)
    providers = {one.id: one.provider for one in candidates}
    asking: dict[int, tuple[QueryRow, ...]] = {}
    for row in rows:
        alone = (row,)  # one for all: there may be hundreds of thousands
        for candidate_id in _within_limit(row, proposed[row.query.text], providers):
            asking[candidate_id] = (*asking[candidate_id], row) if candidate_id in asking else alone
    return asking


def _within_limit(
    row: QueryRow, proposed: Sequence[tuple[int, int, int]], providers: Mapping[int, str]
) -> Iterator[int]:
    """Yield the candidates of a row, each once.

    Args:
        row: whose ``limit`` counts for each provider. What its own search proposed comes first, in order of rank, then
            what searches with other excluded words or licences did.
        proposed: (candidate, query, rank), for all queries with the row's label and text.
        providers: candidate to provider.
    """
    wanted = row.query.providers
    if row.query.limit is None:
        yield from {one[0] for one in proposed if not wanted or providers[one[0]] in wanted}
        return
    places: dict[int, tuple[bool, int]] = {}
    for candidate_id, query_id, rank in proposed:
        if not wanted or providers[candidate_id] in wanted:
            place = (query_id != row.query_id, rank)
            places[candidate_id] = min(place, places.get(candidate_id, place))
    found: dict[str, list[tuple[bool, int, int]]] = defaultdict(list)
    for candidate_id, (other, rank) in places.items():
        found[providers[candidate_id]].append((other, rank, candidate_id))
    for ordered in map(sorted, found.values()):
        yield from (candidate_id for *_, candidate_id in ordered[: row.query.limit])


def _judged(one: Candidate, rows: Sequence[QueryRow], removed: Tombstones) -> Candidate:
    """Return a candidate as the rows that ask for it want it: the very same object where nothing changes."""
    waits = one.image_id is None and (one.state in ("pending", "deferred") or one.reason in REVERSIBLE)
    if not waits and one.image_id is None:
        return one
    if (why := screen(one.proposal, rows, removed if waits else _NOTHING)) is not None:
        return _rejected(one, why)
    if one.reason not in REVERSIBLE:
        return one
    detail = one.detail if one.detail.startswith(_DETAIL_PREFIXES) else ""
    return replace(one, state="pending" if waits else "kept", reason="", detail=detail)


def screen(proposal: Proposal, rows: Sequence[QueryRow], removed: Tombstones) -> Screened | None:
    """Return why none of the rows that ask for a proposal admits it, None when one does.

    What was removed on request comes first; else the reason is that of the first row, ``query.gone`` without any.
    """
    if what := removed.cover(proposal):
        return Screened("policy.removed", f"{what} removed on request")
    reasons = []
    for row in rows:
        if word := excludes.excluded_by(proposal, row.query.exclude):
            reasons.append(Screened("policy.excluded", word))
        elif not licences.allowed(proposal.license, row.query.licences):
            reasons.append(Screened("policy.licence", proposal.license or "not stated"))
        else:
            return None
    return reasons[0] if reasons else _GONE


def _rejected(one: Candidate, why: Screened) -> Candidate:
    # how a picture came is needed again when the rule is loosened
    detail = one.detail if one.detail.startswith(_DETAIL_PREFIXES) else why.detail
    if (one.state, one.reason, one.detail) == ("rejected", why.reason, detail):
        return one
    return replace(one, state="rejected", reason=why.reason, detail=detail, next_try_at=None)
