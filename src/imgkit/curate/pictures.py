"""The pictures to judge: each item of the manifest with its file, its original and where it came from."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final
from urllib.parse import unquote, urlsplit

from imgkit.errors import UsageError
from imgkit.manifest import Candidate, Decision, Image, Item, Manifest

Key = tuple[str, str]
"""Label and image id: what an item is called everywhere."""

GIVEN_SPLITS: Final = {
    "train": "train",
    "training": "train",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "test": "test",
    "testing": "test",
}
"""Names of folders that say a split, to what they mean."""

COPY_REASONS = ("dup.", "bad.conflict")  # a copy or a conflict is no bad picture
LAST = 1 << 30  # the rank of a picture whose provider gave none


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """An item with all that the checks and the report need to know about it besides its pixels.

    ``label`` is where it was harvested, ``label_now`` where a person has put it since (the same if nobody did).
    ``path`` is the materialised file; ``width``, ``height`` and ``bytes`` are those of the original. ``decision`` is
    the decision of a person that is in force, if any.
    """

    label: str
    image_id: str
    path: Path
    file_sha256: str
    sha256: str
    width: int
    height: int
    bytes: int
    label_now: str
    decision: Decision | None = None
    source: Candidate | None = None

    @property
    def key(self) -> Key:
        """Label and image id."""
        return (self.label, self.image_id)

    @property
    def rejected_by_person(self) -> bool:
        """Whether a person decided against it."""
        return self.decision is not None and self.decision.action == "reject"

    @property
    def found_bad_by_person(self) -> bool:
        """Whether a person rejected it for what it shows, and not for being a copy."""
        decision = self.decision
        return decision is not None and decision.action == "reject" and not decision.reason.startswith(COPY_REASONS)

    @property
    def provider(self) -> str:
        """The name of the provider that brought it, "" when unknown."""
        return self.source.provider if self.source else ""

    @property
    def album(self) -> str:
        """What the provider says belongs together (one observation, one album); "" when it says nothing."""
        if self.source is None or not self.source.proposal.group:
            return ""
        return f"{self.source.provider}:{self.source.proposal.group}"

    @property
    def given_split(self) -> str:
        """The split that the folders of a file of this machine say, "" for none and for pictures from the web."""
        if self.source is None or not self.source.proposal.url.startswith("file:"):
            return ""
        folders = PurePosixPath(unquote(urlsplit(self.source.proposal.url).path)).parts[:-1]
        named = [GIVEN_SPLITS[one.lower()] for one in folders if one.lower() in GIVEN_SPLITS]
        return named[-1] if named else ""

    @property
    def order(self) -> tuple[int, int, str, str, str]:
        """Earlier harvest rank first; never the same for two pictures."""
        if self.source is None:
            return (LAST, LAST, "", self.image_id, self.label)
        return (self.source.round, self.source.proposal.rank, self.source.provider, self.image_id, self.label)


def gather(manifest: Manifest) -> list[Picture]:
    """Return every item as a picture, by (label, image id).

    Raises:
        UsageError: there is none.
    """
    items = manifest.items()
    if not items:
        raise UsageError(
            f"no pictures to curate in {manifest.folder.root}. Nothing was changed. "
            f"Run first: imgkit harvest queries.csv --data {manifest.folder.root}"
        )
    images, decided, sources = manifest.images(), manifest.current_decisions(), _sources(manifest.each_candidate())
    return [
        _picture(item, images[item.image_id], decided.get((item.label, item.image_id)), sources, manifest)
        for item in items
    ]


def _picture(
    item: Item, image: Image, decision: Decision | None, sources: dict[Key, Candidate], manifest: Manifest
) -> Picture:
    key = (item.label, item.image_id)
    moved = decision is not None and decision.action == "relabel"
    return Picture(
        label=item.label,
        image_id=item.image_id,
        path=manifest.folder.harvested_file(*key),
        file_sha256=item.file_sha256,
        sha256=image.sha256,
        width=image.width,
        height=image.height,
        bytes=image.bytes,
        label_now=decision.to_label if decision is not None and moved else item.label,
        decision=decision,
        source=sources.get(key) or sources.get(("", item.image_id)),
    )


def _sources(candidates: Iterable[Candidate]) -> dict[Key, Candidate]:
    """Return the candidate that brought each picture: the one kept for its label, else the first of any label."""
    found: dict[Key, Candidate] = {}
    for one in candidates:
        for label in (one.label, "") if one.image_id else ():
            known = found.get((label, one.image_id or ""))
            if known is None or _earliness(one) < _earliness(known):
                found[label, one.image_id or ""] = one
    return found


def _earliness(one: Candidate) -> tuple[bool, str, int, int, str, int]:
    return (one.state != "kept", one.label, one.round, one.proposal.rank, one.provider, one.id)
