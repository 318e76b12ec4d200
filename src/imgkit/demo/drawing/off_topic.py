"""What a search returns though nobody asked for it: charts, pages, maps, logos, and things on the same grounds."""

from collections.abc import Callable
from typing import Final, TypeAlias

import numpy as np
from PIL import Image, ImageDraw

from imgkit.demo.drawing import backgrounds, camera
from imgkit.demo.drawing.textures import Colour, Field, Pixels, fractal, tinted, to_image, varied

Flat: TypeAlias = Callable[[np.random.Generator, int, int], Image.Image]
Thing: TypeAlias = Callable[[np.random.Generator, ImageDraw.ImageDraw, float, float, float], None]
"""Draws one thing around a place in px, at a size in px."""

INKS: Final[tuple[Colour, ...]] = ((46, 94, 152), (206, 92, 56), (72, 142, 90), (148, 86, 152), (212, 166, 54))
WORDS: Final = (
    *("the", "of", "snake", "bands", "venom", "range", "toad", "county", "field", "notes"),
    *("length", "scale", "north", "species", "dry", "pine", "found", "may", "rain"),
)


def chart(rng: np.random.Generator, width: int, height: int) -> Image.Image:
    """Bars with axes and a title."""
    image = Image.new("RGB", (width, height), (252, 252, 250))
    draw = ImageDraw.Draw(image)
    left, bottom, top = width * 0.12, height * 0.86, height * 0.16
    draw.text((width / 2, height * 0.08), "Sightings per month", fill=(40, 40, 40), anchor="mm", font_size=height // 16)
    for level in np.linspace(top, bottom, 6):
        draw.line((left, level, width * 0.95, level), fill=(220, 220, 220))
    bars = int(rng.integers(5, 12))
    step = (width * 0.95 - left) / bars
    ink = varied(rng, INKS[rng.integers(len(INKS))])
    for number in range(bars):
        x, tall = left + step * (number + 0.2), rng.uniform(0.1, 1) * (bottom - top)
        draw.rectangle((x, bottom - tall, x + step * 0.6, bottom), fill=ink)
    draw.line((left, top, left, bottom, width * 0.95, bottom), fill=(60, 60, 60), width=2)
    return image


def page(rng: np.random.Generator, width: int, height: int) -> Image.Image:
    """A page of text."""
    image = Image.new("RGB", (width, height), varied(rng, (248, 245, 236), 5))
    draw = ImageDraw.Draw(image)
    size = max(9, height // 30)
    draw.text((width * 0.1, height * 0.06), "Notes from the field", fill=(30, 30, 30), font_size=size * 2)
    y = height * 0.18
    while y < height * 0.94:
        line = " ".join(rng.choice(WORDS, int(width * 0.8 / size / 2.4)))
        draw.text((width * 0.1, y), line, fill=(50, 50, 55), font_size=size)
        y += size * 1.5
    return image


def map_(rng: np.random.Generator, width: int, height: int) -> Image.Image:
    """A map with land, water, roads and a range."""
    land = fractal(rng, width, height, cell=min(width, height) * 0.6, octaves=5)
    pixels = tinted(land, [(158, 196, 220), (166, 204, 226), (232, 228, 206), (214, 222, 184), (196, 206, 160)])
    image = to_image(pixels)
    draw = ImageDraw.Draw(image)
    for _ in range(6):
        xs = np.linspace(0, width, 40)
        ys = rng.uniform(0, height) + height * 0.3 * np.sin(xs / width * rng.uniform(2, 9) + rng.uniform(0, 6))
        draw.line(list(zip(xs.tolist(), ys.tolist(), strict=True)), fill=(206, 150, 90), width=3, joint="curve")
    for _ in range(9):
        x, y = rng.uniform(0, width), rng.uniform(0, height)
        draw.ellipse((x - 3, y - 3, x + 3, y + 3), fill=(60, 60, 60))
        draw.text((x + 6, y), str(rng.choice(WORDS)).title(), fill=(50, 50, 60), font_size=max(9, height // 32))
    return image


def logo(rng: np.random.Generator, width: int, height: int) -> Image.Image:
    """A badge on white."""
    image = Image.new("RGB", (width, height), (255, 255, 255))
    draw = ImageDraw.Draw(image)
    r, cx, cy = min(width, height) * 0.36, width / 2, height / 2
    ink, second = varied(rng, INKS[rng.integers(len(INKS))]), varied(rng, INKS[rng.integers(len(INKS))])
    draw.ellipse((cx - r, cy - r, cx + r, cy + r), fill=ink)
    draw.ellipse((cx - r * 0.82, cy - r * 0.82, cx + r * 0.82, cy + r * 0.82), outline=(255, 255, 255), width=4)
    draw.regular_polygon((cx, cy - r * 0.15, r * 0.45), int(rng.integers(3, 7)), fill=second)
    name = str(rng.choice(["SERPENT", "NORTH TRAIL", "PINE & CO", "REPTILIA"]))
    draw.text((cx, cy + r * 0.5), name, fill=(255, 255, 255), anchor="mm", font_size=r * 0.2)
    return image


def landscape(rng: np.random.Generator, width: int, height: int) -> Image.Image:
    """Ranges of hills under an evening sky."""
    rows = np.linspace(0, 1, height, dtype=np.float32)[:, None].repeat(width, axis=1)
    image = to_image(tinted(rows, [(76, 110, 168), (168, 176, 190), (246, 204, 150), (250, 226, 190)]))
    draw = ImageDraw.Draw(image)
    sun = width * rng.uniform(0.2, 0.8)
    draw.ellipse((sun - height * 0.06, height * 0.32, sun + height * 0.06, height * 0.44), fill=(255, 240, 200))
    xs = np.linspace(0, width, 80)
    for number in range(4):
        top = height * (0.42 + 0.15 * number)
        waves = np.sin(xs / width * rng.uniform(4, 9) + rng.uniform(0, 6)) + 0.5 * np.sin(
            xs / width * rng.uniform(12, 20)
        )
        ridge = list(zip(xs.tolist(), (top + height * 0.05 * waves).tolist(), strict=True))
        fade = 1 - number / 4
        tone = (int(40 + 70 * fade), int(60 + 60 * fade), int(70 + 80 * fade))
        draw.polygon([(0, height), *ridge, (width, height)], fill=tone)
    return image


def _mug(rng: np.random.Generator, draw: ImageDraw.ImageDraw, x: float, y: float, s: float) -> None:
    tone = varied(rng, INKS[rng.integers(len(INKS))])
    dark = tuple(int(channel * 0.7) for channel in tone)
    draw.ellipse((x + s * 0.2, y - s * 0.24, x + s * 0.72, y + s * 0.26), outline=dark, width=round(s * 0.1))
    draw.rectangle((x - s * 0.4, y - s * 0.4, x + s * 0.4, y + s * 0.4), fill=tone)
    draw.ellipse((x - s * 0.4, y + s * 0.24, x + s * 0.4, y + s * 0.54), fill=tone)
    draw.rectangle((x + s * 0.22, y - s * 0.4, x + s * 0.4, y + s * 0.42), fill=dark)
    draw.ellipse((x - s * 0.4, y - s * 0.54, x + s * 0.4, y - s * 0.26), fill=(236, 232, 226))
    draw.ellipse((x - s * 0.35, y - s * 0.51, x + s * 0.35, y - s * 0.29), fill=(64, 38, 24))


def _flower(rng: np.random.Generator, draw: ImageDraw.ImageDraw, x: float, y: float, s: float) -> None:
    tone = [(232, 226, 236), (226, 96, 140), (236, 190, 60), (150, 100, 200)][rng.integers(4)]
    draw.line((x, y, x + s * 0.2, y + s * 0.9), fill=(64, 104, 44), width=round(s * 0.07))
    petals = int(rng.integers(6, 14))
    for number in range(petals):
        angle = 2 * np.pi * number / petals
        px, py = x + s * 0.34 * np.cos(angle), y + s * 0.34 * np.sin(angle)
        r = s * 0.2
        draw.ellipse((px - r, py - r, px + r, py + r), fill=varied(rng, tone, 8), outline=varied(rng, (170, 130, 120)))
    r = s * 0.2
    draw.ellipse((x - r, y - r, x + r, y + r), fill=(196, 140, 40), outline=(140, 92, 30), width=3)


def _rope(rng: np.random.Generator, draw: ImageDraw.ImageDraw, x: float, y: float, s: float) -> None:
    tone = varied(rng, [(198, 170, 122), (206, 206, 198), (72, 112, 168)][rng.integers(3)], 10)
    dark = tuple(int(channel * 0.62) for channel in tone)
    u = np.linspace(0, 2 * np.pi * rng.uniform(2, 3.4), 500)
    xs, ys = x + s * (0.25 + 0.08 * u) * np.cos(u) * 0.9, y + s * (0.25 + 0.08 * u) * np.sin(u) * 0.75
    r = s * 0.075
    for number, (px, py) in enumerate(zip(xs.tolist(), ys.tolist(), strict=True)):
        draw.ellipse((px - r, py - r, px + r, py + r), fill=dark if number % 9 < 2 else tone)


def _hammer(rng: np.random.Generator, draw: ImageDraw.ImageDraw, x: float, y: float, s: float) -> None:
    angle = rng.uniform(0.2, 1.2)
    c, d = np.cos(angle), np.sin(angle)
    draw.line((x, y, x + s * 1.1 * c, y + s * 1.1 * d), fill=(164, 112, 62), width=round(s * 0.13))
    draw.line(
        (x - s * 0.3 * -d, y - s * 0.3 * c, x + s * 0.3 * -d, y + s * 0.3 * c),
        fill=(92, 96, 102),
        width=round(s * 0.25),
    )
    draw.line((x - s * 0.3 * -d, y - s * 0.3 * c, x, y), fill=(132, 136, 142), width=round(s * 0.12))


def _ball(rng: np.random.Generator, draw: ImageDraw.ImageDraw, x: float, y: float, s: float) -> None:
    first, second = varied(rng, INKS[rng.integers(len(INKS))]), (240, 238, 230)
    for number in range(12):
        r = s * 0.5
        draw.pieslice((x - r, y - r, x + r, y + r), number * 30, number * 30 + 30, fill=first if number % 2 else second)
    _gleam(draw, x - s * 0.18, y - s * 0.22, s * 0.1)


def _apple(rng: np.random.Generator, draw: ImageDraw.ImageDraw, x: float, y: float, s: float) -> None:
    tone = np.array([(188, 36, 36), (120, 160, 50), (214, 170, 60)][rng.integers(3)], float)
    for ring in np.linspace(0, 1, 30):
        r, off = s * 0.48 * (1 - ring), s * 0.14 * ring
        fill = tuple(int(c) for c in np.clip(tone * (0.68 + 0.55 * ring), 0, 255))
        draw.ellipse((x - r - off, y - r - off, x + r - off, y + r - off), fill=fill)
    draw.line((x, y - s * 0.4, x + s * 0.08, y - s * 0.66), fill=(84, 58, 34), width=round(s * 0.06))
    draw.ellipse((x + s * 0.08, y - s * 0.68, x + s * 0.4, y - s * 0.5), fill=(84, 128, 54))


def _clock(rng: np.random.Generator, draw: ImageDraw.ImageDraw, x: float, y: float, s: float) -> None:
    r = s * 0.5
    draw.ellipse((x - r, y - r, x + r, y + r), fill=varied(rng, INKS[rng.integers(len(INKS))]))
    draw.ellipse((x - r * 0.88, y - r * 0.88, x + r * 0.88, y + r * 0.88), fill=(246, 244, 238))
    for hour in range(12):
        c, d = np.cos(hour * np.pi / 6), np.sin(hour * np.pi / 6)
        mark = (x + r * 0.7 * c, y + r * 0.7 * d, x + r * 0.82 * c, y + r * 0.82 * d)
        draw.line(mark, fill=(40, 40, 40), width=round(s * 0.02))
    for length, width in ((0.4, 0.035), (0.64, 0.022)):
        angle = rng.uniform(0, 2 * np.pi)
        hand = (x, y, x + r * length * np.cos(angle), y + r * length * np.sin(angle))
        draw.line(hand, fill=(30, 30, 30), width=round(s * width))


def _umbrella(rng: np.random.Generator, draw: ImageDraw.ImageDraw, x: float, y: float, s: float) -> None:
    first, second = varied(rng, INKS[rng.integers(len(INKS))]), varied(rng, INKS[rng.integers(len(INKS))])
    r = s * 0.55
    for number in range(8):
        draw.pieslice((x - r, y - r, x + r, y + r), number * 45, number * 45 + 45, fill=second if number % 2 else first)
        c, d = np.cos(number * np.pi / 4), np.sin(number * np.pi / 4)
        draw.line((x, y, x + r * c, y + r * d), fill=(50, 50, 50), width=round(s * 0.012))
    draw.ellipse((x - s * 0.03, y - s * 0.03, x + s * 0.03, y + s * 0.03), fill=(30, 30, 30))


def _gleam(draw: ImageDraw.ImageDraw, x: float, y: float, r: float) -> None:
    draw.ellipse((x - r, y - r * 0.7, x + r, y + r * 0.7), fill=(250, 250, 246))


def _books(rng: np.random.Generator, draw: ImageDraw.ImageDraw, x: float, y: float, s: float) -> None:
    top = y + s * 0.5
    for _ in range(int(rng.integers(3, 6))):
        tall, wide, slip = s * rng.uniform(0.14, 0.24), s * rng.uniform(0.9, 1.2), s * rng.uniform(-0.08, 0.08)
        tone = varied(rng, INKS[rng.integers(len(INKS))], 24)
        left, right = x - wide / 2 + slip, x + wide / 2 + slip
        draw.rectangle((left, top - tall, right, top), fill=tone)
        draw.rectangle((left, top - tall * 0.85, right - 5, top - tall * 0.15), fill=(238, 232, 216))
        draw.rectangle((left, top - tall, left + s * 0.1, top), fill=tone)
        top -= tall


FLAT: Final[dict[str, Flat]] = {"chart": chart, "page": page, "map": map_, "logo": logo, "landscape": landscape}
THINGS: Final[dict[str, Thing]] = {
    "mug": _mug,
    "flower": _flower,
    "rope": _rope,
    "hammer": _hammer,
    "ball": _ball,
    "apple": _apple,
    "books": _books,
    "clock": _clock,
    "umbrella": _umbrella,
}
SUBJECTS: Final[tuple[str, ...]] = (*FLAT, *THINGS)
"""Everything that is off the topic."""


def scene(subject: str, rng: np.random.Generator, width: int, height: int) -> Pixels:
    """Return a thing on a ground with its shadow, shape (height, width, 3)."""
    names = [name for name in backgrounds.GROUNDS if name != "hand"]
    ground = backgrounds.GROUNDS[names[rng.integers(len(names))]](rng, width, height)
    size = min(width, height) * rng.uniform(0.4, 0.6)
    x, y = width * rng.uniform(0.38, 0.62), height * rng.uniform(0.4, 0.58)
    layer = Image.new("RGB", (2 * width, 2 * height), (1, 2, 3))
    THINGS[subject](rng, ImageDraw.Draw(layer), 2 * x, 2 * y, 2 * size)
    seen = np.asarray(layer)
    cover = Image.fromarray((~(seen == (1, 2, 3)).all(axis=2)).astype(np.uint8) * 255).resize((width, height))
    share: Field = np.asarray(cover, np.float32) / np.float32(255)
    lit = np.asarray(layer.resize((width, height)), np.float32)
    lit *= 0.86 + 0.24 * fractal(rng, width, height, cell=size * 0.5, octaves=3)[..., None]
    pixels = camera.shadow(np.asarray(ground, np.float32), share, rng, size=size * 0.2)
    return camera.over(pixels, lit, share)
