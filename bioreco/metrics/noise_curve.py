"""Noise variance against brightness, taken from the flattest blocks of an image.

At every brightness the blocks with the least structure are kept. Structure is judged from means
over small cells, which noise hardly reaches, so that keeping them does not pick quiet noise.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bioreco.metrics.noise_blocks import CELL, Blocks

Array = NDArray[Any]
Correlations = dict[str, tuple[float, float]]

MOST = 0.5  # share of the blocks of one brightness that is kept at most
FEWEST = 4  # blocks that give one point of the curve
LINE, NEIGHBOURS = 30.0, 5.0  # when to doubt a point for its variance, for its correlations
ALIKE = 0.2  # correlation from which neighbours are said to share noise
UNIFORM = 2.2  # spread of the correlation over blocks, times their side, if noise is alone
FLAT = (0.35, 1.5)  # structure over that of noise alone, if noise is alone
POINTS = 24  # most points of the curve
CUT = 0.3  # share of pixels at the lowest value above which a block does not follow the line


@dataclass(frozen=True)
class Curve:
    """Noise variance at rising brightness, and the blocks it came from."""

    level: Array  # (n,)
    variance: Array  # (n,)
    cut: Array  # (n,) share of pixels at the lowest value
    rough: Array  # (n,) structure over what white noise would show
    point: Array  # (m,) number of the point each kept block belongs to
    blocks: Blocks  # the m blocks kept
    all_levels: Array  # brightness of every block that has any noise
    darkest: float  # level of the darkest hundredth of the image
    still: float  # share of the blocks without any noise
    side: int  # pixels along one side of a block

    def trust(self, doubt: float) -> Array:
        """Return how far each point may be believed, 1 where it is as flat as the flattest.

        A point with `doubt` times the structure of the flattest ones counts half.
        """
        flattest = float(np.quantile(self.rough, 0.15))
        scale = max(doubt * flattest, 1e-12)
        believed = 1 / (1 + (self.rough / scale) ** 2)
        if (self.cut < CUT).sum() >= 3:
            believed = believed * np.where(self.cut < CUT, 1.0, 0.01)
        return np.asarray(believed / believed.max())

    def scaled(self, factor: float) -> Curve:
        """Return the curve with every variance multiplied."""
        return replace(self, variance=self.variance * factor)

    def mean_variance(self, slope: float, height: float) -> float:
        """Return the noise variance averaged over the whole image.

        Points that are hardly believed are replaced by the line of the others.
        """
        line = np.clip(slope * self.level + height, 0, self.variance)
        believed = self.trust(LINE)
        points = believed * self.variance + (1 - believed) * line
        everywhere = np.interp(self.all_levels, self.level, points)
        return float(np.mean(everywhere)) * (1 - self.still)


def noise_curve(blocks: Blocks, side: int) -> Curve | None:
    """Return the noise variance against brightness, or None where nothing varies."""
    live = blocks.power > 0
    if not live.any():
        return None
    clean = blocks.bad <= np.quantile(blocks.bad[live], 0.25)
    usable = np.flatnonzero(clean & live)
    order = usable[np.argsort(blocks.level[usable], kind="stable")]
    number = int(np.clip(len(order) // 24, 1, POINTS))
    kept = [_flattest(group, blocks) for group in np.array_split(order, number)]
    rows = []
    for flat in kept:
        variance = _trimmed_mean(blocks.power[flat])
        white = variance * 4 / CELL**2
        rough = blocks.structure[flat].mean() / white
        rows.append((blocks.level[flat].mean(), variance, blocks.floor[flat].mean(), rough))
    level, variances, cut, roughness = np.array(rows).T
    return Curve(
        level=level,
        variance=variances,
        cut=cut,
        rough=roughness,
        point=np.repeat(np.arange(number), [len(flat) for flat in kept]),
        blocks=blocks.pick(np.concatenate(kept)),
        all_levels=blocks.level[live],
        darkest=float(np.quantile(blocks.level, 0.01)),
        still=1 - float(live.mean()),
        side=side,
    )


def _flattest(group: Array, blocks: Blocks) -> Array:
    """Return the blocks of one brightness whose structure is near the least found there."""
    structure = blocks.structure[group]
    ordered = group[np.argsort(structure, kind="stable")]
    near = int(np.count_nonzero(structure <= 2.5 * np.quantile(structure, 0.1)))
    count = min(max(near, FEWEST), max(FEWEST, int(MOST * len(group))), len(group))
    return np.asarray(ordered[:count])


def correlations(curve: Curve) -> Correlations:
    """Return the correlation of the noise with its neighbour and the next, along each axis."""
    weights = (curve.trust(NEIGHBOURS) / curve.variance)[curve.point]  # the points count alike
    sums = (curve.blocks.products * weights).sum(axis=-1)
    letters = "ZYX"[3 - len(sums) :]
    return {
        letter: (float(one / zero), float(two / zero)) if zero > 0 else (0.0, 0.0)
        for letter, (zero, one, two) in zip(letters, sums, strict=True)
    }


def noise_alone(curve: Curve, shared: Correlations, passed: float) -> bool:
    """Tell whether likeness of neighbours is that of noise and not of structure.

    Noise is alike everywhere, so that single blocks agree on it; and it shows as much over a few
    pixels as its correlation says.
    """
    axes = [axis for axis in "YX" if shared[axis][0] > ALIKE]
    agree = all(_spread(curve, axis) < UNIFORM / curve.side for axis in axes)
    return agree and FLAT[0] < _flatness(curve, shared, passed) < FLAT[1]


def _spread(curve: Curve, axis: str) -> float:
    """Return the interquartile range of the correlations found in single blocks."""
    own, neighbour, _ = curve.blocks.products["YX".index(axis) - 2]
    live = own > 0
    low, high = np.quantile(neighbour[live] / own[live], [0.25, 0.75]) if live.any() else (0, 9)
    return float(high - low)


def _flatness(curve: Curve, shared: Correlations, passed: float) -> float:
    """Return the structure of the flattest points over what noise of this correlation shows.

    About 0.8 where noise is all there is (the flattest blocks were chosen).
    """
    apart = {a: 1 + 1.25 * one + 0.5 * two for a, (one, two) in shared.items()}
    beside = {a: 1 + 1.5 * one + two for a, (one, two) in shared.items()}
    expected = (apart["Y"] * beside["X"] + beside["Y"] * apart["X"]) / 2 / passed
    return float(np.quantile(curve.rough, 0.15)) / max(expected, 1e-6)


def fit_line(curve: Curve) -> tuple[float, float]:
    """Return slope and height of the line through the curve; slope 0 if it does not rise.

    Each point weighs by its relative error; points far from the line (left-over structure) and
    points where the background is cut off count little.
    """
    level, variance, trust = curve.level, curve.variance, curve.trust(LINE)
    mean = float(np.average(variance, weights=trust))
    spread = float(level.max() - level.min())
    if len(level) < 3 or spread <= 0 or mean <= 0:
        return 0.0, mean
    expected = variance
    for _ in range(10):
        doubt = 1 + ((variance - expected) / (0.3 * expected)) ** 2
        weights = trust / (expected**2 * doubt)
        slope, height = _weighted_line(level, variance, weights)
        expected = np.maximum(slope * level + height, 0.05 * variance.min())
    if slope * spread < 0.15 * mean:
        return 0.0, float(np.average(variance, weights=weights))
    return slope, height


def zero_level(curve: Curve, slope: float) -> tuple[float, float]:
    """Return the level of no counts and its uncertainty, from how lopsided the noise is.

    The third moment of counting noise is `gain ** 2 * (level - offset)`, that of read noise is
    nothing. Differences along both axes pass a sixth of it. Only for unshared noise.
    """
    passed = slope**2 / 6
    level = curve.blocks.level - curve.blocks.skew / passed
    trust = (curve.trust(LINE) / curve.variance**3)[curve.point]
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
