"""Real photographs with known faults planted into them; what the benchmarks of curate measure on."""

import csv
import io
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageEnhance, ImageOps

from imgkit.curate.pictures import ItemPicture
from imgkit.files import sha256_of
from imgkit.vision.features.backbone import Backbone, load_backbone
from imgkit.vision.features.embeddings import embed

PHOTOS = Path(__file__).resolve().parents[2] / "shared" / "photos"
"""Beside the checkout, and no part of the project."""


def monkeys(photos: Path) -> list[Path]:
    """Return the photographs of ten species, one of each pair that is known to be the same."""
    with (photos / "monkeys_near_duplicates.csv").open(newline="") as file:
        copies = {(row["class"], row["file_b"]) for row in csv.DictReader(file)}
    return [file for file in sorted((photos / "monkeys").glob("*/*")) if (file.parent.name, file.name) not in copies]


def strangers(photos: Path) -> list[Path]:
    """Return photographs of 200 other things."""
    return sorted((photos / "offtopic").glob("*"))


def picture(file: Path, label: str) -> ItemPicture:
    """Return a file as curate knows it."""
    with Image.open(file) as image:
        width, height = image.size
    digest = sha256_of(file)
    return ItemPicture(
        label=label,
        image_id=digest[:20],
        path=file,
        file_sha256=digest,
        sha256=digest,
        width=width,
        height=height,
        bytes=file.stat().st_size,
        label_now=label,
    )


@lru_cache(maxsize=1)
def packaged() -> Backbone:
    return load_backbone("tf_efficientnet_lite0", weights="packaged", device="cpu")


def embedded(pictures: Sequence[ItemPicture], cache: Path) -> np.ndarray:
    """Return the features of pictures by the packaged network; those in ``cache`` are not computed again."""
    return embed(
        [one.path for one in pictures],
        packaged(),
        cache=cache,
        keys=[one.file_sha256 for one in pictures],
    )


# copies


def recompressed(image: Image.Image) -> Image.Image:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=30)
    return Image.open(buffer).convert("RGB")


def middle(image: Image.Image, share: float) -> Image.Image:
    width, height = image.size
    cut_x, cut_y = round(width * (1 - share) / 2), round(height * (1 - share) / 2)
    return image.crop((cut_x, cut_y, width - cut_x, height - cut_y))


def captioned(image: Image.Image) -> Image.Image:
    marked, (width, height) = image.copy(), image.size
    draw = ImageDraw.Draw(marked)
    draw.rectangle((0, round(0.86 * height), width, height), fill="black")
    draw.text((0.1 * width, 0.9 * height), "a caption on example.com", fill="white")
    draw.rectangle((round(0.05 * width), round(0.05 * height), round(0.25 * width), round(0.15 * height)), fill="red")
    return marked


TRANSFORMS: dict[str, Callable[[Image.Image], Image.Image]] = {
    "jpeg q30": recompressed,
    "half size": lambda image: image.resize((max(1, image.width // 2), max(1, image.height // 2))),
    "squeezed 1:1": lambda image: image.resize((min(image.size),) * 2),
    "crop 87.5 %": lambda image: middle(image, 0.875),
    "crop 70 %": lambda image: middle(image, 0.7),
    "mirrored": ImageOps.mirror,
    "upside down": ImageOps.flip,
    "turned 90°": lambda image: image.transpose(Image.Transpose.ROTATE_90),
    "turned 25°": lambda image: image.rotate(25, Image.Resampling.BICUBIC),
    "brighter": lambda image: ImageEnhance.Brightness(image).enhance(1.4),
    "white border": lambda image: ImageOps.expand(image, round(0.08 * min(image.size)), "white"),
    "caption bar": captioned,
    "grey": lambda image: image.convert("L").convert("RGB"),
}


SAME_PHOTOGRAPH: frozenset[frozenset[str]] = frozenset(
    frozenset((f"n{one}.jpg", f"n{two}.jpg"))
    for one, two in (
        *(("0048", "0153"), ("0050", "0136"), ("1042", "1132"), ("1061", "1119"), ("1066", "1123")),
        *(("4051", "41562"), ("5018", "510"), ("5047", "5117"), ("5062", "515"), ("9020", "912"), ("8041", "8046")),
        *(("7023", "7150"), ("0030", "0130"), ("9053", "9132"), ("2054", "2159"), ("2065", "2143"), ("8060", "811")),
        *(("3043", "3058"), ("0119", "0139"), ("9037", "9112"), ("1050", "1064")),
    )
)
"""Pairs that the published list of near-duplicates lacks: one photograph in two crops, squeezes or tones, or mirrored,
many from two agencies with their watermarks. Both of each were looked at."""


# labels


def flipped(truth: np.ndarray, rate: float, chance: np.random.Generator, *, pairs: bool = False) -> np.ndarray:
    """Return labels of which a share is wrong: at random, or (``pairs``) always the next label."""
    labels, classes = truth.copy(), int(truth.max()) + 1
    for one in chance.choice(len(truth), round(rate * len(truth)), replace=False):
        labels[one] = (labels[one] + (1 if pairs else chance.integers(1, classes))) % classes
    return labels


def f1(flagged: np.ndarray, wrong: np.ndarray) -> float:
    return float(2 * (flagged & wrong).sum() / max(1, flagged.sum() + wrong.sum()))


# tables


class Table:
    """Rows that are printed as they come, and all together at the end as Markdown."""

    def __init__(self, *columns: str) -> None:
        self.columns = columns
        self.rows: list[Sequence[str]] = []

    def tell(self, *values: str) -> None:
        """Add a row and print it."""
        self.rows.append(values)
        print(": ".join(values), flush=True)

    def show(self) -> None:
        """Print all rows."""
        print(f"\n| {' | '.join(self.columns)} |\n|{'---|' * len(self.columns)}")
        for row in self.rows:
            print(f"| {' | '.join(row)} |")
