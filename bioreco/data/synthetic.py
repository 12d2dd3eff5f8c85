"""Simulated microscopy with a known truth: filaments, spots and cells, seen by a camera."""

from __future__ import annotations

import logging

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from bioreco.data.measurements import Measurements
from bioreco.data.simulation.held import frames
from bioreco.errors import UserError
from bioreco.operators.noise import PoissonGaussian

log = logging.getLogger("bioreco")

Array = NDArray[np.float32]


class Synthetic(Measurements):
    """Seeded simulated images, each measured twice, with their truth as the reference.

    Parameters
    ----------
    count
        Number of images.
    size
        Pixels along y and x.
    slices
        1 for images, more for stacks.
    peak
        Grey level of the brightest structures.
    gain
        Grey levels per photon count; 0 for no shot noise.
    read
        Standard deviation of the read noise, in grey levels.
    correlation
        Of the read noise of neighbours along x, from 0 to less than 1; see `PoissonGaussian`.
    patch, augment, seed
        See `Measurements`.

    Raises
    ------
    UserError
        If an option is out of range.

    """

    def __init__(
        self,
        *,
        seed: int,
        count: int = 4,
        size: int = 256,
        slices: int = 1,
        peak: float = 200.0,
        gain: float = 10.0,
        read: float = 4.0,
        correlation: float = 0.0,
        patch: int = 64,
        augment: str = "turn",
    ) -> None:
        if count < 1 or size < 16 or slices < 1:
            raise UserError(
                f"data.count={count} data.size={size} data.slices={slices}: at least 1, 16 and 1"
            )
        if peak <= 0 or gain < 0 or read < 0:
            raise UserError(
                f"data.peak={peak} data.gain={gain} data.read={read}: above 0, and not negative"
            )
        if not 0 <= correlation < 1:
            raise UserError(f"data.correlation={correlation:g}: from 0 to less than 1")
        log.info(
            "These are %d simulated images (seed %d): peak %g, gain %g, read noise %g grey levels.",
            count,
            seed,
            peak,
            gain,
            read,
        )
        noise = PoissonGaussian(gain=gain, read=read, correlation=correlation)
        shape = (size, size) if slices == 1 else (slices, size, size)
        noisy, again, clean = [], [], []
        for k in range(count):
            rng = np.random.default_rng([17, seed, k])
            x = peak * scene(shape, rng)
            noisy.append(frames(f"synthetic_{k}.tif", noise.sample(x, rng)))
            second = noise.sample(x, np.random.default_rng([19, seed, k]))
            again.append(frames(f"synthetic_{k}_again.tif", second))
            clean.append(frames(f"synthetic_{k}_truth.tif", x))
        super().__init__(
            noisy, clean, channels="independent", patch=patch, augment=augment, seed=seed,
            pairs=again,
        )  # fmt: skip


def scene(shape: tuple[int, ...], rng: np.random.Generator) -> Array:
    """Draw filaments, spots and soft cells on a dim background.

    Parameters
    ----------
    shape
        ([z,] y, x), in pixels.
    rng
        The random numbers to draw from.

    Returns
    -------
    ndarray
        Signal between 0 and about 1.

    """
    size = np.array(shape, dtype=np.float64)
    pixels = float(np.prod(size))
    cells = np.zeros(shape, dtype=np.float32)
    for _ in range(max(2, round(pixels / 9000))):
        cells += _ball(shape, rng.random(len(shape)) * size, rng.uniform(8, 22), rng)
    lines = np.zeros(shape, dtype=np.float32)
    for _ in range(max(3, round(pixels / 1500))):
        points = _walk(size, rng)
        np.add.at(lines, tuple(points.T), rng.uniform(0.5, 1.0))
    spots = np.zeros(shape, dtype=np.float32)
    at = (rng.random((max(4, round(pixels / 600)), len(shape))) * size).astype(np.int64)
    np.add.at(spots, tuple(at.T), rng.uniform(2, 8, len(at)).astype(np.float32))
    sharp = ndimage.gaussian_filter(lines, 1.0) * 2.0 + ndimage.gaussian_filter(spots, 1.3)
    x = 0.05 + 0.35 * np.clip(cells, 0, 1) + 0.6 * np.clip(sharp, 0, 1.2)
    return np.asarray(x, dtype=np.float32)


def _ball(
    shape: tuple[int, ...], centre: NDArray[np.float64], radius: float, rng: np.random.Generator
) -> Array:
    """Draw one cell with a soft rim."""
    grids = np.ogrid[tuple(slice(0, n) for n in shape)]
    stretch = rng.uniform(0.7, 1.4, len(shape))
    distance = sum(((g - c) / s) ** 2 for g, c, s in zip(grids, centre, stretch, strict=True))
    rim = 1 / (1 + np.exp(np.clip(np.sqrt(distance) - radius, -30, 30)))
    return np.asarray(rng.uniform(0.3, 1.0) * rim, dtype=np.float32)


def _walk(size: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.int64]:
    """Return the pixels (n, dims) of a smoothly turning filament."""
    length = int(rng.uniform(40, 160))
    turns = np.cumsum(rng.normal(0, 0.06, length)) + rng.uniform(0, 2 * np.pi)
    steps = np.zeros((length, len(size)))
    steps[:, -1], steps[:, -2] = np.cos(turns), np.sin(turns)
    path = np.floor(np.cumsum(steps, 0) + rng.random(len(size)) * size).astype(np.int64)
    inside = np.all((path >= 0) & (path < size), axis=1)
    return path[inside]
