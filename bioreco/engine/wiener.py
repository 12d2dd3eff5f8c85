"""Give back what a denoiser took away beyond the noise, weighted like a local Wiener filter.

Where a network can't predict what is there (fine texture, an image with hardly any noise), its
residual varies more than the noise does, and the measurement is worth more than the prediction.
The best weight of the measurement is known without a truth, from Stein's identity: for
x = f + K (y - f) and noise of variance s2, K = 1 - E s2 (1 - df/dy) / E (y - f)^2. Both means are
taken locally, df/dy by one more pass over a slightly changed measurement (Ramani, Blu and Unser,
IEEE TIP 17, 2008).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from bioreco.metrics.noise import Noise

Array = NDArray[np.float32]
Variance = Callable[[Array], Array]

WIDTH = 4.0  # standard deviation of the neighbourhood in the plane, in pixels; across slices 1
TRUNCATE = 2.5
MARGIN = 1.3  # how much more than noise a residual must show: estimates of both are uncertain
STEP = 0.1  # size of the change, in standard deviations of the noise
SMALLEST = 1e-12


def noise_variance(noise: Sequence[Noise]) -> Variance | None:
    """Return the variance of the noise at clean grey levels (c, ...).

    None if it isn't known, or if neighbouring pixels share it: the weights take it as independent.
    It is nowhere taken for less than a tenth of its mean, as the estimate in dark parts is poor.
    """
    if not all(channel.sigma > 0 and not channel.shared_axes() for channel in noise):
        return None

    def variance(x: Array) -> Array:
        found = [
            np.maximum(channel.variance(level), 0.1 * channel.sigma**2)
            for channel, level in zip(noise, x, strict=True)
        ]
        return np.asarray(found, dtype=np.float32)

    return variance


def reach(dims: int) -> tuple[int, ...]:
    """Return how far a neighbourhood reaches along each axis, in pixels."""
    return tuple(int(TRUNCATE * width + 0.5) for width in _widths(dims))


def change(variance: Array, seed: int, start: Sequence[int]) -> Array:
    """Return a small random change of a measurement, a function of the position in the frame.

    Parameters
    ----------
    variance
        Noise variance of each pixel (c, [z,] y, x), in grey levels squared.
    seed
        Of the frame.
    start
        Position of the first pixel in the frame.

    """
    size = variance.shape[1:]
    grids = np.ogrid[tuple(slice(a, a + n) for a, n in zip(start, size, strict=True))]
    channel = np.arange(len(variance)).reshape(-1, *[1] * len(size))
    mixed = np.uint64(seed & (2**63 - 1)) + _odd(0) * channel.astype(np.uint64)
    for axis, grid in enumerate(grids, start=1):
        mixed = _scramble(mixed + _odd(axis) * grid.astype(np.int64).view(np.uint64))
    sign = 1 - 2 * (mixed >> np.uint64(63)).astype(np.float32)
    return np.asarray(sign * STEP * np.sqrt(variance), dtype=np.float32)


def restore(y: Array, found: Array, variance: Array, changed: Array, response: Array) -> Array:
    """Return the reconstruction with the measurement blended in where it is worth it.

    Parameters
    ----------
    y, found
        The measurement and its reconstruction (c, [z,] y, x), in grey levels.
    variance
        Noise variance of each pixel, in grey levels squared.
    changed
        A change of the measurement, see `change`.
    response
        What it changes in the reconstruction.

    """
    from scipy.ndimage import gaussian_filter

    widths = (0.0, *_widths(y.ndim - 1))
    slope = response * changed / np.maximum(changed**2, SMALLEST)
    taken = gaussian_filter((y - found) ** 2, widths, truncate=TRUNCATE)
    noise = gaussian_filter(variance * (1 - slope), widths, truncate=TRUNCATE)
    weight = 1 - MARGIN * np.maximum(noise, 0) / np.maximum(taken, SMALLEST)
    return np.asarray(found + np.clip(weight, 0, 1) * (y - found), dtype=np.float32)


def _widths(dims: int) -> tuple[float, ...]:
    return (WIDTH, WIDTH) if dims == 2 else (1.0, WIDTH, WIDTH)


def _odd(number: int) -> np.uint64:
    """Return one of a few odd constants with bits all over."""
    return np.uint64(int(math.modf(math.sqrt((2, 3, 5, 7)[number]))[0] * 2**63) | 1)


def _scramble(z: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Mix the bits (SplitMix64; Steele, Lea and Flood, OOPSLA 2014)."""
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))
