"""What a detector adds: photon counts and read noise, w of Eq. (1)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class PoissonGaussian:
    """Shot noise of a detector with a gain, and Gaussian read noise on top.

    Attributes
    ----------
    gain
        Grey levels per count; 0 leaves the shot noise out.
    read
        Standard deviation of the read noise, in grey levels.
    correlation
        Of the read noise of neighbours along x, between 0 and 1; it falls with distance as a power
        of this, as in the streaks of a slow detector that reads row by row.

    """

    gain: float = 0.0
    read: float = 0.0
    correlation: float = 0.0

    def sample(self, x: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
        """Return one noisy measurement of the signal x >= 0, both in grey levels."""
        y = rng.poisson(x / self.gain) * self.gain if self.gain > 0 else x
        w = rng.standard_normal(x.shape)
        if self.correlation:
            fresh = np.sqrt(1 - self.correlation**2)
            for i in range(1, x.shape[-1]):
                w[..., i] = self.correlation * w[..., i - 1] + fresh * w[..., i]
        return (y + self.read * w).astype(np.float32)

    def variance(self, x: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the noise variance at signal x, in grey levels squared."""
        return (self.gain * x + self.read**2).astype(np.float32)
