"""Sum up a data folder: how many pictures are where, what waits, and what to do next."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

from imgkit import commands
from imgkit.manifest.folder import DataFolder
from imgkit.manifest.nouns import Count
from imgkit.manifest.outcomes import PictureCounts
from imgkit.manifest.store import Manifest
from imgkit.notebook import TableReport


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelSummary:
    """Where the candidates and pictures of one label are. ``found`` is the sum of the four states after it.

    ``harvested`` counts pictures on disk, each in one place: in the set under this label (``curated`` less
    ``moved_in``), ``moved_out`` into the set under another label, ``set_aside``, or ``unjudged``. ``curated`` is what
    follows from the decisions and verdicts of now, ``written`` what the curated folder holds as it was written.
    ``suspects`` counts those that nobody has decided about, in the set or not.
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
    written: int
    suspects: int
    set_aside: int
    moved_out: int
    moved_in: int
    unjudged: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary(TableReport):
    """The state of a data folder in numbers, with the sentence that says what to do next.

    ``left_out`` are sentences about rows of lists that are no candidates.
    """

    labels: tuple[LabelSummary, ...]
    deferred_hosts: Mapping[str, datetime]
    decisions: int
    left_out: tuple[str, ...]
    next_step: str

    @property
    def pending(self) -> str | None:
        """What decisions since the last curate change, as a sentence; None where the curated folder is up to date."""
        written, curated = (sum(getattr(one, name) for one in self.labels) for name in ("written", "curated"))
        if not written or all(one.written == one.curated for one in self.labels):
            return None
        return f"The curated folder holds {written:,} pictures; with the decisions made since it is {curated:,}."

    def table(self) -> tuple[Sequence[str], Sequence[Sequence[object]]]:
        """Return one row for each label: where its candidates and pictures are."""
        columns = ["label", "found", "kept", "harvested", "curated", "suspects", "set aside", "not judged"]
        rows = [
            [one.name, one.found, one.kept, one.harvested, one.curated, one.suspects, one.set_aside, one.unjudged]
            for one in self.labels
        ]
        return columns, rows

    def headline(self) -> str:
        """Return what to do next."""
        return self.next_step

    def as_json(self) -> dict[str, object]:
        """Return the summary as values that JSON can hold."""
        return {
            "labels": [asdict(label) for label in self.labels],
            "deferred_hosts": {host: until.isoformat() for host, until in self.deferred_hosts.items()},
            "decisions": self.decisions,
            "left_out": list(self.left_out),
            "next_step": self.next_step,
        }


def summarise(manifest: Manifest) -> Summary:
    """Return the summary of an open manifest."""
    names = manifest.labels()
    candidates = manifest.candidate_counts()
    pictures = manifest.picture_counts()
    written = manifest.written_counts() if manifest.folder.curated.exists() else {}
    labels = tuple(
        _label(names.get(slug, slug), pictures[slug], candidates, written.get(slug, 0))
        for slug in dict.fromkeys((*names, *pictures))
    )
    return Summary(
        labels=labels,
        deferred_hosts=manifest.deferred_hosts(),
        decisions=manifest.count_decided_items(),
        left_out=tuple(manifest.left_out()),
        next_step=next_step(labels, manifest.folder, manifest.last_queries()),
    )


def next_step(labels: Sequence[LabelSummary], folder: DataFolder, queries: Path | None = None) -> str:
    """Return what a person would do now, as a sentence that ends in a command.

    Args:
        labels: where the pictures are.
        folder: the data folder.
        queries: the file of the last harvest, where it is known.
    """
    if not any(label.harvested for label in labels):
        return f"Nothing is harvested yet. Run: {commands.harvest(folder.root, queries=queries)}"
    if any(label.unjudged for label in labels):
        return f"Some pictures are not judged yet. Run: {commands.curate(folder.root)}"
    if any(label.written for label in labels) and any(label.curated != label.written for label in labels):
        return f"The curated folder is not as decided. Run: {commands.curate(folder.root)}"
    if any(label.suspects for label in labels):
        return f"Some suspects wait for a person. Run: {commands.curate(folder.root, '--review')}"
    return f"The set is curated. Run: {commands.train(folder.curated)}"


def _label(name: str, pictures: PictureCounts, candidates: Sequence[Count], written: int) -> LabelSummary:
    found = _by_state(pictures.label, candidates)
    return LabelSummary(
        label=pictures.label,
        name=name,
        found=sum(found.values()),
        kept=found.get("kept", 0),
        rejected=found.get("rejected", 0),
        deferred=found.get("deferred", 0),
        waiting=found.get("pending", 0),
        harvested=pictures.harvested,
        curated=pictures.in_set,
        written=written,
        suspects=pictures.waiting,
        set_aside=pictures.set_aside,
        moved_out=pictures.moved_out,
        moved_in=pictures.moved_in,
        unjudged=pictures.unjudged,
    )


def _by_state(slug: str, counts: Sequence[Count]) -> dict[str, int]:
    states: dict[str, int] = {}
    for one in counts:
        if one.label == slug:
            states[one.state] = states.get(one.state, 0) + one.count
    return states
