from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image, ImageFilter, ImageOps

from imgkit.curate.copies.fingerprints import measure
from imgkit.curate.quality import faults_of


def scene(width=480, height=360):
    """A picture with edges, tones and colours everywhere."""
    noise = [Image.effect_noise((width // 8, height // 8), 120).resize((width, height)) for _ in range(3)]
    fractal = Image.effect_mandelbrot((width, height), (-2.2, -1.2, 0.8, 1.2), 80).convert("RGB")
    return Image.blend(Image.merge("RGB", noise), fractal, 0.3)


def measured(image):
    return measure([image])[0]


def faults(image):
    return set(faults_of(SimpleNamespace(width=image.width, height=image.height), measured(image)))


def on_white(image, share):
    """The picture in the middle of a white ground that takes this share of each side."""
    return ImageOps.expand(image, round(max(image.size) * share / (1 - share) / 2), "white")


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        pytest.param(scene(), set(), id="nothing is wrong"),
        pytest.param(scene(1920, 1440), set(), id="nothing is wrong with a large one"),
        pytest.param(
            scene().point(lambda level: level // 8), {"dark", "blurred"}, id="dark, so that no edge is strong"
        ),
        pytest.param(
            scene().point(lambda level: 247 + level // 32),
            {"bright", "blurred"},
            id="bright, so that no edge is strong",
        ),
        pytest.param(scene().filter(ImageFilter.GaussianBlur(12)), {"blurred"}, id="blurred"),
        pytest.param(on_white(scene(), 0.4), set(), id="a plain ground makes nothing blurred or bright"),
        pytest.param(scene(90, 90), {"tiny"}, id="tiny"),
        pytest.param(scene(600, 150), {"sliver"}, id="sliver"),
    ],
)
def test_a_fault_is_named_and_nothing_else(image, expected):
    assert faults(image) == expected


def test_one_colour_is_flat():
    assert {"flat", "low information"} <= faults(Image.new("RGB", (300, 200), "olive"))


def test_measures_of_a_picture_that_is_black_but_for_a_white_quarter():
    image = Image.new("RGB", (400, 300), "black")
    image.paste("white", (0, 0, 100, 300))

    row = measured(image)

    assert row["dark"] == pytest.approx(1)  # the brightest of it
    assert row["bright"] == pytest.approx(0)  # the darkest of it
    assert row["middle"] == pytest.approx(0)
    assert [row["burnt"], row["top_colour"]] == pytest.approx([0.25, 0.75], abs=0.01)
    assert row["colours"] == pytest.approx(0.811, abs=0.01)  # bits of one in four
    assert row["entropy"] == pytest.approx(0.811, abs=0.1)  # a few pixels of the edge are grey


@pytest.mark.parametrize(("colour", "brightness"), [("red", 0.241), ("lime", 0.691), ("blue", 0.068), ("white", 1)])
def test_brightness_counts_green_most_and_blue_least(colour, brightness):
    row = measured(Image.new("RGB", (300, 200), colour))

    assert [row["dark"], row["bright"]] == pytest.approx([np.sqrt(brightness)] * 2, abs=0.005)


def test_each_of_16_levels_of_a_band_is_a_colour_of_its_own():
    levels = np.repeat(np.arange(0, 256, 16, dtype=np.uint8), 16)

    for band in range(3):
        pixels = np.zeros((96, 256, 3), np.uint8)
        pixels[:, :, band] = levels

        assert measured(Image.fromarray(pixels))["colours"] == pytest.approx(4, abs=0.05)


def test_a_white_frame_is_a_white_border():
    framed = ImageOps.expand(scene(), 30, "white")

    assert measured(framed)["white_border"] == 1
    assert measured(scene())["white_border"] < 0.1


def test_sharpness_does_not_depend_on_the_size_of_the_file():
    large = scene(1920, 1440)

    assert measured(large)["sharpness"] == pytest.approx(measured(large.reduce(4))["sharpness"], rel=0.5)  # not 1/16
