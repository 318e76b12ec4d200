"""Connected components by union-find."""

from collections.abc import Iterable


def groups_of(count: int, links: Iterable[tuple[int, int]]) -> tuple[tuple[int, ...], ...]:
    """Return the connected components with two or more of ``count`` nodes, each sorted, ordered by first member."""
    parent = list(range(count))

    def root(one: int) -> int:
        while parent[one] != one:
            parent[one] = parent[parent[one]]
            one = parent[one]
        return one

    for first, second in links:
        low, high = sorted((root(first), root(second)))
        parent[high] = low
    members: dict[int, list[int]] = {}
    for one in range(count):
        members.setdefault(root(one), []).append(one)
    return tuple(tuple(group) for group in members.values() if len(group) > 1)
