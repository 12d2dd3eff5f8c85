"""How far two noisy images of one thing are shifted against each other.

Phase correlation: the phases of the two spectra differ by a ramp that is the shift. Frequencies
count as much as their power stands above the noise, so that noise doesn't drown what is shared.

References
----------
.. [1] C. D. Kuglin, D. C. Hines, "The phase correlation image alignment method", Proceedings of
   the IEEE International Conference on Cybernetics and Society, 1975.
.. [2] C. H. Knapp, G. C. Carter, "The generalized correlation method for estimation of time
   delay", IEEE Transactions on Acoustics, Speech, and Signal Processing 24, 1976.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[Any]

TAPER = 0.25  # share of a side that is faded out, half of it at each end
NOISE_FROM = 0.4  # cycles per pixel above which there is taken to be noise only
SMOOTH = 1.0  # pixels (standard deviation) that the correlation is smoothed by
SURE = 8.0  # standard deviations by which a peak must stand out, for an error of about a pixel


@dataclass(frozen=True)
class Shift:
    """The shift between two images.

    Attributes
    ----------
    pixels : tuple of float
        How far the second is moved against the first along ([z,] y, x).
    height : float
        How far the peak of the correlation stands out, in standard deviations of the rest.

    """

    pixels: tuple[float, ...]
    height: float

    @property
    def sure(self) -> bool:
        """Whether the two images show the same thing, so that the shift means something."""
        return self.height >= SURE

    @property
    def least(self) -> float:
        """Return the length of the shift in pixels, less what may be its error."""
        return max(0.0, float(np.linalg.norm(self.pixels)) - SURE / self.height)


def find_shift(a: ArrayLike, b: ArrayLike) -> Shift:
    """Find the shift between two images.

    Parameters
    ----------
    a, b : array_like (c, [z,] y, x)
        Two images of one shape; pixels that are not finite are left out.

    Returns
    -------
    Shift
        To about a tenth of a pixel where there is enough to see.

    """
    first, second = (np.asarray(v, dtype=np.float64) for v in (a, b))
    size = first.shape[1:]
    cross: Any = sum(_cross(one, two) for one, two in zip(first, second, strict=True))
    smooth = np.exp(-2 * (np.pi * SMOOTH * _frequency(size)) ** 2)
    surface = np.fft.irfftn(cross * smooth, size, axes=range(len(size)))
    peak = np.unravel_index(int(surface.argmax()), size)
    middle = float(np.median(surface))
    spread = 1.4826 * float(np.median(np.abs(surface - middle)))
    height = (float(surface[peak]) - middle) / spread if spread > 0 else 0.0
    pixels = tuple(_between(surface, peak, axis) for axis in range(len(size)))
    return Shift(pixels, height)


def _cross(a: Array, b: Array) -> Array:
    """Return the phase difference of two spectra, weighted by what is above the noise."""
    window = reduce(np.multiply, np.ix_(*[_taper(n) for n in a.shape]))
    spectra = [np.fft.rfftn(window * _centred(v, window)) for v in (a, b)]
    frequency = _frequency(a.shape)
    coherent: Any = 1.0
    for spectrum in spectra:
        power = np.abs(spectrum) ** 2
        floor = float(power[frequency > NOISE_FROM].mean())
        coherent = coherent * np.clip(1 - floor / np.maximum(power, 1e-300), 0, 1)
    cross = spectra[1] * spectra[0].conj()
    phase: Array = coherent * cross / np.maximum(np.abs(cross), 1e-300)
    return phase


def _taper(n: int) -> Array:
    from scipy.signal.windows import tukey

    window: Array = tukey(n + 2, TAPER)[1:-1]
    return window


def _centred(v: Array, window: Array) -> Array:
    """Return an image without its mean; what is missing becomes the mean."""
    finite = np.isfinite(v)
    weight = window * finite
    mean = float((np.where(finite, v, 0) * weight).sum() / max(float(weight.sum()), 1e-300))
    return np.where(finite, v - mean, 0)


def _frequency(size: tuple[int, ...]) -> Array:
    """Return the length of each frequency of a real transform, in cycles per pixel."""
    axes = [np.fft.fftfreq(n) for n in size[:-1]] + [np.fft.rfftfreq(size[-1])]
    frequency: Array = np.sqrt(sum(f**2 for f in np.ix_(*axes)))
    return frequency


def _between(surface: Array, peak: tuple[Any, ...], axis: int) -> float:
    """Return the place of the peak along an axis, from a parabola through its neighbours."""
    n = surface.shape[axis]
    at = int(peak[axis])
    if n < 3:
        return float(at if at <= n // 2 else at - n)
    line = surface[tuple(slice(None) if k == axis else p for k, p in enumerate(peak))]
    left, top, right = line[at - 1], line[at], line[(at + 1) % n]
    bend = left - 2 * top + right
    offset = 0.5 * (left - right) / bend if bend < 0 else 0.0
    return float((at if at <= n // 2 else at - n) + offset)
