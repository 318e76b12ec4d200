"""Where things lie in a data folder. Nothing from the network ever reaches a path built here."""

import contextlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from imgkit.errors import IntegrityError

RECORD: Final = ".view.json"  # of a curated set, written last: a folder without it is not finished, or not ours
VERDICTS: Final = ".verdicts.json.gz"  # of a curated set: what the machine thought, for an undo
PROBABILITIES: Final = "probabilities.csv"  # in a curated set: every picture, in the set or not, copies too
TRASH: Final = ".curated-trash-"  # in front of a process id: a set that nothing leads back to any more


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
        """The address of the running review, and the folder's name in browsers; readable by their owner only."""
        return self.root / ".review"

    @property
    def decisions_aside(self) -> Path:
        """Imported decisions about pictures that are not here."""
        return self.root / "decisions-aside.jsonl"

    @property
    def locks(self) -> Path:
        """Lock files with the owner's process id."""
        return self.root / ".locks"

    def refuse_links(self) -> None:
        """Make sure that no folder below ``originals`` and ``harvested`` is a link.

        These two may be links themselves, to a larger disk; a link below them would let pictures be written to and
        removed from a place outside.

        Raises:
            IntegrityError: one is.
        """
        for place in (self.originals, self.harvested):
            with contextlib.suppress(OSError), os.scandir(place) as entries:
                link = next((entry.path for entry in entries if entry.is_symlink() and entry.is_dir()), None)
                if link is not None:
                    raise IntegrityError(
                        f"{link} is a link to a folder; imgkit writes and removes pictures there and makes plain "
                        "folders only. Nothing was changed. Put the folder itself in its place, or remove the link.",
                        code="folder.link",
                    )

    def original(self, sha256: str, extension: str) -> Path:
        """The file of an original: ``originals/ab/<sha256>.<extension>``."""
        return self.originals / sha256[:2] / f"{sha256}.{extension}"

    def harvested_file(self, label: str, image_id: str) -> Path:
        """The materialised picture of an item."""
        return self.root.joinpath("harvested", label, f"{image_id}.jpg")


def data_folder_of(curated: Path) -> Path | None:
    """Return the data folder whose curated set a folder is; None where it is another kind of folder."""
    data = curated.parent
    return data if curated.name == DataFolder(data).curated.name and DataFolder(data).manifest.is_file() else None
