"""Effective smoothness: how far noise in a map is shared between neighbours.

Noise smoothed by a Gaussian correlates between neighbours d apart by rho = exp(-d^2 / (4 s^2)), so

    FWHM = s sqrt(8 ln 2) = d sqrt(-2 ln 2 / ln rho)     (in voxels),

with rho from the residuals of a fit, along y and along x. A reconstruction whose temporal SNR rises
only as much as that of plain least squares smoothed to the same FWHM has smoothed.

References
----------
.. [1] S. D. Forman et al., "Improved assessment of significant activation in functional magnetic
   resonance imaging (fMRI): use of a cluster-size threshold", Magnetic Resonance in Medicine 33,
   1995.
.. [2] R. W. Cox et al., "FMRI clustering in AFNI: false-positive rates redux", Brain Connectivity
   7, 2017.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage

Array = NDArray[np.float64]

WIDTH = math.sqrt(8 * math.log(2))  # FWHM of a Gaussian over its standard deviation
WIDEST = 8.0  # voxels: what a control is smoothed by at most


def neighbour_sums(residual: ArrayLike, mask: ArrayLike) -> Array:
    """Return the sums that a smoothness is worked out from; those of slices may be added.

    Parameters
    ----------
    residual
        Noise of a slice over time (t, y, x).
    mask
        Voxels that count (y, x).

    Returns
    -------
    ndarray
        Along y and along x: sum of the products of neighbours and of their mean squares (2, 2).

    """
    e, inside = np.asarray(residual, dtype=np.float64), np.asarray(mask, dtype=bool)
    spread = e.std(0)
    usable = inside & (spread > 0)
    e = np.divide(e - e.mean(0), spread, out=np.zeros_like(e), where=usable)
    sums = np.zeros((2, 2))
    for k, (near, far) in enumerate(((np.s_[:-1, :], np.s_[1:, :]), (np.s_[:, :-1], np.s_[:, 1:]))):
        both = usable[near] & usable[far]
        product = (e[(slice(None), *near)] * e[(slice(None), *far)]).mean(0)
        sums[k] = product[both].sum(), both.sum()
    return sums


def fwhm(sums: ArrayLike) -> float:
    """Return the FWHM in voxels, the geometric mean of y and x, from `neighbour_sums`.

    Returns
    -------
    float
        0 where neighbours don't correlate along either axis; nan without any neighbours.

    """
    widths = []
    for product, count in np.asarray(sums, dtype=np.float64):
        if count == 0:
            return math.nan
        rho = min(product / count, 1 - 1e-12)
        widths.append(math.sqrt(-2 * math.log(2) / math.log(rho)) if rho > 0 else 0.0)
    return math.sqrt(widths[0] * widths[1])


def smooth(values: ArrayLike, width: float, mask: ArrayLike) -> Array:
    """Smooth slices (..., y, x) by a Gaussian of this FWHM, within a mask (y, x).

    Notes
    -----
    Voxels outside neither give nor get: the smoothed slice is divided by the smoothed mask.

    """
    x, inside = np.asarray(values), np.asarray(mask, dtype=bool)
    if width <= 0:
        return np.asarray(np.where(inside, x, 0))
    sigma = width / WIDTH
    weight = ndimage.gaussian_filter(inside.astype(np.float64), sigma, mode="constant")
    spread = (0.0,) * (x.ndim - 2) + (sigma, sigma)
    blurred = ndimage.gaussian_filter(np.where(inside, x, 0), spread, mode="constant")
    shared = np.where(inside & (weight > 1e-6), weight, np.inf)
    return np.asarray(blurred / shared)


def width_to_reach(
    target: float, slices: Iterable[tuple[ArrayLike, ArrayLike]], *, steps: int = 8
) -> float:
    """Return the FWHM to smooth by so that noise ends up as smooth as `target`.

    Parameters
    ----------
    target
        FWHM in voxels that the smoothed residuals shall have.
    slices
        Residuals (t, y, x) and mask (y, x) of some slices.
    steps
        Halvings of the interval that is searched; eight are good for 0.03 voxels.

    Returns
    -------
    float
        0 if they are as smooth already.

    """
    parts = [(np.asarray(residual), np.asarray(mask)) for residual, mask in slices]

    def reached(width: float) -> float:
        return fwhm(sum(neighbour_sums(smooth(e, width, mask), mask) for e, mask in parts))

    if not reached(0.0) < target:
        return 0.0
    low, high = 0.0, min(WIDEST, target + 0.5)
    for _ in range(steps):
        middle = (low + high) / 2
        low, high = (middle, high) if reached(middle) < target else (low, middle)
    return (low + high) / 2
