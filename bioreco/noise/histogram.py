"""Noise as it was counted: a table of how often each grey level was measured for each signal.

Krull et al., "Probabilistic Noise2Void", Frontiers in Computer Science 2, 2020.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from bioreco.errors import UserError
from bioreco.noise.model import NoiseModel, beyond, normal
from bioreco.noise.pairs import transfer

PRIOR = 30.0  # pairs that the normal density of each row counts for
ALIKE = 32  # part of the range within which the noise is taken to change little
BLUR = 0.15  # of the noise at each signal, over which grey levels are counted together
LEAST = 1e-9  # of the density of an even distribution, so that nothing is impossible


class Histogram(NoiseModel):
    """p(y | s) in bins of y, between rows of the table by linear interpolation in s.

    Parameters
    ----------
    bins
        Number of bins of y, and of rows of s, over the range of what was measured.

    Raises
    ------
    UserError
        If there are too few or too many.

    Notes
    -----
    Each row sums to one and its mean is its signal: a row that was counted is tilted,
    p(y) exp(theta y), by the little it takes. What interpolation makes of two rows keeps both.
    Rows seen seldom lean on their neighbours, and on the normal density of the measured variance,
    which signals beyond the range have. Measurements beyond the range count as at its end.

    """

    kind = "histogram"

    def __init__(self, *, bins: int = 256) -> None:
        super().__init__()
        if not 16 <= bins <= 1024:
            raise UserError(f"noise.bins={bins}: 16 to 1024")
        self.bins = bins
        self.register_buffer("_table", torch.full((bins, bins), math.nan))
        self.register_buffer("_range", torch.full((4,), math.nan, dtype=torch.float64))
        self._table: Tensor
        self._range: Tensor

    @property
    def span(self) -> tuple[float, float]:
        """Lowest and highest signal that were measured."""
        return float(self._range[2]), float(self._range[3])

    @property
    def width(self) -> float:
        """Grey levels of a bin."""
        return float(self._range[1] - self._range[0]) / self.bins

    def calibrate(self, y: Tensor, s: Tensor) -> None:
        """Count the pairs."""
        if self.known:
            return
        y, s = y.double(), s.double()
        curve = transfer(y, s)
        low, high = float(torch.minimum(y, s).min()), float(torch.maximum(y, s).max())
        width = max(high - low, 1e-6) / self.bins
        low, high = low - width, high + width  # so that no row is at the edge
        width = (high - low) / self.bins
        centre = low + width * (torch.arange(self.bins, dtype=torch.float64, device=y.device) + 0.5)
        row, column = (((v - low) / width).long().clamp(0, self.bins - 1) for v in (s, y))
        counts = torch.bincount(row * self.bins + column, minlength=self.bins**2)
        counts = _pooled(counts.view(self.bins, self.bins).double(), self.bins // ALIKE)
        variance = curve.line(centre.clamp(curve.low, curve.high))[:, None]
        counts = _blurred(counts, BLUR * variance.sqrt() / width)
        prior = normal(centre[None] - centre[:, None], variance + width**2 / 12)
        prior = torch.softmax(prior, 1)
        share = (counts + PRIOR * prior) / (counts.sum(1, keepdim=True) + PRIOR)
        share = _tilted(share + LEAST / self.bins, centre)
        self._table.copy_(share / width)
        self._range.copy_(torch.tensor([low, high, curve.low, curve.high], dtype=torch.float64))

    def variance(self, s: Tensor) -> Tensor:
        """Return the variance of the interpolated density."""
        low, high = (float(v) for v in self._range[:2])
        centre = torch.linspace(
            low + self.width / 2, high - self.width / 2, self.bins, device=s.device, dtype=s.dtype
        )
        table = self._table.to(s.dtype) * self.width
        own = (table * (centre - centre[:, None]) ** 2).sum(1) + self.width**2 / 12
        row, share = self._rows(s.clamp(*self.span))
        between = share * (1 - share) * self.width**2
        return own[row] * (1 - share) + own[row + 1] * share + between

    def log_prob(self, y: Tensor, s: Tensor) -> Tensor:
        """Return the logarithm of the density."""
        inside, outside = beyond(s, *self.span)
        row, share = self._rows(inside)
        low, width = float(self._range[0]), self.width
        column = ((y - low) / width).long().clamp(0, self.bins - 1)
        at = row * self.bins + column
        table = self._table.to(s.dtype).flatten()
        counted = torch.lerp(table[at], table[at + self.bins], share).log()
        return torch.where(outside == 0, counted, normal(y - s, self.variance(inside.detach())))

    def _rows(self, s: Tensor) -> tuple[Tensor, Tensor]:
        """Return the row below a signal, and how far it is on the way to the next."""
        place = (s - float(self._range[0])) / self.width - 0.5
        row = place.detach().long().clamp(0, self.bins - 2)
        return row, (place - row).clamp(0, 1)

    def describe(self) -> str:
        """Return the range and the bins."""
        low, high = self.span
        return (
            f"histogram of {self.bins} bins of {self.width:.3g} grey levels, measured at signals"
            f" from {low:.4g} to {high:.4g}"
        )

    def options(self) -> dict[str, Any]:
        """Return the number of bins."""
        return {"bins": self.bins}


def _pooled(counts: Tensor, rows: int) -> Tensor:
    """Add to each row its neighbours, moved along with their signals, the nearer the more."""
    total = counts.clone()
    size = len(counts)
    for k in range(1, rows + 1):
        weight = 1 - k / (rows + 1)
        total[k:, k:] += weight * counts[: size - k, : size - k]
        total[: size - k, : size - k] += weight * counts[k:, k:]
    return total


def _blurred(counts: Tensor, width: Tensor) -> Tensor:
    """Blur each row along y by a bell curve of its own width, in bins."""
    size = counts.shape[1]
    frequency = torch.fft.rfftfreq(2 * size, dtype=counts.dtype, device=counts.device)
    passed = torch.exp(-2 * (math.pi * width * frequency) ** 2)
    spectrum = torch.fft.rfft(counts, 2 * size) * passed
    blurred: Tensor = torch.fft.irfft(spectrum, 2 * size)[:, :size]
    return blurred.clamp(min=0)


def _tilted(share: Tensor, centre: Tensor) -> Tensor:
    """Return rows p(y) exp(theta y) whose means are the centres, by Newton's method."""
    scale = (centre[1] - centre[0]) * 4
    position = (centre - centre.mean()) / scale
    theta = torch.zeros(len(share), 1, dtype=share.dtype, device=share.device)
    for _ in range(50):
        tilted = torch.softmax(share.log() + theta * (position - position[:, None]), 1)
        off = position[:, None] - tilted @ position[:, None]
        variance = (tilted * (position - position[:, None] + off) ** 2).sum(1, keepdim=True)
        theta = theta + (off / variance.clamp(min=1e-3)).clamp(-0.5, 0.5)
    return tilted
