import io

import pytest
from PIL import Image

from imgkit.vision.resize import fit_within, jpeg_bytes, shrink


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        pytest.param((300, 200), (300, 200), id="small: left as it is"),
        pytest.param((500, 500), (500, 500), id="exact: left as it is"),
        pytest.param((1000, 600), (500, 300), id="wide: halved"),
        pytest.param((600, 1000), (300, 500), id="tall: halved"),
        pytest.param((1000, 667), (500, 334), id="half a pixel: rounded, not cut"),
        pytest.param((667, 1000), (334, 500), id="half a pixel, tall"),
        pytest.param((1500, 997), (500, 332), id="a third of a pixel: rounded down"),
        pytest.param((501, 501), (500, 500), id="one pixel too many"),
        pytest.param((9000, 3), (500, 1), id="sliver: never zero pixels"),
    ],
)
def test_a_size_fits_within_the_longest_side_and_is_never_enlarged(size, expected):
    assert fit_within(*size, 500) == expected


def test_shrinking_a_small_picture_gives_the_same_picture():
    image = Image.new("RGB", (40, 30))

    assert shrink(image, 500) is image


def test_shrinking_keeps_what_is_left_and_right():
    image = Image.new("RGB", (1000, 400), "red")
    image.paste("blue", (500, 0, 1000, 400))

    small = shrink(image, 100)

    assert small.size == (100, 40)
    assert small.getpixel((10, 20)) == (255, 0, 0)
    assert small.getpixel((90, 20)) == (0, 0, 255)


def test_the_same_pixels_give_the_same_bytes_whatever_the_picture_carried():
    bare = Image.effect_mandelbrot((64, 48), (-2, -1, 1, 1), 50).convert("RGB")
    carrying = bare.copy()
    carrying.info.update(exif=b"Exif\x00\x00secret", comment=b"secret", dpi=(300, 300), icc_profile=b"secret")

    data = jpeg_bytes(carrying)

    assert data == jpeg_bytes(bare)
    assert b"secret" not in data
    assert "exif" not in Image.open(io.BytesIO(data)).info
