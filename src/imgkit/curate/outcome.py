"""What a curate did, in numbers that the table, the page and the JSON share."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Literal

import imgkit
from imgkit.curate import audit
from imgkit.curate.by_hand import Edits
from imgkit.curate.config import CurateConfig
from imgkit.curate.describe import describe
from imgkit.curate.evidence import Evidence
from imgkit.curate.folders import Plan
from imgkit.curate.judge import in_set
from imgkit.curate.pictures import Picture
from imgkit.manifest import Count, Finding, Judgement, Manifest

DECODED_FAMILIES = ("dup",)  # reasons of candidates whose bytes were a picture
FETCHED_FAMILIES = ("body", "img", "dup")  # reasons of candidates that sent bytes


Level = Literal["stop", "care", "note"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """One thing to know: what, why it matters, and what to type or do."""

    level: Level
    what: str
    why: str
    do: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelRow:
    """What became of one label: every candidate and every picture in exactly one place.

    ``found`` candidates, of which ``fetched`` sent bytes, of which ``decoded`` were pictures, of which ``harvested``
    are different ones. ``left_out`` counts pictures by reason; ``moved_out`` were given another label; the rest is
    ``kept``. With ``moved_in`` from other labels that makes ``in_set``, divided into ``splits``. ``suspects`` counts
    by reason those that nobody has looked at, in the set or not; ``decided`` those that a person decided about.
    """

    label: str
    name: str
    found: int
    fetched: int
    decoded: int
    harvested: int
    left_out: Mapping[str, int]
    moved_out: int
    kept: int
    moved_in: int
    in_set: int
    splits: Mapping[str, int]
    suspects: Mapping[str, int]
    decided: int

    @property
    def exact(self) -> int:
        """Exact copies that were left out."""
        return self.left_out.get("dup.exact", 0)

    @property
    def near(self) -> int:
        """Copies of a better picture that were left out."""
        return self.left_out.get("dup.near", 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One picture in a list of the report: its label and id, what was said about it, and whether it is in the set."""

    label: str
    image_id: str
    reason: str
    score: float
    detail: str
    suggested: str
    kept: bool
    by: str
    checks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class CopyGroup:
    """A group of copies: (label, image id) of each member, the kept ones, and whether it spans labels."""

    members: tuple[tuple[str, str], ...]
    kept: tuple[tuple[str, str], ...]
    conflict: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderRow:
    """What one provider brought: candidates found, pictures harvested, pictures in the set."""

    provider: str
    found: int
    harvested: int
    in_set: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CurateReport:
    """The result of a curate. ``as_json`` is the report's JSON twin; the page shows nothing that is not in it.

    ``noise`` is the share of wrong pictures left, with its 95 % interval, by an audit of ``audited`` pictures; "" where
    there was none. ``crossing`` counts the groups of copies and kin with pictures in more than one split.
    ``given_splits`` counts the pictures by the split that their folders say, and ``leaks`` are the groups of copies
    that this split divides.
    """

    data: str
    version: str
    policy: str
    backbone: str
    labels: tuple[LabelRow, ...]
    suspects: tuple[Case, ...]
    removed: tuple[Case, ...]
    moved: tuple[Case, ...]
    copies: tuple[CopyGroup, ...]
    providers: tuple[ProviderRow, ...]
    licences: Mapping[str, int]
    edits: Mapping[str, int]
    settings: Mapping[str, object]
    totals: Mapping[str, int] = field(default_factory=dict)
    noise: str = ""
    audited: int = 0
    crossing: int = 0
    leaks: tuple[CopyGroup, ...] = ()
    given_splits: Mapping[str, int] = field(default_factory=dict)
    alerts: tuple[Alert, ...] = ()

    def as_json(self) -> dict[str, object]:
        """Return the report as values that JSON can hold."""
        return asdict(self)


def summarise(
    manifest: Manifest,
    evidence: Evidence,
    judgements: Sequence[Judgement],
    planned: Plan,
    config: CurateConfig,
    edits: Edits,
) -> CurateReport:
    """Return the report of a curate."""
    cases = _cases(evidence, judgements, config)
    labels = _label_rows(manifest, evidence.pictures, cases, planned)
    audited = audit.latest(manifest)
    return CurateReport(
        data=str(config.data),
        version=imgkit.__version__,
        policy=config.policy,
        backbone=f"{evidence.backbone.name}, {evidence.backbone.source}" if evidence.backbone else "",
        labels=labels,
        suspects=tuple(
            sorted(
                (one for one in cases if one.reason and one.by == "suspect"),
                key=lambda one: (-one.score, one.label, one.image_id),
            )
        ),
        removed=tuple(one for one in cases if not one.kept and one.by != "suspect"),
        moved=tuple(one for one in cases if one.reason == "user.moved"),
        copies=_copy_groups(evidence, planned),
        providers=_provider_rows(manifest.candidate_counts(), evidence.pictures, planned),
        licences=dict(
            sorted(Counter(_licence(one.picture) for one in planned.entries).items(), key=lambda each: -each[1])
        ),
        edits={"deleted": edits.deleted, "moved": edits.moved, "carried": len(edits.carried or {})},
        settings={name: value for name, value in config.as_json().items() if name != "data"},
        totals=_totals(labels),
        noise=audit.in_words(audited) if audited else "",
        audited=audited.sampled if audited else 0,
        crossing=_crossing(evidence, planned),
        leaks=_leaks(evidence, planned),
        given_splits=dict(sorted(Counter(one.given_split for one in evidence.pictures if one.given_split).items())),
    )


def _cases(evidence: Evidence, judgements: Sequence[Judgement], config: CurateConfig) -> list[Case]:
    """Return for each picture what was said about it and by whom: machine, suspect (undecided) or person."""
    keeps = in_set(config.policy)
    findings: dict[tuple[str, str], list[Finding]] = {}
    for found in evidence.found.values():
        for one in found:
            if one.score >= one.threshold:
                findings.setdefault((one.label, one.image_id), []).append(one)
    cases = []
    for picture, judgement in zip(evidence.pictures, judgements, strict=True):
        known = findings.get(picture.key, [])
        case = Case(
            label=picture.label,
            image_id=picture.image_id,
            reason=judgement.reason,
            score=judgement.score,
            detail=judgement.detail,
            suggested=judgement.suggested,
            kept=keeps(judgement),
            by="suspect" if judgement.verdict == "suspect" else "machine",
            checks=tuple(f"{one.check}: {describe(one)}" for one in known),
        )
        if picture.decision is not None:
            action = picture.decision.action
            case = replace(
                case,
                by="person",
                kept=action != "reject",
                reason={"reject": picture.decision.reason or "user.rejected", "relabel": "user.moved"}.get(action, ""),
                detail=f"by {picture.decision.command}" if picture.decision.command else "",
                suggested=picture.decision.to_label,
            )
        cases.append(case)
    return cases


def _label_rows(
    manifest: Manifest, pictures: Sequence[Picture], cases: Sequence[Case], planned: Plan
) -> tuple[LabelRow, ...]:
    counts = manifest.candidate_counts()
    names = dict(manifest.labels())
    in_set = {(one.label, one.picture.image_id, one.picture.label) for one in planned.entries}
    rows = []
    for label in sorted({*names, *(picture.label for picture in pictures), *planned.labels()}):
        mine = [(picture, case) for picture, case in zip(pictures, cases, strict=True) if picture.label == label]
        kept = [pair for pair in mine if (label, pair[0].image_id, label) in in_set]
        moved = [pair for pair in mine if pair[0].label_now != label]
        gone = [case for picture, case in mine if picture.label_now == label and not case.kept]
        entries = [one for one in planned.entries if one.label == label]
        rows.append(
            LabelRow(
                label=label,
                name=names.get(label, label),
                found=sum(one.count for one in counts if one.label == label),
                fetched=_reached(counts, label, FETCHED_FAMILIES),
                decoded=_reached(counts, label, DECODED_FAMILIES),
                harvested=len(mine),
                left_out=dict(sorted(Counter(case.reason for case in gone).items())),
                moved_out=len(moved),
                kept=len(kept),
                moved_in=len(entries) - len(kept),
                in_set=len(entries),
                splits={name: sum(one.split == name for one in entries) for name in ("train", "validation", "test")},
                suspects=dict(sorted(Counter(case.reason for _, case in mine if case.by == "suspect").items())),
                decided=sum(case.by == "person" for _, case in mine),
            )
        )
    return tuple(rows)


def _reached(counts: Sequence[Count], label: str, families: Sequence[str]) -> int:
    return sum(
        one.count
        for one in counts
        if one.label == label and (one.state == "kept" or one.reason.split(".")[0] in families)
    )


def _copy_groups(evidence: Evidence, planned: Plan) -> tuple[CopyGroup, ...]:
    kept = {one.picture.key for one in planned.entries}
    groups = []
    for members in evidence.copies.near:
        keys = tuple(evidence.pictures[one].key for one in members)
        groups.append(
            CopyGroup(
                members=keys,
                kept=tuple(key for key in keys if key in kept),
                conflict=len({evidence.pictures[one].label_now for one in members}) > 1,
            )
        )
    return tuple(sorted(groups, key=lambda group: (-len(group.members), group.members)))


def _leaks(evidence: Evidence, planned: Plan) -> tuple[CopyGroup, ...]:
    leaking = evidence.flagged("leak")
    return tuple(one for one in _copy_groups(evidence, planned) if leaking & set(one.members))


def _crossing(evidence: Evidence, planned: Plan) -> int:
    splits = {one.picture.key: one.split for one in planned.entries}
    keys = [{evidence.pictures[one].key for one in group} for group in evidence.copies.kin]
    return sum(len({splits[key] for key in group if key in splits}) > 1 for group in keys)


def _provider_rows(counts: Sequence[Count], pictures: Sequence[Picture], planned: Plan) -> tuple[ProviderRow, ...]:
    found = Counter[str]()
    for one in counts:
        found[one.provider] += one.count
    harvested = Counter(picture.provider for picture in pictures)
    in_set = Counter(one.picture.provider for one in planned.entries)
    return tuple(
        ProviderRow(provider=name, found=found[name], harvested=harvested[name], in_set=in_set[name])
        for name in sorted({*found, *harvested}, key=lambda each: (-in_set[each], each))
    )


def _licence(picture: Picture) -> str:
    return picture.source.proposal.license if picture.source else ""


def _totals(labels: Sequence[LabelRow]) -> dict[str, int]:
    totals = {
        name: sum(int(getattr(row, name)) for row in labels)
        for name in ("found", "fetched", "decoded", "harvested", "moved_out", "kept", "moved_in", "in_set", "decided")
    }
    totals["left_out"] = sum(sum(row.left_out.values()) for row in labels)
    totals["suspects"] = sum(sum(row.suspects.values()) for row in labels)
    for split in ("train", "validation", "test"):
        totals[split] = sum(row.splits[split] for row in labels)
    return totals
