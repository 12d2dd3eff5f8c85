"""The error of a denoiser without a truth: denoise part of the light, compare with the rest.

A measurement y = x + w is split into two that share no noise (see `splits`): the denoiser f sees
the first, y1, and is judged by the second, y2. Its error is, without ever seeing x,

    E|f(y1) - x|**2 = E|f(y1) - y2|**2 - var(y2).

This is the error at the dose of y1, nine tenths of the light.

Notes
-----
Written out, |f(y1) - y2|**2 has terms that are the same for every denoiser, and large. `error` has
their expectation, var(y2) included, in their place, so that a few folds are enough:

    mean of |f(y1) - y|**2  -  var(y)  -  2 * covariance over folds of f(y1) and y2

where the covariance is that of samples (divided by folds - 1).

A denoiser that was trained on y knows some of the noise of y2. Blind spots keep that small; a
network that learns noise by heart is scored too well.

References
----------
.. [1] N. L. Oliveira, J. Lei, R. J. Tibshirani, "Unbiased risk estimation in the normal means
   problem via coupled bootstrap techniques", 2021, Eq. (9).
.. [2] B. Efron, "The estimation of prediction error: covariance penalties and cross-validation",
   JASA 99, 2004.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bioreco.metrics.noise import Noise
from bioreco.metrics.splits import smooth

Array = NDArray[Any]


def objection(noise: Noise) -> str | None:
    """Return why noise like this allows no score without a truth; None if it does."""
    if noise.constant or noise.sigma == 0:
        return "no noise was found"
    if not noise.sigma > 0:
        return "the noise could not be estimated"
    if not noise.sure:
        return "the noise could not be told from structure"
    axes = noise.shared_axes()
    if axes:
        return f"neighbouring pixels share noise along {' and '.join(axes)}"
    return None


def error(y: ArrayLike, found: ArrayLike, kept: ArrayLike, variance: ArrayLike) -> float:
    """Return the mean squared error of a denoiser, in grey levels squared; it can be negative.

    Parameters
    ----------
    y
        The measurement ([z,] y, x).
    found
        What the denoiser made of `Split.seen` (folds, [z,] y, x), two folds or more.
    kept
        `Split.kept`.
    variance
        Variance of the noise of y, of each pixel or of all. Pixels of y that are not finite don't
        count.

    """
    return float(np.mean(contributions(y, found, kept, variance)))


def contributions(y: ArrayLike, found: ArrayLike, kept: ArrayLike, variance: ArrayLike) -> Array:
    """Return what each finite pixel adds to the `error`, which is their mean."""
    measured = np.asarray(y, dtype=np.float64)
    finite = np.isfinite(measured)
    inside, results, others = (
        np.asarray(v, dtype=np.float64)[..., finite] for v in (measured, found, kept)
    )
    folds = len(results)
    if folds < 2:
        raise ValueError(f"a covariance needs two folds or more, got {folds}")
    together = np.sum((results - results.mean(0)) * (others - others.mean(0)), axis=0)
    known = np.broadcast_to(np.asarray(variance, dtype=np.float64), measured.shape)[finite]
    apart = np.mean((results - inside) ** 2, axis=0)
    return np.asarray(apart - 2 * together / (folds - 1) - known)


def contrast(y: ArrayLike) -> float:
    """Return the range, max - min, of a measurement averaged over 5 pixels along each axis."""
    return float(np.ptp(smooth(y)))
