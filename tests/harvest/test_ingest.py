"""What becomes of received bytes: a picture to look at, and an original that says nothing about anybody."""

import hashlib
import io

import pytest
from PIL import Image

from imgkit.harvest.storage.ingest import Ingested, Task, ingest, shrink_original

AUTHOR = b"Jo Doe was here"


def photo():
    image = Image.effect_mandelbrot((1000, 667), (-2.2, -1.2, 0.8, 1.2), 80).convert("RGB")
    image.paste("orange", (10, 10, 200, 300))
    return image


def saved(format, **options):
    buffer = io.BytesIO()
    photo().save(buffer, format, **options)
    return buffer.getvalue()


def ingested(body, size=500):
    outcome = ingest(Task(body=body, size=size, smallest_side=64))
    assert isinstance(outcome, Ingested), outcome
    return outcome


@pytest.mark.parametrize(
    ("body", "extension"),
    [
        pytest.param(saved("JPEG", comment=AUTHOR), "jpg", id="JPEG"),
        pytest.param(saved("PNG") + AUTHOR, "png", id="PNG"),
        pytest.param(saved("WEBP", xmp=AUTHOR), "webp", id="WEBP"),
        pytest.param(saved("GIF", comment=AUTHOR), "gif", id="GIF"),
        pytest.param(saved("BMP") + AUTHOR, "bmp", id="BMP"),
    ],
)
def test_an_original_says_nothing_about_its_author_and_gives_the_same_picture_again(body, extension):
    outcome = ingested(body)

    assert AUTHOR in body
    assert AUTHOR not in outcome.stored
    assert outcome.extension == extension
    assert outcome.sha256 == hashlib.sha256(body).hexdigest()
    assert outcome.stored_sha256 == hashlib.sha256(outcome.stored).hexdigest()
    assert (outcome.width, outcome.height) == (1000, 667)
    assert (outcome.shrunk.width, outcome.shrunk.height) == (500, 334)
    assert shrink_original((outcome.stored, 500)) == outcome.shrunk


def test_an_original_that_had_to_be_written_again_is_named_after_what_it_is():
    gif = saved("GIF")
    start = gif.index(b"\x2c", 13 + (3 << (gif[10] & 7) + 1)) + 10
    at, codes = start + 1, b""
    while gif[at]:
        codes += gif[at + 1 : at + 1 + gif[at]]
        at += 1 + gif[at]
    codes = codes[:-1] + AUTHOR  # the end is gone, and something else follows
    parts = [codes[place : place + 255] for place in range(0, len(codes), 255)]
    endless = gif[: start + 1] + b"".join(bytes([len(part)]) + part for part in parts) + b"\x00;"

    outcome = ingested(endless)

    assert outcome.extension == "png"
    assert outcome.stored.startswith(b"\x89PNG")
    assert AUTHOR not in outcome.stored
    assert shrink_original((outcome.stored, 500)) == outcome.shrunk
