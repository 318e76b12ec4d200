"""``imgkit`` alone: what to do next in the present folder, by what lies in it."""

import os
from pathlib import Path
from typing import Final

from imgkit import commands

LARGEST_TABLE: Final = 1 << 20  # bytes: a larger CSV file is not opened to see if it lists queries
MOST_TABLES: Final = 50  # CSV files that are opened
MOST_SHOWN: Final = 3  # commands of one kind
LEAST_PICTURES: Final = 10  # a label: a folder of fewer is not taken for a data set


def next_lines() -> list[str]:
    """Return lines that say what lies in the present folder and the command that goes on; nothing is written.

    In this order: a data folder and what waits in it; a model of a run; files with queries; a folder of labels; the
    demonstration where there is none of them.
    """
    found = [*_of_data(Path(os.environ.get("IMGKIT_DATA", "data"))), *_of_models()]
    if not found:
        found = [*_of_queries(), *_of_pictures()]
    return found or [
        "Nothing of imgkit is in this folder yet. See it work in three minutes:",
        "  imgkit demo",
        'Or begin with a CSV file with a column "label", one label a line:',
        "  imgkit harvest QUERIES.csv",
    ]


def _of_data(data: Path) -> list[str]:
    from imgkit.errors import ImgkitError
    from imgkit.manifest import Manifest
    from imgkit.manifest.summary import summarise

    if not (data / "manifest.db").is_file():
        return []
    try:
        with Manifest.open_to_read(data) as manifest:
            summary = summarise(manifest)
    except (ImgkitError, OSError) as error:
        return [f"The data folder {data} cannot be read: {error}"]
    pictures, in_set = (sum(getattr(one, name) for one in summary.labels) for name in ("harvested", "curated"))
    return [
        f"In {data}: {len(summary.labels):,} labels, {pictures:,} pictures, {in_set:,} in the curated set.",
        summary.next_step,
    ]


def _of_models() -> list[str]:
    models = sorted(Path().glob("runs/*/model"), key=lambda one: (one.stat().st_mtime, one.name), reverse=True)
    if not models:
        return []
    return [
        f"The newest of {len(models):,} models is {models[0]}. Ask it:",
        f"  {commands.command('predict', models[0], commands.PICTURES)}",
    ]


def _of_queries() -> list[str]:
    from imgkit.errors import ImgkitError
    from imgkit.harvest.queries import read_queries

    usable = []
    for table in [*sorted(Path().glob("*.csv")), *sorted(Path().glob("queries/*.csv"))][:MOST_TABLES]:
        if not table.is_file() or table.stat().st_size > LARGEST_TABLE:
            continue
        try:
            labels = {query.label for query in read_queries(table).queries}
        except (ImgkitError, OSError):
            continue
        usable.append((table, len(labels)))
    if not usable:
        return []
    return [
        "Files with queries are here. Search for pictures of them:",
        *(f"  {commands.command('harvest', table)}   ({count:,} labels)" for table, count in usable[:MOST_SHOWN]),
    ]


def _of_pictures() -> list[str]:
    from imgkit.errors import ImgkitError
    from imgkit.vision.imagefolder import looks_like_picture, read_folder

    usable = []
    for place in sorted(one for one in Path().iterdir() if one.is_dir() and not one.name.startswith((".", "_"))):
        try:
            inside = [each for each in list(place.iterdir())[:MOST_TABLES] if each.is_dir()]
            if not any(looks_like_picture(file) for each in inside for file in list(each.iterdir())[:1]):
                continue
            read = read_folder(place)
        except (ImgkitError, OSError):
            continue
        if len(read.labels) > 1 and len(read.files) >= LEAST_PICTURES * len(read.labels):
            usable.append((place, len(read.labels), len(read.files)))
    return [
        line
        for place, labels, pictures in usable[:MOST_SHOWN]
        for line in (
            f"{place} holds {pictures:,} pictures under {labels:,} labels. Train on them:",
            f"  {commands.train(place)}",
        )
    ]
