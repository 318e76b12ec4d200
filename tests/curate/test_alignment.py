import io

import pytest
from drawn_photos import photo
from PIL import Image, ImageDraw, ImageEnhance, ImageOps

from imgkit.curate.copies.alignment import align, grey_square, oriented
from imgkit.curate.copies.grouping import COPY_FROM, RELATED_FROM, Copy

SOURCE = photo(1)


def recompressed(image):
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=30)
    return Image.open(buffer).convert("RGB")


def captioned(image):
    marked = image.copy()
    width, height = marked.size
    draw = ImageDraw.Draw(marked)
    draw.rectangle((0, round(0.88 * height), width, height), fill="black")
    draw.text((20, round(0.9 * height)), "example.com", fill="white")
    return marked


COPIES = [
    pytest.param(recompressed, id="strong compression"),
    pytest.param(lambda image: image.resize((160, 120)), id="half the size"),
    pytest.param(lambda image: image.resize((200, 200)), id="squeezed to a square"),
    pytest.param(lambda image: image.crop((48, 36, 272, 204)), id="the middle 70 %"),
    pytest.param(lambda image: image.crop((0, 0, 320, 190)).resize((320, 240)), id="cut below and stretched"),
    pytest.param(ImageOps.mirror, id="mirrored"),
    pytest.param(ImageOps.flip, id="upside down"),
    pytest.param(lambda image: image.transpose(Image.Transpose.ROTATE_90), id="turned by 90°"),
    pytest.param(lambda image: ImageEnhance.Brightness(image).enhance(1.4), id="brighter"),
    pytest.param(lambda image: ImageOps.expand(image, 19, "white"), id="white border"),
    pytest.param(captioned, id="caption bar"),
    pytest.param(lambda image: image.convert("L").convert("RGB"), id="grey"),
]


@pytest.mark.parametrize("change", COPIES)
def test_a_changed_copy_is_recognised(change):
    found = align(grey_square(SOURCE), grey_square(change(SOURCE)), turn=True)

    assert Copy(0, 1, found).is_copy


def test_a_square_picture_turned_by_20_degrees_is_recognised_when_angles_are_asked_for():
    square = photo(1, width=240, height=240)

    found = align(grey_square(square), grey_square(square.rotate(20)), turn=True)

    assert Copy(0, 1, found).is_copy
    assert found.angle == -20


def test_a_picture_whose_blocks_are_alike_but_not_the_same_is_kin_and_no_copy():
    other_light = Image.blend(SOURCE, photo(2), 0.3)

    found = align(grey_square(SOURCE), grey_square(other_light), turn=True)

    assert found.agreement >= COPY_FROM
    assert not Copy(0, 1, found).is_copy


@pytest.mark.parametrize("seed", range(2, 10))
def test_another_picture_is_not_even_kin(seed):
    found = align(grey_square(SOURCE), grey_square(photo(seed)), turn=True)

    assert found.agreement < RELATED_FROM


def test_a_crop_is_inside_and_shows_half_of_the_area():
    crop = SOURCE.crop((48, 36, 272, 204))

    found = align(grey_square(SOURCE), grey_square(crop))

    assert found.inside == "second"
    assert found.area == pytest.approx(0.49, abs=0.06)
    assert align(grey_square(crop), grey_square(SOURCE)).inside == "first"


@pytest.mark.parametrize("index", range(8))
def test_the_orientation_is_named_as_the_perceptual_hashes_name_it(index):
    square = grey_square(SOURCE)

    found = align(square, oriented(square, index))

    assert (oriented(oriented(square, index), found.orientation) == square).all()
    assert found.agreement == 1.0
