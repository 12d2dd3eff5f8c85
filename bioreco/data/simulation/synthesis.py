"""From a finely drawn image to k-space: twice the grid, coils, CAIPI shifts, then the crop.

The image is drawn on twice as many pixels as are reconstructed, multiplied by the coils there, and
its k-space is cropped. What a reconstruction assumes (coils that are constant within a pixel) is
therefore only about true, as it is in a scanner.

Fine grids are in the order of an FFT: the voxel at 0 mm comes first, so that nothing is rolled.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from bioreco.data.simulation.waves import Grid

Complex = NDArray[np.complex64]

FINER = 2  # pixels of the fine grid for one of the image
SUBSLICES = 2  # planes that a slice is averaged from
FIELD_OF_VIEW = 192.0  # millimetres along y and x
COVERAGE = 132.0  # millimetres along z, of all slices of a head
STREAMS = {"thermal": 131, "calibration": 137, "scan": 139, "jitter": 149}


def fine_grid(size: tuple[int, int], heights: NDArray[np.float64]) -> Grid:
    """Return the fine grid of an image of `size`, in the order of an FFT."""
    y, x = (
        np.asarray(np.fft.fftfreq(FINER * n) * FIELD_OF_VIEW * n / max(size), dtype=np.float64)
        for n in size
    )
    return Grid(heights, y, x)


def image_grid(size: tuple[int, int], heights: NDArray[np.float64]) -> Grid:
    """Return the grid of the reconstructed image, with 0 mm at pixel n // 2."""
    y, x = (
        np.asarray((np.arange(n) - n // 2) * (FIELD_OF_VIEW / max(size)), dtype=np.float64)
        for n in size
    )
    return Grid(heights, y, x)


def slice_heights(slices: int) -> tuple[NDArray[np.float64], float]:
    """Return where the slices of a whole head lie along z, and how far apart, in millimetres."""
    spacing = COVERAGE / slices
    places = (np.arange(slices, dtype=np.float64) - (slices - 1) / 2) * spacing
    return np.asarray(places), spacing


def subslice_heights(heights: NDArray[np.float64], spacing: float) -> NDArray[np.float64]:
    """Return the planes that slices are averaged from, those of one slice after another."""
    within = ((np.arange(SUBSLICES) + 0.5) / SUBSLICES - 0.5) * spacing
    return np.asarray((heights[:, None] + within).ravel())


def move(x: Complex, shift: Sequence[float]) -> Complex:
    """Shift fine images (..., y, x) along y and x, by pixels of the reconstructed image.

    Notes
    -----
    A ramp on the phase of k-space: exact for any fraction of a pixel.

    """
    along = [
        np.exp(-2j * np.pi * FINER * d * np.fft.fftfreq(n))
        for d, n in zip(shift, x.shape[-2:], strict=True)
    ]
    ramp = (along[0][:, None] * along[1]).astype(np.complex64)
    return np.asarray(scipy.fft.ifft2(scipy.fft.fft2(x) * ramp), dtype=np.complex64)


def measure(x: Complex, coils: Complex, caipi: Sequence[float], lines: NDArray[np.intp]) -> Complex:
    """Return the noiseless k-space of slices excited together.

    Parameters
    ----------
    x
        Fine images (bands, 2 y, 2 x).
    coils
        Fine coil maps (bands, coils, 2 y, 2 x).
    caipi
        Shift D_s of each band along y, in pixels of the reconstructed image.
    lines
        Numbers of the acquired lines, between 0 and y.

    Returns
    -------
    ndarray
        (coils, lines, x): y_c = sum_s exp(-2 pi i k_y D_s / N_y) F{C_{s,c} x_s}, cropped.

    """
    rows, columns = (n // FINER for n in x.shape[-2:])
    ky = lines - rows // 2
    spread = scipy.fft.fft(x[:, None] * coils, axis=-2, norm="ortho")[:, :, ky % (FINER * rows)]
    phases = np.exp(-2j * np.pi * np.outer(caipi, ky) / rows).astype(np.complex64)
    together = np.einsum("sk,sckx->ckx", phases, spread)
    kx = np.arange(columns) - columns // 2
    cropped = scipy.fft.fft(together, axis=-1, norm="ortho")[..., kx % (FINER * columns)]
    return np.asarray(cropped / FINER, dtype=np.complex64)


def truth(x: Complex) -> Complex:
    """Return fine images (..., 2 y, 2 x) at the resolution that is reconstructed (..., y, x)."""
    size = [n // FINER for n in x.shape[-2:]]
    rows, columns = (np.fft.fftfreq(n, 1 / n).round().astype(int) % (FINER * n) for n in size)
    # numpy's order puts the frequency -n / 2 of an even n where the centred crop has it too.
    cropped = scipy.fft.fft2(x, norm="ortho")[..., rows[:, None], columns]
    image = scipy.fft.ifft2(cropped, norm="ortho") / FINER
    return np.asarray(scipy.fft.fftshift(image, axes=(-2, -1)), dtype=np.complex64)


def affine(
    size: tuple[int, int], heights: NDArray[np.float64], spacing: float
) -> NDArray[np.float64]:
    """Return voxel (x, y, z, 1) to millimetres, as in NIfTI."""
    found = np.diag([FIELD_OF_VIEW / max(size), FIELD_OF_VIEW / max(size), spacing, 1.0])
    found[:3, 3] = [-(size[1] // 2) * found[0, 0], -(size[0] // 2) * found[1, 1], heights[0]]
    return found


def caipi_shifts(bands: int, rows: int, acceleration: int, caipi: int) -> tuple[float, ...]:
    """Return D_s = s N_y / (R C): 1 / C of the reduced field of view from band to band."""
    return tuple(s * rows / (acceleration * caipi) if caipi > 1 else 0.0 for s in range(bands))


def acquired(rows: int, acceleration: int, offset: int = 0) -> NDArray[np.intp]:
    """Return the numbers of the lines that every `acceleration`-th is; the middle one is."""
    return np.flatnonzero((np.arange(rows) - rows // 2 - offset) % acceleration == 0)


def gaussian(shape: Sequence[int], sigma: float, seeds: Sequence[int]) -> Complex:
    """Draw complex noise with E|n|^2 = sigma^2."""
    parts = np.random.default_rng(list(seeds)).standard_normal((*shape, 2), dtype=np.float32)
    return np.asarray(parts.view(np.complex64)[..., 0] * np.float32(sigma / np.sqrt(2)))


def colouring(coils: int, correlation: float) -> Complex:
    """Return L with L L^H the covariance of the coils' noise, for a variance of about 1.

    Notes
    -----
    Neighbours are correlated by `correlation`, with a phase, and coils differ in loudness.

    """
    apart = np.subtract.outer(np.arange(coils), np.arange(coils))
    loud = 1 + correlation * np.cos(2.4 * np.arange(coils))
    covariance = correlation ** np.abs(apart) * np.exp(0.7j * apart) * np.outer(loud, loud)
    return np.asarray(np.linalg.cholesky(covariance), dtype=np.complex64)
