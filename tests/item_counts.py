"""How many items a manifest holds, by label, final state and reason."""

from collections import Counter

from imgkit.manifest.nouns import Count


def item_counts(manifest):
    """Return a ``Count`` for each label, state and reason, in that order."""
    found = Counter()
    for cell in manifest.picture_cells():
        found[cell.label, cell.state, cell.reason] += cell.items
    return [
        Count(label=label, provider="", state=state, reason=reason, count=count)
        for (label, state, reason), count in sorted(found.items())
    ]
