"""The camera's noise: counts of photons, and Gaussian read noise on top."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from bioreco.errors import UserError
from bioreco.metrics.noise import Noise
from bioreco.noise.model import NoiseModel


class PoissonGaussian(NoiseModel):
    """y = s + w with var(w) = gain * (s - offset) + read**2, taken to be normal.

    Parameters
    ----------
    gain
        Grey levels per count.
    offset
        Grey level without any signal.
    read
        Standard deviation of the read noise, in grey levels.

    Raises
    ------
    UserError
        If a number is out of range.

    Notes
    -----
    What is None is estimated from the images. Foi et al., IEEE TIP 17, 2008.

    """

    def __init__(
        self, *, gain: float | None = None, offset: float | None = None, read: float | None = None
    ) -> None:
        super().__init__()
        if (gain is not None and gain < 0) or (read is not None and read < 0):
            raise UserError(f"noise.gain={gain} noise.read={read}: not negative")
        self._given = (gain, offset, read)
        known = [math.nan if value is None else float(value) for value in self._given]
        self.register_buffer("_values", torch.tensor(known, dtype=torch.float64))
        self._values: Tensor

    @property
    def gain(self) -> float:
        """Grey levels per count."""
        return float(self._values[0])

    @property
    def offset(self) -> float:
        """Grey level without any signal."""
        return float(self._values[1])

    @property
    def read(self) -> float:
        """Standard deviation of the read noise."""
        return float(self._values[2])

    def fit(self, noise: Sequence[Sequence[Noise]]) -> None:
        """Take what is unknown from the estimates, averaged over images and channels."""
        found = [channel for channels in noise for channel in channels if channel.sigma > 0]
        if not found and torch.isnan(self._values).any():
            raise UserError(
                "the noise of these images could not be estimated: say noise.gain=, noise.offset="
                " and noise.read="
            )
        estimates = [(n.gain, n.offset, n.read_noise) for n in found] or [(0.0, 0.0, 0.0)]
        mean = torch.tensor(estimates, dtype=torch.float64).mean(0)
        self._values.copy_(torch.where(torch.isnan(self._values), mean, self._values))

    def variance(self, s: Tensor) -> Tensor:
        """Return gain * (s - offset) + read**2, at least a hundredth of a grey level squared."""
        signal = (s - self.offset).clamp(min=0)
        return (self.gain * signal + self.read**2).clamp(min=1e-4)

    def log_prob(self, y: Tensor, s: Tensor) -> Tensor:
        """Return the logarithm of the normal density."""
        variance = self.variance(s)
        return -0.5 * ((y - s) ** 2 / variance + torch.log(2 * math.pi * variance))

    def describe(self) -> str:
        """Return gain, offset and read noise."""
        return (
            f"Poisson-Gaussian noise: {self.gain:.3g} grey levels per count above"
            f" {self.offset:.4g}, read noise {self.read:.3g} grey levels"
        )

    def state(self) -> dict[str, Any]:
        """Return the three numbers."""
        return {"gain": self.gain, "offset": self.offset, "read": self.read}
