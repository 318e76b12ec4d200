"""Divide pictures into folds that keep labels even and groups whole."""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Hashable, Sequence

import numpy as np

from imgkit.arrays import Int64Array


def grouped_folds(labels: Sequence[Hashable], groups: Sequence[str], *, k: int = 5, seed: int = 0) -> Int64Array:
    """Return the fold, 0 to k - 1, of each of N pictures.

    Pictures with one group name are in one fold; the empty name means alone. Each label is spread as evenly as its
    groups allow, so a label with two groups or more is never missing from the rest of a fold. The same pictures give
    the same folds whatever their order, up to how pictures that stand alone under one label are interchanged.

    Args:
        labels: N labels; a group may hold several.
        groups: N group names.
        k: number of folds, at least 2.
        seed: another seed, other folds.
    """
    members: dict[str, list[int]] = defaultdict(list)
    for index, group in enumerate(groups):
        members[f"group {group}" if group else f"alone {index}"].append(index)
    order = sorted(members, key=lambda name: (-len(members[name]), _scramble(name, seed)))
    folds = np.zeros(len(labels), np.int64)
    filled: list[Counter[Hashable]] = [Counter() for _ in range(k)]
    sizes = [0] * k
    for name in order:
        wanted = Counter(labels[index] for index in members[name])
        chosen = min(range(k), key=lambda fold: (sum(filled[fold][label] for label in wanted), sizes[fold], fold))
        filled[chosen] += wanted
        sizes[chosen] += len(members[name])
        folds[members[name]] = chosen
    return folds


def _scramble(name: str, seed: int) -> bytes:
    return hashlib.blake2b(f"{seed} {name}".encode("utf-8", "surrogateescape"), digest_size=8).digest()
