"""Read a folder of labelled pictures, whatever its layout: every file below it is used or left out with a reason.

Links, devices, pipes and sockets are never followed or opened, and no row of a table leads out of its folder. Folders
that systems and tools make are known by their names; ``_…`` and ``.…`` beside the label folders are set aside.
"""

import hashlib
import os
import re
import stat
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Final, Literal

from imgkit import commands
from imgkit.errors import ResourceError, UsageError
from imgkit.files import TEMPORARY_PREFIX, read_error, read_plain_file
from imgkit.manifest.folder import data_folder_of
from imgkit.reasons import explain
from imgkit.vision import sniff
from imgkit.vision.imagetable import (
    FILLERS,
    SPLIT_NAMES,
    AnySplit,
    GivenSplit,
    PictureTable,
    Row,
    has_picture_suffix,
    names_of,
    read_table,
    split_name,
)
from imgkit.vision.tablefile import TABLE_SUFFIXES

Layout = Literal["label folders", "split folders", "CSV"]
AskedLayout = Literal["auto", "labels", "splits"]
"""What folders called train, val or test beside other folders are: "auto" refuses to guess."""
LAYOUT_HELP: Final = (
    "What folders called train, val or test are where other folders lie beside them: splits, labels, or auto, which "
    "does not guess."
)

METADATA: Final = "metadata.csv"
METADATA_NAMES: Final = (METADATA, "metadata.jsonl", "metadata.tsv", "metadata.parquet")
"""What a table is called that says more of the pictures beside it; of several in a folder the first counts."""
ASIDE: Final = ("_", ".")
SYSTEM_NAMES: Final = frozenset(
    {
        *("@eadir", "#recycle", "@recycle", "#snapshot", "@tmp", "@sharebin", "lost+found", "$recycle.bin", "recycler"),
        *("system volume information", "__macosx", "found.000", "__pycache__", "node_modules"),
        *(".git", ".svn", ".hg", ".dvc", ".cache", ".idea", ".vscode", ".ipynb_checkpoints", ".trash", ".trashes"),
        *(".thumbnails", ".spotlight-v100", ".fseventsd", ".temporaryitems", ".appledouble", ".ds_store"),
        *("thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r"),
    }
)
"""Files and folders that systems and tools make, in lower case; known at every depth."""
SYSTEM_PREFIXES: Final = ("._", ".trash-", ".fuse_hidden", ".nfs", TEMPORARY_PREFIX)
TOOL_FOLDERS: Final = frozenset({"runs", "wandb", "mlruns", "lightning_logs", "tb_logs", "venv", "site-packages"})
"""Folders that tools make beside label folders, in lower case; below a label such a name is like any other."""

SAMPLED_ROWS: Final = 50  # rows of a table that tell whether it is about the files beside it
LONGEST_NAME: Final = 4096  # signs; a longer cell names no file

LINK: Final = "fs.link"
DEVICE: Final = "fs.device"
SYSTEM: Final = "folder.system"
SET_ASIDE: Final = "folder.aside"
NO_LABEL: Final = "folder.no_label"
BESIDE: Final = "folder.beside"
CONFLICT: Final = "bad.conflict"
OTHER_LABEL: Final = "select.label"
BEYOND_LIMIT: Final = "select.limit"


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageFile:
    """A file to look at. ``name`` is its path below the root, with ``/``; ``row`` are the cells of its table's row."""

    path: Path
    name: str
    label: str
    split: AnySplit = ""
    group: str = ""
    page_url: str = ""
    row: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOut:
    """A file that is not used, with a code of :mod:`imgkit.reasons` and a few words.

    A folder that cannot be looked into, and a link to a folder, count as one file.
    """

    path: Path
    name: str
    reason: str
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageFolder:
    """What a folder holds. Every file below ``root`` is in ``files`` or in ``left_out``; a CSV is all there is to it.

    ``labels`` are sorted, with those of empty folders; ``missing`` are files that rows name and that are not there;
    ``links`` are names of links to folders, whose pictures are not looked at; ``notes`` say in words what was found out
    about tables rather than read in them.
    """

    root: Path
    layout: Layout
    labels: tuple[str, ...]
    files: tuple[ImageFile, ...]
    left_out: tuple[LeftOut, ...] = ()
    missing: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def links(self) -> tuple[str, ...]:
        """The names of links that lead to folders."""
        return tuple(one.name for one in self.left_out if one.reason == LINK and one.path.is_dir())


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """A part of a folder to try something on: ``labels`` (empty: all), and at most ``limit`` pictures of each."""

    labels: tuple[str, ...] = ()
    limit: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Accounts:
    """Where every file of a folder is: ``seen`` is ``used`` + ``left_out`` + ``beside``.

    ``left_out_by_reason`` are the files that are not used, by code, the most frequent first; ``beside`` counts tables,
    reports and the like, and ``rows_without_file`` rows of a table whose file is not there.
    """

    used: int
    left_out_by_reason: Mapping[str, int]
    beside: int = 0
    rows_without_file: int = 0
    left_out: int = field(init=False)
    seen: int = field(init=False)

    def __post_init__(self) -> None:
        """Add up."""
        left_out = sum(self.left_out_by_reason.values())
        object.__setattr__(self, "left_out", left_out)
        object.__setattr__(self, "seen", self.used + left_out + self.beside)

    @classmethod
    def of(cls, used: int, left_out: Iterable[str], *, missing: int = 0) -> "Accounts":
        """Return the accounts of ``used`` pictures and of files that are left out for these reasons."""
        counts = Counter(left_out)
        beside = counts.pop(BESIDE, 0)
        return cls(used=used, left_out_by_reason=dict(counts.most_common()), beside=beside, rows_without_file=missing)

    def line(self) -> str:
        """Return what is left out and why, in words; "" where nothing is."""
        return ", ".join(f"{count:,} {explain(code)} [{code}]" for code, count in self.left_out_by_reason.items())


def read_folder(data: Path, *, layout: AskedLayout = "auto", with_tables: bool = True) -> ImageFolder:
    """Find every file of ``data``: label folders, train/val/test folders, or a table; nothing is opened but tables.

    A ``metadata.csv`` (or ``.jsonl``, ``.tsv``, ``.parquet``) in the folder, or in the folder of a split, adds label,
    split, group and page; where it is silent, folder names count. Where folder names tell no two labels apart, other
    tables in the folder count too: one, or one for each split (``train.csv``, ``test.csv``).

    Args:
        data: a folder, or a table whose rows name files below its own folder.
        layout: whether folders that are called after splits are splits or labels, where both are thinkable.
        with_tables: whether tables count; without, they are files like any other.

    Raises:
        UsageError: it does not exist, folders of splits and of labels lie side by side, or a row of a table leads out
            of the folder, to a link or to a device.
        ResourceError: a folder cannot be read.
    """
    data = data.absolute()
    if data.is_file():
        return _from_table(data)
    if not data.is_dir():
        raise UsageError(
            f"{data} does not exist. Nothing was changed. Give a folder with one folder of pictures for each label"
            f"{_or_make(data)}"
        )
    files, left_out = walk(data)
    metadata = _metadata_of(data, files) if with_tables else {}
    tables = [_Table.read(metadata[data], data)] if data in metadata else []
    folders = _label_like(data)
    splits = _split_folders(data, folders, files, tables[0].table if tables else None, layout)
    found = _Found(data, {one.path: one for one in left_out})
    if not splits:
        _place_labels(found, files, depth=0, split="")
    for path in files if splits else ():
        split = splits.get(path.relative_to(data).parts[0])
        if split is None:
            found.leave(path, "beside the split folders", _no_label(path.relative_to(data).parts[0]))
        elif path == metadata.get(path.parent) and path.parent.parent == data:
            tables.append(_Table.read(path, path.parent))
            found.leave(path, "")
        else:
            _place_labels(found, [path], depth=1, split=split)
    if with_tables and not tables and len({file.label for file in found.placed.values()}) < 2:
        tables = _tables_of(data, files, found)
    used = {file.label for file in found.placed.values()}
    empty = [] if splits or (tables and data not in metadata) else [name for name in folders if name not in used]
    return found.joined(tables, "split folders" if splits else "label folders", empty)


def _metadata_of(root: Path, files: Sequence[Path]) -> dict[Path, Path]:
    """Return the table that says more of the pictures in a folder, for ``root`` and the folders in it."""
    found: dict[Path, Path] = {}
    for path in files:
        if path.name in METADATA_NAMES and root in (path.parent, path.parent.parent):
            before = found.get(path.parent, path)
            found[path.parent] = min(before, path, key=lambda each: METADATA_NAMES.index(each.name))
    return found


def _tables_of(root: Path, files: Sequence[Path], found: "_Found") -> list["_Table"]:
    """Return the tables in a folder that say labels: the only one, or one for each split.

    What the folder says of its files no longer counts then: a picture without a row has no label.

    Raises:
        UsageError: several say labels, and their names do not say for which split; or the only one cannot be read.
    """
    paths = [path for path in files if path.parent == root and path.suffix.lower() in TABLE_SUFFIXES]
    labels = {file.label for file in found.placed.values()}
    understood: list[_Table] = []
    for path in paths:
        try:
            table = _Table.read(path, root, split=split_name(path.stem))
        except UsageError:
            if len(paths) == 1 and path.suffix.lower() not in (".txt", ".json"):
                raise
            continue
        about = table.table.labelled and any(map(table.inside.path_of, table.table.rows[:SAMPLED_ROWS]))
        if about and not (table.table.guessed and any(map(_says_something, labels))):
            understood.append(table)
    splits = [table.split for table in understood]
    if len(understood) > 1 and ("" in splits or len(set(splits)) < len(splits)):
        names = ", ".join(table.table.path.name for table in understood)
        raise UsageError(
            f"{root} holds several tables of labels: {names}. Nothing was changed. Give the one that counts instead of "
            "the folder, or name them after splits (train.csv, val.csv, test.csv)."
        )
    if understood:
        found.forget_labels("no row names it")
    return [replace(each, notes=(f"labels are those of {each.table.path.name}",)) for each in understood]


def _says_something(folder: str) -> bool:
    """Return whether the name of a folder may be a label: not a word such as images or data."""
    return not set(re.findall(r"[^\W\d_]+", folder.lower())) <= FILLERS


def metadata_in(root: Path) -> Path | None:
    """Return the first table that says more of the pictures in a folder, or in one of its folders; None for none.

    Raises:
        ResourceError: the folder cannot be read.
    """
    try:
        folders = [root, *sorted(Path(each) for each in _entries(root) if each.is_dir(follow_symlinks=False))]
    except OSError as error:
        raise unreadable(error, root) from error
    paths = (folder / name for folder in folders for name in METADATA_NAMES)
    return next((path for path in paths if _is_plain_file(path)), None)


def what_lies_in(root: Path) -> str:
    """Return in brackets which folders and tables lie in a folder, and in its only folder; "" for a file or neither."""
    if not root.is_dir():
        return ""
    folders = _label_like(root)
    tables = sorted(path.name for path in root.iterdir() if path.suffix.lower() in TABLE_SUFFIXES)
    said = [f"folders: {_some(folders)}"] if folders else []
    if len(folders) == 1 and (inner := _label_like(root / folders[0])):
        said.append(f"in {folders[0]}: {_some(inner)}")
    if tables:
        said.append(f"tables: {_some(tables)}")
    return f" ({'; '.join(said)})" if said else ""


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")


def _or_make(data: Path) -> str:
    """Return the end of the sentence: the command that makes a curated folder, if ``data`` is named like one."""
    if data.name != "curated":
        return "."
    folder = data_folder_of(data)
    return f", or run first: {commands.curate(folder) if folder else commands.harvest(data.parent)}"


def select(folder: ImageFolder, wanted: Selection) -> ImageFolder:
    """Return the folder with what is not ``wanted`` left out, with its reason.

    Which pictures stay below the limit depends on their names alone. Where pictures have splits, each split keeps its
    share of a label, and one picture at least while there are enough.

    Raises:
        UsageError: a wanted label is not there; the sentence names those that are.
    """
    absent = [label for label in wanted.labels if label not in folder.labels]
    if absent:
        raise UsageError(
            f"{folder.root} has no label {absent[0]!r}. Nothing was changed. Its labels are {_some(folder.labels)}."
        )
    left_out = list(folder.left_out)
    by_split: dict[str, dict[str, list[ImageFile]]] = defaultdict(lambda: defaultdict(list))
    for file in folder.files:
        if wanted.labels and file.label not in wanted.labels:
            left_out.append(_left_out(file.path, folder.root, OTHER_LABEL, file.label))
        else:
            by_split[file.label][file.split].append(file)
    kept: set[Path] = set()
    for splits in by_split.values():
        for split, size in _shares({split: len(files) for split, files in splits.items()}, wanted.limit).items():
            kept.update(file.path for file in sorted(splits[split], key=_shuffled)[:size])
    files = [file for splits in by_split.values() for several in splits.values() for file in several]
    left_out += [_left_out(file.path, folder.root, BEYOND_LIMIT, "") for file in files if file.path not in kept]
    return replace(
        folder,
        labels=tuple(label for label in folder.labels if not wanted.labels or label in wanted.labels),
        files=tuple(file for file in folder.files if file.path in kept),
        left_out=tuple(sorted(left_out, key=lambda one: one.path)),
    )


def _shares(counts: Mapping[str, int], limit: int | None) -> dict[str, int]:
    """Return how many of each split are kept: ``limit`` together, one at least if there are enough, else by share."""
    total = sum(counts.values())
    if limit is None or total <= limit:
        return dict(counts)
    sizes = dict.fromkeys(sorted(counts, key=("train", "test", "val", "").index), 0)
    for _ in range(limit):
        free = [split for split in sizes if sizes[split] < counts[split]]
        empty = [split for split in free if not sizes[split]]
        sizes[(empty or sorted(free, key=lambda each: sizes[each] / counts[each]))[0]] += 1
    return sizes


def _shuffled(file: ImageFile) -> bytes:
    return hashlib.sha256(os.fsencode(file.name)).digest()


def walk(root: Path) -> tuple[list[Path], list[LeftOut]]:
    """Return the plain files below ``root`` in the order of their paths, and what is left out of them.

    Left out are links, devices, what systems make, and files and folders whose names begin with a dot. ``root`` itself
    may be a link.

    Raises:
        ResourceError: a folder cannot be read.
    """
    files: list[Path] = []
    left_out: list[LeftOut] = []
    waiting = [(root, "")]
    while waiting:
        folder, why = waiting.pop()
        try:
            entries = _entries(folder)
        except OSError as error:
            if not why:
                raise unreadable(error, folder) from error
            left_out.append(_left_out(folder, root, why, "cannot be looked into"))
            continue
        for entry in entries:
            path, reason = folder / entry.name, why or _hidden(entry.name)
            if entry.is_symlink():
                left_out.append(_left_out(path, root, LINK, _target(path)))
            elif entry.is_dir(follow_symlinks=False):
                waiting.append((path, reason))
            elif not entry.is_file(follow_symlinks=False):
                left_out.append(_left_out(path, root, DEVICE, "not opened"))
            elif reason:
                left_out.append(_left_out(path, root, reason, ""))
            else:
                files.append(path)
    return sorted(files), sorted(left_out, key=lambda one: one.path)


def unreadable(error: OSError, path: Path) -> ResourceError:
    """Return the error that stops a command because ``path`` cannot be read; leaving it out would hide pictures."""
    return read_error(error, path)


class _Found:
    """The files of a folder as they are sorted into pictures and what is left out."""

    def __init__(self, root: Path, left_out: dict[Path, LeftOut]) -> None:
        self.root = root
        self.placed: dict[Path, ImageFile] = {}
        self.splits: dict[Path, AnySplit] = {}
        self._left_out = left_out
        for path, one in list(left_out.items()):
            if path.parent == root and one.reason in (SYSTEM, SET_ASIDE) and path.is_file():
                self.leave(path, "")  # such as the records that imgkit keeps beside its tables

    def place(self, path: Path, label: str, split: AnySplit) -> None:
        """Use a file under the label of its folder."""
        self.placed[path] = ImageFile(path=path, name=_name(path, self.root), label=label, split=split)

    def leave(self, path: Path, where: str, reason: str = "") -> None:
        """Leave a file out; without a reason, a picture has no label and anything else only lies there."""
        if not reason:
            reason, where = (NO_LABEL, where) if looks_like_picture(path) else (BESIDE, "")
        self._left_out[path] = _left_out(path, self.root, reason, where)

    def forget_labels(self, where: str) -> None:
        """Take the labels of folders back: pictures have none unless a row says one."""
        for path, file in self.placed.items():
            self.splits[path] = file.split
            self.leave(path, where)
        self.placed.clear()

    def joined(self, tables: Sequence["_Table"], layout: Layout, empty: Iterable[str]) -> ImageFolder:
        """Return the folder with what the rows of its tables say laid over what its folders say."""
        rows: dict[Path, list[Row]] = defaultdict(list)
        missing = []
        for table in tables:
            named = [(row, table.inside.path_of(row)) for row in table.table.rows]
            silent = table.table.guessed and any(path in self.placed for _, path in named)
            for row, path in named:
                said = replace(row, label="", several=()) if silent else row
                if path is None:
                    missing.append(row.file)
                else:
                    rows[path].append(said if row.split else replace(said, split=table.split))
        for path, several in rows.items():
            self._apply(path, several)
        labels = {file.label for file in self.placed.values()}
        return ImageFolder(
            root=self.root,
            layout=layout,
            labels=tuple(sorted({*labels, *empty})),
            files=tuple(self.placed.values()),
            left_out=tuple(sorted(self._left_out.values(), key=lambda one: one.path)),
            missing=tuple(missing),
            notes=tuple(note for table in tables for note in (*table.table.notes, *table.notes)),
        )

    def _apply(self, path: Path, rows: Sequence[Row]) -> None:
        before = self.placed.get(path)
        labels = sorted({label for row in rows for label in (row.label, *row.several) if label})
        if len(labels) > 1:
            self.placed.pop(path, None)
            self.leave(path, f"rows call it {' and '.join(labels)}", CONFLICT)
            return
        label = labels[0] if labels else before.label if before else ""
        if not label:
            self.leave(path, "its row says no label", NO_LABEL)
            return
        self._left_out.pop(path, None)
        row = rows[-1]
        self.placed[path] = ImageFile(
            path=path,
            name=_name(path, self.root),
            label=label,
            split=row.split or self.splits.get(path, ""),
            group=row.group,
            page_url=row.page_url,
            row=row.cells,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Table:
    """A table with the files that its rows name, and the split of rows that say none."""

    table: PictureTable
    inside: "_Inside"
    split: AnySplit = ""
    notes: tuple[str, ...] = ()

    @classmethod
    def read(cls, path: Path, base: Path, *, split: AnySplit = "") -> "_Table":
        inside = _Inside(base, path)
        table = read_table(path, is_file=inside.is_file)
        inside.know(table)
        return cls(table=table, inside=inside, split=split)


class _Inside:
    """Finds the files that rows of a table name, all of them below one folder.

    A row may name a file by its path below the folder, by its name alone, without its suffix, or by a path that leads
    to the folder or begins above it, such as ``data/coral/1.jpg`` in a table that lies in ``data``.
    """

    def __init__(self, root: Path, table: Path) -> None:
        self._root, self._table = root, table
        self._folders: set[Path] = {root}
        self._labels: frozenset[str] = frozenset()
        self._above: tuple[str, ...] = ()
        self._by_name: dict[str, list[Path]] | None = None

    def know(self, table: PictureTable) -> None:
        """Learn from all rows which labels there are, and which folders they all begin with."""
        self._labels = frozenset(row.label for row in table.rows if row.label)
        parents = [PurePosixPath(row.names()[-1]).parent.parts for row in table.rows if row.file]
        self._above = _common(parents)

    def is_file(self, cell: str) -> bool:
        """Return whether a cell names a file below the folder: by its path, by its name, or without its suffix."""
        cell = cell.strip()
        if not cell or len(cell) > LONGEST_NAME or "://" in cell:
            return False
        for name in map(self._relative, names_of(cell)):
            if leads_out(name) or not PurePosixPath(name).parts:
                continue
            if _is_plain_file(self._root.joinpath(name)):
                return True
            if self._index().get(PurePosixPath(name).name):
                return True
        return False

    def path_of(self, row: Row) -> Path | None:
        """Return the file of a row: as it is written, with ``/`` for ``\\``, or in its label's folder; None for none.

        Raises:
            UsageError: the row leads out of the folder, to a link or a device, or to one of several files.
        """
        if "://" in row.file:
            return None
        named = [self._relative(name) for name in row.names()]
        if row.label:
            named += [f"{row.label}/{name}" for name in named]
        path = next((path for name in named if (path := self._file(name, row)) is not None), None)
        return path or self._elsewhere(row, named)

    def _relative(self, name: str) -> str:
        """Return a path that is written from the root of the system down to this folder as one below it."""
        path = PurePosixPath(name)
        return path.relative_to(self._root).as_posix() if path.is_relative_to(self._root) else name

    def _elsewhere(self, row: Row, named: Sequence[str]) -> Path | None:
        """Return the file of a row by its name alone, without suffix, or without the folders that all rows share."""
        for name in dict.fromkeys(named):
            parts = PurePosixPath(name).parts
            for start in range(1, len(self._above) + 1) if parts[: len(self._above)] == self._above else ():
                if (path := self._file("/".join(parts[start:]), row)) is not None:
                    return path
            if not parts or not row.file:
                continue
            for tail in (parts[start:] for start in range(min(len(self._above), len(parts) - 1) + 1)):
                if found := self._ending_with(tail, row):
                    return found
        return None

    def _ending_with(self, tail: tuple[str, ...], row: Row) -> Path | None:
        """Return the one file whose path ends with ``tail``, with a suffix or without; None for none.

        A file in the folder of another label of the table is none: it is another picture of that name.
        """
        found = []
        for path in self._index().get(tail[-1], ()):
            folders = path.relative_to(self._root).parts[:-1]
            other = self._labels.intersection(folders) - {row.label}
            if folders[len(folders) - len(tail) + 1 :] == tail[:-1] and not (row.label and other):
                found.append(path)
        if len(found) > 1:
            found = [path for path in found if row.label in path.relative_to(self._root).parts] or found
        if len(found) > 1 and row.split:
            found = [
                path for path in found if row.split in map(split_name, path.relative_to(self._root).parts)
            ] or found
        if len(found) > 1:
            names = " or ".join(_name(path, self._root) for path in found[:3])
            raise self._refused(row, f"may be {names}")
        return found[0] if found else None

    def _index(self) -> dict[str, list[Path]]:
        """Return the files below the folder by name, and those that read like pictures by name without suffix."""
        if self._by_name is None:
            self._by_name = defaultdict(list)
            for path in walk(self._root)[0]:
                if path.suffix.lower() in TABLE_SUFFIXES:
                    continue
                self._by_name[path.name].append(path)
                if has_picture_suffix(path.name):
                    self._by_name[path.stem].append(path)
        return self._by_name

    def _file(self, name: str, row: Row) -> Path | None:
        if leads_out(name):
            raise self._refused(row, "leads out of its folder")
        path = self._root
        for part in PurePosixPath(name).parts:
            path = path / part
            if path in self._folders:
                continue
            try:
                mode = path.lstat().st_mode
            except (OSError, ValueError):  # not there, too long, or with a NUL
                return None
            if stat.S_ISLNK(mode):
                raise self._refused(row, f"leads through the link {_name(path, self._root)}")
            if stat.S_ISDIR(mode):
                self._folders.add(path)
            elif not stat.S_ISREG(mode):
                raise self._refused(row, "is a device, a pipe or a socket")
        return path if path not in self._folders else None

    def _refused(self, row: Row, why: str) -> UsageError:
        return UsageError(
            f"{self._table}, line {row.line}: {row.file!r} {why}. Nothing was changed. Rows name plain files below "
            f"{self._root}, such as label/picture.jpg: correct or remove the row."
        )


def _is_plain_file(path: Path) -> bool:
    try:
        return stat.S_ISREG(path.lstat().st_mode)
    except (OSError, ValueError):  # not there, too long, or with a NUL
        return False


def leads_out(name: str) -> bool:
    """Whether a path of somebody else's, in the manner of any system, is absolute or climbs out of its folder."""
    windows = PureWindowsPath(name)
    drive = bool(windows.drive) and (os.name == "nt" or name[2:3] in ("/", "\\") or name.startswith(("//", "\\\\")))
    return name.startswith(("/", "\\")) or drive or ".." in windows.parts


def looks_like_picture(path: Path) -> bool:
    """Whether the first bytes of a plain file announce a picture, of a format that can be decoded or of another."""
    head = read_head(path)
    return sniff.raster_format(head) is not None or sniff.explain_other(head)[0] == "img.format"


def read_head(path: Path) -> bytes:
    """Return the first bytes of a plain file.

    Raises:
        ResourceError: it cannot be read, or is no plain file.
    """
    try:
        return read_plain_file(path, at_most=sniff.WINDOW)
    except OSError as error:
        raise unreadable(error, path) from error


def _common(parents: Sequence[tuple[str, ...]]) -> tuple[str, ...]:
    """Return the folders that all of ``parents`` begin with."""
    if not parents:
        return ()
    first, last = min(parents), max(parents)
    shared = 0
    while shared < min(len(first), len(last)) and first[shared] == last[shared]:
        shared += 1
    return first[:shared]


def _from_table(path: Path) -> ImageFolder:
    table = _Table.read(path, path.parent)
    if not table.table.labelled:
        raise UsageError(
            f"{path} has no column of labels (its columns are {', '.join(table.table.columns[:12])}). Nothing was "
            "changed. Call the column label, or give the folder of the pictures instead."
        )
    return _Found(path.parent, {}).joined([table], "CSV", ())


def _label_like(root: Path) -> list[str]:
    """Return the names of the folders in ``root`` that may stand for labels or splits."""
    try:
        names = [entry.name for entry in _entries(root) if entry.is_dir(follow_symlinks=False)]
    except OSError as error:
        raise unreadable(error, root) from error
    return [name for name in sorted(names) if not _no_label(name)]


def _no_label(name: str) -> str:
    """Return the reason why a folder beside label folders is none itself, "" where it is one."""
    if name.lower() in TOOL_FOLDERS:
        return SYSTEM
    return _hidden(name) or (SET_ASIDE if name.startswith(ASIDE) else "")


def _hidden(name: str) -> str:
    lower = name.lower()
    if lower in SYSTEM_NAMES or lower.startswith(SYSTEM_PREFIXES):
        return SYSTEM
    return SET_ASIDE if name.startswith(".") else ""


def _split_folders(
    root: Path, folders: Sequence[str], files: Sequence[Path], table: PictureTable | None, layout: AskedLayout
) -> dict[str, GivenSplit]:
    """Return the folders that are splits; none where the folders are labels."""
    splits = _called_after_splits(folders)
    if layout == "splits" and not splits:
        raise UsageError(
            f"{root} has no folder called train, val or test{what_lies_in(root)}. Nothing was changed. Leave --layout "
            "splits out."
        )
    if layout == "labels" or not splits:
        return {}
    others = [name for name in folders if name not in splits]
    if layout == "splits" or (not others and not _rows_call_labels(root, splits, files, table)):
        return splits
    if _rows_call_labels(root, splits, files, table):
        return {}
    raise UsageError(
        f"{root} holds {', '.join(splits)} beside {', '.join(others[:5])}{' and others' if len(others) > 5 else ''}: "
        "are these splits or labels? Nothing was changed. Say it with --layout splits, which leaves out what lies "
        "beside them, or with --layout labels."
    )


def _called_after_splits(folders: Sequence[str]) -> dict[str, GivenSplit]:
    """Return the folders called after splits; a name with other words (test_images) counts where all folders do."""
    splits = {name: split for name in folders if (split := split_name(name))}
    return splits if len(splits) == len(folders) else {n: s for n, s in splits.items() if n.lower() in SPLIT_NAMES}


def _rows_call_labels(root: Path, splits: Iterable[str], files: Sequence[Path], table: PictureTable | None) -> bool:
    """Whether a table says of every file in folders that are called after splits that the folder is its label."""
    if table is None:
        return False
    said = {name: row.label for row in table.rows for name in row.names()}
    names = [_name(path, root) for path in files]
    inside = [(name, name.split("/", 1)[0]) for name in names if "/" in name and name.split("/", 1)[0] in splits]
    return bool(inside) and all(said.get(name) == top for name, top in inside)


def _place_labels(found: _Found, files: Iterable[Path], *, depth: int, split: AnySplit) -> None:
    """Place files by the name of the folder that lies ``depth`` folders below the root."""
    for path in files:
        parts = path.relative_to(found.root).parts[depth:]
        found.splits[path] = split
        if len(parts) == 1:
            found.leave(path, "beside the label folders")
        elif reason := _no_label(parts[0]):
            found.leave(path, f"in {parts[0]}", reason)
        else:
            found.place(path, parts[0], split)


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    with os.scandir(folder) as entries:
        return list(entries)


def _target(link: Path) -> str:
    return "leads to a folder" if link.is_dir() else "leads to a file" if link.exists() else "leads nowhere"


def _left_out(path: Path, root: Path, reason: str, detail: str) -> LeftOut:
    return LeftOut(path=path, name=_name(path, root), reason=reason, detail=detail)


def _name(path: Path, root: Path) -> str:
    return path.relative_to(root).as_posix()
