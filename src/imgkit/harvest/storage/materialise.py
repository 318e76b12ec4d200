"""Keep ``harvested/<label>/`` in step with the manifest: a picture for each kept candidate, made from its original.

These files are derived: they are written without waiting for the disk and made again when they are missing.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

from imgkit import commands
from imgkit.engine import Engine
from imgkit.errors import IntegrityError
from imgkit.files import NO_FILE, read_error, read_file, reading, write_atomically
from imgkit.harvest.storage.ingest import Shrunk, packed_shrink, unpacked_shrink
from imgkit.manifest import DataFolder, Image, Item, Manifest
from imgkit.manifest.nouns import ItemKey
from imgkit.progress import Progress
from imgkit.vision.decode import Rejected
from imgkit.vision.resize import fit_within

BATCH: Final = 200
_OURS: Final = re.compile(r"[0-9a-f]{20}\.jpg$")


def write_item(folder: DataFolder, label: str, image_id: str, shrunk: Shrunk) -> Item:
    """Write one picture of a label and return its row.

    Raises:
        ResourceError: no space or no permission.
    """
    write_atomically(folder.harvested_file(label, image_id), shrunk.jpeg, durable=False)
    return Item(
        label=label,
        image_id=image_id,
        width=shrunk.width,
        height=shrunk.height,
        file_sha256=shrunk.sha256,
    )


def materialise(manifest: Manifest, kept: Iterable[ItemKey], *, size: int, engine: Engine, progress: Progress) -> int:
    """Make ``harvested/`` hold exactly the ``kept`` pictures with a longest side of ``size`` pixels.

    What is there already is left as it is; nothing is downloaded.

    Returns:
        how many files were made.

    Raises:
        IntegrityError: an original is missing or damaged.
        ResourceError: no space or no permission, or an original could not be read.
    """
    wanted = set(kept)
    items = {(one.label, one.image_id): one for one in manifest.items()}
    manifest.remove_items(key for key in items if key not in wanted)
    images = manifest.images()
    due = [key for key in sorted(wanted) if not _is_there(manifest.folder, items.get(key), images[key[1]], size)]
    if due:
        progress.start(f"Making pictures of at most {size} px", len(due))
        for batch in _batches(_shrink(manifest.folder, due, images, size, engine)):
            manifest.put_items(write_item(manifest.folder, *key, shrunk) for key, shrunk in batch)
            progress.advance(len(batch))
    remove_unwanted(manifest.folder, wanted)
    return len(due)


def _is_there(folder: DataFolder, item: Item | None, image: Image, size: int) -> bool:
    if item is None or not _has_size(item, fit_within(image.width, image.height, size)):
        return False
    path = folder.harvested_file(item.label, item.image_id)
    try:
        with reading(path):
            return path.stat().st_size > 0
    except NO_FILE:
        return False


def _has_size(item: Item, expected: tuple[int, int]) -> bool:
    got = (item.width, item.height)
    # a large JPEG is decoded at a fraction of its size, which may round its shorter side differently
    return max(got) == max(expected) and abs(min(got) - min(expected)) <= 1


def _shrink(
    folder: DataFolder, keys: Sequence[ItemKey], images: dict[str, Image], size: int, engine: Engine
) -> Iterator[tuple[ItemKey, Shrunk]]:
    paths = [folder.original(images[image_id].sha256, images[image_id].extension) for _, image_id in keys]
    # on other machines there are no files of this one
    tasks = ((path if engine.shares_files else _bytes_of(path), size) for path in paths)
    for number, answer in engine.map(packed_shrink, tasks):
        outcome = unpacked_shrink(answer)
        if isinstance(outcome, OSError):
            raise read_error(outcome, paths[number])
        if isinstance(outcome, Rejected):
            raise IntegrityError(
                f"the original {paths[number]} is missing or damaged ({outcome.detail}). Nothing else was changed. "
                "Put it back from a backup, or remove the picture with: "
                f"{commands.command('remove', '--sha', images[keys[number][1]].sha256, '--data', folder.root)}"
            )
        yield keys[number], outcome


def _bytes_of(path: Path) -> bytes:
    try:
        return read_file(path)
    except NO_FILE:
        return b""  # is no picture there either


def _batches(pairs: Iterable[tuple[ItemKey, Shrunk]]) -> Iterator[list[tuple[ItemKey, Shrunk]]]:
    batch: list[tuple[ItemKey, Shrunk]] = []
    for pair in pairs:
        batch.append(pair)
        if len(batch) == BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


def remove_unwanted(folder: DataFolder, wanted: set[ItemKey]) -> None:
    """Remove derived files without a row; what a person put there under another name stays."""
    names: dict[str, set[str]] = defaultdict(set)
    for label, image_id in wanted:
        names[label].add(f"{image_id}.jpg")
    for place in folder.harvested.glob("*"):
        if not place.is_dir() or place.is_symlink():
            continue
        for file in place.iterdir():
            if _OURS.match(file.name) and file.name not in names[place.name]:
                file.unlink(missing_ok=True)
        if not any(place.iterdir()):
            place.rmdir()
