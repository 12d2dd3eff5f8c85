"""Noise that is learnt together with the signal: its variance grows in a straight line.

The fully unsupervised case of DivNoising (Prakash et al., ICLR 2021, Sec. 4.1).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from bioreco.noise.model import NoiseModel, normal

SPEED = 10.0  # a step of the optimiser changes the logarithms by this times its learning rate
LEAST = 0.05  # share of the variance that each part has at the start, so that it can grow


class LearntNoise(NoiseModel):
    """y = s + w with var(w) = a * (s - low) + b, taken to be normal; a and b are parameters.

    Notes
    -----
    Both are positive, as exponentials of what is trained. Below `low`, the darkest of the images,
    the variance is b. The logarithm of the variance stays in the density, or b would grow forever.

    """

    kind = "learnt"

    def __init__(self) -> None:
        super().__init__()
        self.logarithms = nn.Parameter(torch.zeros(2))
        self.register_buffer("_start", torch.tensor([0.0, 1.0, 1.0]))
        self._start: Tensor  # low, a, b

    def start(self, model: NoiseModel, low: float, high: float) -> None:
        """Begin at the line through what another model says of a dark and a bright signal."""
        dark, bright = model.variance(torch.tensor([low, high])).tolist()
        mean, reach = (dark + bright) / 2, max(high - low, 1e-6)
        slope = max(bright - dark, LEAST * mean) / reach
        self._start.copy_(torch.tensor([low, slope, max(dark, LEAST * mean)]))

    def line(self) -> Tensor:
        """Return a and b."""
        line: Tensor = self._start[1:] * torch.exp(SPEED * self.logarithms)
        return line

    def variance(self, s: Tensor) -> Tensor:
        """Return a * (s - low) + b."""
        slope, floor = self.line().unbind()
        return slope * (s - self._start[0]).clamp(min=0) + floor

    def log_prob(self, y: Tensor, s: Tensor) -> Tensor:
        """Return the logarithm of the normal density."""
        return normal(y - s, self.variance(s))

    def describe(self) -> str:
        """Return the line."""
        slope, floor = self.line().tolist()
        return (
            f"learnt noise: variance {slope:.3g} per grey level above {float(self._start[0]):.4g},"
            f" and {floor:.3g}"
        )
