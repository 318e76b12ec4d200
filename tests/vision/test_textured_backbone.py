"""A vector with textures: the plain one first, then how each stage's maps are spread, from one pass."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image

from imgkit.vision.backbone import load_backbone
from imgkit.vision.embeddings import count_missing, embed


@pytest.fixture(scope="module")
def plain():
    return load_backbone("tf_efficientnet_lite0", weights="packaged", device="cpu", precision="float32")


@pytest.fixture(scope="module")
def textured():
    return load_backbone("tf_efficientnet_lite0", weights="packaged", device="cpu", precision="float32", textured=True)


def test_the_first_numbers_are_the_plain_vector(plain, textured):
    pixels = np.random.default_rng(0).integers(0, 256, (2, 224, 224, 3), dtype=np.uint8)

    assert textured.plain_dimension == plain.dimension == 1280
    assert textured.dimension == 1280 + 2 * (16 + 24 + 40 + 80 + 112 + 192 + 320)
    assert np.array_equal(textured.features(pixels)[:, :1280], plain.features(pixels))


def test_noise_spreads_the_first_stage_more_than_one_colour_does(textured):
    noise = np.random.default_rng(0).integers(0, 256, (1, 224, 224, 3), dtype=np.uint8)

    deviations = textured.features(np.concatenate([noise, np.full_like(noise, 128)]))[:, 1280 + 16 : 1280 + 32]

    assert deviations[0].mean() > 5 * deviations[1].mean()


def test_several_threads_get_the_vectors_that_each_would_get_alone(textured):
    batches = np.random.default_rng(1).integers(0, 256, (6, 1, 224, 224, 3), dtype=np.uint8)
    alone = [textured.features(batch) for batch in batches]

    with ThreadPoolExecutor(3) as threads:
        together = list(threads.map(textured.features, batches))

    assert all(np.array_equal(one, other) for one, other in zip(alone, together, strict=True))


def test_whoever_wants_plain_vectors_later_finds_them(tmp_path, plain, textured):
    file = tmp_path / "a.png"
    Image.effect_noise((80, 60), 60).convert("RGB").save(file)

    wide = embed([file], textured, cache=tmp_path / "cache", keys=["0" * 64])

    assert count_missing(["0" * 64], plain, cache=tmp_path / "cache") == 0
    assert np.array_equal(embed([file], plain, cache=tmp_path / "cache", keys=["0" * 64])[0], wide[0, :1280])


def test_plain_and_textured_vectors_are_never_taken_for_each_other(plain, textured):
    assert textured.key != plain.key == textured.plain_key
