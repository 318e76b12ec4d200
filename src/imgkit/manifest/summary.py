"""Sum up a data folder: how many pictures are where, what waits, and what to do next."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime

from imgkit.manifest.nouns import Count
from imgkit.manifest.store import Manifest


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelSummary:
    """Where the candidates and pictures of one label are. ``found`` is the sum of the four states after it.

    ``harvested`` counts pictures on disk: the sum of ``curated``, ``suspects``, ``set_aside`` and ``unjudged``.
    """

    label: str
    name: str
    found: int
    kept: int
    rejected: int
    deferred: int
    waiting: int
    harvested: int
    curated: int
    suspects: int
    set_aside: int
    unjudged: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """The state of a data folder in numbers, with the sentence that says what to do next."""

    labels: tuple[LabelSummary, ...]
    deferred_hosts: Mapping[str, datetime]
    decisions: int
    next_step: str

    def as_json(self) -> dict[str, object]:
        """Return the summary as values that JSON can hold."""
        return {
            "labels": [asdict(label) for label in self.labels],
            "deferred_hosts": {host: until.isoformat() for host, until in self.deferred_hosts.items()},
            "decisions": self.decisions,
            "next_step": self.next_step,
        }


def summarise(manifest: Manifest) -> Summary:
    """Return the summary of an open manifest."""
    candidates, items = manifest.candidate_counts(), manifest.item_counts()
    labels = tuple(_label(slug, name, candidates, items) for slug, name in manifest.labels().items())
    return Summary(
        labels=labels,
        deferred_hosts=manifest.deferred_hosts(),
        decisions=manifest.count_decided(),
        next_step=next_step(labels),
    )


def next_step(labels: Sequence[LabelSummary]) -> str:
    """Return what a person would do now, as a sentence that ends in a command."""
    if not any(label.harvested for label in labels):
        return "Nothing is harvested yet. Run: imgkit harvest queries.csv"
    if any(label.unjudged for label in labels):
        return "Some pictures are not judged yet. Run: imgkit curate"
    if any(label.suspects for label in labels):
        return "Some suspects wait for a person. Run: imgkit curate --review"
    return "The set is curated. Run: imgkit train data/curated"


def _label(slug: str, name: str, candidates: Sequence[Count], items: Sequence[Count]) -> LabelSummary:
    found = _by_state(slug, candidates)
    pictures = _by_state(slug, items)
    return LabelSummary(
        label=slug,
        name=name,
        found=sum(found.values()),
        kept=found.get("kept", 0),
        rejected=found.get("rejected", 0),
        deferred=found.get("deferred", 0),
        waiting=found.get("pending", 0),
        harvested=sum(pictures.values()),
        curated=pictures.get("keep", 0),
        suspects=pictures.get("suspect", 0),
        set_aside=pictures.get("reject", 0) + pictures.get("relabel", 0),
        unjudged=pictures.get("harvested", 0),
    )


def _by_state(slug: str, counts: Sequence[Count]) -> dict[str, int]:
    states: dict[str, int] = {}
    for one in counts:
        if one.label == slug:
            states[one.state] = states.get(one.state, 0) + one.count
    return states
