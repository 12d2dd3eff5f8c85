"""How close an image is to a reference that is known to be good: PSNR, SSIM and friends.

All numbers are worked out in float64. `CONVENTIONS` says in words how each is defined, so that no
number has to be printed without its definition.

References
----------
.. [1] Z. Wang et al., "Image quality assessment: from error visibility to structural similarity",
   IEEE Transactions on Image Processing 13, 2004.
.. [2] M. Weigert et al., "Content-aware image restoration", Nature Methods 15, 2018 (scale and
   offset fitted before the PSNR).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

CONVENTIONS = {
    "psnr": "data range = max - min of the reference",
    "psnr_255": "data range = 255",
    "si_psnr": "after the best scale and offset, data range = max - min of the reference",
    "ssim": "Gaussian window of sigma 1.5, data range = max - min of the reference",
    "nrmse": "root of the summed squared error over root of the summed squared reference",
}
WINDOW = 11  # pixels along one side of the SSIM window

Array = NDArray[Any]


def psnr(x: ArrayLike, reference: ArrayLike, *, data_range: float | None = None) -> float:
    """Return the peak signal-to-noise ratio in decibels.

    Parameters
    ----------
    x, reference : array_like
        Images of one shape.
    data_range : float, optional
        The peak; max - min of the reference if not given.

    Returns
    -------
    float
        Infinite for equal images, nan where the reference is constant and no range is given.

    Examples
    --------
    >>> psnr([0.0, 1.1], [0.0, 1.0])
    23.01...
    """
    a, b = _pair(x, reference)
    peak = _range(b) if data_range is None else float(data_range)
    error = float(np.mean((a - b) ** 2)) if a.size else math.nan
    if not peak > 0 or math.isnan(error):
        return math.nan
    return math.inf if error == 0 else 10 * math.log10(peak**2 / error)


def si_psnr(x: ArrayLike, reference: ArrayLike) -> float:
    """Return the PSNR after the scale and offset that bring `x` closest to the reference.

    Notes
    -----
    Reconstructions that are right up to brightness and contrast are compared fairly by this one.
    """
    a, b = _pair(x, reference)
    if not a.size:
        return math.nan
    centred = a - a.mean()
    power = float(np.sum(centred**2))
    scale = float(np.sum(centred * (b - b.mean()))) / power if power > 0 else 0.0
    return psnr(scale * centred + b.mean(), b)


def ssim(x: ArrayLike, reference: ArrayLike, *, data_range: float | None = None) -> float:
    """Return the mean structural similarity (scikit-image's, Gaussian window of sigma 1.5).

    Notes
    -----
    A volume thinner than the window is scored slice by slice and averaged. Images smaller than
    the window, or with a constant reference, have no score: nan.
    """
    a, b = _pair(x, reference)
    peak = _range(b) if data_range is None else float(data_range)
    if not peak > 0 or b.ndim < 2 or min(b.shape[-2:]) < WINDOW:
        return math.nan
    if b.ndim > 2 and min(b.shape) < WINDOW:
        planes = [ssim(p, q, data_range=peak) for p, q in zip(a, b, strict=True)]
        return float(np.mean(planes))
    from skimage.metrics import structural_similarity

    return float(
        structural_similarity(
            a, b, data_range=peak, gaussian_weights=True, sigma=1.5, use_sample_covariance=False
        )
    )


def nrmse(x: ArrayLike, reference: ArrayLike) -> float:
    """Return the error's Euclidean norm over the reference's: 0 is perfect."""
    a, b = _pair(x, reference)
    norm = float(np.linalg.norm(b))
    return float(np.linalg.norm(a - b)) / norm if norm > 0 else math.nan


def scores(x: ArrayLike, reference: ArrayLike) -> dict[str, float]:
    """Score one image against its reference with everything in `CONVENTIONS` that applies.

    Parameters
    ----------
    x, reference : array_like
        Images of one shape, 2D or 3D. Pixels that are NaN or infinite in either are left out.

    Returns
    -------
    dict
        Keys psnr, si_psnr, ssim, nrmse, and psnr_255 where the reference is 8-bit. What can't be
        measured (SSIM with missing pixels, PSNR against a constant) is absent.
    """
    a, b = np.asarray(x), np.asarray(reference)
    _pair(a, b)
    finite = np.isfinite(a) & np.isfinite(b)
    whole = bool(finite.all())
    flat_a, flat_b = (a, b) if whole else (a[finite], b[finite])
    found = {"psnr": psnr(flat_a, flat_b)}
    if b.dtype == np.uint8:
        found["psnr_255"] = psnr(flat_a, flat_b, data_range=255)
    found["si_psnr"] = si_psnr(flat_a, flat_b)
    if whole:
        found["ssim"] = ssim(a, b)
    found["nrmse"] = nrmse(flat_a, flat_b)
    return {name: value for name, value in found.items() if not math.isnan(value)}


def _pair(x: ArrayLike, reference: ArrayLike) -> tuple[Array, Array]:
    a, b = np.asarray(x, dtype=np.float64), np.asarray(reference, dtype=np.float64)
    if a.shape != b.shape:
        raise ValueError(f"the image has shape {a.shape}, the reference {b.shape}")
    return a, b


def _range(values: Array) -> float:
    return float(values.max() - values.min()) if values.size else 0.0
