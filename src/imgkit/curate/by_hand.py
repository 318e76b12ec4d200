"""Notice what a person did to the curated folder in a file manager, and turn it into decisions."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from imgkit.curate.view import OWN_FILES, Placed, View
from imgkit.files import TEMPORARY_PREFIX, sha256_of
from imgkit.manifest import DataFolder, Decision

COMMAND: Final = "by hand"
LABEL_FOLDER: Final = re.compile(r"[^\W_][\w-]*")  # as a label's folder is called; _bad or .bad mean "out"


@dataclass(frozen=True, slots=True, kw_only=True)
class Edits:
    """What changed since the last curate.

    ``decisions`` are ready for the log: a picture that was deleted, or moved to a folder whose name starts with ``_``
    or ``.``, is rejected; one that was moved to another label is relabelled. ``carried`` are files to take along as
    they are, by path below ``curated/``: changed pictures, and files that imgkit did not put there. ``new_labels`` are
    folders that a person invented. ``untouched`` says that every picture is where it was put, without second copies.
    """

    decisions: tuple[Decision, ...] = ()
    carried: Mapping[str, Path] | None = None
    new_labels: tuple[str, ...] = ()
    untouched: bool = True

    @property
    def deleted(self) -> int:
        """How many pictures were thrown out."""
        return sum(one.action == "reject" for one in self.decisions)

    @property
    def moved(self) -> int:
        """How many pictures were given another label."""
        return len(self.decisions) - self.deleted


def notice(folder: DataFolder, view: View | None, labels: Iterable[str]) -> Edits:
    """Return what a person did to ``curated/`` since ``view`` was written.

    A folder that is gone as a whole, or has none of its pictures left, is taken for a wish to have it built anew, not
    for a decision about every picture.

    Args:
        folder: the data folder.
        view: the record of the last curate, None if there was none.
        labels: the labels that are known.
    """
    if view is None:
        return Edits()
    here = {path.relative_to(folder.curated).as_posix(): path for path in _files(folder.curated)}
    missing = {name: placed for name, placed in view.placed.items() if name not in here}
    strangers = {name: path for name, path in here.items() if name not in view.placed and name not in OWN_FILES}
    moved, unknown, copies = _match(missing, strangers, view.placed)
    changed = {name: here[name] for name in view.placed if name in here and _was_changed(folder, name, view, here)}
    if len(missing) == len(view.placed) and not moved:
        return Edits(carried=unknown, untouched=not missing)
    decisions = []
    for name, placed in missing.items():
        decisions.append(_decision(view, name, placed, moved.get(name)))
    targets = {_top(target) for target in moved.values()}
    new = sorted(target for target in targets if LABEL_FOLDER.fullmatch(target) and target not in set(labels))
    return Edits(
        decisions=tuple(one for one in decisions if one is not None),
        carried={name: path for name, path in (unknown | changed).items() if name not in copies},
        new_labels=tuple(new),
        untouched=not missing and not copies,
    )


def _files(root: Path) -> Iterator[Path]:
    for path in sorted(root.rglob("*")):
        if path.is_file() and not path.is_symlink() and not path.name.startswith(TEMPORARY_PREFIX):
            yield path


def _match(
    missing: Mapping[str, Placed], strangers: Mapping[str, Path], placed: Mapping[str, Placed]
) -> tuple[dict[str, str], dict[str, Path], set[str]]:
    """Return where missing pictures went, which strangers are nobody's, and which are second copies of ours."""
    wanted: dict[str, list[str]] = {}
    for name, one in missing.items():
        wanted.setdefault(one.sha256, []).append(name)
    ours = {one.sha256 for one in placed.values()}
    moved: dict[str, str] = {}
    unknown: dict[str, Path] = {}
    copies: set[str] = set()
    for name, path in strangers.items():
        content = sha256_of(path)
        if wanted.get(content):
            moved[wanted[content].pop(0)] = name
        elif content in ours:
            copies.add(name)
        else:
            unknown[name] = path
    return moved, unknown, copies


def _was_changed(folder: DataFolder, name: str, view: View, here: Mapping[str, Path]) -> bool:
    placed = view.placed[name]
    source = folder.harvested_file(placed.label, placed.image_id)
    if source.exists() and source.samefile(here[name]):
        return False
    return sha256_of(here[name]) != placed.sha256


def _decision(view: View, name: str, placed: Placed, target: str | None) -> Decision | None:
    key = f"{COMMAND} {view.id} {name} {target or ''}"
    if target is None or not LABEL_FOLDER.fullmatch(_top(target)):
        return Decision(
            image_id=placed.image_id,
            label=placed.label,
            action="reject",
            reason="user.rejected",
            command=COMMAND,
            key=key,
        )
    if _top(target) == _top(name):
        return None  # renamed inside its label
    if _top(target) == placed.label:
        return Decision(image_id=placed.image_id, label=placed.label, action="keep", command=COMMAND, key=key)
    return Decision(
        image_id=placed.image_id,
        label=placed.label,
        action="relabel",
        to_label=_top(target),
        command=COMMAND,
        key=key,
    )


def _top(name: str) -> str:
    """The label folder of a path, "" for a file that lies beside the label folders."""
    return name.split("/", 1)[0] if "/" in name else ""
