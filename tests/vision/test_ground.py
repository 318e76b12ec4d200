"""How plain the ground of a picture is."""

import numpy as np
import pytest
from PIL import Image

from imgkit.vision.features.art_head import ArtHead, art_head, art_inputs
from imgkit.vision.ground import GROUND_MEASURES, ground_measures


def measured(image):
    return dict(zip(GROUND_MEASURES, ground_measures(image).tolist(), strict=True))


def framed(ground, inner, box=(24, 24, 72, 72)):
    """A picture of 96 px in one colour with a square of another."""
    image = Image.new("RGB", (96, 96), ground)
    image.paste(inner, box)
    return image


def test_a_red_square_on_white_ground_has_these_measures():
    found = measured(framed("white", (255, 0, 0)))

    assert found["ring_plain"] == found["ring_flat"] == found["ring_white"] == found["least_white_side"] == 1
    assert found["ground_plain"] == found["ground_white"] == pytest.approx(0.75)
    assert found["ground_flat"] == pytest.approx((96**2 - 50**2) / 96**2)  # edges are two pixels wide
    assert found["white_sides"] == 4
    assert found["top_colour"] == pytest.approx(0.75)
    assert found["entropy"] == pytest.approx(0.8113, abs=1e-4)
    assert (found["ring_level"], found["ring_colourfulness"]) == (255, 0)
    assert found["saturation"] == pytest.approx(0.25)
    assert found["gradient_low"] == 0


def test_white_inside_the_subject_is_no_ground():
    found = measured(framed("black", "white"))

    assert (found["ring_white"], found["ground_white"], found["white_sides"]) == (0, 0, 0)
    assert found["ground_plain"] == pytest.approx(0.75)


def test_one_white_side_of_four_is_counted_alone():
    image = Image.new("RGB", (96, 96), "black")
    image.paste("white", (0, 0, 96, 3))

    found = measured(image)

    assert found["white_sides"] == 1
    assert found["least_white_side"] == 0


def test_leaves_and_gravel_are_no_plain_ground():
    noise = np.random.default_rng(0).integers(0, 256, (96, 96, 3), dtype=np.uint8)

    found = measured(Image.fromarray(noise))

    assert found["ground_plain"] < 0.01
    assert found["ground_flat"] < 0.05
    assert found["ground_white"] == 0


@pytest.mark.parametrize("size", [(1, 1), (3, 400), (400, 3), (96, 97), (2000, 1500)])
def test_pictures_of_every_size_and_shape_are_measured(size):
    found = ground_measures(Image.new("RGB", size, (10, 200, 30)))

    assert found.shape == (16,)
    assert found.dtype == np.float32
    assert np.isfinite(found).all()
    assert found[1] == 1


def test_a_larger_copy_measures_the_same():
    small = framed("white", (255, 0, 0))

    assert ground_measures(small.resize((384, 384), Image.Resampling.NEAREST)) == pytest.approx(ground_measures(small))


def test_the_same_features_on_plain_white_ground_are_more_likely_art():
    features = np.full((2, len(art_head().weights) - 16), 0.4, np.float32)
    noise = np.random.default_rng(0).integers(0, 256, (96, 96, 3), dtype=np.uint8)
    ground = np.stack([ground_measures(framed("white", (255, 0, 0))), ground_measures(Image.fromarray(noise))])

    plain, busy = art_head().logits(features, ground)

    assert plain > busy + 1


def test_log_odds_are_the_sum_of_cut_deviations():
    head = ArtHead(np.zeros(17, np.float32), np.ones(17, np.float32), np.full(17, 2, np.float32), bias=-3.0)
    ground = np.zeros((1, 16), np.float32)
    ground[0, 0] = 9

    assert art_inputs(np.array([[4.0]], np.float32), ground)[0, :2].tolist() == [2, 9]
    assert head.logits(np.array([[4.0]], np.float32), ground).tolist() == [2 * 2 + 2 * 5 - 3]


def test_features_of_another_network_are_refused():
    with pytest.raises(ValueError, match="768 features, the head reads 1280"):
        art_head().logits(np.zeros((1, 768), np.float32), np.zeros((1, 16), np.float32))


@pytest.mark.parametrize(("colour", "level"), [((255, 0, 0), 76.245), ((0, 255, 0), 149.685), ((0, 0, 255), 29.07)])
def test_an_edge_is_as_strong_as_the_levels_of_grey_beside_it_are_apart(colour, level):
    found = measured(framed("black", colour, (48, 0, 96, 96)))

    assert found["gradient"] == pytest.approx(level * 2 / 96, rel=1e-6)  # an edge is two pixels wide
    assert found["gradient_low"] == 0
    assert found["spread"] == pytest.approx(level / 2, rel=1e-6)
    assert found["ground_flat"] == pytest.approx(94 / 96)


@pytest.mark.parametrize(("level", "flat"), [(5, 1.0), (6, 94 / 96), (7, 94 / 96)])
def test_a_step_of_six_levels_is_an_edge(level, flat):
    assert measured(framed("black", (level,) * 3, (48, 0, 96, 96)))["ground_flat"] == pytest.approx(flat)


@pytest.mark.parametrize("channel", [0, 1, 2])
def test_each_channel_counts_in_eight_steps_for_the_entropy(channel):
    levels = np.zeros((96, 96, 3), np.uint8)
    levels[:, :, channel] = np.repeat([0, 31, 32, 64, 96, 128, 160, 255], 12)

    found = measured(Image.fromarray(levels))

    assert found["entropy"] == pytest.approx(2.75)  # six shares of 1/8, one of 2/8
    assert found["top_colour"] == pytest.approx(0.25)


@pytest.mark.parametrize(
    ("box", "share"),
    [
        ((40, 0, 50, 10), 100), ((40, 86, 50, 96), 100), ((0, 40, 10, 50), 100), ((86, 40, 96, 50), 100),
        ((40, 1, 50, 11), 0), ((40, 85, 50, 95), 0), ((1, 40, 11, 50), 0), ((85, 40, 95, 50), 0),
    ],
)  # fmt: skip
def test_ground_begins_at_the_outermost_pixels_of_any_side(box, share):
    assert measured(framed("black", "white", box))["ground_white"] == pytest.approx(share / 96**2)


@pytest.mark.parametrize(("level", "plain"), [(116, 1.0), (117, 0.75), (84, 1.0), (83, 0.75)])
def test_sixteen_levels_from_the_colour_of_the_ring_are_still_the_ground(level, plain):
    assert measured(framed((100, 100, 100), (level, 100, 100)))["ground_plain"] == pytest.approx(plain)


@pytest.mark.parametrize(("level", "white"), [(238, 1.0), (237, 0.0)])
def test_white_is_from_238_in_every_channel(level, white):
    assert measured(framed((255, level, 255), "black"))["ring_white"] == white


@pytest.mark.parametrize(("width", "sides"), [(77, 2), (76, 1)])
def test_a_side_is_white_from_four_fifths(width, sides):
    """A white strip of ``width`` pixels along the top and a white left side."""
    image = framed("black", "white", (0, 0, width, 3))
    image.paste("white", (0, 0, 3, 96))

    assert measured(image)["white_sides"] == sides
