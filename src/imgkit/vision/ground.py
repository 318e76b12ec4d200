"""Measure the ground of a picture, plain or not, and how its colours and edges are spread.

Cut-out art, figurines, renders, stickers and products lie on plain ground; photographs of living things seldom do.
"""

from typing import Final

import numpy as np
import numpy.typing as npt
from PIL import Image
from scipy import ndimage

from imgkit.vision.resize import fit_within

LONGEST_PX: Final = 96  # of the picture that is measured
RING_PX: Final = 3  # width of the border ring
CLOSE: Final = 16  # grey levels from the ring's median colour, in each channel
FLAT: Final = 6.0  # length of the Sobel gradient divided by 4, in grey levels
WHITE: Final = 238  # least level of each channel
FULL_SIDE: Final = 0.8  # share of a side from which it counts as white

GROUND_MEASURES: Final = (
    "ring_plain",  # share of the border ring that is close to its median colour
    "ground_plain",  # share of the picture that is connected to the border through such pixels
    "ring_flat",  # the same two for pixels without an edge
    "ground_flat",
    "ring_white",  # and for white ones
    "ground_white",
    "least_white_side",  # share of the least white side that is white
    "white_sides",  # sides that are white, 0 to 4
    "entropy",  # bits of the histogram of 512 colours, 0 to 9
    "top_colour",  # share of the most frequent of the 512 colours
    "ring_level",  # mean of the ring's median colour, 0 to 255
    "ring_colourfulness",  # largest less smallest channel of it, 0 to 255
    "spread",  # standard deviation of grey levels
    "saturation",  # mean saturation, 0 to 1
    "gradient",  # mean and lower quartile of the gradient
    "gradient_low",
)


def ground_measures(image: Image.Image) -> npt.NDArray[np.float32]:
    """Return the (16,) ``GROUND_MEASURES`` of an RGB picture, measured at 96 px of its longer side."""
    width, height = fit_within(*image.size, LONGEST_PX)
    size = max(width, 2 * RING_PX + 1), max(height, 2 * RING_PX + 1)
    small = image if image.size == size else image.resize(size, Image.Resampling.BOX)
    levels = np.asarray(small, dtype=np.int16)
    grey = levels @ np.array([0.299, 0.587, 0.114])
    ring = np.ones(grey.shape, dtype=np.bool_)
    ring[RING_PX:-RING_PX, RING_PX:-RING_PX] = False
    usual = np.median(levels[ring], axis=0)
    gradient = np.hypot(ndimage.sobel(grey, axis=0), ndimage.sobel(grey, axis=1)) / 4
    white: npt.NDArray[np.bool_] = np.all(levels >= WHITE, axis=2)
    sides = [
        float(side.mean()) for side in (white[:RING_PX], white[-RING_PX:], white[:, :RING_PX], white[:, -RING_PX:])
    ]
    values = []
    masks: list[npt.NDArray[np.bool_]] = [(np.abs(levels - usual) <= CLOSE).all(axis=2), gradient < FLAT, white]
    for mask in masks:
        values += [float(mask[ring].mean()), _connected_to_border(mask)]
    places = levels[:, :, 0] // 32 * 64 + levels[:, :, 1] // 32 * 8 + levels[:, :, 2] // 32
    shares = np.bincount(places.ravel(), minlength=512) / grey.size
    known = shares[shares > 0]
    top, low = levels.max(axis=2), levels.min(axis=2)
    values += [min(sides), sum(side >= FULL_SIDE for side in sides)]
    values += [float(-(known * np.log2(known)).sum()), float(shares.max())]
    values += [float(usual.mean()), float(usual.max() - usual.min()), float(grey.std())]
    values += [float(((top - low) / np.maximum(top, 1)).mean())]
    values += [float(gradient.mean()), float(np.percentile(gradient, 25))]
    return np.array(values, dtype=np.float32)


def _connected_to_border(mask: npt.NDArray[np.bool_]) -> float:
    """Return the share of all pixels that are set and connected to the border through set pixels, 0 to 1."""
    numbers, _ = ndimage.label(mask)
    edge = np.concatenate([numbers[0], numbers[-1], numbers[:, 0], numbers[:, -1]])
    return float(np.isin(numbers, np.unique(edge[edge > 0])).mean())
