"""How much noise one image has, what kind, and whether neighbouring pixels share it.

The model is the camera's: `y = gain * counts + offset + read noise`, so that the noise variance
grows in a straight line with brightness, `var = gain * (level - offset) + read_noise ** 2`. All
is estimated blind, from a single image: no dark frame, no repeats.

Notes
-----
The line alone gives its slope (the gain) and its height; how the height is shared between offset
and read noise can't be seen in it. Counting noise is lopsided and read noise is not: at low counts
that tells them apart. Otherwise the darkest part of the image is taken to be dark: its level is
the offset and its noise the read noise. Where that is wrong, `variance` is still right.

Where neighbouring pixels share noise, the detector or an earlier step has smoothed it. The gain
is then the slope of the line that was measured, smaller than grey levels per count.

References
----------
.. [1] A. Foi et al., "Practical Poissonian-Gaussian noise modeling and fitting for single-image
   raw-data", IEEE Transactions on Image Processing 17, 2008.
.. [2] J. R. Janesick, "Photon Transfer", SPIE, 2007.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bioreco.metrics import noise_blocks, noise_words
from bioreco.metrics.noise_curve import (
    ALIKE,
    Correlations,
    Curve,
    correlations,
    fit_line,
    noise_alone,
    noise_curve,
    zero_level,
)
from bioreco.metrics.noise_limits import Limits, limits

Array = NDArray[Any]

SMALLEST = 20  # pixels along Y and X below which blocks make no sense


@dataclass(frozen=True)
class Noise:
    """The noise of one image, in its own grey levels.

    Attributes
    ----------
    gain : float
        Growth of the noise variance per grey level: grey levels per count where the noise is
        that of counting. 0 where the noise does not grow with brightness, or can't be seen to.
    offset : float
        Grey level of no signal.
    read_noise : float
        Standard deviation of the noise where there is no signal.
    sigma : float
        Standard deviation of the noise, averaged (as variance) over the image; nan if unknown.
    correlation : mapping
        Axis letter to the correlation of the noise between neighbours and next neighbours.
    sure : bool
        Whether the image has flat areas that show whether likeness of neighbours is noise. If
        not, `sigma` takes the noise to be unshared.
    level : float
        Mean grey level.
    contrast : float
        Standard deviation of the image without its noise.
    saturated, floor, missing : float
        Shares of pixels at the upper limit, at the lowest value (where they pile up), not finite.
    constant : bool
        All pixels are equal.
    """

    gain: float = 0.0
    offset: float = 0.0
    read_noise: float = math.nan
    sigma: float = math.nan
    correlation: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    sure: bool = True
    level: float = math.nan
    contrast: float = math.nan
    saturated: float = 0.0
    floor: float = 0.0
    missing: float = 0.0
    constant: bool = False

    def variance(self, level: ArrayLike) -> Array:
        """Return the noise variance expected at given (clean) grey levels."""
        signal = np.maximum(np.asarray(level, dtype=np.float64) - self.offset, 0)
        return np.asarray(self.gain * signal + self.read_noise**2)

    def shared_axes(self, threshold: float = ALIKE) -> tuple[str, ...]:
        """Return the axes along which neighbouring pixels surely share noise."""
        if not self.sure:
            return ()
        return tuple(a for a, (first, _) in self.correlation.items() if first > threshold)

    def describe(self) -> list[str]:
        """Say it in plain sentences."""
        return noise_words.sentences(self)


def estimate_noise(frame: ArrayLike, *more: ArrayLike) -> Noise:
    """Estimate the noise of one image from the image itself.

    Parameters
    ----------
    frame, *more : array_like (y, x) or (z, y, x)
        Intensities: the image, or several regions of it. Of large arrays tiles are looked at,
        about 1.5 megapixels in all.

    Returns
    -------
    Noise
    """
    arrays = [np.asarray(a) for a in (frame, *more)]
    if {a.ndim for a in arrays} not in ({2}, {3}):
        raise ValueError(
            f"expected axes (y, x) or (z, y, x), got shapes {[a.shape for a in arrays]}"
        )
    axes = "ZYX"[3 - arrays[0].ndim :]
    volumes = [a[None] if a.ndim == 2 else a for a in arrays]
    budget = noise_blocks.BUDGET // len(volumes)
    parts = [
        volume[region].astype(np.float64)
        for volume in volumes
        for region in noise_blocks.tiles(volume.shape, budget)
    ]
    known = limits(parts)
    if known.constant or known.missing == 1:
        return _plain(known, sigma=0.0 if known.constant else math.nan)
    if min(min(volume.shape[1:]) for volume in volumes) < SMALLEST:
        return _plain(known, sigma=_rough(parts))
    measured = _measure(parts, known)
    if measured is None:
        return _plain(known, sigma=0.0)
    curve, correlation, sure = measured
    present = {a: c for a, c in correlation.items() if a in axes}
    return _assemble(curve, present, known, sure=sure)


def _measure(parts: list[Array], known: Limits) -> tuple[Curve, Correlations, bool] | None:
    """Return the noise against brightness, its correlation, and whether that is believed.

    Second differences see least structure. Noise that is smooth along both axes hardly passes
    them, so that it is measured again by first differences.
    """
    curve = _curve(parts, known, order=2)
    if curve is None:
        return None
    shared = correlations(curve)
    if max(shared["Y"][0], shared["X"][0]) < ALIKE:  # Z is seen where Y and X hold noise alone
        return curve.scaled(1 / _passed(shared, 2)), shared, True
    order, best = 2, curve
    if min(shared["Y"][0], shared["X"][0]) > ALIKE:
        order, best = 1, _curve(parts, known, order=1) or curve
        shared = correlations(best)
    passed = _passed(shared, order)
    if noise_alone(best, shared, passed):
        return best.scaled(1 / passed), shared, True
    return curve, shared, False


def _curve(parts: list[Array], known: Limits, *, order: int) -> Curve | None:
    side = 16 if min(min(part.shape[1:]) for part in parts) >= 96 else 8
    found = [
        noise_blocks.measure(
            known.fill(part), bad=known.bad(part), floor=known.low(part), side=side, order=order
        )
        for part in parts
    ]
    return noise_curve(noise_blocks.join(found), side)


def _passed(shared: Correlations, order: int) -> float:
    return noise_blocks.gain(shared["Y"], order) * noise_blocks.gain(shared["X"], order)


def _assemble(curve: Curve, correlation: Correlations, known: Limits, *, sure: bool) -> Noise:
    slope, height = fit_line(curve)
    variance = curve.mean_variance(slope, height)
    offset = _offset(
        curve, slope, height, shared=sure and max(c[0] for c in correlation.values()) > ALIKE
    )
    read = slope * offset + height
    return Noise(
        gain=slope,
        offset=offset,
        read_noise=math.sqrt(max(read, 0.0)),
        sigma=math.sqrt(variance),
        correlation=correlation,
        sure=sure,
        level=known.mean,
        contrast=math.sqrt(max(known.variance - variance, 0.0)),
        saturated=known.saturated,
        floor=known.floored,
        missing=known.missing,
    )


def _offset(curve: Curve, slope: float, height: float, *, shared: bool) -> float:
    """Return the level of no signal: what the noise's lopsidedness says, or the darkest part."""
    darkest = curve.darkest
    if slope == 0:
        return darkest
    least = -height / slope  # no read noise at all
    if least >= darkest:
        return least
    if not shared:
        found, error = zero_level(curve, slope)
        if error < 0.3 * (darkest - least):
            return min(max(found, least), darkest)
    return darkest


def _plain(known: Limits, *, sigma: float) -> Noise:
    return Noise(
        offset=known.mean,
        read_noise=sigma,
        sigma=sigma,
        level=known.mean,
        saturated=known.saturated,
        floor=known.floored,
        missing=known.missing,
        constant=known.constant,
    )


def _rough(parts: list[Array]) -> float:
    """Return a noise estimate of an image too small for blocks: from second differences alone."""
    found = []
    for part in parts:
        axis = int(np.argmax(part.shape))
        if part.shape[axis] >= 5:
            steps = noise_blocks.difference(part, axis, 2)
            steps = steps[np.isfinite(steps)]
            if steps.size:
                found.append(float(np.median(np.abs(steps))) / 0.6745)
    return float(np.mean(found)) if found else math.nan
