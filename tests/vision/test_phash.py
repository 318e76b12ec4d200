import imagehash
import numpy as np
import pytest
from PIL import Image, ImageDraw

from imgkit.vision import phash


def scene(seed, size=(320, 240)):
    random = np.random.default_rng(seed)
    image = Image.new("RGB", size, tuple(int(c) for c in random.integers(0, 255, 3)))
    draw = ImageDraw.Draw(image)
    for _ in range(12):
        x, y = random.integers(0, size[0]), random.integers(0, size[1])
        radius = int(random.integers(10, 80))
        draw.ellipse(
            [x - radius, y - radius, x + radius, y + radius], fill=tuple(int(c) for c in random.integers(0, 255, 3))
        )
    return image


def distance(first, second):
    """The number of bits in which two hashes differ."""
    return (first ^ second).bit_count()


@pytest.mark.parametrize("seed", range(20))
def test_the_64_bit_hash_is_that_of_imagehash_bit_for_bit(seed):
    image = scene(seed)

    assert f"{phash.orientations(image).value:016x}" == str(imagehash.phash(image))


def test_hashing_many_at_once_gives_the_hashes_of_one_at_a_time():
    images = [scene(seed) for seed in range(5)]

    batch = phash.hash_thumbnails(np.stack([phash.thumbnail(image) for image in images]))

    assert batch == [phash.orientations(image) for image in images]


@pytest.mark.parametrize(
    ("index", "turn"),
    [
        pytest.param(1, Image.Transpose.FLIP_LEFT_RIGHT, id="mirrored"),
        pytest.param(2, Image.Transpose.FLIP_TOP_BOTTOM, id="upside down"),
        pytest.param(3, Image.Transpose.ROTATE_180, id="turned by 180"),
        pytest.param(4, Image.Transpose.TRANSPOSE, id="transposed"),
        pytest.param(5, Image.Transpose.ROTATE_270, id="quarter turn clockwise"),
        pytest.param(6, Image.Transpose.ROTATE_90, id="quarter turn anticlockwise"),
        pytest.param(7, Image.Transpose.TRANSVERSE, id="transposed the other way"),
    ],
)
def test_the_hash_of_a_turned_copy_is_the_variant_of_the_original(index, turn):
    original, turned = phash.orientations(scene(3)), phash.orientations(scene(3).transpose(turn))

    assert distance(original.orientations[index], turned.orientations[0]) <= 2
    assert distance(original.orientations[0], turned.orientations[0]) > 12
    assert min(distance(turned.orientations[0], one) for one in original.orientations) <= 2


def test_a_resized_copy_is_near_and_another_picture_is_far():
    original = phash.orientations(scene(1))
    copy = phash.orientations(scene(1).resize((160, 120), Image.Resampling.BICUBIC))
    other = phash.orientations(scene(2))

    assert min(distance(original.orientations[0], one) for one in copy.orientations) <= 2
    assert min(distance(original.orientations[0], one) for one in other.orientations) > 10


@pytest.mark.parametrize("colour", ["white", "blue", "black"])
def test_a_flat_picture_says_that_its_hash_means_nothing(colour):
    assert phash.orientations(Image.new("RGB", (300, 200), colour)).flat


def test_a_picture_with_structure_is_not_flat():
    assert not phash.orientations(scene(1)).flat


def test_distances_of_arrays_count_differing_bits():
    first = np.array([0b1011, 0], dtype=np.uint64)
    second = np.array([0b0001, 2**64 - 1], dtype=np.uint64)

    assert phash.distances(first[:, None], second[None]).tolist() == [[2, 61], [1, 64]]
