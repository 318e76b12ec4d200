"""Grounds for things to lie on: leaf litter, sand, grass, wood, water, gravel, moss, cloth and an open hand."""

from collections.abc import Callable
from typing import Final, TypeAlias

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from imgkit.demo.drawing.textures import Colour, Field, Pixels, fractal, tinted, to_image, varied

Ground: TypeAlias = Callable[[np.random.Generator, int, int], Image.Image]
LEAF_BROWNS: Final[tuple[Colour, ...]] = (
    (122, 82, 48), (150, 108, 62), (98, 66, 42), (168, 130, 82), (84, 62, 46), (140, 74, 44), (112, 104, 58),
)  # fmt: skip
GREENS: Final[tuple[Colour, ...]] = ((70, 106, 40), (96, 130, 52), (52, 84, 36), (120, 146, 70), (84, 112, 60))


def litter(rng: np.random.Generator, width: int, height: int) -> Image.Image:
    """Dead leaves on the floor of a wood."""
    ground = tinted(fractal(rng, width, height, cell=60), [(38, 28, 20), (74, 54, 36), (104, 80, 52)])
    image = to_image(ground)
    size = min(width, height) * rng.uniform(0.11, 0.2)
    for _ in range(int(1.9 * width * height / size**2)):
        leaf(image, rng, (rng.uniform(0, width), rng.uniform(0, height)), size * rng.uniform(0.6, 1.25), LEAF_BROWNS)
    return image


def sand(rng: np.random.Generator, width: int, height: int) -> Image.Image:
    """Sand with the ripples of the wind."""
    drift = fractal(rng, width, height, cell=220, octaves=3)
    rows = np.arange(height, dtype=np.float32)[:, None]
    ripples = 0.5 + 0.5 * np.sin(rows / rng.uniform(9, 20) + drift * rng.uniform(8, 18))
    field = 0.45 * drift + 0.25 * ripples + 0.3 * fractal(rng, width, height, cell=4, octaves=2)
    tones = [(168, 134, 92), (206, 176, 130), (232, 210, 170)]
    return to_image(tinted(np.clip(field, 0, 1).astype(np.float32), tones))


def grass(rng: np.random.Generator, width: int, height: int) -> Image.Image:
    """A lawn from above or from the side."""
    image = to_image(tinted(fractal(rng, width, height, cell=50), [(30, 44, 18), (60, 82, 30), (88, 104, 44)]))
    draw = ImageDraw.Draw(image)
    length = min(width, height) * rng.uniform(0.12, 0.26)
    for _ in range(int(700 * width * height / 350_000)):
        x, y = rng.uniform(0, width), rng.uniform(0, height * 1.1)
        lean, bend = rng.normal(0, 0.45), rng.normal(0, 0.25)
        points = [(x + length * (lean * u + bend * u * u), y - length * u) for u in (0, 0.35, 0.7, 1)]
        draw.line(points, fill=varied(rng, GREENS[rng.integers(len(GREENS))], 22), width=int(rng.integers(1, 4)))
    return image


def wood(rng: np.random.Generator, width: int, height: int) -> Image.Image:
    """Boards or a log with its grain."""
    grain = fractal(rng, width, height, cell=26, octaves=4, stretch=rng.uniform(9, 18))
    rings = 0.5 + 0.5 * np.sin(grain * rng.uniform(14, 34))
    warm = rng.uniform(0, 1)
    tones = [(70 + 30 * warm, 50 + 10 * warm, 36), (140 + 30 * warm, 104, 70), (190, 156 - 16 * warm, 112)]
    pixels = tinted((0.6 * grain + 0.4 * rings).astype(np.float32), tones)
    for edge in np.arange(0, height, height / rng.integers(2, 6))[1:]:
        pixels[max(0, int(edge) - 2) : int(edge) + 1] *= 0.42
    image = to_image(pixels)
    return image.rotate(rng.choice([0, 0, 4, -5]), resample=Image.Resampling.BILINEAR, fillcolor=(90, 66, 46))


def water(rng: np.random.Generator, width: int, height: int) -> Image.Image:
    """Shallow water with light on it."""
    waves = fractal(rng, width, height, cell=90, octaves=4, stretch=2.6)
    glints = np.clip(1 - np.abs(waves - 0.5) * rng.uniform(9, 14), 0, 1) ** 2
    murk = rng.uniform(0, 1)
    tones = [(24 + 40 * murk, 58 + 12 * murk, 74 - 24 * murk), (58 + 50 * murk, 104, 116 - 40 * murk), (128, 160, 158)]
    return to_image(tinted(waves, tones) + 70 * glints[..., None])


def gravel(rng: np.random.Generator, width: int, height: int) -> Image.Image:
    """Pebbles."""
    image = Image.new("RGB", (width, height), (66, 62, 58))
    draw = ImageDraw.Draw(image)
    size = min(width, height) * rng.uniform(0.035, 0.085)
    for _ in range(int(1.7 * width * height / size**2)):
        x, y = rng.uniform(0, width), rng.uniform(0, height)
        a, b = size * rng.uniform(0.4, 0.9), size * rng.uniform(0.35, 0.7)
        tone = varied(rng, (138, 130, 120), 30)
        draw.ellipse((x - a, y - b, x + a, y + b), fill=tuple(int(channel * 0.6) for channel in tone))
        draw.ellipse((x - a, y - b - 1, x + a * 0.86, y + b * 0.78), fill=tone)
    return image.filter(ImageFilter.BoxBlur(0.6))


def moss(rng: np.random.Generator, width: int, height: int) -> Image.Image:
    """Earth with moss."""
    patches = fractal(rng, width, height, cell=130, octaves=5)
    fine = fractal(rng, width, height, cell=14, octaves=3)
    earth = tinted(fine, [(44, 34, 26), (84, 66, 48), (116, 94, 70)])
    green = tinted(fine, [(34, 52, 20), (74, 98, 36), (116, 136, 62)])
    share = np.clip((patches - 0.4) * 4, 0, 1)[..., None]
    return to_image(earth * (1 - share) + green * share)


def cloth(rng: np.random.Generator, width: int, height: int) -> Image.Image:
    """A cloth or sheet of paper, as in a studio."""
    base = np.array([(206, 200, 190), (120, 128, 138), (88, 96, 84), (176, 160, 140)][rng.integers(4)], np.float32)
    folds = fractal(rng, width, height, cell=260, octaves=3, stretch=0.5)
    weave = rng.normal(0, 4, (height, width, 1)).astype(np.float32)
    return to_image(base * (0.72 + 0.4 * folds[..., None]) + weave)


def hand(rng: np.random.Generator, width: int, height: int) -> Image.Image:
    """An open hand in front of something green and far away."""
    far = tinted(fractal(rng, width, height, cell=200, octaves=2), [(52, 70, 44), (110, 128, 90), (168, 176, 150)])
    image = to_image(far)
    skin = np.array([(226, 180, 150), (198, 146, 112), (150, 102, 74), (104, 70, 52)][rng.integers(4)], np.float32)
    reach, lean = min(width, height), rng.uniform(-0.3, 0.3)
    cx, cy = width * rng.uniform(0.42, 0.58), height * rng.uniform(0.68, 0.78)
    tone = skin * (0.92 + 0.14 * fractal(rng, width, height, cell=30, octaves=3)[..., None])
    for finger in range(4):
        angle = -np.pi / 2 + lean + (finger - 1.5) * 0.2
        root = (cx + reach * 0.17 * (finger - 1.5), cy - reach * 0.1)
        _limb(image, tone, root, angle, length=reach * (0.56, 0.64, 0.6, 0.47)[finger], radius=reach * 0.078)
    _limb(image, tone, (cx + reach * 0.26, cy + reach * 0.16), -0.75 + lean, length=reach * 0.4, radius=reach * 0.085)
    _limb(image, tone, (cx, cy + reach * 0.02), np.pi / 2 + lean / 3, length=reach * 0.7, radius=reach * 0.34)
    return image


GROUNDS: Final[dict[str, Ground]] = {
    "litter": litter,
    "sand": sand,
    "grass": grass,
    "wood": wood,
    "water": water,
    "gravel": gravel,
    "moss": moss,
    "cloth": cloth,
    "hand": hand,
}


def leaf(
    image: Image.Image,
    rng: np.random.Generator,
    place: tuple[float, float],
    size: float,
    colours: tuple[Colour, ...],
) -> None:
    """Lay one leaf with its shadow and midrib on a picture; ``size`` is its length in px."""
    draw = ImageDraw.Draw(image)
    angle, bend, slim = rng.uniform(0, 2 * np.pi), rng.normal(0, 0.25), rng.uniform(0.16, 0.34)
    along = np.linspace(-0.5, 0.5, 9)
    half = slim * np.cos(along * np.pi) ** rng.uniform(0.7, 1.3)
    middle = bend * (along**2 - 0.25)
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]]) * size
    upper = np.stack([along, middle + half], axis=1) @ turn + place
    lower = np.stack([along, middle - half], axis=1) @ turn + place
    rib = np.stack([along, middle], axis=1) @ turn + place
    colour = varied(rng, colours[rng.integers(len(colours))], 16)
    outline = np.concatenate([upper, lower[::-1]])
    _polygon(draw, outline + size * 0.035, tuple(int(channel * 0.3) for channel in colour))
    _polygon(draw, np.concatenate([upper, rib[::-1]]), colour)
    _polygon(draw, np.concatenate([rib, lower[::-1]]), tuple(int(channel * 0.84) for channel in colour))
    draw.line([(x, y) for x, y in rib.tolist()], fill=tuple(int(min(255, c * 1.2)) for c in colour), width=1)


def _polygon(draw: ImageDraw.ImageDraw, points: np.ndarray, colour: tuple[int, ...]) -> None:
    draw.polygon([(x, y) for x, y in points.tolist()], fill=colour)


def _limb(
    image: Image.Image, tone: Pixels, root: tuple[float, float], angle: float, *, length: float, radius: float
) -> None:
    """Lay a finger or a palm on a picture: a rounded shape, lit in the middle and darker to its edge."""
    ends = np.array([root, (root[0] + length * np.cos(angle), root[1] + length * np.sin(angle))])
    left, top = np.clip(np.floor(ends.min(axis=0) - radius - 2), 0, image.size).astype(int)
    right, bottom = np.clip(np.ceil(ends.max(axis=0) + radius + 2), 0, image.size).astype(int)
    if right <= left or bottom <= top:
        return
    mask = Image.new("L", (int(right - left), int(bottom - top)), 0)
    draw = ImageDraw.Draw(mask)
    ends -= (left, top)
    draw.line([(x, y) for x, y in ends.tolist()], fill=255, width=round(2 * radius))
    for x, y in ends.tolist():
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=255)
    small = mask.resize((mask.width // 4 + 1, mask.height // 4 + 1), Image.Resampling.BOX)
    round_ = small.filter(ImageFilter.GaussianBlur(min(radius, 40) / 8)).resize(mask.size, Image.Resampling.BILINEAR)
    light: Field = np.float32(0.34) + np.float32(0.68 / 255) * np.asarray(round_, np.float32)
    lit = to_image(tone[top:bottom, left:right] * light[..., None])
    image.paste(lit, (int(left), int(top)), mask=mask.filter(ImageFilter.BoxBlur(0.8)))
