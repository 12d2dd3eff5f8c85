"""What all numbers of a functional series share: the design, the fit, and slices one by one.

A series is (t, z, y, x), real or complex, of which the magnitude is used. It may be anything that
gives one slice as `series[:, z]`, an open HDF5 data set or a memory map too, so that a series
larger than memory is worked through slice by slice.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]

DRIFT = 2  # order of the polynomial that is fitted as drift


class Series(Protocol):
    """Four axes (t, z, y, x), of which one slice can be read alone."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Frames, slices, rows and columns."""

    def __getitem__(self, index: Any, /) -> Any:
        """Return a part, as numpy does."""


def magnitude(series: Series, z: int) -> Array:
    """Return the magnitude of one slice over time (t, y, x)."""
    values = np.asarray(series[:, z])
    return np.asarray(np.abs(values), dtype=np.float64)


@dataclass(frozen=True)
class Fit:
    """Least squares of time courses.

    Attributes
    ----------
    design
        (t, k); the first column is constant, the second the task if there is one.
    inverse
        (X^T X)^-1 (k, k).
    coefficients
        (k, ...).
    residual
        (t, ...).

    """

    design: Array
    inverse: Array
    coefficients: Array
    residual: Array

    @property
    def freedom(self) -> int:
        """Degrees of freedom of the residual."""
        frames, columns = self.design.shape
        return int(frames - columns)

    @property
    def variance(self) -> Array:
        """Variance of the residual (...)."""
        return np.asarray((self.residual**2).sum(0) / self.freedom)


def design(frames: int, regressor: ArrayLike | None = None, *, drift: int = DRIFT) -> Array:
    """Return a constant, the task if there is one, and a drift of Legendre polynomials (t, k).

    Raises
    ------
    ValueError
        If the regressor has another length, or there are too few frames to fit.

    """
    time = np.linspace(-1, 1, frames)
    columns = [np.polynomial.legendre.Legendre.basis(k)(time) for k in range(drift + 1)]
    if regressor is not None:
        task = np.asarray(regressor, dtype=np.float64)
        if task.shape != (frames,):
            raise ValueError(f"the regressor has shape {task.shape}, the series {frames} frames")
        columns.insert(1, task - task.mean())
    if frames <= len(columns):
        raise ValueError(f"{frames} frames are too few to fit {len(columns)} courses")
    return np.stack(columns, axis=1)


def least_squares(courses: ArrayLike, model: Array) -> Fit:
    """Fit time courses (t, ...) with the columns of a design (t, k)."""
    y = np.asarray(courses, dtype=np.float64)
    flat = y.reshape(len(y), -1)
    coefficients = np.linalg.pinv(model) @ flat
    residual = flat - model @ coefficients
    return Fit(
        design=model,
        inverse=np.asarray(np.linalg.pinv(model.T @ model), dtype=np.float64),
        coefficients=coefficients.reshape(-1, *y.shape[1:]),
        residual=residual.reshape(y.shape),
    )
