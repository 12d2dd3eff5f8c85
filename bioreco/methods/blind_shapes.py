"""Which pixels are hidden around each that is predicted, where neighbours share noise.

A shape is a mask ([z,] y, x) with odd sides, true in its middle and wherever the noise is shared
with the middle. "Horizontal" is along x, "vertical" along y.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bioreco.errors import UserError, nearest
from bioreco.metrics.noise_autocorrelation import Autocorrelation

NAMES = ("auto", "horizontal", "vertical", "cross", "square")
EVEN = 0.15  # correlations that differ less along mirrored or exchanged axes are taken for equal


def alone(dims: int) -> Tensor:
    """Return the shape that hides nothing but the middle."""
    return torch.ones([1] * dims, dtype=torch.bool)


def named(name: str, extent: int, dims: int) -> Tensor:
    """Return the shape of a name that reaches `extent` pixels from its middle, in the plane.

    Raises
    ------
    UserError
        If there is no such name.

    """
    if name not in NAMES[1:]:
        raise UserError(
            f"method.mask={name}: choose one of {', '.join(NAMES)}, or give rows of 0 and 1, e.g."
            f" [[1,1,1]].{nearest(name, NAMES)}"
        )
    shape = torch.zeros(2 * extent + 1, 2 * extent + 1, dtype=torch.bool)
    if name == "square":
        shape[:] = True
    if name in ("horizontal", "cross"):
        shape[extent] = True
    if name in ("vertical", "cross"):
        shape[:, extent] = True
    return trimmed(shape.view(*[1] * (dims - 2), *shape.shape))


def given(mask: list[Any], dims: int) -> Tensor:
    """Return the shape that a user wrote down: rows of 0 and 1, for stacks planes of rows, too.

    Raises
    ------
    UserError
        If it is not that, or its sides are even, or it hides nothing but the middle.

    """
    try:
        values = np.array(mask, dtype=np.float64)
    except (TypeError, ValueError):
        values = np.full((1, 1), np.nan)
    planar = values.ndim == 2
    if not (planar or values.ndim == dims) or not np.isin(values, (0, 1)).all():
        more = ", or planes of such rows" if dims == 3 else ""
        raise UserError(
            f"method.mask={mask}: rows of 0 and 1, all of one length, e.g. [[1,1,1]]{more}"
        )
    if any(n % 2 == 0 for n in values.shape):
        raise UserError(
            f"method.mask is {' x '.join(map(str, values.shape))} pixels: its sides are odd, so"
            " that it has a middle"
        )
    shape = torch.from_numpy(values > 0).view(*[1] * (dims - values.ndim), *values.shape)
    shape[tuple(n // 2 for n in shape.shape)] = True
    if shape.sum() == 1:
        raise UserError(
            f"method.mask={mask} hides nothing but the pixel that is predicted: say method=n2v"
        )
    return shape


def measured(found: Autocorrelation, threshold: float) -> Tensor:
    """Return the shape that covers all lags whose correlation is beyond a threshold.

    Where correlations hardly differ between mirrored lags, or between y and x, the shape doesn't.
    """
    values, support = found.values, found.support(threshold)
    for other in (np.flip, _exchanged):
        if np.abs(values - other(values, -1)).max() < EVEN:
            support = support | other(support, -1)
    return trimmed(torch.from_numpy(np.ascontiguousarray(support)))


def _exchanged(values: NDArray[Any], _: int) -> NDArray[Any]:
    return values.swapaxes(-1, -2)


def trimmed(shape: Tensor) -> Tensor:
    """Cut a shape down to what it covers; the middle stays the middle."""
    middle = torch.tensor([n // 2 for n in shape.shape])
    reach = (shape.nonzero() - middle).abs().amax(0)
    return shape[tuple(slice(m - r, m + r + 1) for m, r in zip(middle, reach, strict=True))]


def within(shape: Tensor, most: Sequence[int]) -> Tensor:
    """Cut a shape that reaches further than `most` pixels along each axis."""
    reach = [min(n // 2, m) for n, m in zip(shape.shape, most, strict=True)]
    cut = [slice(n // 2 - r, n // 2 + r + 1) for n, r in zip(shape.shape, reach, strict=True)]
    return trimmed(shape[tuple(cut)])


def turning(shape: Tensor) -> str:
    """Return how images may be turned without turning the shape: "turn", "mirror" or "none"."""
    if any(not torch.equal(shape, shape.flip(axis)) for axis in range(shape.dim())):
        return "none"
    return "turn" if torch.equal(shape, shape.transpose(-1, -2)) else "mirror"
