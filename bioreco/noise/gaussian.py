"""Noise that is the same everywhere: normal, of one standard deviation."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from bioreco.errors import UserError
from bioreco.metrics.noise import Noise
from bioreco.noise.model import NoiseModel, normal


class Gaussian(NoiseModel):
    """y = s + w with w normal, whatever the signal.

    Parameters
    ----------
    sigma
        Standard deviation in grey levels. None: estimated from the images.

    Raises
    ------
    UserError
        If it is not above 0.

    """

    kind = "gaussian"
    estimable = ("sigma",)

    def __init__(self, *, sigma: float | None = None) -> None:
        super().__init__()
        if sigma is not None and not 0 < sigma < math.inf:
            raise UserError(f"noise.sigma={sigma}: grey levels, above 0")
        known = math.nan if sigma is None else sigma
        self.register_buffer("_sigma", torch.tensor(known, dtype=torch.float64))
        self._sigma: Tensor

    @property
    def sigma(self) -> float:
        """Standard deviation in grey levels."""
        return float(self._sigma)

    def estimate(self, found: Sequence[Noise]) -> None:
        """Take the estimates, averaged as variance over images and channels."""
        self._sigma.fill_(math.sqrt(sum(one.sigma**2 for one in found) / len(found)))

    def calibrate(self, y: Tensor, s: Tensor) -> None:
        """Take the root mean square of the deviations, which is their likeliest sigma."""
        if not self.known:
            deviation = (y - s).double()
            self._sigma.copy_(deviation.square().mean().sqrt().clamp(min=1e-6))

    def variance(self, s: Tensor) -> Tensor:
        """Return sigma**2."""
        return torch.full_like(s, self.sigma**2)

    def log_prob(self, y: Tensor, s: Tensor) -> Tensor:
        """Return the logarithm of the normal density."""
        return normal(y - s, self._sigma.to(s.dtype) ** 2)

    def describe(self) -> str:
        """Return sigma."""
        return f"Gaussian noise of {self.sigma:.3g} grey levels"
