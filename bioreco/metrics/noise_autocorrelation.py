"""How alike the noise of pixels is that lie some way apart, found in the images themselves.

White noise has a flat power spectrum, noise that pixels share has not: the spectrum is the Fourier
transform of the autocorrelation that is looked for. Structure adds power at low frequencies only.
So the spectrum is measured in the flattest blocks of the image, its low frequencies are replaced
by what the others say of them, and cosines are fitted to the whole.

Notes
-----
A block's spectrum (Hann window w) has the expectation ``P(k) = sum_d R(d) a(d) cos(k d)``, where R
is the autocovariance of the noise and a the autocorrelation of the window. The frequencies below
`LOW` are filled in by the closest product of a profile along y and one along x plus a constant,
fitted to the frequencies above, and never by more than was measured. For noise that was smoothed
along the axes, and for noise in rows or columns, the product is exact. R is then the weighted least
squares fit, which doubts far lags a little. The correlation between slices is taken to be the same
at all lags in the plane.

Where frames repeat the same scene, differences between them hold noise alone and are used instead
(a pattern that is fixed to the camera cancels in them and is not seen).

References
----------
.. [1] C. Broaddus et al., "Removing structured noise with self-supervised blind-spot networks",
   ISBI 2020.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bioreco.metrics.noise_blocks import CELL, tiles
from bioreco.metrics.noise_spectrum import frequency, hann, noise_spectrum

Array = NDArray[Any]

CHANCE = 3.0  # standard errors that a correlation must be beyond
PIXELS = 2**19  # looked at, spread over the images
FARTHEST = 12  # lags at most along y and x
SIDE = 32  # pixels along a block; half of it in small images
LOW = 5 / 32  # cycles per pixel below which the spectrum may be that of structure
SAME = 0.8  # correlation of coarse pixels from which two frames are repeats of one scene
AHEAD = 4  # frames among which the repeat of a frame is looked for
DOUBT = 1e-3  # how much far lags are doubted


@dataclass(frozen=True)
class Autocorrelation:
    """The autocorrelation of noise.

    Attributes
    ----------
    values : ndarray ([2 z + 1,] 2 y + 1, 2 x + 1)
        Correlation at each lag; 1 in the middle.
    error : float
        Standard deviation of a correlation by chance.
    repeats : bool
        Whether it was measured in differences between repeated frames.
    """

    values: Array
    error: float
    repeats: bool

    @property
    def largest(self) -> float:
        """The largest correlation, either way, between two pixels."""
        others = np.abs(self.values).ravel()
        return float(np.delete(others, others.size // 2).max(initial=0))

    def support(self, threshold: float) -> NDArray[np.bool_]:
        """Return the lags whose correlation is surely beyond a threshold, either way.

        The middle is always one of them.
        """
        return np.asarray(np.abs(self.values) > min(max(threshold, CHANCE * self.error), 0.99))


def noise_autocorrelation(frames: Sequence[ArrayLike], *, reach: int = 8) -> Autocorrelation:
    """Estimate the autocorrelation of the noise that frames have in common.

    Parameters
    ----------
    frames : sequence of array_like (y, x) or (z, y, x)
        Images of any size, all of as many dimensions. Blocks with pixels that are not finite are
        left out.
    reach : int
        Largest lag along each axis; less where the images are small.

    Returns
    -------
    Autocorrelation
        Nothing but the middle where the images are too small or have no noise.

    """
    arrays = [np.asarray(frame) for frame in frames]
    if not arrays or {a.ndim for a in arrays} not in ({2}, {3}):
        raise ValueError(f"expected axes (y, x) or (z, y, x), got {[a.shape for a in arrays]}")
    planar = arrays[0].ndim == 2
    regions = _regions([a[None] if planar else a for a in arrays])
    differences = _differences(regions)
    parts = [part for one in (differences or regions) for part in one]
    side = SIDE if min(min(part.shape[1:]) for part in parts) >= 2 * SIDE else SIDE // 2
    parts = [part for part in parts if min(part.shape[1:]) >= side]
    deep = 0 if planar or not parts else min(reach, max(len(part) for part in parts) - 1)
    across = min(reach, FARTHEST, side // 2 - 1)
    spectra = [noise_spectrum(parts, side, lag) for lag in range(deep + 1)] if parts else []
    if not spectra or spectra[0].pixels == 0:
        values = np.zeros((2 * deep + 1, 2 * across + 1, 2 * across + 1))
        values[deep, across, across] = 1
        error = 1.0
    else:
        fine = frequency(side) > LOW
        depth = [float(s.power[fine].sum() / spectra[0].power[fine].sum()) for s in spectra]
        plane = _lags(_completed(spectra[0].power), across)
        values = np.array(depth[:0:-1] + depth)[:, None, None] * plane
        error = float(np.sqrt((plane**2).sum() / spectra[0].pixels))
    return Autocorrelation(values[0] if planar else values, error, bool(differences))


def _regions(volumes: Sequence[Array]) -> list[list[Array]]:
    """Return of each volume, or of some of many, as many regions as there is time for."""
    chosen = np.unique(np.linspace(0, len(volumes) - 1, min(len(volumes), 24)).round().astype(int))
    budget = PIXELS // len(chosen)
    return [
        [volumes[k][region].astype(np.float64) for region in tiles(volumes[k].shape, budget)]
        for k in chosen
    ]


def _differences(frames: Sequence[list[Array]]) -> list[list[Array]]:
    """Return the differences between frames that repeat one scene, if there are such."""
    coarse = [np.concatenate([_coarse(part) for part in parts]) for parts in frames]
    found = []
    for k, parts in enumerate(frames):
        later = range(k + 1, min(k + 1 + AHEAD, len(frames)))
        alike = {j: _alike(coarse[k], coarse[j]) for j in later}
        best = max(alike, key=lambda j: alike[j], default=None)
        if best is not None and alike[best] > SAME:
            found.append([(b - a) / np.sqrt(2) for a, b in zip(parts, frames[best], strict=True)])
    return [one for one in found if any(np.nanmax(np.abs(d), initial=0) > 0 for d in one)]


def _coarse(part: Array) -> Array:
    depth, h, w = part.shape[0], part.shape[1] // CELL, part.shape[2] // CELL
    cut = part[:, : h * CELL, : w * CELL].reshape(depth, h, CELL, w, CELL)
    return np.asarray(np.nan_to_num(cut, posinf=0, neginf=0).mean(axis=(2, 4)).ravel())


def _alike(one: Array, two: Array) -> float:
    if one.shape != two.shape or one.size < 16 or not (np.ptp(one) > 0 and np.ptp(two) > 0):
        return 0.0
    return float(np.corrcoef(one, two)[0, 1])


def _completed(spectrum: Array) -> Array:
    """Fill in the low frequencies by the product of two profiles that fits the others."""
    low = frequency(len(spectrum)) <= LOW
    seen = spectrum[~low]
    floor = 0.9 * float(np.quantile(seen, 0.02))
    above = np.maximum(spectrum - floor, 0)
    weight = np.where(low, 0, 1 / (above + 0.05 * seen.mean()) ** 2)
    y = x = np.ones(len(spectrum))
    for _ in range(100):
        y = (weight * above * x).sum(axis=1) / np.maximum((weight * x**2).sum(axis=1), 1e-12)
        x = (weight * above).T @ y / np.maximum(weight.T @ y**2, 1e-12)
    return np.where(low, np.clip(floor + np.outer(y, x), 0, spectrum), spectrum)


def _lags(spectrum: Array, reach: int) -> Array:
    """Return the autocorrelation (2 reach + 1, 2 reach + 1) that fits a spectrum best."""
    side = len(spectrum)
    window = hann(side)
    faded = np.correlate(window, window, "full")[side - 1 :] / (window**2).sum()
    lags = [
        (a, b) for a in range(reach + 1) for b in range(-reach, reach + 1) if a > 0 or b >= 0
    ]  # the others mirror these
    y, x = np.array(lags).T
    f = 2 * np.pi * np.fft.fftfreq(side)
    waves = np.cos(f[:, None, None] * y + f[None, :, None] * x).reshape(side**2, -1)
    waves *= faded[abs(y)] * faded[abs(x)] * np.where((y == 0) & (x == 0), 1, 2)
    power = spectrum.ravel()
    weight = 1 / (power + 0.1 * power.mean())
    doubt = np.sqrt(DOUBT * side**2) * np.hypot(y, x) / reach
    found = np.linalg.lstsq(
        np.vstack([waves * weight[:, None], np.diag(doubt)]),
        np.concatenate([power * weight, np.zeros(len(lags))]),
        rcond=None,
    )[0]
    values = np.zeros((2 * reach + 1, 2 * reach + 1))
    values[reach + y, reach + x] = values[reach - y, reach - x] = found / found[0]
    return values
