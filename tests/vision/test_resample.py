import numpy as np
import pytest
from PIL import Image

from imgkit.vision import resample

pytestmark = pytest.mark.skipif(resample.fast is None, reason="there is no wheel of cykooz-resizer for this machine")


@pytest.fixture(scope="module")
def scene():
    image = Image.effect_mandelbrot((640, 480), (-2, -1, 1, 1), 80).convert("RGB")
    image.paste(Image.effect_noise((200, 200), 90).convert("RGB"), (300, 100))
    return image


@pytest.mark.parametrize("mode", ["RGB", "L"])
@pytest.mark.parametrize("kernel", ["bilinear", "lanczos"])
@pytest.mark.parametrize("size", [(500, 375), (100, 75), (37, 480), (1, 1)])
def test_both_ways_of_resampling_agree_but_for_rounding(scene, size, kernel, mode):
    fast, slow = (way(scene.convert(mode), size, kernel) for way in (resample.by_cykooz, resample.by_pillow))

    assert fast.size == slow.size == size
    assert fast.mode == slow.mode == mode
    assert np.square(np.asarray(fast).astype(float) - np.asarray(slow)).mean() < 2.0  # of 255 levels: 45 dB


@pytest.mark.parametrize("kernel", ["bilinear", "lanczos"])
def test_resampling_gives_the_same_bytes_on_every_processor(scene, kernel):
    plain = resample.fast.Resizer()
    plain.cpu_extensions = resample.fast.CpuExtensions.none
    source = resample.fast.ImageData(640, 480, resample.fast.PixelType.U8x3, scene.tobytes())
    target = resample.fast.ImageData(500, 375, resample.fast.PixelType.U8x3)

    plain.resize(source, target, resample.options(kernel))

    assert resample.by_cykooz(scene, (500, 375), kernel).tobytes() == target.get_buffer()
