"""Decide what goes into the curated folder, then build it: plan first, files after."""

import hashlib
import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import imgkit
from imgkit.components import groups_of
from imgkit.curate.config import CurateConfig
from imgkit.curate.pictures import ItemPicture
from imgkit.curate.publish import folders
from imgkit.curate.publish.folders import Placed, PublishedSet
from imgkit.curate.publish.manual_edits import Edits
from imgkit.curate.publish.metadata import Entry, attribution_md, metadata_csv
from imgkit.errors import IntegrityError
from imgkit.files import sha256_of
from imgkit.manifest import DataFolder, Finding, Item, Judgement, Outcome, rows
from imgkit.manifest.nouns import ItemKey
from imgkit.splits import Member, Split, divide

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class SetPlan:
    """The set as it is going to be: its pictures in order of their path, and the files to take along."""

    entries: tuple[Entry, ...]
    carried: Mapping[str, Path]

    def labels(self) -> list[str]:
        """Return the labels of the set, sorted."""
        return sorted({one.label for one in self.entries})


def plan(
    pictures: Sequence[ItemPicture],
    judgements: Sequence[Judgement],
    outcomes: Mapping[ItemKey, Outcome],
    items: Mapping[ItemKey, Item],
    edits: Edits,
    config: CurateConfig,
) -> SetPlan:
    """Return the set: the pictures that their outcomes place in it.

    Args:
        pictures: N pictures.
        judgements: N verdicts, for the groups that must stay in one split.
        outcomes: what becomes of each of them.
        items: the materialised files.
        edits: what a person did to the present set; the decisions in it must be in the pictures already.
        config: policy, shares and seed.
    """
    chosen = {
        (outcomes[picture.key].placed, picture.image_id): index
        for index, picture in enumerate(pictures)
        if outcomes[picture.key].placed
    }
    order = sorted(chosen)
    groups = split_groups(pictures, [judgement.group for judgement in judgements])
    members = [Member(place[0], groups[chosen[place]]) for place in order]
    shares: dict[Split, float] = {"test": config.test_share, "validation": config.validation_share}
    splits = divide(members, shares=shares, seed=config.seed)
    entries = []
    for place, member, split in zip(order, members, splits, strict=True):
        picture = pictures[chosen[place]]
        item = items[picture.key]
        entry = Entry(
            picture=picture,
            label=place[0],
            split=split,
            group=member.group,
            sha256=item.file_sha256,
            width=item.width,
            height=item.height,
        )
        entries.append(entry)
    taken = {one.file_name for one in entries}
    carried = {name: path for name, path in edits.carried.items() if name not in taken}
    return SetPlan(entries=tuple(entries), carried=carried)


def split_groups(pictures: Sequence[ItemPicture], groups: Sequence[str]) -> list[str]:
    """Return the name of what must stay in one split, for each picture.

    Copies and related pictures stay together, and so does what a provider calls one observation or album; a
    picture that stands
    alone is a group of its own. A group is called after its earliest member in the harvest.
    """
    first: dict[str, int] = {}
    links = []
    for index, (picture, group) in enumerate(zip(pictures, groups, strict=True)):
        for name in (f"copies {group}" if group else "", picture.album, f"image {picture.image_id}"):
            if name and first.setdefault(name, index) != index:
                links.append((first[name], index))
    names = [picture.image_id for picture in pictures]
    for members in groups_of(len(pictures), links):
        name = min((pictures[one] for one in members), key=lambda picture: picture.order).image_id
        for one in members:
            names[one] = name
    return names


def digest_of(
    planned: SetPlan, judgements: Sequence[Judgement], findings: Sequence[Finding], config: CurateConfig, *, noise: str
) -> str:
    """Return a string that changes with anything that the set, its tables or its report say."""
    carried = sorted((name, sha256_of(path)) for name, path in planned.carried.items())
    parts = [imgkit.__version__, noise, metadata_csv(planned.entries), repr(carried)]
    parts += [repr(asdict(one)) for one in judgements]
    parts += [repr(asdict(one)) for one in findings]
    parts.append(repr(sorted((name, value) for name, value in config.as_json().items() if name != "data")))
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:32]


def rules_of(config: CurateConfig) -> str:
    """Return a string that changes with any setting that decides what is in the set."""
    settings = {name: value for name, value in config.as_json().items() if name not in ("data", "device")}
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:16]


def build(
    folder: DataFolder,
    planned: SetPlan,
    *,
    digest: str,
    number: int,
    rules: str,
    noticed: Sequence[str],
    texts: Mapping[str, str],
    judgements: Sequence[Judgement],
    findings: Sequence[Finding],
) -> None:
    """Build the set beside the present one, which is as it was; ``published.swap_in`` puts it in its place.

    Raises:
        ResourceError: the disk is full, failed, or is not ours to read and write; the present set is as it was.
    """
    placed = {one.file_name: Placed(one.picture.label, one.picture.image_id, one.sha256) for one in planned.entries}
    tables = {
        "metadata.csv": metadata_csv(planned.entries),
        "ATTRIBUTION.md": attribution_md(planned.entries),
    }
    folders.build(
        folder,
        planned.entries,
        published=PublishedSet(
            id=f"{number}-{digest[:8]}", digest=digest, placed=placed, rules=rules, noticed=tuple(noticed)
        ),
        carried=planned.carried,
        texts={**tables, **texts},
        verdicts={
            "judgements": [asdict(one) for one in judgements],
            "findings": [asdict(one) for one in findings],
        },
    )


def verdicts_of(folder: Path) -> tuple[list[Judgement], list[Finding]]:
    """Return what the machine thought when a set was written; nothing where that is not known."""
    stored = folders.read_verdicts(folder)
    if not isinstance(stored, dict):
        return [], []
    try:
        judgements = [Judgement(**each) for each in stored.get("judgements", [])]
        findings = [Finding(**each) for each in stored.get("findings", [])]
        keys = {(one.label, one.image_id) for one in judgements} | {(one.label, one.image_id) for one in findings}
        for label, image_id in keys:
            rows.checked_label(label)
            rows.checked_name(image_id)
    except (TypeError, AttributeError, IntegrityError) as error:
        logger.warning("the verdicts of %s are not what imgkit writes: %s", folder, error)
        return [], []
    return judgements, findings
