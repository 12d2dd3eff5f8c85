"""What a denoiser took away, and whether it was only noise.

A good denoiser takes away as much as there was noise, pixel independent of pixel (where the noise
is), and nothing that looks like the image. All of this can be seen without a reference.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bioreco.metrics.noise import Noise, estimate_noise

Array = NDArray[Any]

LAGS = (1, 2)


@dataclass(frozen=True)
class Residual:
    """The difference between a measurement and what a denoiser made of it.

    Attributes
    ----------
    sigma : float
        Its standard deviation, in grey levels.
    over_noise : float
        The same over the noise that the measurement was estimated to have: 1 is right, less
        leaves noise behind, more takes structure away. nan if the noise is unknown.
    correlation : mapping
        Axis letter to its correlation with the next pixel and the one after. White noise: 0.
    likeness : float
        Its correlation with the result: 0 is right, else brightness was changed.
    """

    sigma: float
    over_noise: float
    correlation: Mapping[str, tuple[float, float]]
    likeness: float


def residual(measured: ArrayLike, result: ArrayLike, *, noise: Noise | None = None) -> Residual:
    """Describe what was taken away from a measurement.

    Parameters
    ----------
    measured, result : array_like (y, x) or (z, y, x)
        Before and after.
    noise : Noise, optional
        That of the measurement; estimated if not given.

    Returns
    -------
    Residual

    Notes
    -----
    For the correlations every pixel is divided by the noise expected at its brightness, so that
    bright parts don't outweigh the rest.
    """
    y, x = np.asarray(measured, dtype=np.float64), np.asarray(result, dtype=np.float64)
    if y.shape != x.shape:
        raise ValueError(f"the measurement has shape {y.shape}, the result {x.shape}")
    known = estimate_noise(y) if noise is None else noise
    finite = np.isfinite(y) & np.isfinite(x)
    difference = np.subtract(y, x, out=np.zeros_like(y), where=finite)
    if not finite.any():
        return Residual(math.nan, math.nan, {}, math.nan)
    sigma = float(np.std(difference[finite]))
    return Residual(
        sigma=sigma,
        over_noise=sigma / known.sigma if known.sigma > 0 else math.nan,
        correlation=autocorrelation(np.where(finite, _standardised(difference, x, known), 0.0)),
        likeness=_likeness(difference[finite], x[finite]),
    )


def autocorrelation(values: ArrayLike) -> dict[str, tuple[float, float]]:
    """Return the correlation of an image with itself one and two pixels on, along each axis.

    Parameters
    ----------
    values : array_like (y, x) or (z, y, x)

    Returns
    -------
    dict
        Axes shorter than four pixels are left out; so is everything for a constant image.
    """
    image = np.asarray(values, dtype=np.float64)
    centred = image - image.mean()
    power = float(np.mean(centred**2))
    if not power > 0:
        return {}
    found = {}
    for axis, letter in enumerate("ZYX"[3 - image.ndim :]):
        n = image.shape[axis]
        if n < 4:
            continue
        line = np.moveaxis(centred, axis, 0)
        one, two = (float(np.mean(line[lag:] * line[: n - lag])) / power for lag in LAGS)
        found[letter] = (one, two)
    return found


def _standardised(difference: Array, result: Array, noise: Noise) -> Array:
    """Return the difference over the noise expected at each brightness."""
    if not noise.sigma > 0:
        return difference
    expected = noise.variance(np.nan_to_num(result, nan=noise.level, posinf=0.0, neginf=0.0))
    return np.asarray(difference / np.sqrt(np.maximum(expected, 0.05 * noise.sigma**2)))


def _likeness(difference: Array, result: Array) -> float:
    spread = float(difference.std() * result.std())
    if not spread > 0:
        return math.nan
    together = np.mean((difference - difference.mean()) * (result - result.mean()))
    return float(together) / spread
