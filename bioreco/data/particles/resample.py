"""Images and volumes on another grid, without aliasing and with their centres in place.

A band-limited signal of n samples is the sum of its frequencies, so its value anywhere is a product
with a matrix; frequencies that the new grid can't hold are left out of the sum.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Doubles = NDArray[np.float64]


def interpolation(old: int, new: int, step: float) -> Doubles:
    """Return the matrix (new, old) that samples a signal anew.

    Parameters
    ----------
    old, new
        Samples before and after. Sample n // 2 of both is at the same place.
    step
        Distance of the new samples in units of the old.

    Returns
    -------
    ndarray
        Rows for samples outside of the old grid are 0. A constant stays what it is.

    """
    at = (np.arange(new) - new // 2) * step
    from_ = np.arange(old) - old // 2
    limit = min(0.5, 0.5 / step) * old
    whole = np.arange(1, int(np.ceil(limit - 1e-9)))  # below Nyquist on both sides
    turns = 2 * np.pi / old * (at[:, None] - from_[None])
    matrix = np.ones_like(turns)
    for k in whole:
        matrix += 2 * np.cos(k * turns)
    if step <= 1 and old % 2 == 0:  # the Nyquist frequency of the old grid is shared by both signs
        matrix += np.cos(old // 2 * turns)
    matrix /= old
    matrix[(at < from_[0] - 0.5) | (at > from_[-1] + 0.5)] = 0
    return np.asarray(matrix)


def resampled(values: NDArray[np.float32], matrices: list[Doubles]) -> NDArray[np.float32]:
    """Apply one matrix along each axis."""
    out = values.astype(np.float64)
    for axis, matrix in enumerate(matrices):
        out = np.moveaxis(np.tensordot(matrix, out, (1, axis)), 0, axis)
    return np.ascontiguousarray(out, dtype=np.float32)


def inside(box: int, radius: float) -> NDArray[np.bool_]:
    """Return which pixels of an image lie within a radius (pixels) of its centre."""
    at = np.arange(box) - box // 2
    return np.asarray(at[:, None] ** 2 + at[None] ** 2 <= radius**2)
