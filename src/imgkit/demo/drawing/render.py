"""From a drawing's description to its bytes."""

import io
import threading
from dataclasses import replace

import numpy as np
from PIL import Image, ImageFilter

from imgkit.demo.drawing import backgrounds, bodies, camera, copies, off_topic, snakes
from imgkit.demo.drawing.textures import Pixels, to_image
from imgkit.demo.world import Drawing

JPEG_QUALITY = 88
LONGEST_SCENE = 480  # px at which scenes are drawn; the camera then gives them their size


class Drawings:
    """Draws on first demand and keeps the bytes; safe to ask from many threads."""

    def __init__(self) -> None:
        self._bytes: dict[Drawing, bytes] = {}
        self._locks: dict[Drawing, threading.Lock] = {}
        self._lock = threading.Lock()

    def bytes_of(self, drawing: Drawing) -> bytes:
        """Return the bytes of a drawing."""
        if drawing.salt:
            return salted(self.bytes_of(replace(drawing, salt="")), drawing.salt)
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
    """Return the file of a drawing, a JPEG; equal drawings give equal bytes."""
    if drawing.salt:
        return salted(picture_bytes(replace(drawing, salt="")), drawing.salt)
    if drawing.subject == "placeholder":
        return bodies.placeholder(b"")
    image = draw(drawing)
    quality = JPEG_QUALITY
    if drawing.change:
        change = copies.CHANGES[drawing.change]
        image, quality = change.apply(image), change.quality
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()


def salted(data: bytes, salt: str) -> bytes:
    """Return a JPEG with a comment: other bytes, the same pixels."""
    comment = salt.encode()
    return data[:2] + b"\xff\xfe" + (len(comment) + 2).to_bytes(2) + comment + data[2:]


def draw(drawing: Drawing) -> Image.Image:
    """Return the picture of a drawing before any change, upright RGB, of its width and height."""
    rng = np.random.default_rng([drawing.seed, len(drawing.subject)])
    size = (drawing.width, drawing.height)
    if drawing.subject in off_topic.FLAT:
        return off_topic.FLAT[drawing.subject](rng, *size)
    shrink = min(1.0, LONGEST_SCENE / max(size))
    width, height = round(drawing.width * shrink), round(drawing.height * shrink)
    if drawing.subject in off_topic.THINGS:
        return camera.photograph(off_topic.scene(drawing.subject, rng, width, height), rng, size)
    return camera.photograph(snake_scene(drawing.subject, rng, width, height), rng, size)


def snake_scene(label: str, rng: np.random.Generator, width: int, height: int) -> Pixels:
    """Return a snake of a kind on a ground, sometimes under a few leaves, shape (height, width, 3)."""
    names = list(backgrounds.GROUNDS)
    ground = backgrounds.GROUNDS[names[rng.integers(len(names))]](rng, width, height)
    if rng.random() < 0.4:  # a lens that is sharp on the animal and soft behind it
        ground = ground.filter(ImageFilter.BoxBlur(rng.uniform(0.8, 2.5)))
    body = snakes.body(label, rng, width, height)
    scene = camera.shadow(np.asarray(ground, np.float32), body.cover, rng, size=min(width, height) * 0.1)
    scene = camera.over(scene, body.pixels, body.cover)
    if rng.random() < 0.45:
        image = to_image(scene)
        for _ in range(rng.integers(1, 5)):
            place = (rng.uniform(0.1, 0.9) * width, rng.uniform(0.1, 0.9) * height)
            colours = backgrounds.LEAF_BROWNS if rng.random() < 0.6 else backgrounds.GREENS
            backgrounds.leaf(image, rng, place, min(width, height) * rng.uniform(0.12, 0.25), colours)
        scene = np.asarray(image, np.float32)
    return scene


def shrunk(data: bytes, longest: int) -> bytes:
    """Return a picture with its longest side at most ``longest`` px; small ones come back as they are."""
    image = Image.open(io.BytesIO(data))
    if max(image.size) <= longest:
        return data
    image.thumbnail((longest, longest))
    buffer = io.BytesIO()
    image.convert("RGB").save(buffer, "JPEG", quality=85)
    return buffer.getvalue()
