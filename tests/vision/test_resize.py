import io

import numpy as np
import pytest
from PIL import Image

from imgkit.vision import lanczos
from imgkit.vision.resize import fit_within, jpeg_bytes, shrink


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        pytest.param((300, 200), (300, 200), id="small: left as it is"),
        pytest.param((500, 500), (500, 500), id="exact: left as it is"),
        pytest.param((1000, 600), (500, 300), id="wide: halved"),
        pytest.param((600, 1000), (300, 500), id="tall: halved"),
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


@pytest.mark.skipif(lanczos.fast is None, reason="there is no wheel of cykooz-resizer for this machine")
@pytest.mark.parametrize("size", [(500, 375), (100, 75), (37, 480), (1, 1)])
def test_both_ways_of_resampling_agree_but_for_rounding(size):
    scene = Image.effect_mandelbrot((640, 480), (-2, -1, 1, 1), 80).convert("RGB")
    scene.paste(Image.effect_noise((200, 200), 90).convert("RGB"), (300, 100))

    fast, slow = lanczos.by_cykooz(scene, size), lanczos.by_pillow(scene, size)

    assert fast.size == slow.size == size
    assert np.square(np.asarray(fast).astype(float) - np.asarray(slow)).mean() < 2.0  # of 255 levels: 45 dB


@pytest.mark.skipif(lanczos.fast is None, reason="there is no wheel of cykooz-resizer for this machine")
def test_resampling_gives_the_same_bytes_on_every_processor():
    scene = Image.effect_mandelbrot((640, 480), (-2, -1, 1, 1), 80).convert("RGB")
    plain = lanczos.fast.Resizer()
    plain.cpu_extensions = lanczos.fast.CpuExtensions.none
    source = lanczos.fast.ImageData(640, 480, lanczos.fast.PixelType.U8x3, scene.tobytes())
    target = lanczos.fast.ImageData(500, 375, lanczos.fast.PixelType.U8x3)
    options = lanczos.fast.ResizeOptions(
        resize_alg=lanczos.fast.ResizeAlg.convolution(lanczos.fast.FilterType.lanczos3), use_alpha=False
    )

    plain.resize(source, target, options)

    assert lanczos.by_cykooz(scene, (500, 375)).tobytes() == target.get_buffer()
