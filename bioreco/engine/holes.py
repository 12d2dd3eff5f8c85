"""Fill missing pixels before a network sees them, alike whichever tile they are in."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]
Mask = NDArray[np.bool_]
Read = Callable[[Sequence[int], Sequence[int]], Array]

NEAR = 4  # pixels that neighbours reach into a hole; deeper inside it has one value


def read_mended(
    read: Read, start: Sequence[int], size: Sequence[int], deep: Array
) -> tuple[Array, Array | None]:
    """Read a region, with holes filled from their borders.

    Parameters
    ----------
    read
        Reads a region (start, size).
    start, size
        The region.
    deep
        What pixels far inside a hole become, one value for each channel (c, 1, ...).

    Returns
    -------
    tuple of ndarray
        The region filled (c, [z,] y, x), and as it was read; None if nothing was missing.

    """
    y = read(start, size)
    if np.isfinite(y).all():
        return y, None
    wide = read([a - NEAR for a in start], [n + 2 * NEAR for n in size])
    mended = _mended(wide, np.isfinite(wide), deep)
    return mended[:, *[slice(NEAR, NEAR + n) for n in size]], y


def with_holes(values: Array, holes: Sequence[Array]) -> Array:
    """Return values with the pixels that were missing as they were read."""
    for hole in holes:
        values = np.where(np.isfinite(hole), values, hole)
    return values


def _mended(y: Array, known: Mask, deep: Array) -> Array:
    """Grow what is known into the holes: each new pixel is the mean of its known neighbours."""
    from scipy.ndimage import uniform_filter

    window = (1, *[3] * (y.ndim - 1))
    values = np.where(known, y, 0).astype(np.float64)
    for _ in range(NEAR):
        total = uniform_filter(values, window, mode="constant")
        weight = uniform_filter(known.astype(np.float64), window, mode="constant")
        new = ~known & (weight > 1e-3)
        values[new] = total[new] / weight[new]
        known = known | new
    return np.where(known, values, deep).astype(np.float32)
