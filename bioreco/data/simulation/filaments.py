"""Filaments and beads as a fluorescence microscope sees them, with their truth.

Filaments are worm-like chains: their direction turns at random, so that it is forgotten over the
persistence length (Kratky and Porod, 1949). Objects are drawn and blurred on a grid that is finer
than the camera's, reach beyond the field of view, and are then added up over pixels. So what a
method inverts isn't what the images were made with.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.signal import fftconvolve

from bioreco.errors import UserError
from bioreco.operators.noise import PoissonGaussian

Array = NDArray[np.float32]
Double = NDArray[np.float64]

FINER = 2  # samples of the object along a side of a pixel
STEP = 0.5  # of a fine sample, along a filament


@dataclass(frozen=True)
class Scene:
    """What is drawn; lengths in nanometres.

    Attributes
    ----------
    filaments, beads
        How many there are in 10 x 10 micrometres, of stacks in 10 x 10 x 10.
    persistence
        Persistence length of filaments.
    length
        Mean length of filaments.
    width
        Diameter of filaments and of beads.

    Raises
    ------
    UserError
        If an option is out of range.

    """

    filaments: float = 60.0
    beads: float = 60.0
    persistence: float = 5000.0
    length: float = 4000.0
    width: tuple[float, float] = (60.0, 150.0)

    def __post_init__(self) -> None:
        if min(self.filaments, self.beads) < 0 or max(self.filaments, self.beads) == 0:
            raise UserError("data.simulation.scene: filaments and beads: one of them above 0")
        if not min(self.persistence, self.length, *self.width) > 0:
            raise UserError("data.simulation.scene: persistence, length and width: above 0")


def draw(
    scene: Scene, shape: Sequence[int], spacing: Sequence[float], rng: np.random.Generator
) -> Double:
    """Draw a scene on a grid, as density per sample.

    Parameters
    ----------
    scene
        What is drawn.
    shape
        Samples ([z,] y, x).
    spacing
        Their distances in nanometres.
    rng
        The random numbers to draw from.

    """
    step = np.array(spacing, dtype=np.float64)
    size = np.array(shape) * step
    share = float(np.prod(size / 10_000))
    lines = np.zeros(shape)
    for _ in range(rng.poisson(scene.filaments * share)):
        points = chain(scene, rng.random(len(size)) * size, STEP * float(step.min()), rng)
        _put(lines, points / step, rng.uniform(0.5, 1.5) * STEP * float(step.min()))
    spots = np.zeros(shape)
    beads = rng.random((rng.poisson(scene.beads * share), len(size))) * size
    for at in beads:
        _put(spots, at[None] / step, rng.uniform(0.5, 1.5) * 1000.0)
    widths = [[w / 2.355 / s for s in step] for w in scene.width]
    thin = ndimage.gaussian_filter(lines, widths[0], mode="constant")
    thick = ndimage.gaussian_filter(spots, widths[1], mode="constant")
    return np.asarray(thin + thick)


def chain(
    scene: Scene, start: Double, step: float, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Return the points (n, dims) of a worm-like chain, `step` apart.

    The mean cosine of its turn over a distance s is exp(-s / persistence) in three dimensions, and
    exp(-s / (2 persistence)) in the plane, with the same turns about each normal.
    """
    dims = len(start)
    count = max(2, int(rng.exponential(scene.length) / step))
    turns = rng.normal(0, math.sqrt(step / scene.persistence), (count, dims))
    along = rng.standard_normal(dims)
    along /= np.linalg.norm(along)
    path = np.empty((count, dims))
    for k in range(count):
        path[k] = along
        across = turns[k] - along * (along @ turns[k])
        along = along + across
        along /= np.linalg.norm(along)
    return np.asarray(start + step * path.cumsum(0))


def _put(grid: Double, at: Double, amount: float) -> None:
    """Add light at points (n, dims), shared by the samples around each."""
    low = np.floor(at).astype(np.int64)
    rest = at - low
    for corner in np.ndindex(*(2,) * at.shape[1]):
        place = low + corner
        weight = np.prod(np.where(corner, rest, 1 - rest), axis=1)
        inside = np.all((place >= 0) & (place < grid.shape), axis=1)
        np.add.at(grid, tuple(place[inside].T), amount * weight[inside])


@dataclass(frozen=True)
class Camera:
    """How light becomes grey levels.

    Attributes
    ----------
    background
        Photons per pixel from everywhere.
    offset
        Grey level of no light.
    gain
        Grey levels per photon.
    read
        Standard deviation of the read noise, in grey levels.

    Raises
    ------
    UserError
        If an option is out of range.

    """

    background: float = 5.0
    offset: float = 100.0
    gain: float = 1.0
    read: float = 2.0

    def __post_init__(self) -> None:
        if min(self.background, self.read) < 0 or not self.gain > 0:
            raise UserError(
                f"data.simulation.camera: background={self.background:g} gain={self.gain:g}"
                f" read={self.read:g}: not negative, and a gain above 0"
            )

    def clean(self, photons: Double) -> Array:
        """Return grey levels without noise."""
        found: Array = ((photons + self.background) * self.gain + self.offset).astype(np.float32)
        return found

    def measure(self, photons: Double, rng: np.random.Generator) -> Array:
        """Return noisy grey levels."""
        noise = PoissonGaussian(gain=self.gain, read=self.read)
        signal = ((photons.clip(min=0) + self.background) * self.gain).astype(np.float32)
        found: Array = noise.sample(signal, rng) + np.float32(self.offset)
        return found


def seen(
    scene: Scene,
    shape: Sequence[int],
    spacing: Sequence[float],
    kernel: Double,
    rng: np.random.Generator,
) -> tuple[Double, Double]:
    """Draw a scene and blur it.

    Parameters
    ----------
    scene
        What is drawn.
    shape
        Pixels ([z,] y, x).
    spacing
        Their sizes in nanometres.
    kernel
        The PSF at `FINER` times as fine a sampling.
    rng
        The random numbers to draw from.

    Returns
    -------
    tuple of ndarray
        The truth and its blurred image, both per pixel.

    """
    half = [math.ceil(n / 2 / FINER) for n in kernel.shape]
    whole = [FINER * (n + 2 * h) for n, h in zip(shape, half, strict=True)]
    fine = draw(scene, whole, [s / FINER for s in spacing], rng)
    blurred = fftconvolve(fine, kernel, mode="same")
    inside = tuple(slice(h, h + n) for h, n in zip(half, shape, strict=True))
    return _binned(fine)[inside], _binned(blurred)[inside]


def _binned(fine: Double) -> Double:
    """Add up the samples of each pixel."""
    split = [part for n in fine.shape for part in (n // FINER, FINER)]
    return np.asarray(fine.reshape(split).sum(axis=tuple(range(1, 2 * fine.ndim, 2))))
