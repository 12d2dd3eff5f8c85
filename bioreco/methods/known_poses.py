"""Back-projection with known poses: the ceiling for methods that don't know them.

Each image is multiplied by its CTF and laid into the spectrum of the volume, where CTF^2 is summed
as well; their ratio, with a Wiener term, is the spectrum of the least squares solution. Each half
of the particles gives a map of its own, and how far they agree gives the Wiener term of the whole,
shell by shell: sum CTF^2 (1 - FSC) / (2 FSC).

References
----------
.. [1] N. Grigorieff, "FREALIGN: high-resolution refinement of single particle structures", Journal
   of Structural Biology 157, 2007.
.. [2] S. H. W. Scheres, "RELION: Implementation of a Bayesian approach to cryo-EM structure
   determination", Journal of Structural Biology 180, 2012.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bioreco.methods.method import Batch
from bioreco.metrics.fsc import fsc
from bioreco.metrics.shells import shell_numbers, shell_sums
from bioreco.operators.ctf import PARAMETERS, contrast_transfer
from bioreco.operators.fourier_filter import phase_ramp
from bioreco.operators.slices import Grid, find_taps, grid, scatter

Array = NDArray[Any]

HALF_WIENER = 0.1  # Wiener term of the half maps, as a share of the mean of sum CTF^2 in a shell
LEAST_FSC, MOST_FSC = 0.001, 0.999


class BackProjection:
    """Sums over particles: of CTF times image, and of CTF^2, at each frequency of the volume.

    Parameters
    ----------
    size
        Pixels along a side of the images, and voxels of the volume.
    pad
        How many times as large the images are made before their transform.

    """

    def __init__(self, size: int, *, pad: int = 2) -> None:
        self.size, self.pad = size, pad
        side = size * pad
        self.signal = torch.zeros(side, side, side // 2 + 1, dtype=torch.complex128)
        self.weight = torch.zeros(side, side, side // 2 + 1, dtype=torch.float64)

    def add(self, batch: Batch) -> None:
        """Add particles: y (b, 1, y, x), pose, ctf and, if there is one, the origin in Angstrom."""
        g = self._grid()
        before, after = g.margin
        y, ctf = batch["y"][:, 0].cpu().double(), batch["ctf"].cpu().double()
        padded = torch.nn.functional.pad(y, [before, after] * 2)
        spectra = torch.fft.rfft2(torch.fft.ifftshift(padded, (1, 2)))
        if "origin" in batch:
            pixel = ctf[:, PARAMETERS.index("pixel_size"), None]
            spectra = spectra * phase_ramp(batch["origin"].cpu().double() / pixel, g.side)
        transfer = contrast_transfer(ctf, g.side)
        taps = find_taps(batch["pose"].cpu().double(), g)
        share = g.doubled / 2  # both of a pair of conjugates are there where kx = 0
        for total, values in (
            (self.signal, spectra * transfer * share),
            (self.weight, transfer**2 * share),
        ):
            laid = scatter(g.collect(values.to(torch.complex128)), taps, 1, g)[0]
            total += laid if total.is_complex() else laid.real

    def __add__(self, other: BackProjection) -> BackProjection:
        both = BackProjection(self.size, pad=self.pad)
        both.signal, both.weight = self.signal + other.signal, self.weight + other.weight
        return both

    def volume(self, wiener: Array | float) -> Array:
        """Return the volume (z, y, x) that explains the images.

        Parameters
        ----------
        wiener
            Term that the sum of CTF^2 is raised by, as a share of its mean in each shell: one
            number, or one for each shell of the volume up to Nyquist.

        """
        g = self._grid()
        signal, weight = _completed(self.signal), _completed(self.weight)
        number, count = shell_numbers((g.side,) * 3)
        mean = shell_sums(weight.numpy(), (g.side,) * 3) / np.maximum(
            shell_sums(np.ones(number.shape), (g.side,) * 3), 1
        )
        known = np.arange(count) / self.pad
        shares = np.broadcast_to(wiener, (self.size // 2 + 1,))
        term = mean * np.interp(known, np.arange(len(shares)), shares)
        below = torch.from_numpy(number < count)
        raised = weight + torch.from_numpy(np.append(term, 1.0)[number])
        ratio = torch.where(below & (raised > 0), signal / raised.clamp(min=1e-30), 0)
        padded = torch.fft.fftshift(torch.fft.irfftn(ratio, s=[g.side] * 3, dim=(0, 1, 2)))
        inside = slice(g.margin[0], g.margin[0] + self.size)
        values: Array = (padded[inside, inside, inside] * g.correction).float().numpy()
        return values

    def _grid(self) -> Grid:
        return grid(self.size, self.pad, 1, torch.device("cpu"), torch.float64)


@dataclass(frozen=True)
class KnownPoses:
    """A volume (z, y, x) from particles with known poses, and those of the two halves."""

    volume: Array
    halves: tuple[Array, Array]


def known_poses(batches: Iterable[tuple[int, Batch]], size: int, *, pad: int = 2) -> KnownPoses:
    """Reconstruct a volume from particles with known poses.

    Parameters
    ----------
    batches
        (half, batch): 0 or 1, and particles of that half; see `BackProjection.add`.
    size
        Pixels along a side of the images.
    pad
        How many times as large the images are made before their transform.

    """
    parts = BackProjection(size, pad=pad), BackProjection(size, pad=pad)
    for half, batch in batches:
        parts[half].add(batch)
    one, two = (part.volume(HALF_WIENER) for part in parts)
    correlation = np.clip(fsc(one, two).correlation, LEAST_FSC, MOST_FSC)
    wiener = np.append(correlation[:1], correlation)
    wiener = (1 - wiener) / (2 * wiener)
    return KnownPoses((parts[0] + parts[1]).volume(wiener), (one, two))


def spherical_average(volume: Array) -> Array:
    """Return a volume (z, y, x) with its mean at each distance from the centre: the floor."""
    axes = np.ogrid[tuple(slice(-(n // 2), n - n // 2) for n in volume.shape)]
    shell = np.rint(np.sqrt(sum(axis**2 for axis in axes))).astype(int).ravel()
    mean = np.bincount(shell, weights=volume.ravel()) / np.maximum(np.bincount(shell), 1)
    average: Array = mean[shell].reshape(volume.shape)
    return average


def _completed(half: Tensor) -> Tensor:
    """Return a half spectrum whose plane kx = 0 holds both of each pair of conjugates' sums."""
    plane = half[..., 0]
    other = plane.flip((0, 1)).roll((1, 1), (0, 1)).conj()
    whole = half.clone()
    whole[..., 0] = plane + other
    return whole
