"""Temporal signal-to-noise ratio: how steady a voxel is over the frames of a series.

    tSNR = mean_t |x| / std_t(|x| without drift and without the task)

A higher number is better only at the same smoothness and with an unbiased response, so it is
always told with both.

References
----------
.. [1] C. Triantafyllou et al., "Comparison of physiological noise at 1.5 T, 3 T and 7 T and
   optimization of fMRI acquisition parameters", NeuroImage 26, 2005.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bioreco.metrics.series import DRIFT, design, least_squares


def tsnr(
    courses: ArrayLike, regressor: ArrayLike | None = None, *, drift: int = DRIFT
) -> NDArray[np.float64]:
    """Return the temporal SNR of each voxel.

    Parameters
    ----------
    courses
        Series (t, ...); of complex ones the magnitude is used.
    regressor
        The task (t,), which is taken away before noise is measured.
    drift
        Order of the polynomial that is taken away too.

    Returns
    -------
    ndarray
        (...); 0 where the series is 0, infinite where it is constant.

    """
    x = np.abs(np.asarray(courses)).astype(np.float64)
    fit = least_squares(x, design(len(x), regressor, drift=drift))
    mean, spread = x.mean(0), np.sqrt(fit.variance)
    spread = np.where(spread > 1e-12 * np.maximum(mean, 1e-300), spread, 0)
    filled = np.where(mean > 0, np.inf, 0.0)
    return np.asarray(np.divide(mean, spread, out=filled, where=spread > 0))
