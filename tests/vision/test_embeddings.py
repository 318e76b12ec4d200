import numpy as np
import pytest
from PIL import Image

from imgkit.files import sha256_of
from imgkit.progress import Silent
from imgkit.vision.decode import UnreadablePictureError
from imgkit.vision.features.backbone import load_backbone
from imgkit.vision.features.embeddings import embed, embed_readable


@pytest.fixture(scope="module")
def backbone():
    return load_backbone(device="cpu", precision="float32")


@pytest.fixture
def paths(tmp_path):
    chance = np.random.default_rng(0)
    made = []
    for number in range(11):
        noise = Image.fromarray(chance.integers(0, 255, (6, 6, 3), dtype=np.uint8))
        made.append(tmp_path / f"{number}.jpg")
        noise.resize((320, 240), Image.Resampling.BICUBIC).save(made[-1], quality=90)
    return made


class Counting(Silent):
    """Progress that remembers how many pictures had to be computed."""

    def __init__(self):
        self.totals, self.steps = [], 0

    def start(self, title, total=None):
        self.totals.append(total)

    def advance(self, steps=1, note=""):
        self.steps += steps


def test_each_file_gets_its_row_in_order(paths, backbone):
    features = embed(paths, backbone, cache=None)
    backwards = embed(paths[::-1], backbone, cache=None)

    assert (features.shape, features.dtype) == ((11, 1280), np.float32)
    assert np.allclose(features, backwards[::-1], atol=1e-4)
    with Image.open(paths[3]) as image:
        assert np.allclose(features[3], backbone.features(backbone.prepare(image)[None])[0], atol=1e-4)


def test_no_files_give_no_rows(backbone):
    assert embed([], backbone, cache=None).shape == (0, 1280)


def test_the_second_time_everything_is_in_the_cache_under_whatever_name(paths, backbone, tmp_path):
    first = embed(paths, backbone, cache=tmp_path / "cache")
    renamed = [path.rename(path.with_suffix(".jpeg")) for path in paths]
    progress = Counting()

    second = embed(renamed, backbone, cache=tmp_path / "cache", progress=progress)

    assert progress.totals == [0]
    assert np.array_equal(first, second)


def test_only_what_is_new_is_computed_and_copies_once(paths, backbone, tmp_path):
    embed(paths[:5], backbone, cache=tmp_path / "cache")
    copy = tmp_path / "copy.jpg"
    copy.write_bytes(paths[7].read_bytes())
    progress = Counting()

    features = embed([*paths, copy], backbone, cache=tmp_path / "cache", progress=progress)

    assert (progress.totals, progress.steps) == ([6], 6)
    assert np.array_equal(features[7], features[11])


def test_known_hashes_are_taken_at_their_word(paths, backbone, tmp_path):
    keys = [sha256_of(path) for path in paths]
    expected = embed(paths, backbone, cache=tmp_path / "cache", keys=keys)

    absent = [path.with_name("gone.jpg") for path in paths]

    assert np.array_equal(embed(absent, backbone, cache=tmp_path / "cache", keys=keys), expected)


def test_a_broken_file_is_named_and_the_work_on_the_others_is_kept(paths, backbone, tmp_path):
    paths[4].write_bytes(paths[4].read_bytes()[:2000])

    with pytest.raises(UnreadablePictureError, match=r"4\.jpg"):
        embed(paths, backbone, cache=tmp_path / "cache")

    progress = Counting()
    embedded = embed_readable(paths, backbone, cache=tmp_path / "cache", progress=progress)
    assert progress.totals == [1]
    assert list(embedded.unreadable) == [4]
    assert embedded.unreadable[4].code == "img.truncated"
    assert np.isnan(embedded.features).any(axis=1).tolist() == [index == 4 for index in range(11)]


def test_a_missing_file_is_reported_like_a_broken_one(paths, backbone, tmp_path):
    paths[2].unlink()

    embedded = embed_readable(paths, backbone, cache=tmp_path / "cache")

    assert list(embedded.unreadable) == [2]
    assert embedded.unreadable[2].path == paths[2]


def test_the_mirrored_view_is_the_same_for_a_picture_and_its_mirror_image(paths, backbone, tmp_path):
    mirrored = tmp_path / "mirrored.png"
    with Image.open(paths[0]) as whole:
        image = whole.crop((40, 0, 280, 240))  # square: its middle is the middle of its mirror image, to the pixel
        image.save(tmp_path / "plain.png")
        image.transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(mirrored)

    plain, turned = embed([tmp_path / "plain.png", mirrored], backbone, cache=None, view="middle and mirror")
    middle = embed([tmp_path / "plain.png"], backbone, cache=None)

    assert np.allclose(plain, turned, atol=0.05)
    assert not np.allclose(plain, middle, atol=0.05)


def test_views_do_not_share_their_cache(paths, backbone, tmp_path):
    middle = embed(paths, backbone, cache=tmp_path / "cache")
    both = embed(paths, backbone, cache=tmp_path / "cache", view="middle and mirror")

    assert not np.allclose(middle, both, atol=0.05)


def test_a_cache_that_cannot_be_written_costs_time_and_nothing_else(paths, backbone, tmp_path, caplog):
    (tmp_path / "cache").write_text("a file where the folder should be", encoding="utf-8")

    features = embed(paths, backbone, cache=tmp_path / "cache")

    assert not np.isnan(features).any()
    assert "cannot write the cache" in caplog.text


def test_a_small_and_a_huge_picture_are_seen_alike(backbone, tmp_path):
    base = Image.fromarray(np.random.default_rng(1).integers(0, 255, (6, 6, 3), dtype=np.uint8))
    for name, size in (("small.jpg", (640, 480)), ("huge.jpg", (3200, 2400))):
        base.resize(size, Image.Resampling.BICUBIC).save(tmp_path / name, quality=95)

    small, huge = embed([tmp_path / "small.jpg", tmp_path / "huge.jpg"], backbone, cache=None)

    assert small @ huge / np.linalg.norm(small) / np.linalg.norm(huge) > 0.97
