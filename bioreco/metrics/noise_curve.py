"""Noise variance against brightness, taken from the flattest blocks of an image.

At every brightness the blocks with the least structure are kept. Structure is judged from means
over small cells, which noise hardly reaches, so that keeping them does not pick quiet noise.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bioreco.metrics.noise_blocks import Blocks

Array = NDArray[Any]

FLATTEST = 0.3  # share of the blocks of one brightness that is kept
FEWEST = 4  # blocks that give one point of the curve
POINTS = 24  # most points of the curve
CUT = 0.3  # share of pixels at the lowest value above which a block does not follow the line


@dataclass(frozen=True)
class Curve:
    """Noise variance at rising brightness, and the blocks it came from."""

    level: Array  # (n,)
    variance: Array  # (n,)
    cut: Array  # (n,) share of pixels at the lowest value
    blocks: Blocks  # those kept
    weights: Array  # one over the variance of the point each kept block belongs to
    all_levels: Array  # brightness of every block
    side: int  # pixels along one side of a block

    @property
    def darkest(self) -> float:
        """Return the level of the darkest hundredth of the image."""
        return float(np.quantile(self.all_levels, 0.01))

    def scaled(self, factor: float) -> Curve:
        """Return the curve with every variance multiplied."""
        return replace(self, variance=self.variance * factor)

    def mean_variance(self) -> float:
        """Return the noise variance averaged over the whole image."""
        return float(np.mean(np.interp(self.all_levels, self.level, self.variance)))


def noise_curve(blocks: Blocks, side: int) -> Curve:
    """Return the noise variance against brightness."""
    usable = np.flatnonzero(blocks.bad <= max(0.0, float(np.quantile(blocks.bad, 0.25))))
    order = usable[np.argsort(blocks.level[usable], kind="stable")]
    number = int(np.clip(len(order) // 24, 1, POINTS))
    points, kept, weights = [], [], []
    for group in np.array_split(order, number):
        count = min(len(group), max(FEWEST, round(FLATTEST * len(group))))
        flat = group[np.argsort(blocks.structure[group], kind="stable")[:count]]
        variance = _trimmed_mean(blocks.power[flat])
        points.append((blocks.level[flat].mean(), variance, blocks.floor[flat].mean()))
        kept.append(flat)
        weights.append(np.full(len(flat), 1 / variance if variance > 0 else 0.0))
    level, variances, cut = np.array(points).T
    chosen = blocks.pick(np.concatenate(kept))
    return Curve(level, variances, cut, chosen, np.concatenate(weights), blocks.level, side)


def correlations(curve: Curve) -> dict[str, tuple[float, float]]:
    """Return the correlation of the noise with its neighbour and the next, along each axis."""
    sums = (curve.blocks.products * curve.weights).sum(axis=-1)
    letters = "ZYX"[3 - len(sums) :]
    return {
        letter: (float(one / zero), float(two / zero)) if zero > 0 else (0.0, 0.0)
        for letter, (zero, one, two) in zip(letters, sums, strict=True)
    }


def fit_line(curve: Curve) -> tuple[float, float]:
    """Return slope and height of the line through the curve; slope 0 if it does not rise.

    Each point weighs by its relative error; points far above the line (left-over structure) and
    points where the background is cut off count little.
    """
    level, variance = curve.level, curve.variance
    follows = curve.cut < CUT
    if follows.sum() >= 3:
        level, variance = level[follows], variance[follows]
    mean = float(variance.mean())
    spread = float(level.max() - level.min())
    if len(level) < 3 or spread <= 0 or mean <= 0:
        return 0.0, mean
    expected = np.full(len(level), mean)
    slope, height = 0.0, mean
    for _ in range(10):
        doubt = 1 + ((variance - expected) / (0.3 * expected)) ** 2
        slope, height = _weighted_line(level, variance, 1 / (expected**2 * doubt))
        expected = np.maximum(slope * level + height, 0.05 * mean)
    if slope * spread < 0.15 * mean:
        return 0.0, float(np.average(variance, weights=1 / (expected**2 * doubt)))
    return slope, height


def zero_level(curve: Curve, slope: float) -> tuple[float, float]:
    """Return the level of no counts and its uncertainty, from how lopsided the noise is.

    The third moment of counting noise is `gain ** 2 * (level - offset)`, that of read noise is
    nothing. Differences along both axes pass a sixth of it. Only for unshared noise.
    """
    passed = slope**2 / 6
    level = curve.blocks.level - curve.blocks.skew / passed
    trust = curve.weights**3
    if passed <= 0 or not trust.sum() > 0:
        return float("nan"), float("inf")
    error = np.sqrt(15 / (curve.side**2 * trust.sum())) / passed
    return float(np.average(level, weights=trust)), float(error)


def _weighted_line(x: Array, y: Array, weights: Array) -> tuple[float, float]:
    w = weights / weights.sum()
    mx, my = float(w @ x), float(w @ y)
    spread = float(w @ (x - mx) ** 2)
    slope = float(w @ ((x - mx) * (y - my))) / spread if spread > 0 else 0.0
    return slope, my - slope * mx


def _trimmed_mean(values: Array) -> float:
    ordered = np.sort(values)
    cut = len(ordered) // 10
    return float(ordered[cut : len(ordered) - cut].mean())
