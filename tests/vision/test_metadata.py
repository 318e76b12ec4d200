"""What a stored file may still say about who made it, where and with what: nothing."""

import io
import struct
import zlib

import marked_files as marked
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from marked_files import MARKER, SRGB, photo, saved
from PIL import Image, ImageSequence

from imgkit.vision.decode import OWN_FILES, Decoded, decode
from imgkit.vision.metadata import strip_metadata
from imgkit.vision.sniff import raster_format


def upright(data):
    outcome = decode(data, limits=OWN_FILES)
    assert isinstance(outcome, Decoded), outcome
    return np.asarray(outcome.image)


def info(data):
    with Image.open(io.BytesIO(data)) as image:
        image.load()
        return image.info


def says(data):
    """Say whether the marker is in a file: plainly, or packed in a chunk of a PNG."""
    if MARKER in data:
        return True
    chunks = marked.chunks_of(data) if raster_format(data) == "PNG" else []
    return any(MARKER in unpacked(one[8:-4]) for one in chunks)


def unpacked(payload):
    for start in range(min(len(payload), 120)):
        try:
            return zlib.decompressobj().decompress(payload[start:])
        except zlib.error:
            continue
    return b""


def assert_only_the_picture_is_left(data, format, *, turned=False):
    stripped = strip_metadata(data, format)

    assert not says(stripped)
    assert np.array_equal(upright(stripped), upright(data))
    assert upright(stripped).shape[:2] == ((160, 120) if turned else (120, 160))
    assert raster_format(stripped) == format
    assert strip_metadata(stripped, format) == stripped  # the second time changes nothing


@pytest.mark.parametrize("kind", marked.JPEG_SEGMENTS)
def test_no_segment_of_a_jpeg_keeps_a_word(kind):
    data = marked.jpeg([marked.JPEG_SEGMENTS[kind]])

    assert_only_the_picture_is_left(data, "JPEG", turned=kind == "EXIF")


@pytest.mark.parametrize("progressive", [False, True])
def test_a_jpeg_of_all_segments_keeps_no_word_and_stays_turned(progressive):
    segments = [one for kind, one in marked.JPEG_SEGMENTS.items() if "bytes" not in kind]
    for order in (segments, segments[::-1]):
        data = marked.jpeg(order, behind=MARKER + saved("JPEG"), progressive=progressive)
        first = next(one for one in order if b"Exif" in one)
        assert_only_the_picture_is_left(data, "JPEG", turned=first == marked.JPEG_SEGMENTS["EXIF"])


def test_segments_between_the_scans_of_a_jpeg_keep_no_word():
    data = saved("JPEG", progressive=True)
    second = data.index(b"\xff\xc4", data.index(b"\xff\xda"))

    for extra in (one for kind, one in marked.JPEG_SEGMENTS.items() if "bytes" not in kind):
        assert_only_the_picture_is_left(data[:second] + extra + data[second:], "JPEG")


@pytest.mark.parametrize("kind", marked.PNG_CHUNKS)
@pytest.mark.parametrize("place", ["before the pixels", "behind them", "behind them, without an end"])
def test_no_chunk_of_a_png_keeps_a_word(kind, place):
    extra = [marked.PNG_CHUNKS[kind]]
    data = (
        marked.png(before=extra)
        if place == "before the pixels"
        else marked.png(after=extra, ended="without" not in place)
    )

    if isinstance(decode(data), Decoded):  # a cut profile or a frame out of place is no picture
        assert_only_the_picture_is_left(data, "PNG", turned=kind == "EXIF")


def test_nearly_every_chunk_of_a_png_can_be_put_there():
    pictures = [
        kind for kind, one in marked.PNG_CHUNKS.items() if isinstance(decode(marked.png(before=[one])), Decoded)
    ]

    assert len(pictures) >= len(marked.PNG_CHUNKS) - 2


def test_a_png_keeps_no_word_behind_its_end_or_its_pixels():
    assert_only_the_picture_is_left(marked.png(behind=MARKER), "PNG")
    assert_only_the_picture_is_left(marked.png(ended=False, behind=MARKER), "PNG")
    assert_only_the_picture_is_left(marked.png_with_text_behind_pixels(), "PNG")
    assert_only_the_picture_is_left(marked.png_with_too_many_rows(), "PNG")


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"])
@pytest.mark.parametrize("interlaced", [False, True])
def test_a_png_of_every_kind_of_pixels_stays_as_it_is(mode, interlaced):
    image = photo("L").convert("I;16") if mode == "I;16" else photo(mode)
    data = saved("PNG", image, interlace=interlaced, pnginfo=marked.png_info())

    assert says(data)
    assert_only_the_picture_is_left(data, "PNG")
    with Image.open(io.BytesIO(strip_metadata(data, "PNG"))) as kept:
        assert kept.mode == mode


def test_the_unused_end_of_a_palette_is_dropped():
    image = Image.new("P", (160, 120))
    image.putpalette([10, 20, 30, 200, 100, 0, 0, 60, 90])
    image.putdata([number % 3 for number in range(160 * 120)])
    data = saved("PNG", image, bits=2)
    head, *others = marked.chunks_of(data)
    longer = b"".join(
        marked.chunk(b"PLTE", one[8:-4].ljust(12, b"\x00") + MARKER) if one[4:8] == b"PLTE" else one for one in others
    )

    assert_only_the_picture_is_left(b"\x89PNG\r\n\x1a\n" + head + longer, "PNG")


def frames_of(data):
    with Image.open(io.BytesIO(data)) as image:
        return [np.asarray(frame.convert("RGBA")) for frame in ImageSequence.Iterator(image)]


@pytest.mark.parametrize(
    ("format", "data"),
    [
        pytest.param("PNG", marked.animated_png(), id="PNG"),
        pytest.param("WEBP", marked.animated_webp(), id="WEBP"),
        pytest.param("GIF", marked.gif([*marked.GIF_BLOCKS.values()], codes_behind=MARKER, frames=3), id="GIF"),
    ],
)
def test_an_animation_keeps_its_frames_and_times(format, data):
    stripped = strip_metadata(data, format)

    assert not says(stripped)
    assert [frame.tolist() for frame in frames_of(stripped)] == [frame.tolist() for frame in frames_of(data)]
    assert info(stripped)["duration"] == 40


def test_a_gif_is_repeated_as_often_as_before():
    assert info(strip_metadata(marked.gif(frames=2), "GIF"))["loop"] == 3


def test_frames_of_a_png_that_hold_more_than_pixels_are_dropped():
    assert_only_the_picture_is_left(marked.animated_png(extra=MARKER), "PNG")


@pytest.mark.parametrize("kind", marked.WEBP_CHUNKS)
def test_no_chunk_of_a_webp_keeps_a_word(kind):
    assert_only_the_picture_is_left(marked.webp([marked.WEBP_CHUNKS[kind]], behind=MARKER), "WEBP", turned=True)


def test_a_webp_of_the_simple_form_keeps_nothing_behind_its_pixels():
    assert_only_the_picture_is_left(marked.webp(marked.WEBP_CHUNKS.values(), data=saved("WEBP")), "WEBP")


def test_what_a_webp_hides_in_its_header_is_dropped():
    data = bytearray(marked.webp())
    data[21:24] = b"JoD"  # reserved

    assert strip_metadata(bytes(data), "WEBP") == strip_metadata(marked.webp(), "WEBP")


@pytest.mark.parametrize("kind", marked.GIF_BLOCKS)
def test_no_block_of_a_gif_keeps_a_word(kind):
    assert_only_the_picture_is_left(marked.gif([marked.GIF_BLOCKS[kind]], behind=MARKER), "GIF")


def test_a_gif_keeps_nothing_behind_the_codes_of_a_frame_nor_without_an_end():
    assert_only_the_picture_is_left(marked.gif(codes_behind=MARKER), "GIF")
    assert_only_the_picture_is_left(marked.gif(list(marked.GIF_BLOCKS.values()), ended=False), "GIF")


def test_a_gif_whose_codes_have_no_end_is_written_again_as_png():
    data = marked.gif([marked.GIF_BLOCKS["comment"]])
    whole = strip_metadata(data, "GIF")
    start = 13 + (3 << (whole[10] & 7) + 1)
    at = whole.index(b"\x2c", start) + 11
    codes = b""
    while whole[at]:
        codes += whole[at + 1 : at + 1 + whole[at]]
        at += 1 + whole[at]
    head = whole[: whole.index(b"\x2c", start) + 11]
    endless = head + marked.blocks(codes[:-1] + MARKER) + b";"

    stripped = strip_metadata(endless, "GIF")

    assert raster_format(stripped) == "PNG"
    assert MARKER not in stripped
    assert np.array_equal(upright(stripped), upright(endless))


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB"])
def test_a_bmp_keeps_nothing_between_and_behind(mode):
    assert_only_the_picture_is_left(marked.bmp(photo(mode)), "BMP")


@pytest.mark.parametrize(("format", "make"), [("TIFF", marked.tiff), ("AVIF", marked.avif)])
def test_formats_that_are_not_kept_are_written_again_as_png(format, make):
    data = make()
    assert MARKER in data

    stripped = strip_metadata(data, format)

    assert raster_format(stripped) == "PNG"
    assert not says(stripped)
    assert np.array_equal(upright(stripped), upright(data))
    assert upright(stripped).shape == (160, 120, 3)


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_a_colour_profile_stays_without_what_is_not_colour(format):
    data = saved(format, icc_profile=marked.PROFILE)

    stripped = strip_metadata(data, format)

    assert info(stripped)["icc_profile"] == strip_metadata_of_profile()
    assert np.array_equal(upright(stripped), upright(data))


def strip_metadata_of_profile():
    """Return what is left of the profile with a private tag: the one without it, laid out anew."""
    kept = info(strip_metadata(saved("PNG", icc_profile=SRGB), "PNG"))["icc_profile"]
    assert MARKER not in kept
    assert len(kept) == len(SRGB)
    return kept


def test_a_profile_of_another_colour_space_still_gives_the_same_colours():
    swapped = bytearray(SRGB)  # red and blue change places, so that the profile has an effect
    red, blue = swapped.index(b"rXYZ"), swapped.index(b"bXYZ")
    swapped[red : red + 4], swapped[blue : blue + 4] = b"bXYZ", b"rXYZ"
    renamed = bytes(swapped).replace("sRGB".encode("utf-16-be"), "odd!".encode("utf-16-be"))
    data = saved("JPEG", icc_profile=renamed + MARKER)
    plain = saved("JPEG")

    stripped = strip_metadata(data, "JPEG")

    assert not np.array_equal(upright(data), upright(plain))
    assert np.array_equal(upright(stripped), upright(data))


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP"])
def test_a_profile_that_cannot_be_opened_is_dropped(format):
    data = saved(format, icc_profile=b"a colour profile of " + MARKER)

    assert "icc_profile" not in info(strip_metadata(data, format))


def test_a_long_profile_in_several_segments_stays():
    long = bytearray(SRGB + bytes(150_000))
    copyright = next(place for place in range(132, 400, 12) if long[place : place + 4] == b"cprt")
    struct.pack_into(">II", long, copyright + 4, len(SRGB), 150_000)
    long[len(SRGB) : len(SRGB) + 8] = b"text\x00\x00\x00\x00"
    struct.pack_into(">I", long, 0, len(long))

    kept = info(strip_metadata(saved("JPEG", icc_profile=bytes(long)), "JPEG"))["icc_profile"]

    assert 150_000 < len(kept) <= len(long)


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_orientation_stays_and_upright_pictures_keep_no_exif(format, orientation):
    data = saved(format, exif=marked.exif(orientation))

    stripped = strip_metadata(data, format)

    assert np.array_equal(upright(stripped), upright(data))
    assert ("exif" in info(stripped)) == (orientation != 1)


def test_cmyk_keeps_the_mark_that_says_how_its_colours_are_coded():
    assert_only_the_picture_is_left(saved("JPEG", photo("CMYK"), comment=MARKER), "JPEG")


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "GIF", "BMP"])
@pytest.mark.parametrize("data", [b"", b"x", b"\xff\xd8\xff\xe1\xff", b"\x89PNG\r\n\x1a\n\x00\x00", b"GIF89a" + MARKER])
def test_what_is_no_picture_is_said_and_does_not_come_back(format, data):
    with pytest.raises(ValueError, match="no picture can be decoded"):
        strip_metadata(data, format)


def assert_nothing_survives(data, format):
    """A file that still is a picture keeps its pixels and no marker; any other is refused."""
    before = decode(data, limits=OWN_FILES)
    if not isinstance(before, Decoded):
        return
    stripped = strip_metadata(data, format)
    assert not says(stripped)
    assert np.array_equal(upright(stripped), np.asarray(before.image))


def some(kinds):
    return st.lists(st.sampled_from(sorted(kinds)).map(kinds.__getitem__), max_size=8)


CUTS = st.one_of(st.none(), st.integers(1, 400), st.floats(0, 1))


def cut(data, how):
    if how is None:
        return data
    return data[:-how] if isinstance(how, int) else data[: int(how * len(data))]


@settings(max_examples=150, deadline=None)
@given(some(marked.JPEG_SEGMENTS), st.booleans(), CUTS)
def test_any_jpeg_keeps_its_pixels_and_no_word(segments, progressive, how):
    assert_nothing_survives(cut(marked.jpeg(segments, behind=MARKER, progressive=progressive), how), "JPEG")


@settings(max_examples=150, deadline=None)
@given(some(marked.PNG_CHUNKS), some(marked.PNG_CHUNKS), st.booleans(), CUTS)
def test_any_png_keeps_its_pixels_and_no_word(before, after, ended, how):
    assert_nothing_survives(cut(marked.png(before, after, ended=ended, behind=MARKER), how), "PNG")


@settings(max_examples=150, deadline=None)
@given(st.permutations(marked.chunks_of(marked.animated_png())[1:]), some(marked.PNG_CHUNKS))
def test_any_order_of_the_chunks_of_an_animated_png_keeps_no_word(order, extra):
    head = marked.chunks_of(marked.animated_png())[0]
    assert_nothing_survives(b"\x89PNG\r\n\x1a\n" + head + b"".join((*order[:3], *extra, *order[3:])), "PNG")


@settings(max_examples=100, deadline=None)
@given(some(marked.WEBP_CHUNKS), st.booleans(), CUTS)
def test_any_webp_keeps_its_pixels_and_no_word(chunks, simple, how):
    data = marked.webp(chunks, behind=MARKER, data=saved("WEBP") if simple else None)
    assert_nothing_survives(cut(data, how), "WEBP")


@settings(max_examples=100, deadline=None)
@given(some(marked.GIF_BLOCKS), st.sampled_from([b"", MARKER, b"x"]), st.integers(1, 3), st.booleans(), CUTS)
def test_any_gif_keeps_its_pixels_and_no_word(extra, codes_behind, frames, ended, how):
    data = marked.gif(extra, codes_behind=codes_behind, frames=frames, ended=ended, behind=MARKER)
    assert_nothing_survives(cut(data, how), "GIF")


@settings(max_examples=50, deadline=None)
@given(st.sampled_from(["1", "L", "P", "RGB"]), CUTS)
def test_any_bmp_keeps_its_pixels_and_no_word(mode, how):
    assert_nothing_survives(cut(marked.bmp(photo(mode)), how), "BMP")
