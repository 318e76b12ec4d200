"""What a network sees of a picture is, pixel for pixel, what timm's own transform for evaluation makes of it."""

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from imgkit.vision.decode import decode
from imgkit.vision.features import torchvision_ops
from imgkit.vision.preparing import Preprocessing, prepare

torchvision_ops.ensure()
from timm.data import create_transform  # noqa: E402

FORM = Preprocessing(size=224, crop=0.875, interpolation="bicubic", mean=(0.5,) * 3, std=(0.5,) * 3)


def noise(width, height, *, seed=0):
    rng = np.random.default_rng(seed)
    coarse = Image.fromarray(rng.integers(0, 256, (9, 9, 3), np.uint8)).resize(
        (width, height), Image.Resampling.BICUBIC
    )
    fine = rng.integers(-40, 41, (height, width, 3))
    return Image.fromarray(np.clip(np.asarray(coarse).astype(int) + fine, 0, 255).astype(np.uint8))


def by_timm(image, form):
    """(S, S, 3) bytes of timm's transform, before it normalises."""
    transform = create_transform(
        input_size=(3, form.size, form.size),
        interpolation=form.interpolation,
        crop_pct=form.crop,
        mean=(0.0,) * 3,
        std=(1.0,) * 3,
    )
    return (transform(image).numpy() * 255).round().astype(np.uint8).transpose(1, 2, 0)


@pytest.mark.parametrize(
    "size",
    [(500, 375), (375, 500), (207, 320), (1000, 667), (224, 224), (256, 300), (333, 999), (80, 60), (2000, 1500)],
)
@pytest.mark.parametrize("crop", [0.875, 0.95, 0.9, 1.0])
def test_the_pixels_are_those_of_timm(size, crop):
    form = Preprocessing(size=224, crop=crop, interpolation="bicubic", mean=FORM.mean, std=FORM.std)
    image = noise(*size)

    assert np.array_equal(prepare(image, form), by_timm(image, form))


@settings(max_examples=40)
@given(
    width=st.integers(40, 700),
    ratio=st.floats(0.3, 3.4),
    side=st.sampled_from([64, 96, 160, 224, 288]),
    crop=st.sampled_from([0.875, 0.9, 0.95, 0.965, 1.0]),
    interpolation=st.sampled_from(["bicubic", "bilinear"]),
)
def test_so_they_are_for_any_size_and_network(width, ratio, side, crop, interpolation):
    form = Preprocessing(size=side, crop=crop, interpolation=interpolation, mean=FORM.mean, std=FORM.std)
    image = noise(width, max(1, round(width / ratio)))

    assert np.array_equal(prepare(image, form), by_timm(image, form))


@pytest.mark.parametrize("size", [(3000, 200), (200, 3000)])
def test_a_long_strip_is_cut_before_it_is_resized_and_differs_by_rounding(size):
    image = noise(*size)

    difference = np.abs(prepare(image, FORM).astype(int) - by_timm(image, FORM))

    assert difference.max() <= 16
    assert difference.mean() < 0.5


def test_a_strip_of_one_pixel_takes_no_memory_of_its_length():
    assert prepare(Image.new("RGB", (60_000, 1), (9, 9, 9)), FORM).shape == (224, 224, 3)


@pytest.mark.parametrize(
    ("size", "decoded"),
    [
        ((1000, 750), (1000, 750)),
        ((2000, 1500), (2000, 1500)),
        ((2800, 2100), (1400, 1050)),
        ((4400, 8800), (1100, 2200)),
    ],
)
def test_a_large_jpeg_is_decoded_at_four_times_the_wanted_side_or_more(size, decoded):
    body = io.BytesIO()
    Image.linear_gradient("L").resize(size).convert("RGB").save(body, "JPEG")

    assert decode(body.getvalue(), shortest=FORM.shortest).image.size == decoded


def test_the_shorter_side_is_rounded_down_as_timm_does():
    shortest = [
        Preprocessing(size=224, crop=crop, interpolation="bicubic", mean=FORM.mean, std=FORM.std).shortest
        for crop in (0.875, 0.95, 0.9, 1.0)
    ]
    assert shortest == [256, 235, 248, 224]
