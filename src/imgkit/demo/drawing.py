"""From a drawing's description to its bytes."""

import io
import threading

import numpy as np
from PIL import Image, ImageDraw

from imgkit.demo.world import Drawing

JPEG_QUALITY = 88


class Drawings:
    """Draws on first demand and keeps the bytes; safe to ask from many threads."""

    def __init__(self) -> None:
        self._bytes: dict[Drawing, bytes] = {}
        self._locks: dict[Drawing, threading.Lock] = {}
        self._lock = threading.Lock()

    def bytes_of(self, drawing: Drawing) -> bytes:
        """Return the bytes of a drawing."""
        with self._lock:
            if (data := self._bytes.get(drawing)) is not None:
                return data
            lock = self._locks.setdefault(drawing, threading.Lock())
        with lock:
            data = self._bytes.get(drawing)
            if data is None:
                data = self._bytes[drawing] = picture_bytes(drawing)
        return data


def picture_bytes(drawing: Drawing) -> bytes:
    """Return the file of a drawing; equal drawings give equal bytes."""
    buffer = io.BytesIO()
    draw(drawing).save(buffer, "JPEG", quality=JPEG_QUALITY, comment=drawing.salt.encode())
    return buffer.getvalue()


def draw(drawing: Drawing) -> Image.Image:
    """Return the picture of a drawing, upright RGB."""
    random = np.random.default_rng(drawing.seed)
    noise = random.integers(60, 160, (drawing.height, drawing.width, 3), dtype=np.uint8)
    image = Image.fromarray(noise)
    ImageDraw.Draw(image).line([(40, 100), (400, 300)], fill=(200, 30, 30), width=40)
    return image


def shrunk(data: bytes, longest: int) -> bytes:
    """Return a picture with its longest side at most ``longest`` px; small ones come back as they are."""
    image = Image.open(io.BytesIO(data))
    if max(image.size) <= longest:
        return data
    image.thumbnail((longest, longest))
    buffer = io.BytesIO()
    image.convert("RGB").save(buffer, "JPEG", quality=85)
    return buffer.getvalue()
