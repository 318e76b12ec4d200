"""Divide pictures into train, validation and test: groups stay whole, every label gets its share, few ever move.

Within each label the groups are ranked by a hash of their name. The first ones are held back for the test, the last
ones for the validation, as many as the shares say, and the rest is for training. So a label of 30 groups gets neither
1 nor 9 test groups, and a group that comes or goes moves one other group at most across each of the two borders.
"""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

Split = Literal["train", "validation", "test"]
HELD_BACK: Final[tuple[Split, ...]] = ("test", "validation")
"""In the order in which a small label gets one of each: two groups are train and test, three are in all of them."""


@dataclass(frozen=True, slots=True)
class Member:
    """A picture: its label, and the name of the group that must stay in one split."""

    label: str
    group: str


def divide(
    members: Sequence[Member], *, shares: Mapping[Split, float], seed: int, fixed: Mapping[str, Split] | None = None
) -> list[Split]:
    """Return the split of each member.

    Of the N groups of a label each split of ``shares`` gets its share, rounded, one at least while there are groups,
    and training gets one always. A group with several labels moves as a whole and is counted under the first of them;
    where a label is left without a group in some split, one is moved there, unless another label would lose its last
    training group.

    Args:
        members: the pictures, in any order.
        shares: share of the groups of each label, 0 to 1, for the splits that are to be filled.
        seed: another seed, another split.
        fixed: the split of groups that have one already. They stay there; those in a split of ``shares`` count for it,
            those in another held-back split count for nothing.
    """
    fixed = fixed or {}
    labels: dict[str, set[str]] = defaultdict(set)
    for member in members:
        labels[member.group].add(member.label)
    ranked: dict[str, list[str]] = defaultdict(list)
    for group in sorted(labels, key=lambda group: _number(group, seed)):
        ranked[min(labels[group])].append(group)
    splits: dict[str, Split] = {}
    for groups in ranked.values():
        splits |= _divide_label(groups, shares, fixed)
    _fill(splits, labels, shares, fixed, seed)
    return [splits[member.group] for member in members]


def _divide_label(groups: Sequence[str], shares: Mapping[Split, float], fixed: Mapping[str, Split]) -> dict[str, Split]:
    """Return the splits of the ranked groups of one label."""
    splits = {group: fixed[group] for group in groups if group in fixed}
    taken = Counter(splits.values())
    free = [group for group in groups if group not in fixed]
    counted = len(free) + taken["train"] + sum(taken[split] for split in HELD_BACK if shares.get(split, 0) > 0)
    spare = counted - 1 - sum(taken[split] for split in HELD_BACK if shares.get(split, 0) > 0)
    for split in HELD_BACK:
        share = shares.get(split, 0.0)
        if share <= 0:
            continue
        wanted = max(1, int(share * counted + 0.5)) - taken[split]
        size = max(0, min(wanted, spare, len(free)))
        chosen = free[:size] if split == "test" else free[len(free) - size :]
        splits |= dict.fromkeys(chosen, split)
        free = [group for group in free if group not in splits]
        spare -= size
    return splits | dict.fromkeys(free, "train")


def _fill(
    splits: dict[str, Split],
    labels: Mapping[str, set[str]],
    shares: Mapping[Split, float],
    fixed: Mapping[str, Split],
    seed: int,
) -> None:
    """Give each label a training group, then, while it has two, one in each split of ``shares``."""
    groups_of: dict[str, list[str]] = defaultdict(list)
    for group in sorted(labels, key=lambda group: _number(group, seed)):
        for label in labels[group]:
            groups_of[label].append(group)
    for label in sorted(groups_of):
        free = [group for group in groups_of[label] if group not in fixed]
        if free and not _in(splits, groups_of[label], "train"):
            splits[min(free, key=lambda group: abs(_number(group, seed) - 0.5))] = "train"
    for label in sorted(groups_of):
        for split in HELD_BACK:
            if shares.get(split, 0) <= 0 or _in(splits, groups_of[label], split):
                continue
            movable = [
                group
                for group in groups_of[label]
                if group not in fixed
                and splits[group] == "train"
                and all(len(_in(splits, groups_of[each], "train")) > 1 for each in labels[group])
            ]
            if movable:
                splits[movable[0] if split == "test" else movable[-1]] = split


def _in(splits: Mapping[str, Split], groups: Iterable[str], split: Split) -> list[str]:
    return [group for group in groups if splits[group] == split]


def _number(group: str, seed: int) -> float:
    """Return a number in 0 to 1 that depends on nothing but the group and the seed."""
    digest = hashlib.sha256(f"imgkit split {seed} {group}".encode("utf-8", "surrogateescape")).digest()
    return int.from_bytes(digest[:8]) / 2**64
