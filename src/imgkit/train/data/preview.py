"""Show what training pictures look like to the model after they were varied: one sheet to look at before training."""

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from imgkit.arrays import UInt8Array
from imgkit.dataset.folder import scan
from imgkit.dataset.picture import LabelledPicture
from imgkit.files import write_atomically
from imgkit.progress import Progress, Silent
from imgkit.train.config import TrainConfig
from imgkit.train.data.augment import Augmentation, RandomDraws, augment
from imgkit.train.data.batches import generator
from imgkit.train.data.pixel_cache import SQUASH_RATIO, squash
from imgkit.train.run_folder import cache_folder
from imgkit.vision.decode import open_picture

ROWS, VARIANTS = 8, 7
CELL_PX, GAP_PX = 160, 6
TRAINING_PX = 224


def write_preview(config: TrainConfig, target: Path, *, progress: Progress | None = None) -> int:
    """Write a JPEG with a row for each of a few pictures: as it is (squared), then varied as in training.

    Returns:
        How many pictures are shown.

    Raises:
        UsageError: there are no pictures.
        ResourceError: the file cannot be written.
    """
    found = scan(
        config.data,
        cache=cache_folder(config),
        progress=progress or Silent(),
        layout=config.layout,
        wanted=config.selection(),
    )
    shown = _one_of_each(found.pictures)
    augmentation = Augmentation(
        size=TRAINING_PX, crop_area=config.crop_area, flip=config.flip, keep_color=config.keep_color
    )
    rows = [_row(picture, augmentation, seed=config.seed + place) for place, picture in enumerate(shown)]
    buffer = io.BytesIO()
    _sheet(rows).save(buffer, "JPEG", quality=88)
    write_atomically(target, buffer.getvalue())
    return len(shown)


def _one_of_each(pictures: Sequence[LabelledPicture]) -> list[LabelledPicture]:
    """Choose pictures by a hash, of as many labels as there is room for."""
    ordered = sorted(pictures, key=lambda each: each.sha256)
    first = {picture.label: picture for picture in reversed(ordered)}
    rest = [picture for picture in ordered if picture not in first.values()]
    return [*first.values(), *rest][:ROWS]


def _row(picture: LabelledPicture, augmentation: Augmentation, *, seed: int) -> list[UInt8Array]:
    image = open_picture(picture.path)
    square = squash(image, round(augmentation.size * SQUASH_RATIO))
    pixels = torch.from_numpy(square.copy()).permute(2, 0, 1)[None].repeat(VARIANTS, 1, 1, 1)
    sizes = torch.tensor([image.size] * VARIANTS, dtype=torch.float32)
    dice = RandomDraws(generator(seed, 0), VARIANTS)
    varied = (augment(pixels, sizes, augmentation, dice) * 255).round().byte().permute(0, 2, 3, 1).numpy()
    image.thumbnail((CELL_PX, CELL_PX))
    whole = Image.new("RGB", (CELL_PX, CELL_PX), "white")
    whole.paste(image, ((CELL_PX - image.width) // 2, (CELL_PX - image.height) // 2))
    return [np.asarray(whole), *varied]


def _sheet(rows: Sequence[Sequence[UInt8Array]]) -> Image.Image:
    step = CELL_PX + GAP_PX
    sheet = Image.new("RGB", (step * (VARIANTS + 1) + GAP_PX, step * len(rows) + GAP_PX), "white")
    for down, row in enumerate(rows):
        for across, pixels in enumerate(row):
            cell = Image.fromarray(pixels).resize((CELL_PX, CELL_PX), Image.Resampling.BICUBIC)
            sheet.paste(cell, (GAP_PX + step * across, GAP_PX + step * down))
    return sheet
