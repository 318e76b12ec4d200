"""What a person does to a label as a whole: look who asks for it, give it another name, let it go."""

from dataclasses import asdict, dataclass
from pathlib import Path

from imgkit.harvest.changes import COMMAND_LINE
from imgkit.harvest.rules import RowRules, apply
from imgkit.harvest.storage.materialise import remove_unwanted
from imgkit.manifest import Manifest, exclusive_access
from imgkit.manifest.exports import write_exports
from imgkit.manifest.renaming import RenamedLabel, find_label, rename_label

NOT_MEANWHILE = ("harvest", "review")


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedLabel:
    """A label: folder name, display name, pictures in ``harvested/``, and the queries files that ask for it."""

    label: str
    name: str
    pictures: int
    asked_by: tuple[str, ...]

    def as_json(self) -> dict[str, object]:
        """Return it as values that JSON can hold."""
        return asdict(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class DroppedLabel:
    """A label that nobody asks for any more, and how many of its pictures left ``harvested/`` for that."""

    label: str
    pictures: int

    def as_json(self) -> dict[str, object]:
        """Return it as values that JSON can hold."""
        return asdict(self)


def list_labels(data: Path) -> list[ListedLabel]:
    """Return the labels of a data folder in order of first appearance.

    Raises:
        UsageError: there is no manifest.
    """
    with Manifest.open_existing(data) as manifest:
        asked: dict[str, dict[str, None]] = {label: {} for label in manifest.labels()}
        for row in manifest.rows_in_force():
            asked[row.query.label][row.file or COMMAND_LINE] = None
        return [
            ListedLabel(label=label, name=name, pictures=len(manifest.items(label=label)), asked_by=tuple(asked[label]))
            for label, name in manifest.labels().items()
        ]


def rename(data: Path, old: str, new: str, *, merge: bool = False) -> RenamedLabel:
    """Move pictures and decisions of a label to another name.

    Args:
        data: the data folder.
        old: the label, by its name or folder.
        new: its new name.
        merge: whether labels that ask for different words may become one.

    Raises:
        UsageError: there is no such label or manifest, or ``new`` cannot be taken.
        LockedError: another command is at work on the pictures.
    """
    with (
        Manifest.open_existing(data) as manifest,
        exclusive_access(manifest.folder.locks, "labels rename", running=NOT_MEANWHILE),
    ):
        renamed = rename_label(manifest, find_label(manifest, old), new, merge=merge)
        write_exports(manifest)
        return renamed


def drop(data: Path, name: str) -> DroppedLabel:
    """Let nobody ask for a label any more; its pictures leave ``harvested/`` as ``query.gone``, and nothing else goes.

    Raises:
        UsageError: there is no such label or manifest.
        LockedError: another command is at work on the pictures.
    """
    with (
        Manifest.open_existing(data) as manifest,
        exclusive_access(manifest.folder.locks, "labels drop", running=NOT_MEANWHILE),
    ):
        label = find_label(manifest, name)
        manifest.drop_rows(label)
        apply(manifest, RowRules.of(manifest), label)
        left = [(one.label, one.image_id) for one in manifest.items(label=label)]
        manifest.remove_items(left)
        remove_unwanted(manifest.folder, {(one.label, one.image_id) for one in manifest.items()})
        write_exports(manifest)
        return DroppedLabel(label=manifest.labels()[label], pictures=len(left))
