"""The pictures to judge: each item of the manifest with its file, its original and where it came from."""

from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final
from urllib.parse import unquote, urlsplit

from imgkit import commands
from imgkit.errors import UsageError
from imgkit.manifest import Candidate, DataFolder, Decision, Manifest
from imgkit.manifest.nouns import ItemKey
from imgkit.manifest.outcomes import is_about_content
from imgkit.manifest.overview import Origin, origins

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

LAST = 1 << 30  # the rank of a picture whose provider gave none


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemPicture:
    """An item with all that the checks and the report need to know about it besides its pixels.

    ``label`` is where it was harvested, ``label_now`` where a person has put it since (the same if nobody did).
    ``path`` is the materialised file; ``width``, ``height`` and ``bytes`` are those of the original. ``decision`` is
    the decision of a person that is in force, if any; ``follows`` says that it was made about a copy of this picture.
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
    follows: bool = False
    source: Candidate | None = None

    @property
    def key(self) -> ItemKey:
        """Label and image id."""
        return (self.label, self.image_id)

    @property
    def rejected_by_person(self) -> bool:
        """Whether a person decided against it, or against what it shows in another copy."""
        return self.decision is not None and self.decision.action == "reject"

    @property
    def rejected_as_copy(self) -> bool:
        """Whether a person rejected this file for a better one, which says nothing about what it shows."""
        return self.rejected_by_person and not self.found_bad_by_person

    @property
    def found_bad_by_person(self) -> bool:
        """Whether a person rejected it for what it shows, and not for being a copy."""
        decision = self.decision
        return decision is not None and decision.action == "reject" and is_about_content(decision)

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


def read_pictures(manifest: Manifest) -> list[ItemPicture]:
    """Return every item as a picture, by (label, image id).

    Raises:
        UsageError: there is none.
    """
    decided = manifest.current_decisions()
    pictures = [_picture(one, decided.get((one.label, one.image_id)), manifest.folder) for one in origins(manifest)]
    if not pictures:
        raise UsageError(
            f"no pictures to curate in {manifest.folder.root}. Nothing was changed. "
            f"Run first: {commands.harvest(manifest.folder.root, queries=manifest.last_queries())}"
        )
    return pictures


def rejected_before(manifest: Manifest) -> list[ItemPicture]:
    """Return the pictures that a person rejected for their content and that are no items any more, by key.

    ``path`` is the original, which stays when a picture leaves the harvest; those whose original is gone are left out.
    """
    items = {(one.label, one.image_id) for one in manifest.items()}
    found = []
    for (label, image_id), decision in sorted(manifest.current_decisions().items()):
        if (label, image_id) in items or decision.action != "reject" or not is_about_content(decision):
            continue
        image = manifest.image(image_id)
        path = manifest.folder.original(image.stored_sha256, image.extension) if image is not None else None
        if image is None or path is None or not path.exists():
            continue
        found.append(
            ItemPicture(
                label=label,
                image_id=image_id,
                path=path,
                file_sha256=image.stored_sha256,
                sha256=image.sha256,
                width=image.width,
                height=image.height,
                bytes=image.bytes,
                label_now=label,
                decision=decision,
            )
        )
    return found


def _picture(origin: Origin, decision: Decision | None, folder: DataFolder) -> ItemPicture:
    moved = decision is not None and decision.action == "relabel"
    return ItemPicture(
        label=origin.label,
        image_id=origin.image_id,
        path=folder.harvested_file(origin.label, origin.image_id),
        file_sha256=origin.file_sha256,
        sha256=origin.sha256,
        width=origin.width,
        height=origin.height,
        bytes=origin.bytes,
        label_now=decision.to_label if decision is not None and moved else origin.label,
        decision=decision,
        source=origin.source,
    )
