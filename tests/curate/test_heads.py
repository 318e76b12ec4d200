import random

import numpy as np
import pytest
from PIL import Image, ImageDraw

from imgkit.curate.copies.fingerprints import measure
from imgkit.curate.ranking import heads
from imgkit.vision.decode import open_picture
from imgkit.vision.features import textures
from imgkit.vision.features.backbone import load_backbone


@pytest.fixture(scope="module")
def says():
    """Return what a head says about pictures."""
    backbone = load_backbone(textures.BACKBONE, weights="packaged", device="cpu", textured=True)

    def says(head, images):
        vectors = backbone.features(np.stack([backbone.prepare(image) for image in images]))
        return heads.logits(
            head, vectors[:, backbone.plain_dimension :], np.array(measure(image.copy() for image in images))
        )

    return says


def page_of_text(seed):
    chance = random.Random(seed)
    board = Image.new("RGB", (400, 520), (250, 250, 246))
    draw = ImageDraw.Draw(board)
    for line in range(30):
        text = " ".join("snake" if chance.random() < 0.1 else "abcdefghij"[: chance.randrange(2, 9)] for _ in range(9))
        draw.text((20, 20 + 16 * line), text, (20, 20, 20))
    return board


def cartoon(seed):
    chance = random.Random(seed)
    board = Image.new("RGB", (360, 360), "white")
    draw = ImageDraw.Draw(board)
    for _ in range(7):
        x, y, side = chance.randrange(240), chance.randrange(240), chance.randrange(40, 130)
        fill = tuple(chance.randrange(256) for _ in range(3))
        draw.ellipse((x, y, x + side, y + side), fill=fill, outline="black", width=5)
    return board


def test_pages_of_text_score_above_even_and_photographs_below(says, photos):
    pages = says("text", [page_of_text(seed) for seed in range(8)])
    shots = says("text", [open_picture(file) for file in sorted(photos.glob("monkeys/*/*"))[::100]])

    assert np.median(pages) > 1 > np.median(shots)


def test_cartoons_score_above_even_and_photographs_below(says, photos):
    drawn = says("drawings", [cartoon(seed) for seed in range(8)])
    shots = says("drawings", [open_picture(file) for file in sorted(photos.glob("monkeys/*/*"))[::100]])

    assert np.median(drawn) > 1 > np.median(shots)


def test_the_heads_are_small_and_hold_no_code():
    with np.load(textures.HEADS_FILE, allow_pickle=False) as stored:
        assert sorted(stored["names"].tolist()) == ["drawings", "text"]
        assert stored["weights"].shape == (2, int(stored["textures"]) + len(heads.MEASURES))
    assert textures.HEADS_FILE.stat().st_size < 100_000
