"""Where things lie in a data folder. Nothing from the network ever reaches a path built here."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class DataFolder:
    """The layout of ``--data``: every path that imgkit makes below it is named here."""

    root: Path

    @property
    def manifest(self) -> Path:
        """The SQLite file that is the truth."""
        return self.root / "manifest.db"

    @property
    def originals(self) -> Path:
        """Bytes as received, metadata stripped."""
        return self.root / "originals"

    @property
    def harvested(self) -> Path:
        """Upright, shrunk pictures by label."""
        return self.root / "harvested"

    @property
    def curated(self) -> Path:
        """The set to train on: a view that can be rebuilt from the manifest."""
        return self.root / "curated"

    @property
    def curated_next(self) -> Path:
        """The set while it is being built; it takes the place of ``curated`` at once or not at all."""
        return self.root / ".curated-next"

    @property
    def curated_previous(self) -> Path:
        """The set as it was before the last change, for ``imgkit curate --undo``."""
        return self.root / ".curated-previous"

    @property
    def curated_aside(self) -> Path:
        """The present set for the moment in which an undo exchanges it with the previous one."""
        return self.root / ".curated-aside"

    @property
    def cache(self) -> Path:
        """Thumbnails, embeddings and pixels by content; may be deleted at any time."""
        return self.root / "cache"

    @property
    def review(self) -> Path:
        """The review page's token, readable by its owner only."""
        return self.root / ".review"

    @property
    def locks(self) -> Path:
        """Lock files with the owner's process id."""
        return self.root / ".locks"

    def original(self, sha256: str, extension: str) -> Path:
        """The file of an original: ``originals/ab/<sha256>.<extension>``."""
        return self.originals / sha256[:2] / f"{sha256}.{extension}"

    def harvested_file(self, label: str, image_id: str) -> Path:
        """The materialised picture of an item."""
        return self.root.joinpath("harvested", label, f"{image_id}.jpg")

    def curated_file(self, label: str, image_id: str) -> Path:
        """The same picture in the curated set."""
        return self.root.joinpath("curated", label, f"{image_id}.jpg")
