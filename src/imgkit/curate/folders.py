"""Decide what goes into the curated folder, then put it there: plan first, apply after."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from PIL import Image as PillowImage

import imgkit
from imgkit.curate import view as views
from imgkit.curate.by_hand import Edits
from imgkit.curate.checks import readable
from imgkit.curate.config import CurateConfig
from imgkit.curate.grouping import groups_of
from imgkit.curate.judge import in_set
from imgkit.curate.metadata import Entry, attribution_md, metadata_csv
from imgkit.curate.pictures import Key, Picture
from imgkit.curate.splits import Member, divide
from imgkit.curate.view import Placed, View
from imgkit.files import sha256_of
from imgkit.manifest import DataFolder, Finding, Item, Judgement


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The set as it is going to be: its pictures in order of their path, and the files to take along."""

    entries: tuple[Entry, ...]
    carried: Mapping[str, Path]

    def labels(self) -> list[str]:
        """Return the labels of the set, sorted."""
        return sorted({one.label for one in self.entries})


def plan(
    pictures: Sequence[Picture],
    judgements: Sequence[Judgement],
    items: Mapping[Key, Item],
    edits: Edits,
    config: CurateConfig,
) -> Plan:
    """Return the set by decisions of people where there are any, else by verdict and policy.

    Args:
        pictures: N pictures.
        judgements: N verdicts.
        items: the materialised files.
        edits: what a person did to the present set; the decisions in it must be in the pictures already.
        config: policy, shares and seed.
    """
    keeps = in_set(config.policy)
    chosen: dict[tuple[str, str], int] = {}
    for index, (picture, judgement) in enumerate(zip(pictures, judgements, strict=True)):
        decided = picture.decision.action in ("keep", "relabel") if picture.decision else keeps(judgement)
        gone = judgement.check == readable.NAME and judgement.verdict == "reject"
        if decided and not gone:
            place = (picture.label_now, picture.image_id)
            first = chosen.setdefault(place, index)
            if picture.label == picture.label_now and pictures[first].label != picture.label_now:
                chosen[place] = index  # harvested under that label, before one that was moved there
    order = sorted(chosen)
    groups = split_groups(pictures, [judgement.group for judgement in judgements])
    members = [Member(place[0], groups[chosen[place]]) for place in order]
    splits = divide(members, validation_share=config.validation_share, test_share=config.test_share, seed=config.seed)
    carried = dict(edits.carried or {})
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
        entries.append(_as_changed(entry, carried[entry.file_name]) if entry.file_name in carried else entry)
    return Plan(entries=tuple(entries), carried=carried)


def split_groups(pictures: Sequence[Picture], groups: Sequence[str]) -> list[str]:
    """Return the name of what must stay in one split, for each picture.

    Copies and kin stay together, and so does what a provider calls one observation or album; a picture that stands
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
    planned: Plan, judgements: Sequence[Judgement], findings: Sequence[Finding], config: CurateConfig, *, noise: str
) -> str:
    """Return a string that changes with anything that the set, its tables or its report say."""
    carried = sorted((name, sha256_of(path)) for name, path in planned.carried.items())
    parts = [imgkit.__version__, noise, metadata_csv(planned.entries), repr(carried)]
    parts += [repr(asdict(one)) for one in judgements]
    parts += [repr(asdict(one)) for one in findings]
    parts.append(repr(sorted((name, value) for name, value in config.as_json().items() if name != "data")))
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:32]


def apply(
    folder: DataFolder,
    planned: Plan,
    *,
    digest: str,
    number: int,
    texts: Mapping[str, str],
    judgements: Sequence[Judgement],
    findings: Sequence[Finding],
) -> None:
    """Build the set beside the present one and swap it in.

    Raises:
        ResourceError: the disk is full or not ours to write to; the present set is as it was.
    """
    placed = {one.file_name: Placed(one.picture.label, one.picture.image_id, one.sha256) for one in planned.entries}
    tables = {
        "metadata.csv": metadata_csv(planned.entries),
        "ATTRIBUTION.md": attribution_md(planned.entries),
    }
    views.build(
        folder,
        planned.entries,
        view=View(id=f"{number}-{digest[:8]}", digest=digest, placed=placed),
        carried=planned.carried,
        texts={**tables, **texts},
        verdicts={
            "judgements": [asdict(one) for one in judgements],
            "findings": [asdict(one) for one in findings],
        },
    )
    views.swap_in(folder)


def verdicts_of(folder: Path) -> tuple[list[Judgement], list[Finding]]:
    """Return what the machine thought when a set was written; nothing where that is not known."""
    stored = views.read_verdicts(folder)
    if not isinstance(stored, dict):
        return [], []
    judgements = [Judgement(**each) for each in stored.get("judgements", [])]
    return judgements, [Finding(**each) for each in stored.get("findings", [])]


def _as_changed(entry: Entry, path: Path) -> Entry:
    with PillowImage.open(path) as image:
        width, height = image.size
    return replace(entry, sha256=sha256_of(path), width=width, height=height)
