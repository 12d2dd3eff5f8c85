"""Does an uncertainty mean what it says? Shares of pixels inside its intervals, and its scale.

A reconstruction with standard deviation `std` says that the truth lies within mean ± 1.645 std for
90 % of the pixels. Counted here, against the truth or against a second frame of the same scene,
whose own noise then widens the interval: sqrt(std**2 + noise variance).

Notes
-----
A second frame has so much noise of its own that the share inside hardly depends on `std`. What
`std` should have been is seen in the spread that is left when the noise's is taken away,
E[(second - mean)**2] - noise variance = E[(truth - mean)**2], as the noise of the second frame is
independent of the reconstruction. That needs the noise variance within a few per cent of
`std**2`: half the squared difference of two frames gives it, an estimate from one frame may not.

References
----------
.. [1] V. Kuleshov et al., "Accurate uncertainties for deep learning using calibrated regression",
   ICML 2018 (intervals and their share).
.. [2] D. Levi et al., "Evaluating and calibrating uncertainty prediction in regression tasks",
   Sensors 22, 2022 (predicted against observed spread; one factor).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]

WIDTHS = {50: 0.67449, 68: 0.99446, 90: 1.64485, 95: 1.95996}  # half widths of normal intervals
CONVENTIONS = {
    "coverage": "share of pixels in mean ± 1.645 std (coverage_90; 0.674, 0.994 and 1.960 for "
    "50, 68 and 95 %); a second frame's noise is added to std",
    "implied_90": "coverage_90 of the truth, from the spread beyond the second frame's noise, "
    "errors taken to be normal",
    "std_scale": "what std has to be multiplied by for 90 % of the truth in mean ± 1.645 std; "
    "output.std_scale= of infer and denoise does it",
}
ROWS = 8  # of the calibration table
LEAST = 500  # pixels of a bin
OCTAVE = 8  # fine bins in a doubling of std
SPAN = 64  # doublings to either side of one grey level
RATIOS = np.geomspace(1e-5, 1e5, 6001)  # |error| / std, told apart by 0.4 %


@dataclass(frozen=True)
class Row:
    """One line of the calibration table, over pixels of alike std.

    Attributes
    ----------
    predicted, observed
        Root mean square of std, and of the error (beyond the second frame's noise), grey levels;
        observed is nan where the noise hides it.
    coverage_90
        Share of the pixels in mean ± 1.645 std (and noise).
    pixels
        Their number.

    """

    predicted: float
    observed: float
    coverage_90: float
    pixels: int


@dataclass
class Calibration:
    """Counts over pixels, which can be added up over frames.

    Attributes
    ----------
    noisy
        Whether the comparison was with a noisy frame.
    count, predicted, observed
        For each fine bin of std: pixels, sum of std**2, sum of squared errors less noise.
    inside
        For each width and fine bin: pixels inside the interval.
    ratios
        Histogram of |error| / std.
    moments
        Sums for the factor from moments, and for its error.

    """

    noisy: bool
    count: Array
    predicted: Array
    observed: Array
    inside: Array
    ratios: Array
    moments: Array

    def __add__(self, other: Calibration) -> Calibration:
        """Return the counts over both."""
        names = ("count", "predicted", "observed", "inside", "ratios", "moments")
        sums = {name: getattr(self, name) + getattr(other, name) for name in names}
        return Calibration(self.noisy or other.noisy, **sums)

    def scores(self) -> dict[str, float]:
        """Return coverage_50 to _95, std_scale, and against a second frame implied_90."""
        pixels = float(self.count.sum())
        if not pixels:
            return {}
        found = {
            f"coverage_{level}": float(part.sum()) / pixels
            for level, part in zip(WIDTHS, self.inside, strict=True)
        }
        scale = self.scale()
        if math.isfinite(scale):
            if self.noisy:
                found["implied_90"] = self._implied()
            found["std_scale"] = scale
        return found

    def scale(self) -> float:
        """Return the factor that std has to be multiplied by; nan where it can't be told.

        Against the truth it is the 90 % quantile of |error| / std over 1.645, so that the share
        inside becomes 90 %. Against a second frame it comes from the spread beyond the noise,
        weighted as std allows, and is told where it exceeds twice its standard error.
        """
        if not self.noisy:
            return _quantile(self.ratios, 0.9) / WIDTHS[90]
        excess, weight = self.moments
        if not weight > 0:
            return math.nan
        square = excess / weight
        return math.sqrt(square) if square > 2 * math.sqrt(2 / weight) else math.nan

    @property
    def scale_error(self) -> float:
        """Standard error of the factor from a second frame, for normal errors; else nan."""
        weight = float(self.moments[1])
        if not self.noisy or not weight > 0:
            return math.nan
        return math.sqrt(2 / weight) / (2 * self.scale())

    def rows(self) -> list[Row]:
        """Return the calibration table: up to eight bins of std with as many pixels each."""
        filled = np.flatnonzero(self.count)
        if not filled.size:
            return []
        wanted = max(1, min(ROWS, int(self.count.sum() // LEAST)))
        middle = (np.cumsum(self.count) - self.count / 2)[filled] / self.count.sum()
        row = np.minimum((middle * wanted).astype(int), wanted - 1)
        return [self._row(filled[row == number]) for number in np.unique(row)]

    def _row(self, bins: NDArray[np.intp]) -> Row:
        pixels = float(self.count[bins].sum())
        left = float(self.observed[bins].sum()) / pixels
        inside = float(self.inside[list(WIDTHS).index(90), bins].sum()) / pixels
        observed = math.sqrt(left) if left > 0 or not self.noisy else math.nan
        return Row(
            math.sqrt(float(self.predicted[bins].sum()) / pixels), observed, inside, int(pixels)
        )

    def _implied(self) -> float:
        rows = self.rows()
        shares = [
            math.erf(WIDTHS[90] * r.predicted / r.observed / math.sqrt(2)) if r.observed > 0 else 1
            for r in rows
        ]
        return float(np.average(shares, weights=[row.pixels for row in rows]))


def calibrate(
    mean: ArrayLike, std: ArrayLike, other: ArrayLike, *, noise: ArrayLike | None = None
) -> Calibration:
    """Compare a reconstruction and its standard deviation with the truth, or with a second frame.

    Parameters
    ----------
    mean, std, other : array_like
        Images of one shape, in grey levels. Pixels that are not finite in one of them don't count.
    noise : array_like, optional
        Variance of the noise of `other`, where that is a second frame.
    """
    m, s, o = (np.asarray(a, dtype=np.float64) for a in (mean, std, other))
    if not m.shape == s.shape == o.shape:
        raise ValueError(f"shapes {m.shape}, {s.shape}, {o.shape} differ")
    n = np.zeros_like(m) if noise is None else np.broadcast_to(noise, m.shape).astype(np.float64)
    good = np.isfinite(m) & np.isfinite(s) & np.isfinite(o) & np.isfinite(n)
    error, square, noise_ = np.abs(o - m)[good], s[good] ** 2, n[good]
    if (s[good] < 0).any():
        raise ValueError("a standard deviation is not negative")
    total = square + noise_
    width = np.sqrt(total)
    with np.errstate(divide="ignore", invalid="ignore"):
        octave = np.floor(OCTAVE * np.log2(np.sqrt(square)))
        ratio = np.where(error > 0, error / width, 0.0)
        weight = np.where(total > 0, square / total**2, 0.0)
    bins = (np.clip(octave, -SPAN * OCTAVE, SPAN * OCTAVE - 1) + SPAN * OCTAVE).astype(np.intp)
    excess = error**2 - noise_

    def summed(values: NDArray[Any]) -> Array:
        found = np.bincount(bins, values.astype(np.float64), minlength=2 * SPAN * OCTAVE)
        return found.astype(np.float64)

    return Calibration(
        noisy=noise is not None,
        count=summed(np.ones_like(error)),
        predicted=summed(square),
        observed=summed(excess),
        inside=np.array([summed(error <= width * w) for w in WIDTHS.values()]),
        ratios=np.histogram(np.clip(ratio, RATIOS[0], RATIOS[-1]), RATIOS)[0].astype(np.float64),
        moments=np.array([np.sum(weight * excess), np.sum(weight * square)]),
    )


def noise_between(first: ArrayLike, second: ArrayLike, level: ArrayLike) -> NDArray[Any]:
    """Return the noise variance of two frames of one scene, at each pixel.

    Half their squared difference, averaged over pixels of alike brightness.

    Parameters
    ----------
    first, second : array_like
        The frames.
    level : array_like
        Brightness without noise, such as the reconstruction.
    """
    a, b, shown = (np.asarray(v, dtype=np.float64) for v in (first, second, level))
    half = (a - b) ** 2 / 2
    good = np.isfinite(half) & np.isfinite(shown)
    found = np.full(shown.shape, math.nan)
    values, order = half[good], np.argsort(shown[good], kind="stable")
    parts = np.array_split(order, max(1, min(64, order.size // (4 * LEAST))))
    variance = np.empty(values.size)
    for part in parts:
        variance[part] = values[part].mean() if part.size else math.nan
    found[good] = variance
    return found


def _quantile(histogram: Array, share: float) -> float:
    """Return a quantile of |error| / std; nan where it is zero or beyond all bounds."""
    below = np.cumsum(histogram)
    if not below.size or not below[-1]:
        return math.nan
    at = int(np.searchsorted(below, share * below[-1]))
    if at in (0, len(histogram) - 1):
        return math.nan
    part = (share * below[-1] - below[at - 1]) / histogram[at]
    return float(RATIOS[at] * (RATIOS[at + 1] / RATIOS[at]) ** part)
