"""Fourier shell correlation: down to which detail two volumes agree.

Between a volume and its truth, detail counts up to where the correlation first falls below 0.5;
between volumes from two halves of the data, up to 0.143 [1]_, where the map from all data has 0.5
with the truth. A mask that both share makes them alike: how much, phases made random show [2]_.
The volumes must lie on one another, see `bioreco.metrics.alignment`.

References
----------
.. [1] P. B. Rosenthal, R. Henderson, "Optimal determination of particle orientation, absolute
   hand, and contrast loss in single-particle electron cryomicroscopy", Journal of Molecular
   Biology 333, 2003.
.. [2] S. Chen et al., "High-resolution noise substitution to measure overfitting and validate
   resolution in 3D structure determination by single particle electron cryomicroscopy",
   Ultramicroscopy 135, 2013.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bioreco.metrics.shells import shell_correlation, shell_numbers

Array = NDArray[Any]

TRUTH, HALVES = 0.5, 0.143
RANDOM_BELOW = 0.8  # phases are made random from where the halves first correlate less
SMALLEST = 8  # voxels along one side


@dataclass(frozen=True)
class ShellCorrelation:
    """Correlation against frequency.

    Attributes
    ----------
    frequency : ndarray (n,)
        As fractions of the Nyquist frequency, from 2 / N to at most 1.
    correlation : ndarray (n,)
        Between -1 and 1.
    voxel : float or None
        Side of a voxel in Angstrom.

    """

    frequency: Array
    correlation: Array
    voxel: float | None = None

    def crossing(self, threshold: float) -> float:
        """Return where the curve first falls below a threshold, as a fraction of Nyquist.

        The place between two shells is that of a straight line; at zero frequency the correlation
        is taken as 1. A curve that never falls gives the last frequency.
        """
        below = np.flatnonzero(self.correlation < threshold)
        if not below.size:
            return float(self.frequency[-1])
        i = int(below[0])
        before = (0.0, 1.0) if i == 0 else (self.frequency[i - 1], self.correlation[i - 1])
        part = (before[1] - threshold) / (before[1] - self.correlation[i])
        return float(before[0] + part * (self.frequency[i] - before[0]))

    def resolution(self, threshold: float) -> float:
        """Return the smallest detail that agrees, in Angstrom.

        Raises
        ------
        ValueError
            If the size of a voxel isn't known.

        """
        if self.voxel is None:
            raise ValueError("the resolution in Angstrom needs the size of a voxel")
        return 2 * self.voxel / self.crossing(threshold)


def fsc(
    a: ArrayLike, b: ArrayLike, *, mask: ArrayLike | None = None, voxel: float | None = None
) -> ShellCorrelation:
    """Correlate two volumes shell by shell.

    Parameters
    ----------
    a, b
        (z, y, x), of one shape.
    mask
        Of that shape; both are multiplied by it.
    voxel
        Side of a voxel in Angstrom, for the resolution.

    """
    one, two = _volumes(a, b)
    if mask is not None:
        one, two = one * np.asarray(mask), two * np.asarray(mask)
    correlation = shell_correlation(np.fft.rfftn(one), np.fft.rfftn(two), one.shape)
    frequency = 2 * np.arange(1, len(correlation) + 1) / min(one.shape[-2:])
    return ShellCorrelation(frequency, correlation, voxel)


@dataclass(frozen=True)
class MaskedCorrelation:
    """A correlation within a mask, and what of it the mask itself makes.

    Attributes
    ----------
    corrected
        What is left when the share of the mask is taken out.
    unmasked, masked
        Without and with the mask.
    randomised
        With the mask, phases being random from `beyond` on.
    beyond
        As a fraction of Nyquist.

    """

    corrected: ShellCorrelation
    unmasked: ShellCorrelation
    masked: ShellCorrelation
    randomised: ShellCorrelation
    beyond: float


def masked_fsc(
    a: ArrayLike, b: ArrayLike, mask: ArrayLike, *, seed: int = 0, voxel: float | None = None
) -> MaskedCorrelation:
    """Correlate two volumes within a mask, and correct for the mask by random phases.

    FSC = (FSC_masked - FSC_random) / (1 - FSC_random) from two shells beyond where the phases are
    made random; before that FSC_masked.

    Parameters
    ----------
    a, b, mask
        (z, y, x), of one shape.
    seed
        Of the random phases.
    voxel
        Side of a voxel in Angstrom.

    """
    one, two = _volumes(a, b)
    unmasked = fsc(one, two, voxel=voxel)
    masked = fsc(one, two, mask=mask, voxel=voxel)
    below = np.flatnonzero(unmasked.correlation < RANDOM_BELOW)
    first = int(below[0]) + 1 if below.size else len(unmasked.correlation)
    rng = np.random.default_rng([29, seed])
    random = fsc(
        randomise_phases(one, first, rng), randomise_phases(two, first, rng), mask=mask, voxel=voxel
    )
    share = np.minimum(random.correlation, 1 - 1e-9)
    taken_out = (masked.correlation - share) / (1 - share)
    shells = np.arange(1, len(share) + 1)
    corrected = np.where(shells >= first + 2, taken_out, masked.correlation)
    return MaskedCorrelation(
        ShellCorrelation(masked.frequency, corrected, voxel), unmasked, masked, random,
        beyond=float(masked.frequency[first - 1]),
    )  # fmt: skip


def randomise_phases(volume: ArrayLike, first: int, rng: np.random.Generator) -> Array:
    """Return a volume (z, y, x) with its amplitudes, but random phases from a shell on."""
    values = np.asarray(volume, dtype=np.float64)
    spectrum = np.fft.rfftn(values)
    noise = np.fft.rfftn(rng.standard_normal(values.shape))  # symmetric as that of an image
    number, _ = shell_numbers(values.shape)
    turned = np.abs(spectrum) * noise / np.maximum(np.abs(noise), 1e-300)
    return np.fft.irfftn(np.where(number >= first, turned, spectrum), values.shape, axes=(0, 1, 2))


def soft_sphere(size: int, radius: float, edge: float = 3.0) -> Array:
    """Return a mask (size, size, size): 1 within a radius of the centre, then a cosine edge.

    Parameters
    ----------
    size
        Voxels along a side; the centre is at size // 2.
    radius, edge
        In voxels.

    """
    square = (np.arange(size) - size // 2) ** 2
    distance = np.sqrt(square[:, None, None] + square[:, None] + square)
    ramp = np.clip((distance - radius) / max(edge, 1e-9), 0, 1)
    mask: Array = 0.5 + 0.5 * np.cos(np.pi * ramp)
    return mask


def _volumes(a: ArrayLike, b: ArrayLike) -> tuple[Array, Array]:
    one, two = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    if one.shape != two.shape:
        raise ValueError(f"the volumes have shapes {one.shape} and {two.shape}")
    if one.ndim != 3 or min(one.shape) < SMALLEST:
        raise ValueError(f"expected a volume of at least {SMALLEST} voxels, got {one.shape}")
    return one, two
