"""Simulated images of one microscope: noisy, blurred, and as they truly are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage

from bioreco.data.cells import coarse, repeated
from bioreco.data.frames import Frames
from bioreco.data.psf import read_psf
from bioreco.data.simulation.filaments import FINER, Camera, Scene, seen
from bioreco.data.simulation.held import frames
from bioreco.errors import UserError
from bioreco.operators.blur import FORMULAS, Blur
from bioreco.operators.optics import Optics

Array = NDArray[np.float32]
Double = NDArray[np.float64]

LEAST = 16  # pixels along y and x
MORE = 4  # sharp images for each measured one
BRIGHTEST = 43  # stream of the image whose brightest pixel sets the scale


@dataclass(frozen=True)
class Simulation:
    """What is simulated, and how much of it.

    Attributes
    ----------
    count
        Measured images.
    sharp
        Images of the sharp domain; None: as many stacks, and four times as many images, for what a
        network learns of a few sharp images it learns by heart.
    size, slices
        Their pixels; 1 slice: images, more: stacks.
    peak
        Photons in the brightest pixel of a typical blurred image.
    down
        Fine pixels along a side of a measured one; each measured value is then repeated, and
        `peak` counts the photons of a measured pixel.
    scene, camera
        What is drawn, and how light becomes grey levels.

    Raises
    ------
    UserError
        If an option is out of range.

    """

    count: int = 16
    size: int = 128
    slices: int = 1
    peak: float = 100.0
    down: int = 1
    scene: Scene = field(default_factory=Scene)
    camera: Camera = field(default_factory=Camera)
    sharp: int | None = None

    def __post_init__(self) -> None:
        if self.count < 1 or self.size < LEAST or self.slices < 1 or not self.peak > 0:
            raise UserError(
                f"data.simulation: count={self.count} size={self.size} slices={self.slices}"
                f" peak={self.peak:g}: at least 1, {LEAST} and 1, and a peak above 0"
            )
        if self.sharp is not None and self.sharp < 1:
            raise UserError(f"data.simulation.sharp={self.sharp}: at least 1")
        if not 1 <= self.down <= 8 or self.size % self.down:
            raise UserError(
                f"data.simulation.down={self.down}: 1 to 8 fine pixels in a measured one, and a"
                f" divisor of size={self.size}"
            )

    def apart(self, dims: int) -> int:
        """Return how many images or stacks the sharp domain has."""
        return self.sharp or self.count * (MORE if dims == 2 else 1)

    @property
    def shape(self) -> tuple[int, ...]:
        """Pixels ([z,] y, x)."""
        return (self.slices, self.size, self.size)[self.slices == 1 :]


@dataclass(frozen=True)
class Simulated:
    """Images of one size through one microscope.

    Attributes
    ----------
    shape, spacing
        Pixels ([z,] y, x) and their sizes in nanometres.
    psf, optics
        The blur; see `microscope`.
    what
        Scene, camera and peak.
    seed
        Decides what is drawn.

    """

    shape: tuple[int, ...]
    spacing: tuple[float, ...]
    psf: str
    optics: Optics
    what: Simulation
    seed: int

    def pairs(self, stream: int, count: int) -> list[tuple[Frames, Frames]]:
        """Return noisy blurred images and their truths; other streams are other images."""
        kernel = self._kernel()
        scale = self.what.peak / float(self._draw(BRIGHTEST, 0, kernel)[1].max())
        found = []
        for k in range(count):
            truth, blurred = self._draw(stream, k, kernel)
            rng = np.random.default_rng([stream, self.seed, k])
            light = scale * coarse(blurred, self.what.down)
            y = repeated(self.what.camera.measure(light, rng), self.what.down)
            x = self.what.camera.clean(scale * truth)
            measured = frames(f"blurred_{k}.tif", y, self.spacing)
            found.append((measured, frames(f"truth_{k}.tif", x, self.spacing)))
        return found

    def _draw(self, stream: int, k: int, kernel: Double) -> tuple[Double, Double]:
        rng = np.random.default_rng([stream, self.seed, k, 1])
        return seen(self.what.scene, self.shape, self.spacing, kernel, rng)

    def _kernel(self) -> Double:
        """Return the PSF on the fine grid that objects are drawn on."""
        finer = [s / FINER for s in self.spacing]
        if self.psf in FORMULAS:
            fine = microscope(self.psf, finer, self.optics, None)
            return np.asarray(fine.kernel.double().numpy())
        coarse = microscope(self.psf, self.spacing, self.optics, self.shape).kernel.numpy()
        grids = [np.arange(-(n // 2) * FINER, n // 2 * FINER + 1) / FINER for n in coarse.shape]
        at = np.meshgrid(
            *(g + n // 2 for g, n in zip(grids, coarse.shape, strict=True)), indexing="ij"
        )
        kernel = ndimage.map_coordinates(coarse.astype(np.float64), at, order=1)
        return np.asarray(kernel / kernel.sum())


def microscope(
    psf: str, spacing: Sequence[float], optics: Optics, smallest: Sequence[int] | None
) -> Blur:
    """Return the blur of a formula ("gaussian", "born_wolf", "gibson_lanni") or of a file."""
    dims = len(spacing)
    measured = None
    if psf not in FORMULAS:
        measured = torch.from_numpy(read_psf(psf, dims, spacing, smallest))
    return Blur(dims, tuple(spacing), measured, psf=psf, optics=optics)
