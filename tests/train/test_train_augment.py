import numpy as np
import pytest
import torch
from PIL import Image

from imgkit.train.data.augment import ERASE_SHARE, Augmentation, RandomDraws, _erase, augment, crop_maps
from imgkit.train.data.batches import generator, step_seed
from imgkit.train.data.pixel_cache import squash

NOTHING = {name: torch.zeros(64) for name in ("rotate", "shear x", "shear y")}


def dice(seed, step, whole=64, part=None):
    return RandomDraws(generator(seed, step), whole, part)


def squashed(image: Image.Image, side: int = 64):
    pixels = torch.from_numpy(squash(image, side).copy()).permute(2, 0, 1)[None]
    return pixels, torch.tensor([image.size], dtype=torch.float32)


@pytest.mark.parametrize("size", [(300, 100), (100, 300), (200, 200), (1000, 100)])
def test_a_crop_keeps_proportions_however_long_the_picture_is(size):
    sizes = torch.tensor([size] * 64, dtype=torch.float32)

    maps = crop_maps(sizes, Augmentation(size=32), NOTHING, dice(0, 0))

    wide, high = maps[:, 0, 0].abs() * size[0], maps[:, 1, 1] * size[1]
    assert ((wide / high) >= 0.7499).all()
    assert ((wide / high) <= 1.3334).all()


def test_a_crop_stays_inside_the_picture():
    sizes = torch.tensor([[200.0, 100.0]] * 64)

    maps = crop_maps(sizes, Augmentation(size=32), NOTHING, dice(0, 0))

    assert (maps[:, 0, 2].abs() + maps[:, 0, 0].abs() <= 1.0001).all()
    assert (maps[:, 1, 2].abs() + maps[:, 1, 1].abs() <= 1.0001).all()


def test_a_crop_shows_at_least_the_smallest_share_that_was_asked_for():
    sizes = torch.tensor([[120.0, 100.0]] * 64)

    maps = crop_maps(sizes, Augmentation(size=32, crop_area=0.35), NOTHING, dice(0, 0))
    areas = maps[:, 0, 0].abs() * maps[:, 1, 1]

    assert areas.max() <= 1.0001
    assert areas.min() >= 0.3


def test_without_flip_left_stays_left():
    image = Image.fromarray(np.concatenate([np.zeros((64, 32, 3)), np.full((64, 32, 3), 255)], axis=1).astype(np.uint8))
    pixels, sizes = squashed(image)
    many = pixels.repeat(48, 1, 1, 1), sizes.repeat(48, 1)

    kept = augment(*many, Augmentation(size=32, flip=False, crop_area=0.9), dice(0, 1, 48))
    flipped = augment(*many, Augmentation(size=32, crop_area=0.9), dice(0, 1, 48))

    assert (kept[..., :8].mean(dim=(1, 2, 3)) < kept[..., -8:].mean(dim=(1, 2, 3))).all()
    assert 10 < (flipped[..., :8].mean(dim=(1, 2, 3)) > flipped[..., -8:].mean(dim=(1, 2, 3))).sum() < 38


def test_keep_color_leaves_colours_more_alike_than_without_it():
    red = Image.new("RGB", (80, 60), (180, 60, 20))
    pixels, sizes = squashed(red)
    many = pixels.repeat(64, 1, 1, 1), sizes.repeat(64, 1)

    kept = augment(*many, Augmentation(size=16, keep_color=True), dice(0, 2))
    varied = augment(*many, Augmentation(size=16), dice(0, 2))

    def spread(images):
        means = images.amax(dim=(2, 3))
        return (means[:, 0] - means[:, 2]) / means.mean(dim=1)

    assert spread(kept).std() < spread(varied).std()


def test_values_stay_between_nothing_and_one():
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (50, 70, 3), dtype=np.uint8))
    pixels, sizes = squashed(image)

    images = augment(pixels.repeat(64, 1, 1, 1), sizes.repeat(64, 1), Augmentation(size=24), dice(0, 3))

    assert images.shape == (64, 3, 24, 24)
    assert images.min() >= 0
    assert images.max() <= 1


def test_the_same_step_gives_the_same_pictures_and_another_step_others():
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (50, 70, 3), dtype=np.uint8))
    batch = tuple(each.repeat(8, *[1] * (each.ndim - 1)) for each in squashed(image))

    first, again, other = (augment(*batch, Augmentation(size=24), dice(5, step, 8)) for step in (7, 7, 8))

    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_parts_of_a_batch_are_varied_just_as_in_the_whole_batch():
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (50, 70, 3), dtype=np.uint8))
    pixels, sizes = (each.repeat(5, *[1] * (each.ndim - 1)) for each in squashed(image))

    whole = augment(pixels, sizes, Augmentation(size=24), dice(1, 2, 5))
    first = augment(pixels[:2], sizes[:2], Augmentation(size=24), dice(1, 2, 5, slice(0, 2)))
    second = augment(pixels[2:], sizes[2:], Augmentation(size=24), dice(1, 2, 5, slice(2, 5)))

    assert torch.equal(torch.cat([first, second]), whole)


def test_no_two_steps_of_ten_runs_share_their_random_numbers():
    seeds = {step_seed(seed, step) for seed in range(10) for step in range(-50, 2000)}

    assert len(seeds) == 10 * 2050


def test_a_tenth_of_the_pictures_loses_a_box_of_two_to_twenty_percent():
    images = _erase(torch.full((4000, 1, 96, 96), 0.9), dice(0, 0, whole=4000))

    covered = (images == 0.5).float().mean(dim=(1, 2, 3))
    erased = covered[covered > 0]

    assert len(erased) / 4000 == pytest.approx(ERASE_SHARE, abs=0.015)
    assert ERASE_SHARE == 0.1
    assert erased.max() <= 0.205  # whole pixels
    assert erased.quantile(0.9) >= 0.12
    assert erased.mean() == pytest.approx(0.08, abs=0.02)  # 0.11 less what lies outside of the picture
