"""A vector with textures: the plain one first, then what small heads read in the maps of the stages, from one pass."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from PIL import Image

from imgkit.vision.features import textures
from imgkit.vision.features.backbone import load_backbone
from imgkit.vision.features.embeddings import count_missing, embed


@pytest.fixture(scope="module")
def plain():
    return load_backbone("tf_efficientnet_lite0", weights="packaged", device="cpu", precision="float32")


@pytest.fixture(scope="module")
def textured():
    return load_backbone("tf_efficientnet_lite0", weights="packaged", device="cpu", precision="float32", textured=True)


def test_the_first_numbers_are_the_plain_vector(plain, textured):
    pixels = np.random.default_rng(0).integers(0, 256, (2, 224, 224, 3), dtype=np.uint8)

    assert textured.plain_dimension == plain.dimension == 1280
    assert textured.dimension == 1280 + len(textures.heads().names)
    assert np.array_equal(textured.features(pixels)[:, :1280], plain.features(pixels))


def test_the_last_numbers_are_what_the_heads_read_in_the_textures(textured):
    pixels = np.random.default_rng(0).integers(0, 256, (2, 224, 224, 3), dtype=np.uint8)

    plain, found = textured.features_and_textures(pixels)

    assert found.shape == (2, textures.heads().textures)
    assert np.array_equal(textured.features(pixels), np.hstack([plain, textures.heads().read(found)]))


def test_noise_spreads_the_first_stage_more_than_one_colour_does(textured):
    noise = np.random.default_rng(0).integers(0, 256, (1, 224, 224, 3), dtype=np.uint8)
    found = textured.features_and_textures(np.concatenate([noise, np.full_like(noise, 128)]))[1]
    deviations = found[:, 1280 + 16 : 1280 + 32]

    assert deviations[0].mean() > 2 * deviations[1].mean()


def test_correlations_say_which_channels_go_together_whatever_their_contrast():
    pattern = torch.rand(1, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    maps = torch.cat([pattern, 5 * pattern + 2, -pattern, torch.zeros_like(pattern)], dim=1)

    found = textures.stage_textures(maps, correlated=True)[0, 8:]  # after means and spreads

    assert found == pytest.approx([1, -1, 0, -1, 0, 0], abs=0.03)


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
