"""What a curate did, in numbers that the table, the page and the JSON share."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Literal

import imgkit
from imgkit.curate import audit
from imgkit.curate.checks import describe
from imgkit.curate.config import CurateConfig
from imgkit.curate.context import CheckContext
from imgkit.curate.pictures import ItemPicture
from imgkit.curate.publish.manual_edits import Edits
from imgkit.curate.publish.plan import SetPlan
from imgkit.curate.publish.probabilities import PictureRow, picture_rows
from imgkit.manifest import Count, Decision, Finding, Judgement, Manifest, Outcome
from imgkit.manifest.nouns import ItemKey
from imgkit.manifest.outcomes import cells_of, count_pictures
from imgkit.notebook import TableReport
from imgkit.vision.imagefolder import Accounts

DECODED_FAMILIES = ("dup",)  # reasons of candidates whose bytes were a picture
FETCHED_FAMILIES = ("body", "img", "dup")  # reasons of candidates that sent bytes


AlertLevel = Literal["stop", "care", "note"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """One thing to know: what, why it matters, and what to type or do."""

    level: AlertLevel
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
class ReportedPicture:
    """One picture in a list of the report: its label and id, what was said about it, and whether it is in the set.

    ``probability`` and ``why`` are those of its row in ``CurateReport.pictures``.
    """

    label: str
    image_id: str
    reason: str
    score: float
    probability: float
    why: str
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
class CurateReport(TableReport):
    """The result of a curate. ``as_json`` is the report's JSON twin; the page shows nothing that is not in it.

    ``noise`` is the share of wrong pictures left, with its 95 % interval, by an audit of ``audited`` pictures; "" where
    there was none. ``crossing`` counts the groups of copies and related pictures with pictures in more than one split.
    ``files`` says where every file is that lay in the set before, as a person left it; None where there was no set.
    ``given_splits`` counts the pictures by the split that their folders say, and ``leaks`` are the groups of copies
    that this split divides. ``queries`` is the queries file of the last harvest ("" where it is gone) and
    ``asked_per_label`` how many pictures of each label it asked for (0 where nobody knows). ``pictures`` has a row for
    every picture, copies too, by label and id: those of ``probabilities.csv``.
    """

    data: str
    version: str
    policy: str
    backbone: str
    labels: tuple[LabelRow, ...]
    suspects: tuple[ReportedPicture, ...]
    removed: tuple[ReportedPicture, ...]
    moved: tuple[ReportedPicture, ...]
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
    files: Accounts | None = None
    queries: str = ""
    asked_per_label: int = 0
    pictures: tuple[PictureRow, ...] = ()

    def table(self) -> tuple[Sequence[str], Sequence[Sequence[object]]]:
        """Return one row for each label: pictures harvested, copies, suspects, and pictures in the set."""
        rows = [
            [row.name, row.harvested, row.exact, row.near, sum(row.suspects.values()), row.moved_out, row.in_set]
            for row in self.labels
        ]
        return ["label", "harvested", "exact copies", "near copies", "suspects", "moved", "in set"], rows

    def as_json(self) -> dict[str, object]:
        """Return the report as values that JSON can hold."""
        return asdict(self)


def summarise(
    manifest: Manifest,
    context: CheckContext,
    judgements: Sequence[Judgement],
    outcomes: Mapping[ItemKey, Outcome],
    planned: SetPlan,
    config: CurateConfig,
    edits: Edits,
) -> CurateReport:
    """Return the report of a curate; its ``backbone`` is for the caller to say."""
    cases = _cases(context, judgements, outcomes)
    labels = _label_rows(manifest, context.pictures, outcomes, planned)
    shown = {row.label for row in labels}
    audited = audit.latest(manifest)
    return CurateReport(
        data=str(config.data),
        version=imgkit.__version__,
        policy=config.policy,
        backbone="",
        labels=labels,
        suspects=tuple(
            sorted(
                (one for one in cases if one.reason and one.by == "suspect"),
                key=lambda one: (-one.score, one.label, one.image_id),
            )
        ),
        removed=tuple(one for one in cases if not one.kept and one.by != "suspect"),
        moved=tuple(one for one in cases if one.reason == "user.moved"),
        copies=_copy_groups(context, planned),
        providers=_provider_rows(
            [one for one in manifest.candidate_counts() if one.label in shown], context.pictures, planned
        ),
        licences=dict(
            sorted(Counter(_licence(one.picture) for one in planned.entries).items(), key=lambda each: -each[1])
        ),
        edits=edits.as_counts(),
        settings={name: value for name, value in config.as_json().items() if name != "data"},
        totals=_totals(labels),
        noise=audit.as_text(audited) if audited else "",
        audited=audited.sampled if audited else 0,
        crossing=_crossing(context, planned),
        leaks=_leaks(context, planned),
        queries=str(manifest.last_queries() or ""),
        asked_per_label=int(str(manifest.last_harvest().get("per_label", 0))),
        pictures=picture_rows(context.pictures, judgements, outcomes),
        given_splits=dict(sorted(Counter(one.given_split for one in context.pictures if one.given_split).items())),
    )


def _cases(
    context: CheckContext, judgements: Sequence[Judgement], outcomes: Mapping[ItemKey, Outcome]
) -> list[ReportedPicture]:
    """Return for each picture what was said about it and by whom: machine, suspect (undecided) or person."""
    findings: dict[tuple[str, str], list[Finding]] = {}
    for found in context.found.values():
        for one in found:
            if one.score >= one.threshold:
                findings.setdefault((one.label, one.image_id), []).append(one)
    cases = []
    for picture, judgement in zip(context.pictures, judgements, strict=True):
        known = findings.get(picture.key, [])
        outcome = outcomes[picture.key]
        case = ReportedPicture(
            label=picture.label,
            image_id=picture.image_id,
            reason=outcome.reason,
            score=judgement.score,
            probability=judgement.probability,
            why=judgement.why,
            detail=judgement.detail,
            suggested=judgement.suggested,
            kept=bool(outcome.placed),
            by=outcome.by,
            checks=tuple(f"{one.check}: {describe(one)}" for one in known),
        )
        if outcome.by == "person" and outcome.decision is not None:
            case = replace(case, detail=_decided(outcome.decision, outcome), suggested=outcome.decision.to_label)
        cases.append(case)
    return cases


def _decided(decision: Decision, outcome: Outcome) -> str:
    by = f"by {decision.command}" if decision.command else ""
    if not outcome.follows:
        return by
    done = "rejected" if decision.action == "reject" else "moved"
    return f"a copy of {decision.label}/{decision.image_id}, {done} {by}".rstrip()


def _label_rows(
    manifest: Manifest, pictures: Sequence[ItemPicture], outcomes: Mapping[ItemKey, Outcome], planned: SetPlan
) -> tuple[LabelRow, ...]:
    counts = manifest.candidate_counts()
    names = dict(manifest.labels())
    decided = Counter(one.label for one in pictures if one.decision is not None and not one.follows)
    rows = []
    # a label that nobody asks for any more and that has no picture is no label of the set
    asked = {row.query.label for row in manifest.rows_in_force()}
    for label, found in count_pictures(cells_of(outcomes), asked).items():
        entries = [one for one in planned.entries if one.label == label]
        rows.append(
            LabelRow(
                label=label,
                name=names.get(label, label),
                found=sum(one.count for one in counts if one.label == label),
                fetched=_reached(counts, label, FETCHED_FAMILIES),
                decoded=_reached(counts, label, DECODED_FAMILIES),
                harvested=found.harvested,
                left_out=found.left_out,
                moved_out=found.moved_out,
                kept=found.kept,
                moved_in=found.moved_in,
                in_set=found.in_set,
                splits={name: sum(one.split == name for one in entries) for name in ("train", "validation", "test")},
                suspects=found.suspects,
                decided=decided[label],
            )
        )
    return tuple(rows)


def _reached(counts: Sequence[Count], label: str, families: Sequence[str]) -> int:
    return sum(
        one.count
        for one in counts
        if one.label == label and (one.state == "kept" or one.reason.split(".")[0] in families)
    )


def _copy_groups(context: CheckContext, planned: SetPlan) -> tuple[CopyGroup, ...]:
    kept = {one.picture.key for one in planned.entries}
    groups = []
    for members in context.copies.near:
        keys = tuple(context.pictures[one].key for one in members)
        groups.append(
            CopyGroup(
                members=keys,
                kept=tuple(key for key in keys if key in kept),
                conflict=len({context.pictures[one].label_now for one in members}) > 1,
            )
        )
    return tuple(sorted(groups, key=lambda group: (-len(group.members), group.members)))


def _leaks(context: CheckContext, planned: SetPlan) -> tuple[CopyGroup, ...]:
    leaking = context.flagged("leak")
    return tuple(one for one in _copy_groups(context, planned) if leaking & set(one.members))


def _crossing(context: CheckContext, planned: SetPlan) -> int:
    splits = {one.picture.key: one.split for one in planned.entries}
    keys = [{context.pictures[one].key for one in group} for group in context.copies.related]
    return sum(len({splits[key] for key in group if key in splits}) > 1 for group in keys)


def _provider_rows(
    counts: Sequence[Count], pictures: Sequence[ItemPicture], planned: SetPlan
) -> tuple[ProviderRow, ...]:
    found = Counter[str]()
    for one in counts:
        found[one.provider] += one.count
    harvested = Counter(picture.provider for picture in pictures)
    in_set = Counter(one.picture.provider for one in planned.entries)
    return tuple(
        ProviderRow(provider=name, found=found[name], harvested=harvested[name], in_set=in_set[name])
        for name in sorted({*found, *harvested}, key=lambda each: (-in_set[each], each))
    )


def _licence(picture: ItemPicture) -> str:
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
