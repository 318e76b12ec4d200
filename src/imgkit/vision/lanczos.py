"""Lanczos resampling: by cykooz-resizer, a quarter of Pillow's time, and by Pillow where that has no wheel."""

from typing import Final

from PIL import Image

try:
    import cykooz_resizer as fast
except ImportError:  # Linux on ARM
    fast = None


def by_pillow(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    """Return an 8-bit RGB picture resampled to ``size``, width and height in pixels."""
    return image.resize(size, Image.Resampling.LANCZOS)


def by_cykooz(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    """Return what ``by_pillow`` returns, but for rounding: the same bytes on every processor, with SIMD or without."""
    # pixels go in and out as bytes: its shorter way reads Pillow's own structures, which another version may move
    source = fast.ImageData(*image.size, fast.PixelType.U8x3, image.tobytes())
    target = fast.ImageData(*size, fast.PixelType.U8x3)
    fast.Resizer().resize(source, target, _LANCZOS)
    return Image.frombytes("RGB", size, target.get_buffer())


_LANCZOS: Final = fast and fast.ResizeOptions(
    resize_alg=fast.ResizeAlg.convolution(fast.FilterType.lanczos3), use_alpha=False
)
resample: Final = by_cykooz if fast else by_pillow
