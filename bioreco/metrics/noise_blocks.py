"""Small square blocks of an image and what each tells about the noise.

A second difference along Y leaves almost no structure but passes noise; how neighbours along X
resemble each other in what is left is the noise's own correlation along X. Applied along both
axes it leaves noise alone, whose power, block by block, is the noise variance at the block's
brightness.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

LAGS = 3  # products with the pixel itself, its neighbour and the next one
CELL = 4  # pixels along one side of the cells whose means show structure
BUDGET = 1_500_000  # pixels looked at, spread over the image
TILE = 256


@dataclass(frozen=True)
class Blocks:
    """One number per block: brightness, noise power, structure, missing and floor pixels."""

    level: Array
    power: Array  # second moment of the differences along both axes
    skew: Array  # third moment of the same
    structure: Array  # of differences between cell means, hardly any noise in it
    bad: Array  # share of pixels that are saturated or not finite
    floor: Array  # share of pixels at the lowest value
    products: Array  # (axis, lag, block): residual times itself, its neighbour, the next

    def pick(self, index: Array) -> Blocks:
        """Return only the blocks named by an index or a mask."""
        return Blocks(*(getattr(self, f.name)[..., index] for f in fields(self)))


def join(parts: Sequence[Blocks]) -> Blocks:
    """Put the blocks of several tiles together."""
    names = [f.name for f in fields(Blocks)]
    return Blocks(*(np.concatenate([getattr(p, n) for p in parts], axis=-1) for n in names))


def tiles(shape: tuple[int, ...], budget: int) -> Iterator[tuple[slice, slice, slice]]:
    """Yield regions of a (z, y, x) volume, evenly spread, together no larger than the budget."""
    depth, height, width = shape
    if depth * height * width <= budget:
        yield (slice(0, depth), slice(0, height), slice(0, width))
        return
    z = min(depth, 16)
    first = (depth - z) // 2
    h, w = min(TILE, height), min(TILE, width)
    rows, columns = height // h, width // w
    room = max(1, budget // (z * h * w))
    chosen = np.unique(np.linspace(0, rows * columns - 1, min(room, rows * columns)).round())
    for number in chosen.astype(int):
        top, left = divmod(int(number), columns)
        y = top * (height - h) // max(1, rows - 1)
        x = left * (width - w) // max(1, columns - 1)
        yield (slice(first, first + z), slice(y, y + h), slice(x, x + w))


def difference(values: Array, axis: int, order: int) -> Array:
    """Return first or second differences of unit white-noise gain, two pixels shorter."""
    view = np.moveaxis(values, axis, -1)
    if order == 2:
        result = (view[..., :-2] - 2 * view[..., 1:-1] + view[..., 2:]) / np.sqrt(6)
    else:
        result = (view[..., 1:-1] - view[..., :-2]) / np.sqrt(2)
    return np.moveaxis(result, -1, axis)


def gain(correlation: Sequence[float], order: int) -> float:
    """Return how much noise power of given lag-1 and lag-2 correlation a difference passes."""
    first, second = correlation
    if order == 2:
        return float(max(1 - 8 / 6 * first + 2 / 6 * second, 0.02))
    return max(1 - first, 0.02)


def measure(volume: Array, *, bad: Array, floor: Array, side: int, order: int) -> Blocks:
    """Measure every block of a (z, y, x) volume.

    Parameters
    ----------
    volume : ndarray (z, y, x)
        Finite values.
    bad, floor : ndarray of bool (z, y, x)
        Saturated or missing pixels, and pixels at the lowest value.
    side : int
        Pixels along one side of a block.
    order : {1, 2}
        Which differences take the structure away.

    Returns
    -------
    Blocks
        `products` along Z (where there are enough slices), Y and X, in this order.
    """
    h, w = ((n - 4) // side * side for n in volume.shape[1:])
    good = 1.0 - bad
    along_y = difference(volume, 1, order)  # (z, y - 2, x)
    along_x = difference(volume, 2, order)
    both = difference(along_y, 2, order)

    def cut(values: Array, y: int = 0, x: int = 0) -> Array:
        return values[:, y : y + h, x : x + w]

    def mean(values: Array, counted: Array) -> Array:
        least = 0.5 / side**2
        return _block_means(values * counted, side) / np.maximum(_block_means(counted, side), least)

    here, noise = cut(good, 1, 1), cut(both)
    lags = range(LAGS)
    products = [
        [mean(cut(along_x, 1) * cut(along_x, 1 + n), here * cut(good, 1 + n, 1)) for n in lags],
        [
            mean(cut(along_y, 0, 1) * cut(along_y, 0, 1 + n), here * cut(good, 1, 1 + n))
            for n in lags
        ],
    ]
    if len(volume) > LAGS:
        z = np.arange(len(volume))
        other = [np.where(z + n < len(z), z + n, z - n) for n in lags]
        products.insert(0, [mean(noise * noise[n], here * here[n]) for n in other])
    return Blocks(
        level=mean(cut(volume, 1, 1), here),
        power=mean(noise**2, here),
        skew=mean(noise**3, here),
        structure=_structure(cut(volume, 1, 1), side),
        bad=_block_means(1 - here, side),
        floor=_block_means(cut(floor, 1, 1), side),
        products=np.array(products),
    )


def _block_means(values: Array, side: int) -> Array:
    depth, h, w = values.shape
    cut = values.reshape(depth, h // side, side, w // side, side)
    return np.asarray(cut.mean(axis=(2, 4)).reshape(-1))


def _structure(values: Array, side: int) -> Array:
    """Return the mean squared difference between neighbouring cell means, per block."""
    depth, h, w = values.shape
    n = side // CELL
    cells = values.reshape(depth, h // CELL, CELL, w // CELL, CELL).mean(axis=(2, 4))
    block = cells.reshape(depth, h // side, n, w // side, n).swapaxes(2, 3).reshape(-1, n, n)
    down, across = np.diff(block, axis=1) ** 2, np.diff(block, axis=2) ** 2
    return np.asarray(down.mean(axis=(1, 2)) + across.mean(axis=(1, 2)))
