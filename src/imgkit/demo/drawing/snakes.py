"""Coral and king snakes: the order of their bands, their poses, and their bodies with light on them."""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFilter

from imgkit.arrays import Float64Array
from imgkit.demo.drawing.textures import Colour, Field

RED, YELLOW, BLACK = 0, 1, 2
ORDERS: Final[dict[str, tuple[int, int, int, int]]] = {
    "coral_snake": (RED, YELLOW, BLACK, YELLOW),
    "king_snake": (RED, BLACK, YELLOW, BLACK),
}
"""The bands of one period from head to tail: red touches yellow in the coral snake, and black in the king snake."""

SNOUTS: Final[dict[str, int]] = {"coral_snake": BLACK, "king_snake": RED}


@dataclass(frozen=True, slots=True)
class Bands:
    """The pattern of one animal: colours of a period in order, and where each ends as a share of the period."""

    colours: tuple[int, ...]
    ends: tuple[float, ...]
    periods: float

    def at(self, position: npt.NDArray[np.float64]) -> npt.NDArray[np.intp]:
        """Return the colours at positions along the body: 0 is the neck, 1 the tip of the tail."""
        within = np.mod(position * self.periods, 1.0)
        index = np.searchsorted(self.ends, within, side="right").clip(max=len(self.colours) - 1)
        found: npt.NDArray[np.intp] = np.asarray(self.colours, np.intp)[index]
        return found


def bands(label: str, rng: np.random.Generator) -> Bands:
    """Return a pattern of a kind of snake: the order is fixed, widths and number vary.

    The two rings between the wide bands are narrow, as in nature: the coral snake's are yellow, the king snake's
    black. Number and width of the bands and all colours come from the same ranges for both.
    """
    wide = np.array([rng.uniform(1.0, 1.5), 0, rng.uniform(0.85, 1.25), 0])
    narrow = rng.uniform(0.22, 0.36)
    widths = wide + np.array([0, narrow, 0, narrow])
    ends = np.cumsum(widths) / widths.sum()
    return Bands(ORDERS[label], tuple(ends.tolist()), periods=rng.uniform(4.5, 8.0))


def colours_of(rng: np.random.Generator) -> npt.NDArray[np.float32]:
    """Return the red, yellow and black of one animal, shape (3, 3)."""
    pale = rng.uniform(0, 0.75)
    red: Colour = (rng.uniform(168, 226), rng.uniform(26, 66), rng.uniform(20, 48))
    yellow: Colour = (rng.uniform(222, 248), rng.uniform(188, 224), 60 + 130 * pale)
    black: Colour = (rng.uniform(14, 34), rng.uniform(14, 30), rng.uniform(14, 34))
    return np.array([red, yellow, black], np.float32)


def pose(rng: np.random.Generator, width: int, height: int) -> Float64Array:
    """Return the middle line of a body from the tip of the tail to the snout, shape (n, 2), in px.

    A heading that wanders smoothly gives waves, hooks and loose coils; the line is then turned and fitted into the
    frame, or beyond it for close-ups.
    """
    steps = 360
    u = np.linspace(0, 1, steps)
    style = rng.choice(["wave", "coil", "wander", "hook"], p=[0.35, 0.25, 0.25, 0.15])
    if style == "wave":
        heading = rng.uniform(0.7, 1.35) * np.sin(2 * np.pi * (rng.uniform(1.1, 2.4) * u + rng.random()))
    elif style == "coil":
        heading = rng.choice([-1, 1]) * 2 * np.pi * rng.uniform(1.0, 1.7) * u ** rng.uniform(0.8, 1.3)
        heading += 0.35 * np.sin(2 * np.pi * (2.3 * u + rng.random()))
    elif style == "hook":
        heading = (
            rng.choice([-1, 1]) * np.pi * rng.uniform(0.8, 1.3) / (1 + np.exp(-14 * (u - rng.uniform(0.35, 0.65))))
        )
    else:
        heading = np.zeros_like(u)
        for k in (1, 2, 3):
            heading += rng.normal(0, 1.2 / k) * np.sin(2 * np.pi * (0.75 * k * u + rng.random()))
    line = np.cumsum(np.stack([np.cos(heading), np.sin(heading)], axis=1), axis=0)
    angle = rng.uniform(0, 2 * np.pi)
    line = line @ np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    line -= (line.max(axis=0) + line.min(axis=0)) / 2
    spread = np.maximum(line.max(axis=0) - line.min(axis=0), 1e-6)
    fit = min(width / spread[0], height / spread[1]) * rng.choice([0.78, 0.9, 1.12], p=[0.35, 0.45, 0.2])
    shift = rng.uniform(-0.06, 0.06, 2) * (width, height)
    fitted: Float64Array = line * fit + np.array([width / 2, height / 2]) + shift
    return fitted


@dataclass(frozen=True, slots=True)
class Body:
    """A body as pixels: colours (h, w, 3) from 0 to 255, and how much of each pixel it covers (h, w), 0 to 1."""

    pixels: npt.NDArray[np.float32]
    cover: Field


def body(label: str, rng: np.random.Generator, width: int, height: int) -> Body:
    """Return a snake of a kind, laid from tail to head so that coils lie over each other."""
    line = _resampled(pose(rng, width, height))
    steps = len(line)
    girth = min(min(width, height) * rng.uniform(0.072, 0.105), steps / 24)
    head = 2.6 * girth / steps
    along = np.linspace(0, 1, steps)  # 0 the tail, 1 the snout
    across = np.linspace(-1, 1, max(9, round(girth * 2.6)))
    direction = np.gradient(line, axis=0)
    direction /= np.maximum(np.linalg.norm(direction, axis=1, keepdims=True), 1e-9)
    normal = np.stack([-direction[:, 1], direction[:, 0]], axis=1)
    reach = (girth * _profile(along, head=head))[:, None] * across[None, :]
    x, y = (line[:, axis, None] + reach * normal[:, axis, None] for axis in (0, 1))
    owner = _owners(x, y, width, height)
    seen = owner >= 0
    i, j = np.divmod(owner[seen], len(across))
    colours = _painted(label, rng, along[i], across[j], head=head, scale=steps / (girth * 0.3))
    pixels = np.zeros((height * width, 3), np.float32)
    pixels[seen] = colours * _light(rng, normal[i], across[j])[:, None]
    return Body(pixels.reshape(height, width, 3), _softened(seen.reshape(height, width)))


def _resampled(line: Float64Array) -> Float64Array:
    """The line with a point every 0.7 px."""
    distance = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(line, axis=0), axis=1))])
    wanted = np.arange(0, distance[-1], 0.7)
    return np.stack([np.interp(wanted, distance, line[:, axis]) for axis in (0, 1)], axis=1)


def _profile(along: Float64Array, *, head: float) -> Float64Array:
    """Half the thickness along the body as a share of its thickest place."""
    tail = np.clip(along / 0.35, 0, 1) ** 0.6
    neck = 1 - 0.22 * np.exp(-(((along - (1 - 1.5 * head)) / (0.5 * head)) ** 2))
    skull = np.sqrt(np.clip(1 - np.clip((along - (1 - 0.55 * head)) / (0.55 * head), 0, 1) ** 2.4, 0, 1))
    profile: Float64Array = np.maximum(tail * neck * skull, 0.02)
    return profile


def _owners(x: Float64Array, y: Float64Array, width: int, height: int) -> npt.NDArray[np.intp]:
    """Return for each pixel the number of the point that lies on top there, -1 where there is none."""
    columns, rows = np.rint(x).astype(np.intp).ravel(), np.rint(y).astype(np.intp).ravel()
    inside = (columns >= 0) & (columns < width - 1) & (rows >= 0) & (rows < height - 1)
    number = np.flatnonzero(inside)
    place = rows[inside] * width + columns[inside]
    owner = np.full(height * width, -1, np.intp)
    for shift in (1, width, 0):  # neighbours first, so that no pixel between points stays empty
        owner[place + shift] = number  # of several points in one pixel the last, nearest the head, stays
    return owner


def _softened(seen: npt.NDArray[np.bool_]) -> Field:
    mask = Image.fromarray(seen.astype(np.uint8) * 255).filter(ImageFilter.BoxBlur(0.8))
    cover: Field = np.clip(np.asarray(mask, np.float32) / 160 - 0.4, 0, 1)
    return cover


def _painted(
    label: str, rng: np.random.Generator, along: Float64Array, across: Float64Array, *, head: float, scale: float
) -> npt.NDArray[np.float32]:
    """Return the colours of points without light, shape (n, 3); ``head`` is its share of the body."""
    pattern, palette = bands(label, rng), colours_of(rng)
    edges = rng.normal(0, 0.0016, (256, 24))
    ragged = edges[(along * 900).astype(np.intp) % 256, ((across + 1) * 11.9).astype(np.intp)]
    index = pattern.at(np.clip(1 - along + ragged - head, 0, 1))
    snout = along > 1 - 0.55 * head
    index[(along > 1 - head) & ~snout] = YELLOW if label == "coral_snake" else BLACK
    index[snout] = SNOUTS[label]
    u, v = along * scale, np.arcsin(across) * 3.2
    scales = 1 + 0.07 * np.cos(2 * np.pi * (u + v)) + 0.07 * np.cos(2 * np.pi * (u - v))
    colours = palette[index] * scales[:, None].astype(np.float32)
    eyes = (np.abs(along - (1 - 0.33 * head)) < 0.07 * head) & (np.abs(np.abs(across) - 0.62) < 0.16)
    colours[eyes] = (8, 8, 8)
    return colours


def _light(rng: np.random.Generator, normal: Float64Array, across: Float64Array) -> Field:
    """Brightness of points on the round body, shape (n,): ambient, the sun, and its gleam on the scales."""
    angle, lift = rng.uniform(0, 2 * np.pi), rng.uniform(0.55, 0.9)
    sun = np.array([np.cos(angle), np.sin(angle)]) * np.sqrt(1 - lift**2)
    facing = np.clip((normal @ sun) * across + np.sqrt(1 - across**2) * lift, 0, 1)
    light: Field = (0.36 + 0.72 * facing + rng.uniform(0.1, 0.5) * facing**24).astype(np.float32)
    return light
