"""Fourier ring correlation: down to which detail two images of one thing agree.

Two images with independent noise are compared ring by ring in frequency (shell by shell for
volumes). Where their correlation first falls below 1/7, detail drowns in noise.

References
----------
.. [1] W. O. Saxton, W. Baumeister, "The correlation averaging of a regularly arranged bacterial
   cell envelope protein", Journal of Microscopy 127, 1982.
.. [2] N. Banterle et al., "Fourier ring correlation as a resolution criterion for super-resolution
   microscopy", Journal of Structural Biology 183, 2013.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bioreco.metrics.shells import shell_correlation

Array = NDArray[Any]

THRESHOLD = 1 / 7
SMALLEST = 16  # pixels along one side
INNERMOST = 3  # rings that aren't asked
TAPER = 0.125  # share of a side that is faded out at each end


@dataclass(frozen=True)
class RingCorrelation:
    """Correlation against frequency.

    Attributes
    ----------
    frequency : ndarray (n,)
        Cycles per pixel, up to 0.5.
    correlation : ndarray (n,)
        Between -1 and 1.
    crossing : float or None
        Frequency of the first fall below the threshold; None if it never falls.
    """

    frequency: Array
    correlation: Array
    crossing: float | None

    @property
    def resolution(self) -> float | None:
        """Return the smallest detail both images show, in pixels; None if finer than 2 pixels."""
        return None if self.crossing is None else 1 / self.crossing


def frc(a: ArrayLike, b: ArrayLike, *, threshold: float = THRESHOLD) -> RingCorrelation:
    """Correlate two images ring by ring.

    Parameters
    ----------
    a, b : array_like (y, x) or (z, y, x)
        Two images of the same thing, of one shape, with independent noise.
    threshold : float
        1/7 between two noisy images; 0.5 against a reference without noise.

    Returns
    -------
    RingCorrelation
    """
    first, second = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    if first.shape != second.shape:
        raise ValueError(f"the images have shapes {first.shape} and {second.shape}")
    if first.ndim not in (2, 3) or min(first.shape[-2:]) < SMALLEST:
        raise ValueError(f"expected an image of at least {SMALLEST} pixels, got {first.shape}")
    taper = _taper(first.shape)
    one, two = (np.fft.rfftn((x - x.mean()) * taper) for x in (first, second))
    correlation = shell_correlation(one, two, first.shape)
    frequency = np.arange(1, len(correlation) + 1) / min(first.shape[-2:])
    return RingCorrelation(frequency, correlation, _crossing(frequency, correlation, threshold))


def _crossing(frequency: Array, correlation: Array, threshold: float) -> float | None:
    """Return where the curve, smoothed over three rings, first falls below the threshold.

    The innermost rings hold too few frequencies to say anything.
    """
    padded = np.pad(correlation, 1, mode="edge")
    smooth = (padded[:-2] + padded[1:-1] + padded[2:]) / 3
    below = np.flatnonzero(smooth[INNERMOST:] < threshold)
    if not below.size:
        return None
    i = INNERMOST + int(below[0])
    if smooth[i - 1] < threshold:
        return float(frequency[i])
    fall = smooth[i - 1] - smooth[i]
    part = (smooth[i - 1] - threshold) / fall
    return float(frequency[i - 1] + part * (frequency[i] - frequency[i - 1]))


def _taper(shape: tuple[int, ...]) -> Array:
    """Return a window that fades the borders, so that they don't correlate."""
    window = np.ones(())
    for n in shape:
        width = max(1, round(TAPER * n)) if n >= SMALLEST else 0
        side = np.ones(n)
        ramp = 0.5 - 0.5 * np.cos(np.pi * (np.arange(width) + 0.5) / max(width, 1))
        side[:width], side[n - width :] = ramp, ramp[::-1]
        window = window[..., None] * side
    return window
