"""Read the EXIF orientation and turn a picture upright."""

from typing import Final

from PIL import Image

UPRIGHT: Final = 1
ORIENTATION_TAG: Final = 0x0112
EXIF_HEADER: Final = b"Exif\x00\x00"
_TRANSPOSE: Final = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def orientation_of(exif: object) -> int:
    """Return the orientation 1 to 8 in a block of EXIF bytes; 1 where there is none or it cannot be read."""
    if not isinstance(exif, bytes) or not exif:
        return UPRIGHT
    tags = Image.Exif()
    try:
        tags.load(exif)
        value = tags.get(ORIENTATION_TAG)
    except Exception:  # EXIF from the web raises anything from SyntaxError to struct.error
        return UPRIGHT
    return value if isinstance(value, int) and value in _TRANSPOSE else UPRIGHT


def upright(image: Image.Image, orientation: int) -> Image.Image:
    """Return ``image`` as a viewer shows it; the same object when it is upright already."""
    return image.transpose(_TRANSPOSE[orientation]) if orientation in _TRANSPOSE else image


def exif_with(orientation: int) -> bytes:
    """Return a block of EXIF (with its ``Exif`` header) that says the orientation and nothing else."""
    tags = Image.Exif()
    tags[ORIENTATION_TAG] = orientation
    return tags.tobytes()
