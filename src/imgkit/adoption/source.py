"""Read a person's folder or table of pictures into a data folder beside it; none of its files is changed."""

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from imgkit import commands
from imgkit.engine import Engine
from imgkit.errors import UsageError
from imgkit.files import clone_or_copy, reading, write_atomically
from imgkit.harvest.config import HarvestConfig
from imgkit.harvest.pipeline import harvest
from imgkit.harvest.queries import read_queries
from imgkit.progress import Progress
from imgkit.vision.imagefolder import AskedLayout, ImageFile, ImageFolder, looks_like_picture, read_folder

SUFFIX: Final = ".imgkit"
TABLE: Final = "adopted.jsonl"  # in the data folder: every picture of the source with its label
COPIES: Final = "adopted"  # in the data folder: copies of files whose names a table cannot hold
ORIGIN: Final = "adopted.json"  # in the data folder: which folder or table it was made from


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A person's pictures and the data folder that was made from them.

    ``given`` is the folder or table as an absolute path; every file below ``read.root`` is in ``read``.
    """

    given: Path
    data: Path
    read: ImageFolder


def data_beside(pictures: Path) -> Path:
    """Return the data folder of a folder or table of pictures: ``PHOTOS.imgkit`` beside ``PHOTOS``."""
    place = pictures.absolute()
    place = place.resolve() if not place.name or place.name == ".." else place
    return place.parent / f"{place.name}{SUFFIX}"


def adopt(
    pictures: Path,
    data: Path | None = None,
    *,
    layout: AskedLayout = "auto",
    progress: Progress,
    environ: Mapping[str, str],
    engine: Engine | None = None,
) -> Source:
    """Read a folder or table of labelled pictures into its data folder, and return both.

    A second call reads the files that were added or changed, and lets go of those that are gone.

    Args:
        pictures: label folders, split folders, a folder of pictures without subfolders (one label), or a table.
        data: the data folder; None for the one beside.
        layout: what folders that are called after splits are.
        progress: is told how the folder was read, and what is being done.
        environ: the environment, for the settings of a harvest.
        engine: where pictures are decoded; None for this process's own.

    Raises:
        UsageError: there is no picture, it cannot be said what its labels are, two labels would share a folder, or
            ``data`` lies in the folder, around it, or belongs to other pictures.
        ResourceError: the folder cannot be read, or the data folder cannot be written.
    """
    given = pictures.absolute()
    place = (data_beside(given) if data is None else data).absolute()
    _refuse_place(given, place)
    read = _labelled(read_folder(given, layout=layout), progress)
    _refuse_slug_loss(read)
    rows = [json.dumps({"path": str(_readable(file.path, place)), "label": file.label}) for file in read.files]
    write_atomically(place / ORIGIN, json.dumps({"source": str(given)}).encode())
    table = place / TABLE
    write_atomically(table, "".join(f"{row}\n" for row in rows).encode())
    progress.say(f"{given} is read in place, no file of it is changed; what is found out goes to {place}")
    config = HarvestConfig(data=place)
    harvest(read_queries(table).queries, config, environ=environ, progress=progress, engine=engine, file=table)
    return Source(given=given, data=place, read=read)


def readable_path(path: Path, data: Path) -> Path:
    """Return where a picture is read: its path, or that of its copy in the data folder where a table cannot hold it.

    Names that are not UTF-8, or hold a backslash, a control character or a space at an end, do not survive a table.
    """
    text = str(path)
    if (
        os.fsencode(path).decode("utf-8", "replace") == text
        and text.isprintable()
        and "\\" not in text
        and text == text.strip()
    ):
        return path
    try:
        found = path.stat()
        version = f"{found.st_mtime_ns:x}-{found.st_size:x}"
    except OSError:
        version = ""  # reading it says what is wrong
    name = hashlib.sha256(os.fsencode(path) + version.encode()).hexdigest()[:20]
    return data / COPIES / f"{name}.jpg"


def _readable(path: Path, data: Path) -> Path:
    place = readable_path(path, data)
    if place != path and not place.exists() and path.exists():
        clone_or_copy(path, place)
    return place


def _refuse_place(given: Path, place: Path) -> None:
    """Refuse a data folder that holds the pictures, lies among them, or was made from others."""
    inside, around = given.resolve(), place.resolve()
    if (given / "manifest.db").exists():
        line = commands.curate(given)
        raise UsageError(f"{given} is a data folder of imgkit. Nothing was changed. Curate it with: {line}")
    if inside == around or around in inside.parents:
        raise UsageError(
            f"{given} lies in the data folder {place}. Nothing was changed. Give --data a folder outside of it."
        )
    if given.is_dir() and inside in around.parents:
        raise UsageError(
            f"the data folder {place} would lie among the pictures of {given}. Nothing was changed. Give --data a "
            "folder outside of it."
        )
    if not (place / "manifest.db").exists():
        return
    origin = place / ORIGIN
    source = ""
    if origin.exists():
        with reading(origin):
            source = str(json.loads(origin.read_bytes())["source"])
    if source != str(given):
        of = f"was made from {source}" if source else "holds a harvest"
        raise UsageError(f"{place} {of}, not {given}. Nothing was changed. Give --data another folder.")


def _labelled(read: ImageFolder, progress: Progress) -> ImageFolder:
    """Return the folder with a label for every picture, and say what a person may not expect of how it was read.

    Raises:
        UsageError: there is no picture, or one label whose subfolders may be the labels.
    """
    if not read.files:
        read = _flat(read, progress)
    below: dict[str, set[str]] = {}
    depth = 2 if read.layout == "split folders" else 1
    for file in read.files if read.layout != "CSV" else ():
        parts = file.path.relative_to(read.root).parts[:-1]
        if len(parts) > depth and parts[depth - 1] == file.label:
            below.setdefault(file.label, set()).add(parts[depth])
    if below and len(read.labels) == 1:
        label = read.labels[0]
        names = ", ".join(sorted(below[label])[:5])
        raise UsageError(
            f"{read.root} holds one label only ({label}), with the subfolders {names}. Nothing was changed. Where "
            f"these are the labels, give {read.root / label}; otherwise move their pictures up into {label}."
        )
    for label, names_below in sorted(below.items()):
        named = ", ".join(sorted(names_below)[:5])
        progress.say(f"{label}: the pictures of its subfolders ({named}) are taken as {label} too")
    for note in read.notes:
        progress.say(note)
    return read


def _flat(read: ImageFolder, progress: Progress) -> ImageFolder:
    """Return a folder of pictures without subfolders as one label, named after the folder."""
    loose = [one for one in read.left_out if one.path.parent == read.root and looks_like_picture(one.path)]
    if not loose:
        raise UsageError(
            f"no pictures in {read.root}. Nothing was changed. Give a folder that has one folder of pictures for each "
            "label, or a table that names files and labels."
        )
    label = read.root.name
    progress.say(f"{read.root} has no folder for each label: all {len(loose):,} pictures are taken as one, '{label}'")
    taken = {one.path for one in loose}
    return replace(
        read,
        labels=(label,),
        files=tuple(ImageFile(path=one.path, name=one.name, label=label) for one in loose),
        left_out=tuple(one for one in read.left_out if one.path not in taken),
    )


def _refuse_slug_loss(read: ImageFolder) -> None:
    """Refuse labels that are not UTF-8: neither a manifest nor a table can hold them."""
    for label in read.labels:
        if os.fsencode(label).decode("utf-8", "replace") != label:
            raise UsageError(
                f"the name of the label folder {label!a} in {read.root} is not UTF-8. Nothing was changed. Rename "
                "the folder."
            )
