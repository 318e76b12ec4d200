import pytest
import torch

from imgkit.train.data.augment import Augmentation, RandomDraws, augment, colours_of, warp
from imgkit.train.data.batches import generator

NO_CHANGE = {name: torch.zeros(1) for name in ("brightness", "contrast", "saturation")}
WHOLE = torch.tensor([[[1.0, 0, 0], [0, 1.0, 0]]])
NEXT_TO_NOTHING = torch.tensor([[[0, 1e-7, 0], [0, 0, 0]]])
STEP = 4 / 255  # from one pixel of the ramp to the next


def ramp():
    """A picture that gets brighter from left to right and redder from top to bottom."""
    row = torch.arange(0, 256, 4, dtype=torch.uint8)
    return torch.stack([row[:, None].expand(64, 64), row.expand(64, 64), row.expand(64, 64)])[None]


def shown(pixels, maps=WHOLE, size=64, **strengths):
    picked = NO_CHANGE | {name: torch.tensor([strength]) for name, strength in strengths.items()}
    return warp(pixels, maps, colours_of(picked), size=size)


def grey(*values):
    """Two halves of these greys, or one colour."""
    return torch.tensor(values, dtype=torch.uint8).view(1, 1, 1, -1).expand(1, 3, 8, -1).contiguous()


def test_the_whole_picture_at_its_own_size_is_the_picture():
    assert torch.allclose(shown(ramp()), ramp() / 255)


@pytest.mark.parametrize("across", [0.7, -0.7, 1.0, -1.0, 0.31])
def test_an_upright_part_shows_what_a_part_shows_that_is_sheared_by_next_to_nothing(across):
    maps = torch.tensor([[[across, 0, 0.2 * (1 - abs(across))], [0, 0.55, -0.4]]])

    upright, sheared = shown(ramp(), maps, 32), shown(ramp(), maps + NEXT_TO_NOTHING, 32)

    assert (upright - sheared).abs().max() < STEP
    assert (upright - sheared).abs().mean() < STEP / 2


def test_a_picture_turned_by_a_quarter_has_its_rows_as_columns():
    quarter = torch.tensor([[[0, 1.0, 0], [1.0, 0, 0]]])

    turned = shown(ramp(), quarter)

    assert torch.allclose(turned, (ramp() / 255).transpose(2, 3), atol=1e-4)


def test_brightness_scales_every_value_and_stops_at_white():
    changed = shown(grey(100, 200), WHOLE, 2, brightness=1.0)

    assert torch.allclose(changed[0, 0, 0], torch.tensor([160 / 255, 1.0]), atol=1e-4)


def test_less_contrast_draws_every_value_to_the_mean():
    pixels = torch.tensor([50, 150], dtype=torch.uint8).repeat_interleave(4).view(1, 1, 1, 8).expand(1, 3, 8, 8)

    changed = shown(pixels.contiguous(), WHOLE, 8, contrast=-1.0)

    assert torch.allclose(changed[0, :, 0, 0], torch.tensor([80 / 255] * 3), atol=1e-4)
    assert torch.allclose(changed[0, :, 0, 7], torch.tensor([120 / 255] * 3), atol=1e-4)


def test_less_saturation_draws_colours_to_their_own_grey_which_stays():
    red = torch.tensor([200, 0, 0], dtype=torch.uint8).view(1, 3, 1, 1).expand(1, 3, 8, 8)

    changed = shown(red.contiguous(), WHOLE, 8, saturation=-1.0)

    luma = 0.299 * 200
    wanted = torch.tensor([0.4 * 200 + 0.6 * luma, 0.6 * luma, 0.6 * luma]) / 255
    assert torch.allclose(changed[0, :, 3, 3], wanted, atol=1e-4)


def test_each_picture_of_a_batch_gets_its_own_colours():
    pixels = grey(100).expand(6, 3, 8, 1).expand(6, 3, 8, 8)
    picked = {name: torch.zeros(6) for name in ("brightness", "contrast", "saturation")}
    picked["brightness"] = torch.tensor([0.0, 0.5, 0.0, -0.5, 1.0, -1.0])

    changed = warp(pixels, WHOLE.expand(6, 2, 3), colours_of(picked), size=8)

    wanted = [100 / 255, 130 / 255, 100 / 255, 70 / 255, 160 / 255, 40 / 255]
    assert changed[:, 0, 0, 0].tolist() == pytest.approx(wanted, abs=1e-4)


def test_about_a_tenth_of_the_pictures_get_a_grey_box_of_at_most_a_fifth():
    white, sizes = torch.full((400, 3, 16, 16), 255, dtype=torch.uint8), torch.full((400, 2), 100.0)

    images = augment(white, sizes, Augmentation(size=32), RandomDraws(generator(0, 0), 400))

    covered = (images == 0.5).all(dim=1).float().mean(dim=(1, 2))
    assert 20 <= (covered > 0).sum() <= 60
    assert covered.max() <= 0.25
