"""Shrink pictures without padding, cropping or enlarging, and write them as JPEG."""

import io
from typing import Final

from PIL import Image

from imgkit.vision.resample import resample

JPEG_QUALITY: Final = 92


def fit_within(width: int, height: int, longest: int) -> tuple[int, int]:
    """Return the size with the same aspect whose longest side is at most ``longest`` pixels, never enlarged.

    No side becomes zero, however thin the picture.
    """
    if max(width, height) <= longest:
        return width, height
    scale = longest / max(width, height)
    return max(1, round(width * scale)), max(1, round(height * scale))


def shrink(image: Image.Image, longest: int) -> Image.Image:
    """Return an 8-bit RGB picture with its longest side at most ``longest`` pixels; the same object where it fits."""
    size = fit_within(image.width, image.height, longest)
    if size == image.size:
        return image
    small = resample(image, size, "lanczos")
    small.info = {}  # says things about the file that it came from
    return small


def jpeg_bytes(image: Image.Image, *, quality: int = JPEG_QUALITY) -> bytes:
    """Return an RGB picture as JPEG without metadata; the same pixels always give the same bytes.

    Args:
        image: 8-bit RGB or grey.
        quality: Pillow's, 1 to 95.
    """
    bare = image
    if image.info:
        bare = Image.new(image.mode, image.size)
        bare.paste(image)  # leaves behind what `info` would carry into the file: EXIF, profile, comment, resolution
    buffer = io.BytesIO()
    bare.save(buffer, "JPEG", quality=quality, optimize=False, progressive=False, subsampling="4:2:0")
    return buffer.getvalue()
