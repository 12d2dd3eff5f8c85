"""Measured pixels that are larger than those of the image: each value fills a cell of them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

LARGEST = 8  # pixels along a side of a cell

Array = NDArray[Any]


def coarse(values: Array, side: int) -> Array:
    """Return the means over cells of `side` pixels along y and x."""
    rows, columns = (n // side for n in values.shape[-2:])
    cells = values.reshape(*values.shape[:-2], rows, side, columns, side)
    return np.asarray(cells.mean((-3, -1)))


def repeated(values: Array, side: int) -> Array:
    """Return values (..., y, x), each in a cell of `side` pixels along y and x."""
    return values.repeat(side, -2).repeat(side, -1)


def each_once(values: Array) -> Array:
    """Return each measured value once, where values (..., y, x) fill cells; else the values.

    Noise that fills cells has hardly any differences between neighbours, and would be
    underestimated.
    """
    for side in range(LARGEST, 1, -1):
        if min(values.shape[-2:]) < 2 * side or any(n % side for n in values.shape[-2:]):
            continue
        once = values[..., ::side, ::side]
        if np.ptp(once) > 0 and np.array_equal(repeated(once, side), values, equal_nan=True):
            return np.ascontiguousarray(once)
    return values


def noise_type(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """Return the type in which noise is looked at: whole numbers up to 16 bits stay whole."""
    return dtype if dtype.kind in "ui" and dtype.itemsize <= 2 else np.dtype(np.float32)
