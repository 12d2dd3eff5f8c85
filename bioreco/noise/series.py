"""Frames of a target that stays still: their temporal mean is the signal, the rest is noise."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bioreco.errors import UserError

Array = NDArray[np.float32]

BLOCK = 64  # pixels along y and x of the parts of a frame that are looked at
BUDGET = 2**22  # pixels of a series that are looked at
DRIFT = 1.2  # times the variance between successive frames that all frames together may have
ALIKE = 0.25  # correlation of neighbouring pixels in what changes between frames


def blocks(frames: Iterable[Array], number: int) -> Array:
    """Cut blocks, spread evenly, out of each frame of a series.

    Parameters
    ----------
    frames
        Frames (y, x), all of one size.
    number
        How many there are.

    Returns
    -------
    ndarray
        (number, blocks, y, x); the blocks of one frame are where those of the others are.

    """
    cut: list[Array] = []
    for frame in frames:
        side = [min(BLOCK, n) for n in frame.shape]
        most = max(4, BUDGET // (number * side[0] * side[1]))
        along = [
            np.unique(np.linspace(0, n - m, min(n // m, max(1, int(most**0.5)))).astype(int))
            for n, m in zip(frame.shape, side, strict=True)
        ]
        parts = [frame[y : y + side[0], x : x + side[1]] for y in along[0] for x in along[1]]
        cut.append(np.stack(parts))
    return np.stack(cut)


def still_pairs(series: Array, name: str) -> tuple[Tensor, Tensor]:
    """Return measurements and signals of a target that stays still.

    Parameters
    ----------
    series
        (frames, ..., y, x), at least 2 frames.
    name
        What to call it in a message.

    Returns
    -------
    tuple of Tensor
        y and s (n,). The mean has taken a little of each frame's noise, which is given back: the
        deviations from it are enlarged by sqrt(n / (n - 1)).

    Raises
    ------
    UserError
        If the target moves or fades, or neighbouring pixels share their noise.

    """
    count = len(series)
    values = np.where(np.isfinite(series).all(0), series, np.nan).astype(np.float64)
    mean = values.mean(0)
    deviation = values - mean
    _check_still(deviation, np.diff(values, axis=0), name)
    y = mean + deviation * (count / (count - 1)) ** 0.5
    good = np.isfinite(y)
    return tuple(  # type: ignore[return-value]
        torch.from_numpy(v[good]) for v in (y, np.broadcast_to(mean, y.shape))
    )


def _check_still(deviation: NDArray[np.float64], steps: NDArray[np.float64], name: str) -> None:
    count = len(deviation)
    between = float(np.nanmean(steps**2)) / 2
    if between == 0:
        raise UserError(
            f"{name}: all frames are the same, so there is no noise to measure. Are they copies of"
            " one frame?"
        )
    together = float(np.nansum(deviation**2) / (count - 1) / np.isfinite(deviation[0]).sum())
    alike = max(_likeness(steps, axis) for axis in (-1, -2))
    if alike > ALIKE:
        raise UserError(
            f"{name}: neighbouring pixels change together from frame to frame (correlation"
            f" {alike:.2f}): the target moves, or the camera's pixels share their noise.\n"
            "A noise model is of single pixels of a target that stays as it is"
        )
    if together > DRIFT * between:
        raise UserError(
            f"{name}: the frames differ more the further apart they are ({together / between:.1f}"
            " times the noise between neighbours): the target moves or fades.\n"
            "Calibration needs frames of a target that stays as it is, or signal=FILE"
        )


def _likeness(steps: NDArray[np.float64], axis: int) -> float:
    """Return the correlation of neighbours along an axis."""
    one = np.take(steps, range(steps.shape[axis] - 1), axis)
    two = np.take(steps, range(1, steps.shape[axis]), axis)
    return float(np.nanmean(one * two) / np.nanmean(steps**2))
