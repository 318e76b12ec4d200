"""The nouns of this stage: a labelled picture, and a file that is none."""

from dataclasses import dataclass
from pathlib import Path

from imgkit.vision.imagetable import AnySplit, GivenSplit

__all__ = ["SPLITS", "AnySplit", "GivenSplit", "LabelledPicture", "Quarantined", "relative_name"]

SPLITS: tuple[GivenSplit, ...] = ("train", "val", "test")


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelledPicture:
    """A file that was decoded once without a fault.

    ``width`` and ``height`` are in pixels, upright; ``split`` is "" until it is decided; ``group`` names pictures that
    must stay in one split; ``page_url`` is where it was found, where that is known.
    """

    path: Path
    label: str
    sha256: str
    width: int
    height: int
    group: str
    split: AnySplit = ""
    page_url: str = ""

    def name_in(self, root: Path) -> str:
        """Return the path relative to ``root``, as ``relative_name`` writes it."""
        return relative_name(self.path, root)


@dataclass(frozen=True, slots=True, kw_only=True)
class Quarantined:
    """A file that is left out, with the reason code and a few words of detail. The file itself stays as it is."""

    path: Path
    label: str
    reason: str
    detail: str = ""

    def name_in(self, root: Path) -> str:
        """Return the path relative to ``root``, as ``relative_name`` writes it."""
        return relative_name(self.path, root)


def relative_name(path: Path, root: Path) -> str:
    """Return ``path`` below ``root`` with forward slashes, or the whole path where it lies elsewhere."""
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else path.as_posix()
