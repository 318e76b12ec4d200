"""The fixed order in which a label's candidates are tried, whatever the timing of a run."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from imgkit.harvest.crawl.local_files import address_key
from imgkit.manifest.addresses import url_key
from imgkit.manifest.nouns import Candidate

RANK_OFFSET: Final = 60
"""Of reciprocal-rank fusion: how little the first ranks outweigh the following ones."""


@dataclass(frozen=True, slots=True)
class RankedAddress:
    """One address under one label, with every candidate that proposed it, the first of them in the fixed order first.

    Candidates of two providers with the same address are one entry, so that it is asked for once. ``thumbnail`` is the
    address of a small copy to take when all else fails, "" for none.
    """

    key: str
    candidates: tuple[Candidate, ...]
    thumbnail: str = ""

    @property
    def first(self) -> Candidate:
        """The candidate that is kept when the picture is."""
        return self.candidates[0]

    @property
    def fallbacks(self) -> tuple[str, ...]:
        """Further addresses of the picture, in order, each once."""
        found = [url for one in self.candidates for url in one.proposal.fallbacks]
        found += [self.thumbnail] if self.thumbnail else []
        return tuple(url for url in dict.fromkeys(found) if url_key(url) != self.key)

    @property
    def page_url(self) -> str:
        """The first page that shows the picture."""
        return next((one.proposal.page_url for one in self.candidates if one.proposal.page_url), "")


def in_order(candidates: Sequence[Candidate], providers: Sequence[str]) -> list[RankedAddress]:
    """Return the entries of one label in the order in which they are tried.

    Earlier rounds of searching come first. Within a round, the ranks of all providers and queries are merged by
    reciprocal-rank fusion, so what several propose comes before what one does; ties go by the order of ``providers``,
    then by rank and address. The order depends on what was found and on nothing else.

    Source: Cormack, Clarke and Büttcher 2009, "Reciprocal Rank Fusion Outperforms Condorcet and Individual Rank
    Learning Methods".
    """
    place = {name: number for number, name in enumerate(providers)}
    groups: dict[str, list[Candidate]] = defaultdict(list)
    for one in candidates:
        groups[address_key(one)].append(one)

    def position(one: Candidate) -> tuple[int, int, int, int]:
        return one.round, place.get(one.provider, len(place)), one.proposal.rank, one.query_id

    def order(entry: RankedAddress) -> tuple[object, ...]:
        first = entry.first
        score = sum(1 / (RANK_OFFSET + one.proposal.rank) for one in entry.candidates if one.round == first.round)
        return (first.round, -score, *position(first)[1:], entry.key)

    entries = [RankedAddress(key, tuple(sorted(group, key=position))) for key, group in groups.items()]
    return sorted(entries, key=order)
