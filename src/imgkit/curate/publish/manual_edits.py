"""Notice what a person did to the curated folder in a file manager, and turn it into decisions and new pictures."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Final

from imgkit.curate.publish.folders import OWN_FILES, Placed, PublishedSet
from imgkit.files import NO_FILE, TEMPORARY_PREFIX, files_below, read_file, sha256_of
from imgkit.manifest import Decision, Judgement, Manifest
from imgkit.manifest.labels import slug
from imgkit.manifest.nouns import ItemKey
from imgkit.manifest.renaming import renamed_labels
from imgkit.vision import decode as decoding
from imgkit.vision.decode import Decoded
from imgkit.vision.imagefolder import ASIDE, SYSTEM_NAMES, SYSTEM_PREFIXES, TOOL_FOLDERS

COMMAND: Final = "by hand"
REPLACED: Final = "dup.near"  # why a picture is out whose file a person replaced: the other file is the better one
FEWEST: Final = 5  # pictures of a label: fewer are a mass change only where they are all of it
LIMITS: Final = replace(decoding.OWN_FILES, smallest_side=16)  # of a person's own pictures, as for training


"""Label and image id."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Added:
    """A picture that a person put into the set: its file and path below ``curated/``, its label and what it is.

    ``width`` and ``height`` are pixels of the upright picture; ``replaces`` is the picture whose place it took.
    """

    path: Path
    name: str
    label: str
    sha256: str
    bytes: int
    width: int
    height: int
    replaces: Placed | None = None

    @property
    def image_id(self) -> str:
        """The name of the picture everywhere."""
        return self.sha256[:20]


@dataclass(frozen=True, slots=True, kw_only=True)
class Edits:
    """What changed since the last curate.

    The decisions are ready for the log: ``deleted`` pictures, or those in a folder whose name starts with ``_`` or
    ``.``, are rejected; ``moved`` ones are relabelled; ``restored`` ones, which are back after they were left out, are
    kept; ``replaced`` ones make way for a picture among ``added``, which is kept. A decision that is in the log
    already is not made again, also where an undo took it back; ``noticed`` holds the keys of all but those taken back.
    ``carried`` are files that are no pictures of the set, to be taken along, by path below ``curated/``. ``new_labels``
    are folders that a person invented, with their names. ``untouched`` says that the folder is as it was written.
    ``questions`` are changes that a person must confirm before any of this is done, ``remarks`` what is to be said of
    the rest; both are sentences.
    """

    deleted: tuple[Decision, ...] = ()
    moved: tuple[Decision, ...] = ()
    restored: tuple[Decision, ...] = ()
    replaced: tuple[Decision, ...] = ()
    added: tuple[Added, ...] = ()
    noticed: tuple[str, ...] = ()
    carried: Mapping[str, Path] = field(default_factory=dict)
    new_labels: Mapping[str, str] = field(default_factory=dict)
    untouched: bool = True
    questions: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()

    @property
    def decisions(self) -> tuple[Decision, ...]:
        """All decisions, in the order of the log."""
        return (*self.deleted, *self.moved, *self.restored, *self.replaced)

    def as_counts(self) -> dict[str, int]:
        """Return how many pictures were changed in which way, and how many files are taken along as ``carried``."""
        replaced = sum(one.replaces is not None for one in self.added)
        return {
            "deleted": len(self.deleted),
            "moved": len(self.moved),
            "added": len(self.added) - replaced,
            "restored": len(self.restored),
            "replaced": replaced,
            "carried": len(self.carried),
        }


def notice(manifest: Manifest, view: PublishedSet | None, *, keeps: Callable[[Judgement], bool]) -> Edits:
    """Return what a person did to ``curated/`` since ``view`` was written.

    Pictures are followed by their content, so a picture that was renamed inside its label, or whose label's folder was
    renamed to another spelling of the same label (by ``slug``), is no change; labels that were renamed since have their
    new name. A folder that is gone as a whole, or has
    none of its pictures left anywhere, is taken for a wish to have it built anew, not for a decision about every
    picture.

    Args:
        manifest: the manifest of the data folder.
        view: the record of the last curate, None if there was none.
        keeps: the rule by which a picture that nobody decided about is in the set.

    Raises:
        ResourceError: a file or a folder could not be read.
    """
    if view is None:
        return Edits()
    return _Comparison(manifest, view, keeps).edits()


class _Comparison:
    """The folder as it was written beside the folder as it is."""

    def __init__(self, manifest: Manifest, view: PublishedSet, keeps: Callable[[Judgement], bool]) -> None:
        self.manifest, self.keeps = manifest, keeps
        self.labels, self.renamed = manifest.labels(), renamed_labels(manifest)
        self.folded = {label.casefold(): label for label in self.labels}  # one folder on many file systems
        placed = {name: replace(one, label=self.renamed.get(one.label, one.label)) for name, one in view.placed.items()}
        self.view = replace(view, placed=placed)
        self.files, self.links = _files(manifest.folder.curated)
        self.contents = {name: found for name in self.files if (found := self._content(name)) is not None}
        self.free = {name for name in self.contents if view.placed.get(name, _NOBODY).sha256 != self.contents[name]}
        self.of_set = {placed.sha256 for placed in view.placed.values()}
        self.moves: dict[str, str] = {}  # path that a picture had to the one that it has
        self.ambiguous: list[str] = []  # pictures with two places to go to
        self.deleted: list[str] = []
        self.overwritten: dict[str, str] = {}  # path that a picture had to the file that stands for it now
        self.damaged: list[str] = []

    def edits(self) -> Edits:
        """Return what was changed."""
        self._follow()
        if self.view.placed and len(self.deleted) == len(self.view.placed):
            self.deleted = []  # built anew
        known = _Known(self.manifest)
        not_new, added = self._added(known)
        deleted, moved = self._moved_out()
        restored, copies, carried, removed = self._sorted(not_new, known)
        replaced = [self._put_in_place(one) for one in added if one.replaces] + [
            self._made_way(one) for one in added if one.replaces
        ]
        decisions = {"deleted": deleted, "moved": moved, "restored": restored, "replaced": replaced}
        found = [one.key for each in decisions.values() for one in each]
        withdrawn, logged = self.manifest.withdrawn(found), {one.key for one in self.manifest.decisions()}
        made = {name: tuple(one for one in each if one.key not in logged) for name, each in decisions.items()}
        return Edits(
            **made,
            added=tuple(added),
            noticed=tuple(key for key in found if key not in withdrawn),
            carried=carried,
            new_labels=self._new_labels([*moved, *restored], added),
            untouched=not (self.free - carried.keys() or self.links or self._missing()),
            questions=tuple(self._questions(made["deleted"], made["moved"])),
            remarks=tuple(self._remarks(copies, carried, removed)),
        )

    def _content(self, name: str) -> str | None:
        """Return the SHA-256 of a file, without reading one that has not changed; None where it is gone again."""
        path = self.files[name]
        try:
            placed = self.view.placed.get(name)
            return placed.sha256 if placed and placed.is_unchanged(path) else sha256_of(path)
        except NO_FILE:
            return None

    def _missing(self) -> bool:
        return any(self.contents.get(name) != placed.sha256 for name, placed in self.view.placed.items())

    def label_of(self, name: str) -> str:
        """Return the label of a path by its folder, "" where the folder says none: systems and tools make some, too."""
        top, slash, _ = name.partition("/")
        if (
            not slash
            or any(map(is_systems, name.split("/")))
            or (top not in self.labels and top.lower() in TOOL_FOLDERS)
        ):
            return ""
        label = top if top in self.labels else slug(top)
        label = self.renamed.get(label, label)
        return label if label in self.labels else self.folded.get(label.casefold(), label)

    def _follow(self) -> None:
        """Say of each picture of the set where it is now."""
        places: dict[str, list[str]] = {}
        for name in sorted(self.free):
            places.setdefault(self.contents[name], []).append(name)
        away = [name for name, one in self.view.placed.items() if self.contents.get(name) != one.sha256]
        for name in away:
            here = [each for each in places.get(self.view.placed[name].sha256, ()) if each in self.free]
            if here:
                self._move(name, here)
        for name in away:
            if name not in self.moves:
                self._lose(name)

    def _move(self, name: str, here: Sequence[str]) -> None:
        at_home = [each for each in here if not is_out(each) and self.label_of(each) == self.label_of(name)]
        inside = [each for each in here if not is_out(each) and self.label_of(each)]
        if not at_home and len({self.label_of(each) for each in inside}) > 1:
            self.ambiguous.append(name)
        self.moves[name] = (at_home or inside or here)[0]
        self.free.discard(self.moves[name])

    def _lose(self, name: str) -> None:
        """A picture's content is gone: another one took its place, or its file is damaged, or it was deleted."""
        stem = self.view.placed[name].image_id
        found = [each for each in sorted(self.free) if each == name or PurePosixPath(each).stem == stem]
        if not found or is_out(found[0]):
            self.deleted.append(name)
        elif self.contents[found[0]] in self.of_set:
            self.deleted.append(name)  # a copy of another picture of the set lies there, and is taken away
        elif _decoded(self.files[found[0]]) is None:
            self.damaged.append(name)
            self.free.discard(found[0])
        else:
            self.overwritten[name] = found[0]
            self.free.discard(found[0])

    def _added(self, known: "_Known") -> tuple[list[str], list[Added]]:
        """Return the files that are no new pictures, and the new pictures."""
        not_new, added = [], []
        for name, stands in self.overwritten.items():
            added.append(self._picture(stands, self.view.placed[name], self.label_of(stands) or self.label_of(name)))
        for name in sorted(self.free):
            label = self.label_of(name)
            new = self.contents[name] not in self.of_set and not known.of(self.contents[name])
            seen = _decoded(self.files[name]) if new and label and not is_out(name) else None
            if seen is None or self.contents[name] in known.removed:
                not_new.append(name)
            else:
                added.append(self._picture(name, None, label))
        return not_new, [one for one in added if one is not None]

    def _picture(self, name: str, replaces: Placed | None, label: str) -> Added | None:
        seen = _decoded(self.files[name])
        if seen is None:
            return None  # gone or damaged since
        decoded, size = seen
        return Added(
            path=self.files[name],
            name=name,
            label=label,
            sha256=self.contents[name],
            bytes=size,
            width=decoded.width,
            height=decoded.height,
            replaces=replaces,
        )

    def _moved_out(self) -> tuple[list[Decision], list[Decision]]:
        """Return the decisions about pictures that are not where they were: rejections, and other labels."""
        deleted = [self._decision(name, "", action="reject", reason="user.rejected") for name in self.deleted]
        moved = []
        for name, target in self.moves.items():
            label = self.label_of(target)
            if is_out(target):
                deleted.append(self._decision(name, target, action="reject", reason="user.rejected"))
            elif label in ("", self.label_of(name)):
                continue  # renamed inside its label, or put beside the labels
            elif label == self.view.placed[name].label:
                moved.append(self._decision(name, target, action="keep"))
            else:
                moved.append(self._decision(name, target, action="relabel", to_label=label))
        return deleted, moved

    def _decision(self, name: str, target: str, **fields: str) -> Decision:
        placed = self.view.placed[name]
        key = f"{COMMAND} {self.view.id} {name} {target}"
        return Decision(image_id=placed.image_id, label=placed.label, command=COMMAND, key=key, **fields)  # type: ignore[arg-type]

    def _made_way(self, one: Added) -> Decision:
        assert one.replaces is not None
        key = f"{COMMAND} {self.view.id} {one.name} replaced by {one.image_id}"
        old = one.replaces
        return Decision(
            image_id=old.image_id, label=old.label, action="reject", reason=REPLACED, command=COMMAND, key=key
        )

    def _put_in_place(self, one: Added) -> Decision:
        key = f"{COMMAND} {self.view.id} {one.name} put in place as {one.image_id}"
        return Decision(image_id=one.image_id, label=one.label, action="keep", command=COMMAND, key=key)

    def _sorted(
        self, not_new: Sequence[str], known: "_Known"
    ) -> tuple[list[Decision], list[str], dict[str, Path], list[str]]:
        """Return decisions about pictures that are back, copies of what is in the set, other files, removed ones."""
        restored: dict[ItemKey, Decision] = {}
        copies, carried, removed = [], {}, []
        for name in not_new:
            content, label = self.contents[name], self.label_of(name)
            keys = known.of(content)
            if content in known.removed:
                removed.append(name)
            elif content in self.of_set:
                copies.append(name)
            elif keys and label and not is_out(name):
                if decision := self._back(name, label, keys, known):
                    restored[decision.label, decision.image_id] = decision
            elif name in self.view.placed:
                self.damaged.append(name)  # what is left of a picture; another file holds the picture of this name
            else:
                carried[self._kept_at(name)] = self.files[name]
        return list(restored.values()), copies, carried, removed

    def _kept_at(self, name: str) -> str:
        """Return where a file that is no picture of the set is taken along: never where training would read it."""
        top, slash, _ = name.partition("/")
        ours = bool(self.label_of(name)) and not is_out(name)
        unread = (
            not slash or top.startswith(ASIDE) or top.lower() in TOOL_FOLDERS or any(map(is_systems, name.split("/")))
        )
        return name if ours or unread else f"_aside/{name}"

    def _back(self, name: str, label: str, keys: Sequence[ItemKey], known: "_Known") -> Decision | None:
        """Return the decision about a picture of the harvest that was not in the set and lies under a label now."""
        own = next((key for key in keys if key[0] == label), None)
        key = own or min(keys)
        facts = Decision(
            image_id=key[1],
            label=key[0],
            action="keep" if own else "relabel",
            to_label="" if own else label,
            command=COMMAND,
            key=f"{COMMAND} {self.view.id} restored {name} {key[1]}",
        )
        decided, judged = known.decided.get(key), known.judged.get(key)
        if decided is not None:
            same = (decided.action, decided.to_label) == (facts.action, facts.to_label)
            return None if same else facts
        return None if own and (judged is None or self.keeps(judged)) else facts

    def _new_labels(self, decisions: Sequence[Decision], added: Sequence[Added]) -> dict[str, str]:
        wanted = {one.to_label for one in decisions if one.to_label} | {one.label for one in added}
        tops = {slug(name.partition("/")[0]): name.partition("/")[0] for name in sorted(self.contents) if "/" in name}
        return {label: tops.get(label, label) for label in sorted(wanted) if label not in self.labels}

    def _questions(self, deleted: Sequence[Decision], moved: Sequence[Decision]) -> list[str]:
        """Return what is unclear or so much that it may be a mistake."""
        folder = self.manifest.folder.curated
        sizes = Counter(self.label_of(name) for name in self.view.placed)
        at = {(one.label, one.image_id): self.label_of(name) for name, one in self.view.placed.items()}
        out = Counter(at[one.label, one.image_id] for one in deleted)
        away = Counter((at[one.label, one.image_id], one.to_label or one.label) for one in moved)
        found = [
            f"{count:,} of {sizes[label]:,} pictures of {label} were deleted, which rejects them."
            for label, count in sorted(out.items())
            if _is_mass(count, sizes[label])
        ]
        found += [
            f"{count:,} of {sizes[label]:,} pictures of {label} were moved to {to}, which relabels them."
            for (label, to), count in sorted(away.items())
            if _is_mass(count, sizes[label])
        ]
        if not found and _is_mass(len(deleted) + len(moved), len(self.view.placed)):
            of = len(self.view.placed)
            found.append(f"{len(deleted):,} pictures were deleted and {len(moved):,} moved, of {of:,} in all.")
        beside = sorted(target for target in self.moves.values() if not is_out(target) and not self.label_of(target))
        if beside:
            found.append(
                f"{len(beside):,} pictures were moved to where no folder names a label ({beside[0]}); they keep theirs."
            )
        if self.ambiguous:
            first = self.ambiguous[0]
            found.append(
                f"{len(self.ambiguous):,} pictures lie under several other labels ({first}); the label of "
                f"{self.moves[first]} is taken."
            )
        return [f"In {folder}, {one}" for one in found]

    def _remarks(self, copies: Sequence[str], carried: Mapping[str, Path], removed: Sequence[str]) -> list[str]:
        told = [
            (copies, "second copies of pictures of the set are taken away"),
            (self.links, "links are not followed and are taken away"),
            (removed, "pictures that were removed on request stay out"),
            (self.damaged, "files hold no picture any more and are written anew"),
            (sorted(carried), "files are no pictures of the set and are taken along"),
        ]
        return [f"{len(names):,} {what} ({names[0]})" for names, what in told if names]


class _Known:
    """The pictures of the harvest by content, with what was said about them."""

    def __init__(self, manifest: Manifest) -> None:
        self.judged = manifest.judgements()
        self.decided = manifest.current_decisions()
        self.removed = manifest.tombstones("sha256")
        images = manifest.images()
        self._keys: dict[str, list[ItemKey]] = {}
        for item in manifest.items():
            for content in {item.file_sha256, images[item.image_id].sha256, images[item.image_id].stored_sha256}:
                self._keys.setdefault(content, []).append((item.label, item.image_id))

    def of(self, content: str) -> Sequence[ItemKey]:
        """Return the (label, image id) of the pictures whose file or original has this SHA-256."""
        return self._keys.get(content, ())


_NOBODY: Final = Placed("", "", "")


def is_out(name: str) -> bool:
    """Whether a path below ``curated/`` means that the picture is out: a folder with ``_`` or ``.``, a hidden file."""
    *folders, file = name.split("/")
    return file.startswith(".") or any(folder.startswith(ASIDE) for folder in folders)


def is_systems(part: str) -> bool:
    """Whether a name is one of those that systems and tools give their own files and folders."""
    return part.lower() in SYSTEM_NAMES or part.lower().startswith(SYSTEM_PREFIXES)


def _files(root: Path) -> tuple[dict[str, Path], list[str]]:
    """Return the files below ``root`` by path that imgkit did not write for itself, and the links among them."""
    files, links = {}, []
    for path in files_below(root):
        name = path.relative_to(root).as_posix()
        if name in OWN_FILES or path.name.startswith(TEMPORARY_PREFIX):
            continue
        if path.is_symlink():
            links.append(name)
        else:
            files[name] = path
    return files, links


def _is_mass(count: int, of: int) -> bool:
    return 2 * count > of and (count >= FEWEST or count == of > 1)


def _decoded(path: Path) -> tuple[Decoded, int] | None:
    """Return a picture with the size of its file in bytes, None where there is none."""
    try:
        data = read_file(path)
    except NO_FILE:
        return None
    outcome = decoding.decode(data, limits=LIMITS)
    return (outcome, len(data)) if isinstance(outcome, Decoded) else None
