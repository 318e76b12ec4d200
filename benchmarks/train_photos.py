"""Photographs as ``imgkit harvest`` stores them: JPEG, longest side 500 px; for the benchmarks of train."""

import csv
from collections.abc import Iterator
from pathlib import Path

from PIL import Image

from imgkit.vision.decode import UnreadablePictureError, open_picture
from imgkit.vision.resize import jpeg_bytes, shrink

LONGEST = 500


def labelled(photos: Path) -> Iterator[tuple[str, Path]]:
    """Yield label and file of ten monkeys, three bears without what a person called junk, and other things."""
    for path in sorted((photos / "monkeys").glob("*/*.jpg")):
        yield path.parent.name, path
    with (photos / "bears_harvest_labels.csv").open() as file:
        for row in csv.DictReader(file):
            if row["label"] == "keep":
                yield row["class"], photos / "bears_harvest" / row["class"] / row["file"]
    for path in sorted((photos / "offtopic").iterdir()):
        yield "other", path


def harvested(photos: Path, target: Path, count: int) -> Path:
    """Write ``count`` labelled photographs below ``target``; smaller ones are enlarged, so that all cost the same."""
    written = 0
    for label, path in labelled(photos):
        if written == count:
            break
        try:
            image = open_picture(path)
        except UnreadablePictureError:
            continue
        (target / label).mkdir(parents=True, exist_ok=True)
        (target / label / f"{written:05}.jpg").write_bytes(jpeg_bytes(as_large(image)))
        written += 1
    if written < count:
        raise SystemExit(f"only {written} of {count} photographs in {photos}")
    return target


def as_large(image: Image.Image) -> Image.Image:
    """Return the picture with a longest side of 500 px."""
    scale = LONGEST / max(image.size)
    if scale <= 1:
        return shrink(image, LONGEST)
    size = round(image.width * scale), round(image.height * scale)
    return image.resize(size, Image.Resampling.BICUBIC)


def bodies(photos: Path, count: int) -> list[bytes]:
    """Return ``count`` JPEG files of bears and other things."""
    files = [path for label, path in labelled(photos) if path.parent.parent.name != "monkeys"]
    step = max(1, len(files) // count)
    return [jpeg_bytes(as_large(open_picture(path))) for path in files[::step][:count]]
