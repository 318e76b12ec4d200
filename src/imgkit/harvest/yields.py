"""Where the candidates of a harvest went: found, tried, kept and each reason, by label and provider. Pure."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from imgkit.manifest import Count
from imgkit.reasons import explain


@dataclass(frozen=True, slots=True, kw_only=True)
class YieldRow:
    """The candidates of one label at one provider ("" for all of them).

    ``found`` = ``kept`` + ``waiting`` + the sum of ``reasons``; ``tried`` = ``found`` - ``waiting``. ``deferred`` says
    how many of the reasons may pass: those candidates are tried again by the next harvest.
    """

    label: str
    provider: str
    found: int
    kept: int
    deferred: int
    waiting: int
    reasons: Mapping[str, int] = field(default_factory=dict)

    @property
    def tried(self) -> int:
        """Candidates that were asked for, or settled without asking."""
        return self.found - self.waiting


def yield_table(counts: Sequence[Count], *, labels: Sequence[str], providers: Sequence[str]) -> list[YieldRow]:
    """Return a row for each label and provider that found something, by ``labels`` and then ``providers`` in order."""
    cells: dict[tuple[str, str], list[Count]] = defaultdict(list)
    for count in counts:
        if count.label in labels:
            cells[count.label, count.provider].append(count)
    place = {name: number for number, name in enumerate(providers)}
    order = sorted(cells, key=lambda key: (labels.index(key[0]), place.get(key[1], len(place)), key[1]))
    return [_row(label, provider, cells[label, provider]) for label, provider in order]


def total(rows: Sequence[YieldRow], *, label: str = "") -> YieldRow:
    """Return the sum of rows, under a label."""
    reasons: Counter[str] = Counter()
    for row in rows:
        reasons.update(row.reasons)
    return YieldRow(
        label=label,
        provider="",
        found=sum(row.found for row in rows),
        kept=sum(row.kept for row in rows),
        deferred=sum(row.deferred for row in rows),
        waiting=sum(row.waiting for row in rows),
        reasons=dict(reasons.most_common()),
    )


_ADVICE: Final[dict[str, str]] = {
    "http.403": "They refuse programs; another provider may list the same pictures elsewhere.",
    "http.404": "They are gone; more queries or providers bring others.",
    "http.410": "They are gone; more queries or providers bring others.",
    "http.429": "Run the same command again later: the hosts asked to be left alone for a while.",
    "http.5xx": "Run the same command again later: the hosts had errors.",
    "net.": "Run the same command again later: the connection failed, nothing is lost.",
    "policy.robots": "The hosts ask robots to stay out; --no-robots overrides it where you have permission.",
    "policy.header": "The owners opted out of machine use; other providers may have pictures without that.",
    "policy.licence": "Their licence is not one you asked for; more licences or providers bring others.",
    "policy.excluded": "Your excluded words matched their title, tags or page; see the exclude column.",
    "dup.": "Each is in the set once; more queries in other words bring other pictures.",
    "img.small": "They are smaller than the smallest useful side; --filter size=large asks for larger ones.",
    "body.html": "Pages were served instead of pictures; another provider may list them elsewhere.",
    "img.": "They are not usable as pictures; nothing to do.",
    "body.": "The hosts sent no picture; nothing to do.",
    "fs.": "Check the permissions of these files.",
}


def next_steps(row: YieldRow, *, at_most: int = 3) -> list[str]:
    """Return the commonest reasons of a row as sentences that say what a person could do."""
    commonest = sorted(row.reasons.items(), key=lambda pair: (-pair[1], pair[0]))[:at_most]
    return [f"{count:,} × {reason} ({explain(reason)}). {_advice(reason)}" for reason, count in commonest]


def _advice(reason: str) -> str:
    if reason in _ADVICE:
        return _ADVICE[reason]
    return next((advice for start, advice in _ADVICE.items() if start.endswith(".") and reason.startswith(start)), "")


def _row(label: str, provider: str, counts: Sequence[Count]) -> YieldRow:
    states: Counter[str] = Counter()
    reasons: Counter[str] = Counter()
    for count in counts:
        states[count.state] += count.count
        if count.state in ("rejected", "deferred"):
            reasons[count.reason] += count.count
    return YieldRow(
        label=label,
        provider=provider,
        found=sum(states.values()),
        kept=states["kept"],
        deferred=states["deferred"],
        waiting=states["pending"],
        reasons=dict(reasons.most_common()),
    )
