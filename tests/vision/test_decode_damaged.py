"""Pictures that browsers show: newer formats, large photographs, damage around whole pixels."""

import struct
import sys
import zlib
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image
from test_decode import encoded, photo, picture, reason

from imgkit.vision import sniff
from imgkit.vision.decode import LIMITS, Rejected, _reads_heif, decode
from imgkit.vision.metadata import strip_metadata

PHOTO = encoded(photo(640, 480), quality=90)


def segment(marker, payload):
    return bytes([0xFF, marker]) + struct.pack(">H", len(payload) + 2) + payload


def jpeg_with(*segments):
    return PHOTO[:2] + b"".join(segments) + PHOTO[2:]


def png_with(name, payload, *, wrong=0):
    data = encoded(photo(640, 480), "PNG")
    chunk = struct.pack(">I", len(payload)) + name + payload
    chunk += struct.pack(">I", zlib.crc32(name + payload) ^ wrong)
    return data[:33] + chunk + data[33:]


@pytest.mark.parametrize("format", ["AVIF", "TIFF", "JPEG2000"])
def test_what_browsers_show_is_a_picture_and_its_original_can_be_read_again(format):
    data = encoded(photo(640, 480), format)

    decoded = picture(data)

    assert (decoded.format, decoded.image.size) == (format, (640, 480))
    stored = strip_metadata(data, format)
    assert np.array_equal(np.asarray(picture(stored).image), np.asarray(decoded.image))


@pytest.mark.parametrize(
    ("brands", "format"),
    [
        (b"avif\0\0\0\0mif1miaf", "AVIF"),
        (b"mif1\0\0\0\0avifmif1", "AVIF"),
        (b"heic\0\0\0\0mif1heic", "HEIF"),
        (b"mif1\0\0\0\0mif1heic", "HEIF"),
        (b"isom\0\0\0\0isommp42", None),
    ],
)
def test_an_iso_media_file_is_what_any_of_its_brands_says(brands, format):
    assert sniff.raster_format(struct.pack(">I", 8 + len(brands)) + b"ftyp" + brands) == format


@pytest.mark.parametrize(
    ("head", "help"),
    [
        (b"\x00\x00\x00\x18ftypheic\0\0\0\0mif1heic", "pip install pillow-heif"),
        (b"\xff\x0a\x7d\x22", "convert it to JPEG or PNG"),
        (b"<svg xmlns='x'/>", "save it as PNG"),
        (b"8BPS", "save it as JPEG or PNG"),
        (b"%PDF-1.7", "save its pictures"),
    ],
)
def test_a_format_that_is_not_read_says_what_to_do(head, help, monkeypatch):
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    _reads_heif.cache_clear()
    try:
        outcome = decode(head)
    finally:
        _reads_heif.cache_clear()

    assert isinstance(outcome, Rejected)
    assert outcome.reason == "img.format"
    assert help in outcome.detail


def test_heic_is_read_with_its_package_and_its_original_is_kept_without_a_loss():
    pytest.importorskip("pillow_heif")
    assert _reads_heif()
    data = encoded(photo(640, 480), "HEIF", quality=90)

    decoded = picture(data)

    assert (decoded.format, decoded.extension, decoded.image.size) == ("HEIF", "heic", (640, 480))
    assert np.array_equal(np.asarray(picture(strip_metadata(data, "HEIF")).image), np.asarray(decoded.image))


def test_the_package_for_heic_is_asked_once(monkeypatch):
    asked = []
    opener = SimpleNamespace(register_heif_opener=lambda: asked.append("opener"))
    monkeypatch.setitem(sys.modules, "pillow_heif", opener)
    _reads_heif.cache_clear()
    try:
        first, _ = (decode(b"\x00\x00\x00\x18ftypheic\0\0\0\0mif1heic") for _ in range(2))
    finally:
        _reads_heif.cache_clear()

    assert asked == ["opener"]
    assert isinstance(first, Rejected)
    assert first.reason == "img.truncated"  # it was given to a decoder


def test_every_format_that_is_known_and_not_read_has_its_advice():
    assert {name for _, name in sniff._OTHER_FORMATS} | {"SVG", "HEIF"} == set(sniff.HELP)


@pytest.fixture(scope="module")
def large():
    """A JPEG of 108 million pixels."""
    return encoded(Image.linear_gradient("L").resize((12_000, 9_000)), quality=30)


def test_a_large_photograph_is_decoded_at_a_fraction_and_only_then_accepted(large):
    assert picture(large, longest=500).image.size == (1500, 1125)
    assert reason(large) == "img.bomb"


def test_a_jpeg_of_more_pixels_than_any_camera_has_is_a_bomb_at_any_scale(large):
    at = large.index(b"\xff\xc0") + 5
    data = large[:at] + struct.pack(">HH", 60_000, 60_000) + large[at + 4 :]

    outcome = decode(data, longest=500)

    assert isinstance(outcome, Rejected)
    assert outcome.reason == "img.bomb"


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(encoded(photo(9000, 10), "PNG"), id="a sliver"),
    ],
)
def test_the_fraction_is_no_way_around_the_other_limits(data):
    assert isinstance(decode(data, longest=500), Rejected)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(jpeg_with(segment(0xE1, b"Exif\0\0II*\0\xff\xff\xff\x7f" + b"\xff" * 99)), id="EXIF that is none"),
        pytest.param(jpeg_with(segment(0xE2, b"ICC_PROFILE\0\x01\x01" + b"garbage" * 20)), id="a colour profile"),
        pytest.param(jpeg_with(segment(0xE0, b"JFIF\0")), id="a short JFIF header"),
        pytest.param(jpeg_with(segment(0xED, b"Photoshop 3.0\x008BIM\x03\xed\0\0\0\0\0\x10ab")), id="Photoshop's"),
        pytest.param(jpeg_with(*[segment(0xE1, b"x" * 65_000)] * 60), id="four megabytes of it"),
        pytest.param(jpeg_with(segment(0xE2, b"MPF\0II*\0" + b"\xff" * 60)), id="a list of pictures that is none"),
        pytest.param(jpeg_with(segment(0xE0, b"JFIF\0"))[:-2], id="a short JFIF header and no end marker"),
        pytest.param(png_with(b"tEXt", b"a\0b", wrong=1), id="a wrong sum of a text"),
        pytest.param(png_with(b"zTXt", b"a\0\0" + zlib.compress(b"x" * 200_000_000, 1)), id="a text of 200 MB"),
        pytest.param(png_with(b"cHRM", b"abc"), id="short colours"),
        pytest.param(png_with(b"eXIf", b"II*\0\xff\xff"), id="EXIF of a PNG"),
        pytest.param(encoded(photo(640, 480), "WEBP", exif=b"Exif\0\0garbage"), id="EXIF of a WebP"),
    ],
)
def test_damaged_or_huge_metadata_around_whole_pixels_costs_nothing_but_itself(data):
    decoded = picture(data)

    assert decoded.image.size == (640, 480)
    assert picture(strip_metadata(data, decoded.format)).image.size == (640, 480)


@pytest.mark.parametrize(
    "options", [{}, {"progressive": True}, {"subsampling": 0}], ids=["plain", "progressive", "4:4:4"]
)
@pytest.mark.parametrize("behind", [b"", b"\xff", b"\0" * 40], ids=["nothing", "half a marker", "zero bytes"])
def test_a_jpeg_that_lacks_only_its_end_marker_is_whole(options, behind):
    whole = encoded(photo(333, 217), **options)

    decoded = picture(whole[:-2] + behind)

    assert "end marker added" in decoded.notes
    assert np.array_equal(np.asarray(decoded.image), np.asarray(picture(whole).image))
    assert picture(strip_metadata(whole[:-2], "JPEG")).image.size == (333, 217)


WEBP = encoded(photo(640, 480), "WEBP")


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(encoded(photo(640, 480), "PNG")[:-12], id="PNG without its end"),
        pytest.param(encoded(photo(640, 480), "PNG")[:-14], id="PNG without the sum of its pixels"),
        pytest.param(encoded(photo(640, 480), "PNG")[:-3], id="PNG with half an end"),
        pytest.param(encoded(photo(640, 480), "GIF")[:-1], id="GIF without its trailer"),
        pytest.param(WEBP[:4] + b"\xff\xff\xff\x7f" + WEBP[8:], id="WebP that says it is longer"),
        pytest.param(WEBP[:4] + bytes(4) + WEBP[8:], id="WebP that says it is empty"),
    ],
)
def test_other_formats_without_their_end_are_whole_too(data):
    decoded = picture(data)

    assert decoded.image.size == (640, 480)
    assert np.array_equal(np.asarray(picture(strip_metadata(data, decoded.format)).image), np.asarray(decoded.image))


@pytest.mark.parametrize("options", [{}, {"progressive": True}], ids=["plain", "progressive"])
@pytest.mark.parametrize("missing", [8, 40, 400])
def test_a_jpeg_that_lacks_pixels_is_cut_off(options, missing):
    assert reason(encoded(photo(333, 217), **options)[:-missing]) == "img.truncated"


def test_no_detail_holds_an_address_of_an_object():
    outcome = decode(b"II*\0" + bytes(40))

    assert isinstance(outcome, Rejected)
    assert outcome == Rejected("img.truncated", "TIFF: cannot identify image file")


def test_the_limits_of_a_harvest_are_those_that_are_documented():
    assert (LIMITS.max_pixels, LIMITS.max_jpeg_pixels) == (50_000_000, 250_000_000)
