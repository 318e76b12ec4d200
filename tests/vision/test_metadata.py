import io

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from imgkit.vision.decode import Decoded, decode
from imgkit.vision.metadata import strip_metadata

SECRET = "Lat 51.4779, camera of Jo Doe"


def photo():
    image = Image.effect_mandelbrot((160, 120), (-2.2, -1.2, 0.8, 1.2), 80).convert("RGB")
    image.paste("orange", (10, 10, 60, 40))
    return image


def exif(orientation):
    tags = Image.Exif()
    tags[0x0112] = orientation
    tags[0x013B] = SECRET
    return tags.tobytes()


def saved(format, *, orientation=6, **options):
    buffer = io.BytesIO()
    photo().save(buffer, format, exif=exif(orientation), **options)
    return buffer.getvalue()


def png_with_text():
    text = PngImagePlugin.PngInfo()
    text.add_text("Author", SECRET)
    text.add_itxt("XML:com.adobe.xmp", SECRET)
    return saved("PNG", pnginfo=text)


def jpeg_with_everything():
    data = saved("JPEG", comment=SECRET.encode(), progressive=True)
    xmp = b"http://ns.adobe.com/xap/1.0/\x00" + SECRET.encode()
    iptc = b"Photoshop 3.0\x00" + SECRET.encode()
    segments = b"".join(
        bytes([0xFF, marker]) + (len(payload) + 2).to_bytes(2, "big") + payload
        for marker, payload in ((0xE1, xmp), (0xED, iptc))
    )
    return data[:2] + segments + data[2:] + SECRET.encode()


FILES = [
    pytest.param("JPEG", jpeg_with_everything, id="JPEG"),
    pytest.param("PNG", png_with_text, id="PNG"),
    pytest.param("WEBP", lambda: saved("WEBP", xmp=SECRET.encode()), id="WEBP"),
]


@pytest.mark.parametrize(("format", "make"), FILES)
def test_stripping_leaves_no_word_and_every_pixel_upright(format, make):
    data = make()
    before = decode(data)
    assert isinstance(before, Decoded)
    assert SECRET.encode() in data

    stripped = strip_metadata(data, format)

    after = decode(stripped)
    assert isinstance(after, Decoded)
    assert SECRET.encode() not in stripped
    assert (after.width, after.height, after.format) == (120, 160, format)
    assert np.array_equal(np.asarray(after.image), np.asarray(before.image))


@pytest.mark.parametrize(("format", "make"), FILES)
def test_stripping_twice_changes_nothing_more(format, make):
    once = strip_metadata(make(), format)

    assert strip_metadata(once, format) == once


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP"])
def test_an_upright_picture_keeps_no_exif_at_all(format):
    stripped = strip_metadata(saved(format, orientation=1), format)

    with Image.open(io.BytesIO(stripped)) as image:
        image.load()
        assert "exif" not in image.info


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP"])
def test_the_colour_profile_stays(format):
    data = saved(format, icc_profile=b"a colour profile of somebody")

    with Image.open(io.BytesIO(strip_metadata(data, format))) as image:
        assert image.info["icc_profile"] == b"a colour profile of somebody"


def test_cmyk_keeps_the_mark_that_says_how_its_colours_are_coded():
    buffer = io.BytesIO()
    photo().convert("CMYK").save(buffer, "JPEG")
    before = decode(buffer.getvalue())

    after = decode(strip_metadata(buffer.getvalue(), "JPEG"))

    assert isinstance(before, Decoded)
    assert isinstance(after, Decoded)
    assert np.array_equal(np.asarray(after.image), np.asarray(before.image))


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "GIF"])
@pytest.mark.parametrize(
    "data", [b"", b"x", b"\xff\xd8\xff\xe1\xff", b"\x89PNG\r\n\x1a\n\x00\x00", b"RIFF\x00\x00\x00\x00WEBP"]
)
def test_bytes_whose_structure_is_broken_come_back_as_they_were(format, data):
    assert strip_metadata(data, format) == data
