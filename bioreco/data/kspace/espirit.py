"""Coil maps by ESPIRiT, from the fully sampled centre of k-space alone.

The rows of the calibration matrix are all patches of the centre; its dominant right singular
vectors span what a patch can look like. The projection on that span, averaged over the patches
that share a sample, is a convolution over k-space that leaves the data as they are; in the image it
is a matrix between coils at each pixel, and the coil sensitivities are its eigenvectors of
eigenvalue 1 (Uecker et al., Magn Reson Med 71:990, 2014).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from bioreco.data.acquisition import Complex

Array = np.ndarray[Any, np.dtype[np.complex128]]
_PIXELS = 2**14


def espirit(
    centre: Complex, size: tuple[int, int], *, kernel: int = 6, threshold: float = 0.02
) -> tuple[Complex, NDArray[np.float32]]:
    """Estimate the coil maps of one slice.

    Parameters
    ----------
    centre
        Fully sampled k-space (coils, rows, columns), at least `kernel` of both.
    size
        Pixels of the maps, y and x.
    kernel
        Samples of a patch along both axes.
    threshold
        Singular values below this share of the largest count as noise.

    Returns
    -------
    ndarray, ndarray
        Maps (coils, y, x) with sum |C|^2 = 1, and the largest eigenvalue (y, x), which is 1 where
        there is signal and the model holds. The phase is that of the first principal component
        of the coils, which vanishes nowhere in practice, unlike that of any one coil.

    """
    coils = len(centre)
    moments = _moments(signal_space(centre, kernel, threshold), kernel)
    reach = np.arange(-(kernel - 1), kernel)
    along_y, along_x = _waves(size[0], reach), _waves(size[1], reach)
    maps = np.empty((coils, *size), np.complex64)
    values = np.empty(size, np.float32)
    principal = principal_coil(centre)
    step = max(1, _PIXELS // size[1])
    for start in range(0, size[0], step):
        rows = slice(start, min(start + step, size[0]))
        half = np.tensordot(along_y[rows], moments, axes=(1, 2))  # (y, coil, coil, x shift)
        pixels = np.matmul(half, along_x.T).transpose(0, 3, 1, 2)  # (y, x, coil, coil)
        eigenvalues, vectors = np.linalg.eigh(pixels)
        values[rows] = eigenvalues[..., -1]
        maps[:, rows] = np.moveaxis(vectors[..., -1], -1, 0)
    return referenced(maps, principal), values


def signal_space(centre: Complex, kernel: int, threshold: float) -> Array:
    """Return an orthonormal basis (vectors, coils, kernel, kernel) of what patches look like."""
    coils = len(centre)
    patches = np.lib.stride_tricks.sliding_window_view(
        centre.astype(np.complex128), (kernel, kernel), axis=(1, 2)
    )
    rows = np.moveaxis(patches, 0, 2).reshape(-1, coils * kernel * kernel)
    squares, vectors = np.linalg.eigh(rows.T @ rows.conj())  # sum of a a^H over the rows a
    kept = squares > (threshold**2) * squares[-1]
    return vectors[:, kept].T.reshape(-1, coils, kernel, kernel)


def _moments(basis: Array, kernel: int) -> Array:
    """Return the convolution kernels (coil, coil, y shift, x shift) of the averaged projection."""
    span = 2 * kernel - 1
    spectra = np.fft.ifft2(basis, (span, span)) * span**2  # B(q) = sum_d b(d) exp(+2 pi i q d)
    pairs = np.einsum("kcyx,kdyx->cdyx", spectra, spectra.conj(), optimize=True)
    shifts = np.fft.fft2(pairs) / span**2  # shift m holds exp(+2 pi i q m / span)
    return np.asarray(np.fft.fftshift(shifts, (-2, -1)) / kernel**2)


def _waves(length: int, reach: NDArray[np.int64]) -> Array:
    """Return exp(2 pi i q m / n) for pixels q counted from the centre (length, shifts)."""
    q = np.arange(length) - length // 2
    return np.asarray(np.exp(2j * np.pi * q[:, None] * reach / length))


def principal_coil(centre: Complex) -> Array:
    """Return the combination of coils (coils,) that holds most of the energy."""
    flat = centre.reshape(len(centre), -1).astype(np.complex128)
    return np.asarray(np.linalg.eigh(flat @ flat.conj().T)[1][:, -1])


def referenced(maps: Complex, principal: Array) -> Complex:
    """Turn the phase of maps (coils, y, x) so that the principal coil's is 0."""
    seen = np.tensordot(principal.conj(), maps, 1)
    size = np.abs(seen)
    turn = np.where(size > 0, seen.conj() / np.maximum(size, 1e-30), 1)
    return np.asarray(maps * turn, dtype=np.complex64)
