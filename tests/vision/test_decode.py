import errno
import gzip
import io
import random
import warnings
import zlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms, ImageFile, ImageOps

from imgkit.errors import ResourceError
from imgkit.reasons import REASONS
from imgkit.vision.decode import LIMITS, OWN_FILES, Decoded, Rejected, UnreadablePictureError, decode, open_picture


def photo(width=320, height=240):
    """A picture with structure everywhere: red in the upper left corner, the rest a fractal."""
    image = Image.effect_mandelbrot((width, height), (-2.2, -1.2, 0.8, 1.2), 80).convert("RGB")
    image.paste((220, 30, 20), (0, 0, width // 4, height // 4))
    return image


def encoded(image=None, format="JPEG", **options):
    buffer = io.BytesIO()
    (image or photo()).save(buffer, format, **options)
    return buffer.getvalue()


def reason(data, **limits):
    outcome = decode(data, limits=replace(LIMITS, **limits))
    assert isinstance(outcome, Rejected), outcome
    return outcome.reason


def picture(data, **options):
    outcome = decode(data, **options)
    assert isinstance(outcome, Decoded), outcome
    return outcome


def png_header(width, height):
    data = bytearray(encoded(Image.new("RGB", (64, 64)), "PNG"))
    data[16:24] = width.to_bytes(4, "big") + height.to_bytes(4, "big")
    data[29:33] = zlib.crc32(data[12:29]).to_bytes(4, "big")
    return bytes(data)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        pytest.param(b"", "body.empty", id="nothing"),
        pytest.param(b"<!DOCTYPE html><html><body>Not found", "body.html", id="web page"),
        pytest.param(b"\xef\xbb\xbf \n<HTML><head>", "body.html", id="web page behind a byte order mark"),
        pytest.param(b'<?xml version="1.0"?><html xmlns="http://www.w3.org/1999/xhtml">', "body.html", id="XHTML"),
        pytest.param(b'<svg xmlns="http://www.w3.org/2000/svg"><rect/></svg>', "img.format", id="SVG"),
        pytest.param(b'<?xml version="1.0"?><svg/>', "img.format", id="SVG with an XML declaration"),
        pytest.param(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10", "img.format", id="EPS"),
        pytest.param(b"%PDF-1.7", "img.format", id="PDF"),
        pytest.param(b"8BPS\x00\x01", "img.format", id="Photoshop"),
        pytest.param(b"\x00\x00\x00\x18ftypheic\x00\x00", "img.format", id="HEIC"),
        pytest.param(b'{"error": "not found"}', "body.not_image", id="JSON"),
        pytest.param(gzip.compress(b"data"), "body.not_image", id="gzip"),
        pytest.param(b"\x00" * 5000, "body.not_image", id="zero bytes"),
        pytest.param(random.Random(0).randbytes(5000), "body.not_image", id="noise"),
        pytest.param(b"\n" + encoded(), "body.not_image", id="JPEG behind a newline"),
        pytest.param(encoded()[:200], "img.truncated", id="JPEG cut in its header"),
        pytest.param(encoded()[:-2000], "img.truncated", id="JPEG cut in its data"),
        pytest.param(encoded(format="PNG")[:-3000], "img.truncated", id="PNG cut"),
        pytest.param(encoded(format="GIF")[:-3000], "img.truncated", id="GIF cut"),
        pytest.param(encoded(format="WEBP")[:-3000], "img.truncated", id="WEBP cut"),
        pytest.param(encoded(format="BMP")[:-3000], "img.truncated", id="BMP cut"),
        pytest.param(png_header(60000, 60000), "img.bomb", id="3,600 million pixels claimed"),
        pytest.param(png_header(9000, 9000), "img.bomb", id="81 million pixels claimed"),
        pytest.param(encoded(photo(63, 300)), "img.small", id="63 px"),
        pytest.param(encoded(photo(64, 700)), "img.aspect", id="sliver"),
        pytest.param(encoded(Image.new("RGB", (300, 200), (17, 120, 200))), "img.blank", id="one colour"),
        pytest.param(encoded(Image.new("RGBA", (300, 200), (9, 9, 9, 0)), "PNG"), "img.blank", id="all transparent"),
    ],
)
def test_what_is_no_picture_is_rejected_with_its_reason(data, expected):
    assert reason(data) == expected
    assert expected in REASONS


@pytest.mark.parametrize(
    ("format", "extension"),
    [
        *(("JPEG", "jpg"), ("PNG", "png"), ("WEBP", "webp"), ("GIF", "gif"), ("BMP", "bmp")),
        *(("AVIF", "avif"), ("TIFF", "tif"), ("JPEG2000", "jp2")),
    ],
)
def test_the_usual_formats_are_pictures_whatever_they_are_named(format, extension):
    decoded = picture(encoded(format=format))

    assert (decoded.width, decoded.height, decoded.frames) == (320, 240, 1)
    assert (decoded.format, decoded.extension) == (format, extension)
    assert (decoded.image.mode, decoded.image.size, decoded.notes) == ("RGB", (320, 240), ())


def test_a_format_that_was_not_asked_for_is_refused():
    outcome = decode(encoded(format="TIFF"), limits=replace(LIMITS, formats=("JPEG", "PNG")))

    assert outcome == Rejected("img.format", "TIFF: convert it to JPEG or PNG")


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP"])
def test_every_exif_orientation_comes_out_upright(format, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encoded(format=format, exif=exif.tobytes())
    with Image.open(io.BytesIO(data)) as image:
        expected = ImageOps.exif_transpose(image)

    decoded = picture(data)

    assert (decoded.width, decoded.height) == ((320, 240) if orientation < 5 else (240, 320))
    assert np.array_equal(np.asarray(decoded.image), np.asarray(expected))


@pytest.mark.parametrize(
    "exif", [b"Exif\x00\x00II*\x00\xff\xff\xff\xff", b"Exif\x00\x00", b"Exif\x00\x00MM\x00*nonsense"]
)
def test_broken_exif_is_no_reason_to_lose_a_picture(exif):
    assert picture(encoded(exif=exif)).width == 320


def test_alpha_lies_on_white():
    image = photo().convert("RGBA")
    image.paste((0, 0, 0, 0), (100, 100, 200, 200))

    decoded = picture(encoded(image, "PNG"))

    assert decoded.image.getpixel((150, 150)) == (255, 255, 255)
    assert decoded.notes == ("alpha on white",)


@pytest.mark.parametrize(
    ("mode", "format", "note"),
    [
        pytest.param("L", "JPEG", (), id="grey"),
        pytest.param("1", "PNG", ("1 bit",), id="black and white"),
        pytest.param("P", "PNG", (), id="palette"),
        pytest.param("LA", "PNG", (), id="grey with opaque alpha"),
        pytest.param("CMYK", "JPEG", ("CMYK",), id="CMYK"),
        pytest.param("I;16", "PNG", ("more than 8 bits",), id="16 bit"),
    ],
)
def test_every_colour_mode_becomes_rgb_of_the_same_look(mode, format, note):
    original = photo().convert("L").convert("RGB")
    if mode == "I;16":
        image = Image.fromarray(np.asarray(original.convert("L")).astype(np.uint16) * 257)
    else:
        image = original.quantize(256) if mode == "P" else original.convert(mode)

    decoded = picture(encoded(image, format))

    assert decoded.image.mode == "RGB"
    assert decoded.notes == note
    reference = np.asarray(original.convert("1").convert("RGB") if mode == "1" else original, dtype=float)
    assert np.abs(np.asarray(decoded.image, dtype=float) - reference).mean() < 4


def test_twelve_bits_in_a_sixteen_bit_file_are_not_black():
    values = np.asarray(photo().convert("L")).astype(np.uint16) * 16

    decoded = picture(encoded(Image.fromarray(values), "PNG"))

    assert np.asarray(decoded.image).max() > 200


def red_for_green():
    """A profile whose red is what green is elsewhere."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    profile = profile.replace("sRGB".encode("utf-16-be"), "swap".encode("utf-16-be"))
    return profile.replace(b"rXYZ", b"?XYZ").replace(b"gXYZ", b"rXYZ").replace(b"?XYZ", b"gXYZ")


def test_a_colour_profile_is_applied_alike_by_many_threads_at_once():
    files = [encoded(photo(320 + side), "PNG", icc_profile=red_for_green()) for side in range(24)]

    one_by_one = [picture(data).image for data in files]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(lambda data: picture(data).image, files * 4))

    assert picture(files[0]).notes == ("colour profile to sRGB",)
    assert one_by_one[0].getpixel((5, 5)) == pytest.approx((30, 220, 20), abs=3)  # was red
    assert [image.tobytes() for image in together] == [image.tobytes() for image in one_by_one] * 4


def test_a_colour_profile_that_does_not_fit_is_ignored_and_that_of_srgb_needs_no_note():
    swapped = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB"))
    data = encoded(icc_profile=swapped.tobytes())

    assert picture(data).notes == ("unusable colour profile ignored",)  # a LAB profile does not fit RGB pixels
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    assert picture(encoded(icc_profile=srgb)).notes == ()


def test_the_first_of_several_frames_is_taken():
    frames = [photo(), Image.new("RGB", (320, 240), "blue"), Image.new("RGB", (320, 240), "green")]

    decoded = picture(encoded(frames[0], "GIF", save_all=True, append_images=frames[1:]))

    assert decoded.frames == 3
    assert "3 frames" in decoded.notes
    assert np.asarray(decoded.image).std() > 20


def test_an_animation_of_too_many_frames_or_pixels_is_rejected():
    frames = [Image.new("L", (70, 70), shade) for shade in range(12)]
    data = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])

    assert reason(data, max_frames=11) == "img.animated_many"
    assert reason(data, max_animation_pixels=50_000) == "img.animated_many"


def test_the_pixel_limit_is_judged_before_anything_is_decoded():
    data = png_header(8000, 6000)  # the pixels that the header promises are not there

    assert reason(data) == "img.truncated"
    assert reason(data, max_pixels=47_999_999) == "img.bomb"


def test_a_jpeg_is_decoded_at_a_smaller_scale_when_that_is_enough():
    data = encoded(photo(2400, 1800))

    decoded = picture(data, longest=500)

    assert decoded.image.size == (1200, 900)
    assert (decoded.width, decoded.height) == (2400, 1800)


def test_a_cut_jpeg_with_a_forged_end_marker_is_noted():
    data = encoded(photo(), quality=95)

    decoded = picture(data[: len(data) // 2] + b"\xff\xd9")

    assert any(note.startswith("flat grey band over the lowest") for note in decoded.notes)


def test_a_grey_road_at_the_bottom_is_not_a_cut_jpeg():
    image = photo()
    image.paste(Image.effect_noise((320, 80), 12).convert("RGB"), (0, 160))

    assert picture(encoded(image, quality=95)).notes == ()


def test_a_progressive_jpeg_needs_its_final_scans():
    whole = encoded(progressive=True)
    last_scan = whole.rfind(b"\xff\xda")

    assert picture(whole).notes == ()
    assert reason(whole[:last_scan] + b"\xff\xd9") == "img.truncated"


def test_bytes_behind_the_end_of_a_jpeg_do_no_harm():
    assert picture(encoded() + b"<html>tail</html>").width == 320


def test_a_jpeg_cut_behind_its_thumbnail_is_not_taken_for_whole():
    thumbnail = encoded(photo(64, 64))
    segment = b"\xff\xe2" + (len(thumbnail) + 2).to_bytes(2, "big") + thumbnail
    whole = encoded()

    assert picture(whole[:2] + segment + whole[2:]).width == 320
    assert reason(whole[:2] + segment + whole[2:-2000]) == "img.truncated"


def test_a_long_picture_is_noted():
    assert picture(encoded(photo(600, 120))).notes == ("aspect 5.0:1",)


def test_decoding_leaves_the_filters_of_warnings_alone():
    before = list(warnings.filters)

    decode(encoded(exif=b"Exif\x00\x00II*\x00\xff\xff\xff\xff"))

    assert warnings.filters == before


def test_a_file_of_ours_opens_upright_however_small(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    path = tmp_path / "small.jpg"
    photo(40, 30).save(path, exif=exif)

    image = open_picture(path)

    assert (image.mode, image.size) == ("RGB", (30, 40))


def test_a_huge_picture_of_ours_is_opened_although_pillow_warns_of_it(tmp_path, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 50_000)  # Pillow warns from here on, and refuses from twice as many
    photo(320, 240).save(tmp_path / "huge.png")

    assert open_picture(tmp_path / "huge.png").size == (320, 240)


@pytest.mark.parametrize(("content", "code"), [(b"<html>", "body.html"), (encoded()[:3000], "img.truncated")])
def test_a_broken_file_of_ours_is_named(tmp_path, content, code):
    path = tmp_path / "broken.jpg"
    path.write_bytes(content)

    with pytest.raises(UnreadablePictureError, match=r"broken\.jpg") as caught:
        open_picture(path)

    assert caught.value.code == code
    assert caught.value.exit_code == 2


def test_two_thousand_mutated_files_never_raise():
    chance = random.Random(7)
    animation = encoded(photo(96, 80), "GIF", save_all=True, append_images=[Image.new("RGB", (96, 80), "red")])
    sources = [
        *(encoded(photo(96, 80), format) for format in ("JPEG", "PNG", "WEBP", "GIF", "BMP")),
        encoded(photo(96, 80), progressive=True),
        encoded(photo(96, 80).convert("CMYK")),
        encoded(photo(96, 80).convert("P"), "PNG", transparency=3),
        animation,
    ]
    outcomes = [decode(mutated(chance.choice(sources), chance), longest=48) for _ in range(2000)]

    assert len(outcomes) == 2000
    assert {outcome.reason for outcome in outcomes if isinstance(outcome, Rejected)} <= set(REASONS)
    assert any(isinstance(outcome, Decoded) for outcome in outcomes)


def mutated(data, chance):
    body = bytearray(data)
    kind = chance.randrange(4)
    if kind == 0:
        del body[chance.randrange(len(body)) :]
    elif kind == 1:
        start = chance.randrange(len(body))
        del body[start : start + chance.randrange(1, 50)]
    elif kind == 2:
        start = chance.randrange(len(body))
        body[start:start] = chance.randbytes(chance.randrange(1, 50))
    else:
        for _ in range(chance.randrange(1, 12)):
            body[chance.randrange(min(len(body), 700))] = chance.randrange(256)
    return bytes(body)


def test_an_error_of_the_system_is_raised_and_one_of_a_decoder_is_a_reason(monkeypatch):
    body = io.BytesIO()
    Image.new("RGB", (80, 80), (1, 90, 200)).save(body, "PNG")

    def failing(error):
        def load(self):
            raise error

        monkeypatch.setattr(ImageFile.ImageFile, "load", load)

    failing(OSError("image file is truncated (3 bytes not processed)"))
    assert decode(body.getvalue(), limits=OWN_FILES).reason == "img.truncated"
    failing(OSError(errno.EIO, "Input/output error"))
    with pytest.raises(OSError, match="Input/output error"):
        decode(body.getvalue(), limits=OWN_FILES)


def test_a_file_that_is_not_there_is_unreadable_and_a_disk_that_fails_is_an_error_of_its_own(tmp_path, monkeypatch):
    with pytest.raises(UnreadablePictureError) as gone:
        open_picture(tmp_path / "gone.jpg")
    assert gone.value.rejected.reason == "fs.missing"

    def failing(self):
        raise OSError(errno.EIO, "Input/output error", str(self))

    monkeypatch.setattr(Path, "read_bytes", failing)
    with pytest.raises(ResourceError, match=r"cannot read .*there\.jpg: Input/output error"):
        open_picture(tmp_path / "there.jpg")
