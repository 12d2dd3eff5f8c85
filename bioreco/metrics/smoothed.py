"""The equal-smoothness control: a plain series smoothed until its noise is as smooth as another's.

A method that only smooths raises the temporal SNR no more than this control does. What it gains
beyond the control is more than smoothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bioreco.metrics.glm import glm
from bioreco.metrics.series import Series, magnitude
from bioreco.metrics.smoothness import smooth, width_to_reach


@dataclass(frozen=True)
class Smoothed:
    """The magnitude of a series (t, z, y, x), smoothed in the plane as it is read.

    Attributes
    ----------
    series
        What is smoothed.
    mask
        Voxels that give and get (z, y, x).
    width
        FWHM of the Gaussian, in voxels.

    """

    series: Series
    mask: NDArray[np.bool_]
    width: float

    @property
    def shape(self) -> tuple[int, ...]:
        """Frames, slices, rows and columns."""
        return tuple(self.series.shape)

    def __getitem__(self, index: tuple[slice, int]) -> Any:
        """Return one slice over time, `series[:, z]`."""
        frames, z = index
        return smooth(magnitude(self.series, z)[frames], self.width, self.mask[z])


def equally_smooth(
    series: Series, regressor: ArrayLike, *, mask: ArrayLike, target: float, slices: int = 8
) -> Smoothed:
    """Smooth a series so that its noise has a given FWHM.

    Parameters
    ----------
    series
        A reconstruction that doesn't smooth (t, z, y, x).
    regressor
        The task (t,), which is no noise.
    mask
        Voxels of the brain (z, y, x).
    target
        FWHM that the noise shall have, in voxels; as `functional.smoothness` measures it.
    slices
        The width is found on so many slices, spread over those with a brain.

    Returns
    -------
    Smoothed
        Of width 0, and only masked, where it is as smooth already.

    """
    brain = np.asarray(mask, dtype=bool)
    full = np.flatnonzero(brain.any(axis=(1, 2)))
    chosen = full[np.linspace(0, len(full) - 1, min(slices, len(full))).round().astype(int)]
    parts = [(glm(magnitude(series, int(z)), regressor).residual, brain[z]) for z in chosen]
    return Smoothed(series, brain, width_to_reach(target, parts))
