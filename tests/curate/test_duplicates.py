import numpy as np
import pytest
from drawn_photos import flat, photo
from PIL import ImageOps

from imgkit.components import groups_of
from imgkit.curate.copies.fingerprints import fingerprints
from imgkit.curate.copies.grouping import find_copies
from imgkit.curate.pictures import read_pictures
from imgkit.progress import Silent
from imgkit.vision import resize


@pytest.fixture
def copies_in(builder):
    """Harvest pictures under one label; return the copies among them and the pictures."""

    def find(*images, features=None):
        ids = [builder.add("coral", image) for image in images]
        pictures = sorted(read_pictures(builder.manifest), key=lambda each: ids.index(each.image_id))
        cache = builder.folder.cache
        measured = fingerprints(pictures, cache=cache, progress=Silent())
        return find_copies(pictures, measured, features, near_bits=10, cache=cache, progress=Silent())

    return find


def test_links_make_groups_in_order_of_their_first_member():
    assert groups_of(6, [(4, 5), (1, 3), (3, 0)]) == ((0, 1, 3), (4, 5))


def test_a_mirrored_and_a_shrunk_copy_are_one_group_and_others_stay_out(copies_in):
    source = photo(1)

    found = copies_in(source, ImageOps.mirror(source), source.resize((160, 120)), photo(2), photo(3))

    assert found.near == ((0, 1, 2),)
    assert found.same == ()


def test_flat_pictures_are_not_copies_of_each_other(copies_in):
    found = copies_in(flat((255, 255, 255)), flat((0, 0, 255)), photo(1))

    assert found.near == ()


@pytest.mark.parametrize(
    "worse",
    [
        pytest.param(lambda image: image.resize((200, 150)), id="smaller"),
        pytest.param(lambda image: image.resize((100, 75)).resize((400, 300)), id="blown up"),
        pytest.param(lambda image: image.crop((20, 15, 300, 225)), id="cropped"),
        pytest.param(lambda image: image.convert("L").convert("RGB"), id="without colour"),
        pytest.param(lambda image: ImageOps.expand(image.resize((300, 225)), 24, "white"), id="with a frame"),
        pytest.param(lambda image: resize.jpeg_bytes(image, quality=40), id="more compressed"),
    ],
)
@pytest.mark.parametrize("first", ["original first", "copy first"])
def test_the_best_copy_is_kept_whatever_came_first(copies_in, worse, first):
    source = photo(1)
    pair = [source, worse(source)] if first == "original first" else [worse(source), source]
    alike = np.array([[1, 0], [1, 0], [0, 1]], np.float32)

    found = copies_in(*pair, photo(2), features=alike)

    assert found.near == ((0, 1),)
    assert found.best == (pair.index(source),)


def test_a_good_copy_is_kept_before_a_larger_one_that_is_a_suspect(copies_in):
    source = photo(1)
    nearly_black = source.resize((640, 480)).point(lambda level: round(0.15 * level))

    found = copies_in(nearly_black, source, photo(2))

    assert found.near == ((0, 1),)
    assert found.best == (1,)


def test_a_second_look_compares_nothing_again(builder, copies_in):
    first = copies_in(photo(1), ImageOps.mirror(photo(1)))
    store = next(builder.folder.cache.glob("alignments-*.npz"))
    before = store.stat().st_mtime_ns

    pictures = read_pictures(builder.manifest)
    measured = fingerprints(pictures, cache=builder.folder.cache, progress=Silent())
    second = find_copies(pictures, measured, None, near_bits=10, cache=builder.folder.cache, progress=Silent())

    assert len(first.near) == len(second.near) == 1
    assert store.stat().st_mtime_ns == before


def test_likeness_of_features_alone_makes_no_copy(builder):
    for seed in range(6):
        builder.add("coral", photo(seed))
    pictures = read_pictures(builder.manifest)
    measured = fingerprints(pictures, cache=builder.folder.cache, progress=Silent())
    alike = np.ones((6, 8), np.float32) + np.eye(6, 8, dtype=np.float32) * 0.01

    found = find_copies(pictures, measured, alike, near_bits=10, cache=builder.folder.cache, progress=Silent())

    assert found.near == ()
