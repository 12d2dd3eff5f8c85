"""What volumes that have nothing to do with a reference score against it, once aligned.

Any two compact particles agree in coarse detail when the best of all turns is taken, so a Fourier
shell correlation says nothing until it is set beside those of unrelated volumes that were aligned
in the same way: other chains of the same extent, and the reconstruction with random phases.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bioreco.metrics.alignment import aligned_fsc
from bioreco.metrics.fsc import TRUTH, ShellCorrelation, randomise_phases

Array = NDArray[Any]

COUNT = 50
FROM = 1  # the first shell whose phases are made random


@dataclass(frozen=True)
class Null:
    """Fourier shell correlations of aligned unrelated volumes.

    Attributes
    ----------
    frequency : ndarray (n,)
        As fractions of the Nyquist frequency.
    curves : ndarray (volumes, n)
        Correlation of each volume with the reference.
    crossings : ndarray (volumes,)
        Where each first falls below the threshold, as a fraction of Nyquist.
    threshold : float

    """

    frequency: Array
    curves: Array
    crossings: Array
    threshold: float

    @property
    def mean(self) -> Array:
        """The mean correlation in each shell."""
        mean: Array = self.curves.mean(0)
        return mean

    @property
    def deviation(self) -> Array:
        """The standard deviation over volumes in each shell."""
        deviation: Array = self.curves.std(0, ddof=1)
        return deviation

    def z_score(self, curve: ShellCorrelation) -> float:
        """Return by how many standard deviations a curve crosses the threshold beyond these.

        Crossings are counted in shells at best, so the deviation is taken as at least what an
        evenly spread place within one shell has, 1 / sqrt(12) of its width.
        """
        width = float(self.frequency[1] - self.frequency[0])
        spread = max(float(self.crossings.std(ddof=1)), width / 12**0.5)
        return (curve.crossing(self.threshold) - float(self.crossings.mean())) / spread


def null_distribution(
    reference: ArrayLike,
    volumes: Iterable[ArrayLike],
    *,
    mask: ArrayLike | None = None,
    threshold: float = TRUTH,
    hands: int = 2,
) -> Null:
    """Align volumes with a reference that they have nothing to do with, and correlate them.

    Parameters
    ----------
    reference
        (z, y, x).
    volumes
        Of the same size, at least 2: `unrelated`, for example.
    mask, threshold, hands
        As for the reconstruction that is judged; see `aligned_fsc` and `ShellCorrelation`.

    """
    found = [aligned_fsc(v, reference, mask=mask, hands=hands)[0] for v in volumes]
    if len(found) < 2:
        raise ValueError("a distribution needs at least 2 unrelated volumes")
    return Null(
        found[0].frequency,
        np.stack([curve.correlation for curve in found]),
        np.array([curve.crossing(threshold) for curve in found]),
        threshold,
    )


def unrelated(
    reference: ArrayLike,
    reconstruction: ArrayLike | None = None,
    *,
    count: int = COUNT,
    seed: int = 0,
) -> Iterable[Array]:
    """Draw volumes that have nothing to do with a reference but its extent.

    Every other one is a chain of Gaussians with the radius of gyration of the reference; the rest
    are the reconstruction (or else the reference) with random phases, faded out beyond twice that
    radius. How much power a shell has doesn't matter to a correlation, so it isn't matched.

    Parameters
    ----------
    reference, reconstruction
        (z, y, x), of one size.
    count
        How many are drawn.
    seed
        Of the draws.

    """
    truth = np.asarray(reference, dtype=np.float64)
    own = truth if reconstruction is None else np.asarray(reconstruction, dtype=np.float64)
    radius = radius_of_gyration(truth)
    for k in range(count):
        rng = np.random.default_rng([23, seed, k])
        if k % 2:
            yield _within(randomise_phases(own, FROM, rng), 2 * radius)
        else:
            yield chain(len(truth), radius, rng)


def radius_of_gyration(volume: ArrayLike) -> float:
    """Return the root-mean-square distance in voxels of what is positive from its centre."""
    values = np.clip(np.asarray(volume, dtype=np.float64), 0, None)
    total = values.sum()
    if total <= 0:
        raise ValueError("a volume without positive values has no radius of gyration")
    axes = np.ogrid[tuple(slice(0, n) for n in values.shape)]
    centre = [float((values * axis).sum() / total) for axis in axes]
    square = sum((axis - c) ** 2 for axis, c in zip(axes, centre, strict=True))
    return float(np.sqrt((values * square).sum() / total))


def chain(size: int, radius: float, rng: np.random.Generator, links: int = 60) -> Array:
    """Draw a chain of Gaussians (size, size, size) that turns as it goes, about the centre.

    Parameters
    ----------
    size
        Voxels along a side.
    radius
        Its radius of gyration in voxels.
    rng
        The random numbers to draw from.
    links
        Gaussians, of a standard deviation of an eighth of the radius, at least 1.2 voxels.

    """
    heading, at = rng.standard_normal(3), np.zeros(3)
    places: list[Array] = []
    while len(places) < links:
        heading = heading / np.linalg.norm(heading) + 0.7 * rng.standard_normal(3)
        step = at + heading / np.linalg.norm(heading)
        if np.linalg.norm(step) < 6:
            places.append(at := step)
        else:
            heading = -step + 0.3 * rng.standard_normal(3)
    points = np.array(places) - np.mean(places, axis=0)
    points *= radius / np.sqrt((points**2).sum(1).mean())
    sigma = max(1.2, radius / 8)
    axis = np.arange(size) - size // 2
    lines = np.exp(-((axis[:, None, None] - points) ** 2) / (2 * sigma**2))  # (size, links, 3)
    volume: Array = np.einsum("zk,yk,xk->zyx", *np.moveaxis(lines, 2, 0), optimize=True)
    return volume


def _within(volume: Array, radius: float) -> Array:
    """Return a volume that fades out beyond a radius in voxels."""
    axes = np.ogrid[tuple(slice(-(n // 2), n - n // 2) for n in volume.shape)]
    distance = np.sqrt(sum(axis**2 for axis in axes))
    faded: Array = volume / (1 + np.exp(np.clip(distance - radius, -50, 50)))
    return faded
