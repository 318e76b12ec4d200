"""Give each group of pictures a split that does not change when other pictures come or go."""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Split = Literal["train", "validation", "test"]


@dataclass(frozen=True, slots=True)
class Member:
    """A picture of the set: its label, and the name of the group that must stay in one split."""

    label: str
    group: str


def divide(members: Sequence[Member], *, validation_share: float, test_share: float, seed: int) -> list[Split]:
    """Return the split of each member.

    A hash of the group decides, so a group never parts and a picture never moves because of others. Only where a label
    has three groups or more and a split would get none of them, the group whose hash comes closest is put there; train
    gets one of every label.

    Args:
        members: the pictures of the set.
        validation_share: share of the groups, 0 to 1.
        test_share: share of the groups, 0 to 1.
        seed: another seed, another split.
    """
    splits: dict[str, Split] = {}
    for member in members:
        number = _number(member.group, seed)
        splits[member.group] = (
            "test" if number < test_share else "validation" if number < test_share + validation_share else "train"
        )
    groups_of: dict[str, set[str]] = defaultdict(set)
    for member in members:
        groups_of[member.label].add(member.group)
    shares: dict[Split, float] = {"train": 1.0, "test": test_share, "validation": validation_share}
    wanted = [split for split, share in shares.items() if share > 0]
    for label in sorted(groups_of):
        for split in wanted:
            if split == "train" or len(groups_of[label]) >= len(wanted):
                _give(split, sorted(groups_of[label]), splits, seed)
    return [splits[member.group] for member in members]


def _give(wanted: Split, groups: Sequence[str], splits: dict[str, Split], seed: int) -> None:
    """Put the group whose hash comes closest into a split that has none of these groups; train must have one."""
    sizes = Counter(splits[group] for group in groups)
    if sizes[wanted]:
        return
    free = [group for group in groups if wanted == "train" or sizes[splits[group]] > 1]
    if free:
        nearest = max if wanted == "train" else min
        splits[nearest(free, key=lambda group: _number(group, seed))] = wanted


def _number(group: str, seed: int) -> float:
    digest = hashlib.sha256(f"imgkit split {seed} {group}".encode()).digest()
    return int.from_bytes(digest[:8]) / 2**64
