"""Measurements of known signals: how their noise grows with the signal.

The photon transfer curve of a camera: variance against level, a straight line where photons are
counted. Janesick, "Photon Transfer", SPIE, 2007.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

BINS = 64
FEWEST = 64  # pairs in a bin
CLIP = 0.005  # share of the signals at either end that are left out of the range


@dataclass(frozen=True)
class Transfer:
    """The noise at rising signal.

    Attributes
    ----------
    level, variance, count
        Mean signal, variance of the measurements about it and number of pairs, for each bin (n,).
    low, high
        The range of the signals, without the outermost.
    slope, height
        The line `variance = slope * level + height` through the bins; the slope is not negative.

    """

    level: Tensor
    variance: Tensor
    count: Tensor
    low: float
    high: float
    slope: float
    height: float

    def line(self, s: Tensor) -> Tensor:
        """Return the variance that the line gives, at least a tenth of the least one found."""
        least = max(float(self.variance.min()) / 10, 1e-8)
        return (self.slope * s + self.height).clamp(min=least)


def transfer(y: Tensor, s: Tensor) -> Transfer:
    """Measure how the variance of y grows with s, in bins of equally many pairs.

    Parameters
    ----------
    y, s
        Measurements and their signals (n,).

    """
    order = torch.argsort(s, stable=True)
    y, s = y[order].double(), s[order].double()
    bins = max(1, min(BINS, len(s) // FEWEST))
    parts = [
        (a.mean(), (b - a).var(unbiased=len(a) > 1), float(len(a)))
        for a, b in zip(s.tensor_split(bins), y.tensor_split(bins), strict=True)
    ]
    level, variance, count = (
        torch.tensor(values, dtype=torch.float64) for values in zip(*parts, strict=True)
    )
    variance = variance.clamp(min=1e-8)
    slope, height = _line(level, variance, count)
    first, last = round(CLIP * (len(s) - 1)), round((1 - CLIP) * (len(s) - 1))
    return Transfer(level, variance, count, float(s[first]), float(s[last]), slope, height)


def _line(level: Tensor, variance: Tensor, count: Tensor) -> tuple[float, float]:
    """Fit a line; each bin weighs by the precision of the variance expected there."""
    expected = variance
    slope, height = 0.0, float(variance.mean())
    for _ in range(5):
        weight = count / expected**2
        weight = weight / weight.sum()
        centre, mean = float(weight @ level), float(weight @ variance)
        spread = float(weight @ (level - centre) ** 2)
        shared = float(weight @ ((level - centre) * (variance - mean)))
        slope = max(shared / spread, 0.0) if spread > 0 else 0.0
        height = mean - slope * centre
        expected = (slope * level + height).clamp(min=float(variance.min()) / 2)
    return slope, height


def noise_ratio(one: Transfer, two: Transfer) -> float:
    """Return how many times larger the variance of the second is than the line of the first.

    The median over the bins of the second, whose signals may lie beyond those of the first.
    """
    return float((two.variance / one.line(two.level)).median())


def balanced(y: Tensor, s: Tensor, most: int) -> tuple[Tensor, Tensor]:
    """Return at most about so many pairs that cover the range of the signal evenly.

    What a measurement is, given the signal, does not depend on how often that signal is seen.
    """
    bins = BINS
    low, high = float(s.min()), float(s.max())
    number = ((s - low) / max(high - low, 1e-12) * bins).long().clamp(max=bins - 1)
    kept = []
    for k in range(bins):
        mine = (number == k).nonzero()[:, 0]
        step = max(1, -(-len(mine) * bins // most))
        kept.append(mine[::step])
    chosen = torch.cat(kept)
    return y[chosen], s[chosen]
