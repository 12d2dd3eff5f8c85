"""Make a camera's noise alike everywhere: the generalised Anscombe transform and its inverse.

Counting noise grows with brightness, but most filters expect noise of one strength. A square root
makes its standard deviation 1; after filtering, the inverse leads back to grey levels. The
algebraic inverse would come out too dark, since the mean of a root is less than the root of the
mean; the exact unbiased one maps the mean of the transformed values to the mean of the measured.

Notes
-----
With counts z = (y - offset) / gain and read noise s = read_noise / gain, both in counts, the
transform is f(z) = 2 sqrt(z + 3/8 + s**2) [1]_. Below zero it goes on as its tangent there, so that
no pixel is clipped and the inverse exists for whatever a filter makes of it. The inverse is the
table of E[f(z) | mean] over means, read backwards; above 100 counts it is the asymptotic one [2]_.

References
----------
.. [1] J.-L. Starck, F. Murtagh and A. Bijaoui, "Image Processing and Data Analysis", Cambridge
   University Press, 1998.
.. [2] M. Makitalo and A. Foi, "Optimal inversion of the generalized Anscombe transformation for
   Poisson-Gaussian noise", IEEE Transactions on Image Processing 22, 2013.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]

MANY = 100.0  # counts above which the asymptotic inverse is exact enough
ENTRIES = 600
NODES = 32  # of the Gauss-Hermite rule over the read noise


@dataclass(frozen=True)
class Anscombe:
    """The transform for one camera.

    Parameters
    ----------
    gain : float
        Grey levels per count, above 0.
    offset : float
        Grey level of no signal.
    read_noise : float
        Standard deviation of the noise where there is no signal, in grey levels.

    Examples
    --------
    >>> camera = Anscombe(gain=10.0, offset=100.0, read_noise=5.0)
    >>> float(camera.forward(1100.0))
    20.06...
    """

    gain: float
    offset: float = 0.0
    read_noise: float = 0.0

    def __post_init__(self) -> None:
        if not self.gain > 0 or self.read_noise < 0:
            raise ValueError(f"gain {self.gain}: above 0; read noise {self.read_noise}: at least 0")

    @property
    def _read(self) -> float:
        """Read noise in counts."""
        return self.read_noise / self.gain

    def forward(self, y: ArrayLike) -> Array:
        """Return grey levels with their noise made one of standard deviation 1."""
        return self._root((np.asarray(y, dtype=np.float64) - self.offset) / self.gain)

    def _root(self, z: Array) -> Array:
        start = 3 / 8 + self._read**2
        curved = 2 * np.sqrt(np.maximum(z, 0) + start)
        return np.asarray(curved + np.minimum(z, 0) / math.sqrt(start))

    def inverse(self, x: ArrayLike) -> Array:
        """Return the grey levels whose transformed measurements have the mean x."""
        values = np.asarray(x, dtype=np.float64)
        counts, means = self._table
        z = np.interp(values, means, counts)
        slope = (counts[1] - counts[0]) / (means[1] - means[0])
        z = np.where(values < means[0], (values - means[0]) * slope, z)
        last = means[-1]
        rest = (counts[-1] - self._asymptotic(last)) * last / np.maximum(values, last)
        z = np.where(values > last, self._asymptotic(values) + rest, z)
        return z * self.gain + self.offset

    def _asymptotic(self, x: Any) -> Any:
        return x**2 / 4 - 1 / 8 - self._read**2

    @cached_property
    def _table(self) -> tuple[Array, Array]:
        """Return mean counts, and the mean of the transformed measurements of each."""
        from scipy.stats import poisson

        means = MANY * np.linspace(0, 1, ENTRIES) ** 2
        counts = np.arange(math.ceil(MANY + 12 * math.sqrt(MANY)))
        nodes, weights = np.polynomial.hermite_e.hermegauss(NODES)
        read = self._root(counts[:, None] + self._read * nodes) @ weights / weights.sum()
        return means, np.asarray(poisson.pmf(counts, means[:, None]) @ read)


@dataclass(frozen=True)
class Unit:
    """The same for noise of one strength: grey levels in multiples of its standard deviation."""

    sigma: float

    def forward(self, y: ArrayLike) -> Array:
        """Return grey levels in multiples of the noise."""
        return np.asarray(np.asarray(y, dtype=np.float64) / self.sigma)

    def inverse(self, x: ArrayLike) -> Array:
        """Return multiples of the noise in grey levels."""
        return np.asarray(np.asarray(x, dtype=np.float64) * self.sigma)


Stabiliser = Anscombe | Unit
