"""What the room of pixels makes of real photographs and of real odd files."""

import csv

import imagehash
import numpy as np
import pytest
from PIL import Image

from imgkit.vision import phash
from imgkit.vision.decode import Decoded, decode, open_picture
from imgkit.vision.metadata import strip_metadata
from imgkit.vision.resize import shrink

pytestmark = pytest.mark.photos

EXPECTED = {
    "big_ok_9000x9000.png": "img.bomb",
    "bomb_30000x30000_1bit.png": "img.bomb",
    "bomb_claims_2147483647.png": "img.bomb",
    "bomb_claims_60000x60000.png": "img.bomb",
    "empty.jpg": "body.empty",
    "gif_truncated.gif": "img.truncated",
    "gzip_of_jpeg.jpg": "body.not_image",
    "html_saved_as.jpg": "body.html",
    "jpeg_leading_newline.jpg": "body.not_image",
    "jpeg_soi_then_garbage.jpg": "img.truncated",
    "json_error.jpg": "body.not_image",
    "one_byte.jpg": "body.not_image",
    "one_pixel.gif": "img.small",
    "one_pixel.png": "img.small",
    "png_bad_crc.png": "img.truncated",
    "png_truncated.png": "img.truncated",
    "random_50k.jpg": "body.not_image",
    "solid_black.jpg": "img.blank",
    "solid_gray_placeholder.png": "img.blank",
    "svg_saved_as.jpg": "img.format",
    "tall_sprite_40x5000.png": "img.small",
    "truncated_10pct.jpg": "img.truncated",
    "truncated_50pct.jpg": "img.truncated",
    "truncated_90pct.jpg": "img.truncated",
    "truncated_99pct.jpg": "img.truncated",
    "truncated_headeronly.jpg": "img.truncated",
    "webp_truncated.webp": "img.truncated",
    "wide_1x3000.png": "img.small",
    "zeros_50k.jpg": "body.not_image",
}
"""All other odd files are pictures."""


def test_every_odd_file_gets_its_verdict(photos):
    with (photos / "odd.csv").open(encoding="utf-8", newline="") as file:
        files = [row["path"] for row in csv.DictReader(file)]
    outcomes = {path: decode((photos / "odd" / path).read_bytes(), longest=500) for path in files}

    rejected = {
        path.removeprefix("made/"): outcome.reason
        for path, outcome in outcomes.items()
        if not isinstance(outcome, Decoded)
    }

    assert len(files) == 84
    assert rejected == EXPECTED


@pytest.mark.parametrize("kind", ["Landscape", "Portrait"])
def test_photographs_of_all_orientations_are_the_same_picture(photos, kind):
    folder = photos / "odd" / "exif-orientation"
    hashes = [phash.orientations(open_picture(folder / f"{kind}_{n}.jpg")) for n in range(9)]

    assert max((hashes[0].orientations[0] ^ other.orientations[0]).bit_count() for other in hashes) <= 4


def test_stripping_real_files_keeps_every_pixel(photos):
    files = [*sorted((photos / "bears_harvest").rglob("*.*"))[::40], *sorted((photos / "odd").rglob("*.*"))]
    compared = 0
    for file in files:
        data = file.read_bytes()
        before = decode(data)
        if isinstance(before, Decoded):
            after = decode(strip_metadata(data, before.format))
            assert isinstance(after, Decoded), file
            assert np.array_equal(np.asarray(before.image), np.asarray(after.image)), file
            compared += 1

    assert compared > 40


def test_hashes_of_photographs_are_those_of_imagehash(photos):
    files = sorted((photos / "monkeys").rglob("*.jpg"))[::20]

    for file in files:
        with Image.open(file) as image:
            assert f"{phash.orientations(image).value:016x}" == str(imagehash.phash(image)), file


def test_no_photograph_is_flat_and_a_shrunk_copy_is_near(photos):
    for file in sorted((photos / "monkeys").rglob("*.jpg"))[::40]:
        image = open_picture(file)
        original, copy = phash.orientations(image), phash.orientations(shrink(image, 120))
        assert not original.flat, file
        assert (original.orientations[0] ^ copy.orientations[0]).bit_count() <= 4, file
