"""The drawn pictures: their bands are in the right order and their bytes follow from their description."""

import io
from itertools import pairwise

import numpy as np
import pytest
from PIL import Image

from imgkit.demo.drawing.copies import CHANGES
from imgkit.demo.drawing.off_topic import SUBJECTS
from imgkit.demo.drawing.render import draw, picture_bytes
from imgkit.demo.drawing.snakes import BLACK, RED, YELLOW, bands, body, colours_of
from imgkit.demo.world import Drawing


def stripes(label, seed):
    """The colours along a flat body from neck to tail, runs merged."""
    along = bands(label, np.random.default_rng(seed)).at(np.linspace(0, 1, 4000)).tolist()
    return [along[0], *(after for before, after in pairwise(along) if after != before)]


@pytest.mark.parametrize("seed", range(20))
def test_red_touches_yellow_in_a_coral_snake(seed):
    touching = {frozenset(pair) for pair in pairwise(stripes("coral_snake", seed))}

    assert touching == {frozenset({RED, YELLOW}), frozenset({YELLOW, BLACK})}


@pytest.mark.parametrize("seed", range(20))
def test_red_touches_black_in_a_king_snake(seed):
    touching = {frozenset(pair) for pair in pairwise(stripes("king_snake", seed))}

    assert touching == {frozenset({RED, BLACK}), frozenset({BLACK, YELLOW})}


@pytest.mark.parametrize("label", ["coral_snake", "king_snake"])
def test_every_colour_has_its_share_of_a_drawn_body(label):
    drawn = body(label, np.random.default_rng(3), 400, 300)
    palette = colours_of(np.random.default_rng(0))
    pixels = drawn.pixels[drawn.cover > 0.9]
    hue = pixels / pixels.sum(axis=1, keepdims=True).clip(1)
    nearest = np.linalg.norm(hue[:, None] - (palette / palette.sum(axis=1, keepdims=True))[None], axis=2).argmin(axis=1)

    assert len(pixels) > 4000
    assert np.bincount(nearest, minlength=3).min() > 0.1 * len(pixels)


@pytest.mark.parametrize("subject", ["coral_snake", "king_snake", *SUBJECTS])
def test_a_drawing_has_its_size_and_the_same_bytes_each_time(subject):
    drawing = Drawing(subject=subject, seed=5, width=300, height=220)

    data = picture_bytes(drawing)

    assert Image.open(io.BytesIO(data)).size == (300, 220)
    assert picture_bytes(drawing) == data
    assert picture_bytes(Drawing(subject=subject, seed=6, width=300, height=220)) != data


@pytest.mark.parametrize("change", sorted(CHANGES))
def test_a_near_copy_shows_the_same_and_has_other_bytes(change):
    drawing = Drawing(subject="coral_snake", seed=1, width=300, height=220)
    changed = Drawing(subject="coral_snake", seed=1, width=300, height=220, change=change)

    first, second = (Image.open(io.BytesIO(picture_bytes(each))).convert("L") for each in (drawing, changed))
    if change == "mirrored":
        second = second.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    if change == "captioned":
        second = second.crop((0, 0, 300, 220))

    assert picture_bytes(changed) != picture_bytes(drawing)
    assert np.corrcoef(*(np.asarray(each.resize((16, 16))).ravel() for each in (first, second)))[0, 1] > 0.8


def test_salt_changes_the_bytes_and_not_the_pixels():
    plain = Drawing(subject="king_snake", seed=1, width=200, height=150)
    salted = Drawing(subject="king_snake", seed=1, width=200, height=150, salt="7")

    first, second = (Image.open(io.BytesIO(picture_bytes(each))) for each in (plain, salted))

    assert picture_bytes(plain) != picture_bytes(salted)
    assert first.tobytes() == second.tobytes()


def test_large_and_small_pictures_can_be_drawn():
    assert draw(Drawing(subject="coral_snake", seed=2, width=1200, height=700)).size == (1200, 700)
    assert draw(Drawing(subject="king_snake", seed=2, width=64, height=64)).size == (64, 64)
