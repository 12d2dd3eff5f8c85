"""Wavelet thresholding: structure is few large coefficients, noise is many small ones."""

from __future__ import annotations

import math
from typing import ClassVar

import numpy as np

from bioreco.errors import UserError, nearest
from bioreco.methods.classical import Array
from bioreco.methods.noiseaware import NoiseAware

FAMILIES = ("haar", "db2", "db4", "sym4", "coif1", "bior2.2")
EDGE = 8  # mirrored pixels beyond the border, and the largest shift


class Wavelet(NoiseAware):
    """Soft thresholds that suit each scale (BayesShrink), averaged over shifts of the image.

    Parameters
    ----------
    dims
        Spatial axes.
    wavelet
        "haar", "db2", "db4", "sym4", "coif1" or "bior2.2".
    shifts
        Shifts of the image that are averaged over; 1: none.
    strength
        What the thresholds take the noise to be, in standard deviations of it; None: calibrated.
    sigma, stabilise, keep_mean
        See `NoiseAware`.

    Raises
    ------
    UserError
        If an option is out of range.

    Notes
    -----
    The threshold of a scale and direction is T = sigma**2 / sqrt(max(var - sigma**2, 0)) [1]_.
    Thresholds leave ripples where the wavelets happen to sit; averaging over shifts removes most
    of them [2]_.

    References
    ----------
    .. [1] S. G. Chang, B. Yu and M. Vetterli, "Adaptive wavelet thresholding for image denoising
       and compression", IEEE Transactions on Image Processing 9, 2000.
    .. [2] R. R. Coifman and D. L. Donoho, "Translation-invariant de-noising", 1995.

    """

    name = "Wavelets"
    footprint = 100
    grid: ClassVar = (
        0.3,
        0.4,
        0.5,
        0.6,
        0.7,
        0.8,
        0.9,
        1.0,
        1.1,
        1.2,
        1.4,
        1.7,
        2.0,
        2.5,
        3.0,
        5.0,
        10.0,
    )

    def __init__(
        self,
        dims: int,
        *,
        wavelet: str = "sym4",
        shifts: int = 8,
        strength: float | None = None,
        sigma: float | None = None,
        stabilise: bool | str = "auto",
        keep_mean: float | None = 4.0,
    ) -> None:
        super().__init__(
            dims, strength=strength, sigma=sigma, stabilise=stabilise, keep_mean=keep_mean
        )
        if wavelet not in FAMILIES:
            raise UserError(
                f"method.wavelet={wavelet}: choose one of {', '.join(FAMILIES)}."
                + nearest(wavelet, FAMILIES)
            )
        if not 1 <= shifts <= EDGE**2:
            raise UserError(f"method.shifts={shifts}: 1 to {EDGE**2}")
        self.wavelet, self.shifts = wavelet, shifts

    def filtered(self, y: Array, strength: float) -> Array:
        """Average the thresholded images over the shifts."""
        size = y.shape[1:]
        wide = np.pad(y, [(0, 0), *[(EDGE, EDGE)] * len(size)], mode="reflect")
        x = np.zeros_like(y)
        for k in range(self.shifts):
            start = [(k * step + k // EDGE) % EDGE for step in (5, 3, 1)[-len(size) :]]
            cut = [slice(a, a + n + EDGE) for a, n in zip(start, size, strict=True)]
            back = [slice(EDGE - a, EDGE - a + n) for a, n in zip(start, size, strict=True)]
            x += np.stack([self._shrunk(c, strength)[*back] for c in wide[:, *cut]])
        return x / self.shifts

    def _shrunk(self, y: Array, sigma: float) -> Array:
        import pywt

        length = pywt.Wavelet(self.wavelet).dec_len
        deepest = {axis: pywt.dwt_max_level(n, length) for axis, n in enumerate(y.shape)}
        axes = [axis for axis, levels in deepest.items() if levels]
        if not axes:
            return y
        level = min(5, *(deepest[axis] for axis in axes))
        rough, *details = pywt.wavedecn(y, self.wavelet, "reflect", level, axes)
        kept = [{key: _soft(d, sigma) for key, d in detail.items()} for detail in details]
        x = pywt.waverecn([rough, *kept], self.wavelet, "reflect", axes)
        return np.asarray(x[tuple(slice(0, n) for n in y.shape)])


def _soft(details: Array, sigma: float) -> Array:
    """Shrink towards zero by the threshold of BayesShrink."""
    signal = float(np.mean(details**2)) - sigma**2
    if signal <= 0:
        return np.zeros_like(details)
    threshold = sigma**2 / math.sqrt(signal)
    return np.asarray(np.sign(details) * np.maximum(np.abs(details) - threshold, 0))
