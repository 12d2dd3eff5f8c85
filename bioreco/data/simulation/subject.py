"""A person in the scanner, seen on the fine grid and on that of the reconstruction."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from bioreco.data.simulation import synthesis
from bioreco.data.simulation.activation import regions
from bioreco.data.simulation.anatomy import Tissues, head
from bioreco.data.simulation.coils import sensitivities
from bioreco.data.simulation.contrast import magnitude, phase
from bioreco.data.simulation.template import template

Complex = NDArray[np.complex64]

SUPPORT = 0.05  # of the mean brightness of the brain: what is brighter is called object
PURE = 0.9  # of a voxel must be brain to count as such


@dataclass(frozen=True)
class Subject:
    """What does not change from frame to frame.

    Attributes
    ----------
    heights
        Of the slices, in millimetres.
    x
        Fine images at rest (z, 2 y, 2 x), complex64.
    change
        Where activity raises the signal, 0 to about 1, on the fine grid; float32.
    brain
        Voxels of the reconstructed image that are brain (z, y, x).
    support
        Voxels that are anything (z, y, x).
    brightness
        Mean |x| of the brain.

    """

    heights: NDArray[np.float64]
    x: Complex
    change: NDArray[np.float32]
    brain: NDArray[np.bool_]
    support: NDArray[np.bool_]
    brightness: float

    @property
    def size(self) -> tuple[int, int]:
        """Pixels along y and x of the reconstructed image."""
        return self.brain.shape[1], self.brain.shape[2]

    def coils(self, slices: NDArray[np.int64], coils: int) -> Complex:
        """Return the coil maps of some slices on the fine grid (z, coils, 2 y, 2 x)."""
        return sensitivities(synthesis.fine_grid(self.size, self.heights[slices]), coils)

    def maps(self, slices: NDArray[np.int64], coils: int) -> Complex:
        """Return the true coil maps at the resolution of the image, 0 outside the object."""
        grid = synthesis.image_grid(self.size, self.heights[slices])
        return np.asarray(sensitivities(grid, coils) * self.support[slices][:, None])


def draw(
    size: tuple[int, int],
    heights: NDArray[np.float64],
    spacing: float,
    *,
    contrast: str,
    seed: int,
    anatomy: str | None = None,
) -> Subject:
    """Draw a person, or take one from a template.

    Parameters
    ----------
    size
        Pixels along y and x of the reconstructed image.
    heights, spacing
        Of the slices, in millimetres.
    contrast
        A key of `contrast.CONTRASTS`.
    seed
        Who it is.
    anatomy
        NIfTI file of a brain to be used in place of a drawn one.

    """
    planes = synthesis.fine_grid(size, synthesis.subslice_heights(heights, spacing))
    tissues = head(planes, seed) if anatomy is None else template(planes, anatomy)
    bright = _averaged(magnitude(tissues, planes, contrast, seed))
    whole = synthesis.fine_grid(size, heights)
    turned = phase(whole, seed, air=contrast == "epi")
    x = (bright * np.exp(1j * turned)).astype(np.complex64)
    parts = Tissues(**{name: _averaged(part) for name, part in vars(tissues).items()})
    inside = parts.brain
    brightness = float((bright * inside).sum() / max(inside.sum(), 1e-9))
    brain = np.abs(synthesis.truth(inside.astype(np.complex64))) > PURE
    brain &= np.abs(synthesis.truth(x)) > 0.3 * brightness
    return Subject(
        heights=heights,
        x=x,
        change=regions(parts, whole, seed).astype(np.float32),
        brain=brain,
        support=_support(np.abs(synthesis.truth(x)) > SUPPORT * brightness),
        brightness=brightness,
    )


def _averaged(planes: NDArray[np.float64]) -> NDArray[np.float64]:
    """Average the planes of each slice."""
    return np.asarray(planes.reshape(-1, synthesis.SUBSLICES, *planes.shape[1:]).mean(1))


def _support(bright: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Fill the holes of each slice, drop specks of ringing, and add a rim of one pixel."""
    found = np.zeros_like(bright)
    for k, plane in enumerate(bright):
        solid = ndimage.binary_opening(ndimage.binary_fill_holes(plane), iterations=2)
        found[k] = ndimage.binary_dilation(solid, np.ones((3, 3)))
    return found
