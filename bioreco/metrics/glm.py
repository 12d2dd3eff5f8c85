"""The general linear model: how much each voxel responds to the task, and how surely.

    y = X b + e,   beta = 100 b_task / mean(y) per cent,   t = b_task / sqrt(s^2 [(X^T X)^-1]_task)

X holds a constant, the task and a slow drift. Noise in a series remembers the frame before; with
`ar1` both sides are whitened, y_t - rho y_(t-1), with the rho of each voxel's residual, and fitted
again (Cochrane and Orcutt).

References
----------
.. [1] K. J. Friston et al., "Statistical parametric maps in functional imaging: a general linear
   approach", Human Brain Mapping 2, 1994.
.. [2] D. Cochrane, G. H. Orcutt, "Application of least squares regression to relationships
   containing auto-correlated error terms", Journal of the American Statistical Association 44,
   1949.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bioreco.metrics.series import DRIFT, Fit, design, least_squares

Array = NDArray[np.float64]

TASK = 1  # column of the design
GRAIN = 0.01  # voxels whose rho differs by less are whitened together
LARGEST = 0.95  # |rho| is kept below this


@dataclass(frozen=True)
class Response:
    """What a fit found in each voxel.

    Attributes
    ----------
    beta
        Response to the task in per cent of the mean (...); 0 where the mean is 0.
    t
        Student's t of the response (...), 0 where nothing varies.
    residual
        What the model does not explain (t, ...).

    """

    beta: Array
    t: Array
    residual: Array


def glm(
    courses: ArrayLike, regressor: ArrayLike, *, drift: int = DRIFT, ar1: bool = False
) -> Response:
    """Fit the response of each voxel to a task.

    Parameters
    ----------
    courses
        Series (t, ...); of complex ones the magnitude is used.
    regressor
        The task (t,).
    drift
        Order of the polynomial that models drift.
    ar1
        Whether the noise is whitened as first-order autoregressive.

    """
    x = np.abs(np.asarray(courses)).astype(np.float64)
    model = design(len(x), regressor, drift=drift)
    plain = least_squares(x, model)
    mean = x.mean(0)
    slope, t = plain.coefficients[TASK], _student(plain)
    if ar1:
        slope, t = _whitened(x, model, plain)
    beta = np.divide(100 * slope, mean, out=np.zeros_like(mean), where=mean > 0)
    return Response(beta, t, plain.residual)


def autocorrelation(residual: ArrayLike) -> Array:
    """Return the correlation of each residual (t, ...) with itself one frame earlier (...)."""
    e = np.asarray(residual, dtype=np.float64)
    power = (e**2).sum(0)
    joint = (e[1:] * e[:-1]).sum(0)
    return np.asarray(np.divide(joint, power, out=np.zeros_like(power), where=power > 0))


def _student(fit: Fit) -> Array:
    error = np.sqrt(fit.variance * fit.inverse[TASK, TASK])
    slope = fit.coefficients[TASK]
    steady = error > 1e-12 * np.maximum(np.abs(fit.coefficients[0]), 1e-300)
    return np.asarray(np.divide(slope, error, out=np.zeros_like(slope), where=steady))


def _whitened(x: Array, model: Array, plain: Fit) -> tuple[Array, Array]:
    """Fit again with whitened noise; voxels of about the same rho share a design."""
    flat = x.reshape(len(x), -1)
    rho = np.clip(autocorrelation(plain.residual).ravel(), -LARGEST, LARGEST)
    grain = np.round(rho / GRAIN).astype(int)
    slope, t = np.zeros(flat.shape[1]), np.zeros(flat.shape[1])
    for step in np.unique(grain):
        here = grain == step
        fit = least_squares(_differenced(flat[:, here], step * GRAIN),
                            _differenced(model, step * GRAIN))  # fmt: skip
        slope[here], t[here] = fit.coefficients[TASK], _student(fit)
    return slope.reshape(x.shape[1:]), t.reshape(x.shape[1:])


def _differenced(courses: Array, rho: float) -> Array:
    """Return y_t - rho y_(t-1), the first frame scaled to the same variance."""
    first = np.sqrt(1 - rho**2) * courses[:1]
    return np.concatenate([first, courses[1:] - rho * courses[:-1]])
