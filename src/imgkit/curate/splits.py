"""Give each group of pictures a split that does not change when other pictures come or go."""

import hashlib
from collections import defaultdict
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
    has three groups or more and a split would get none of them, the group whose hash comes closest is put there.

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
    wanted: list[tuple[Split, float]] = [("test", test_share), ("validation", validation_share)]
    for label in sorted(groups_of):
        for split, share in wanted:
            groups = groups_of[label]
            free = [group for group in groups if splits[group] == "train"]
            if share > 0 and len(groups) >= 3 and len(free) > 1 and all(splits[group] != split for group in groups):
                splits[min(free, key=lambda group: _number(group, seed))] = split
    return [splits[member.group] for member in members]


def _number(group: str, seed: int) -> float:
    digest = hashlib.sha256(f"imgkit split {seed} {group}".encode()).digest()
    return int.from_bytes(digest[:8]) / 2**64
