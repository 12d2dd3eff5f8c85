"""g-factor: how much a reconstruction amplifies noise beyond the lines that were left out.

    g = sigma_accelerated / (sigma_full sqrt(R))

For least-squares SENSE it follows from the coils: g = sqrt([E^H E]^-1 [E^H E]) where both inverses
are read on the diagonal. For any other reconstruction it is measured with pseudo replicas: the same
measurement is reconstructed with noise of another draw each time.

References
----------
.. [1] K. P. Pruessmann et al., "SENSE: sensitivity encoding for fast MRI", Magnetic Resonance in
   Medicine 42, 1999.
.. [2] P. M. Robson et al., "Comprehensive quantification of signal-to-noise ratio and g-factor for
   image-based and k-space-based parallel imaging reconstructions", Magnetic Resonance in Medicine
   60, 2008.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

Complex = NDArray[np.complexfloating]
Array = NDArray[np.float64]

FLOOR = 1e-9  # keeps voxels that no coil tells apart from dividing by 0; their g is large


def encoding(maps: Complex, lines: ArrayLike, caipi: Sequence[float]) -> Iterator[Complex]:
    """Yield the encoding matrix of each column x, since the readout is fully sampled.

    Parameters
    ----------
    maps
        Coil maps (bands, coils, y, x).
    lines
        Numbers of the acquired lines, between 0 and y.
    caipi
        Shift of each band along y, in pixels (bands,).

    Yields
    ------
    ndarray
        (coils x lines, bands x y): from a column of the bands to the hybrid (coil, ky, x) data.

    """
    bands, coils, rows, columns = maps.shape
    ky = np.asarray(lines) - rows // 2
    y = np.arange(rows) - rows // 2
    turn = np.exp(
        -2j * np.pi * ky[None, :, None] * (y + np.asarray(caipi)[:, None])[:, None] / rows
    ) / np.sqrt(rows)
    for x in range(columns):
        matrix = np.einsum("sly,scy->clsy", turn, maps[..., x])
        yield matrix.reshape(coils * len(ky), bands * rows)


def sense_gfactor(
    maps: Complex, lines: ArrayLike, caipi: Sequence[float], *, mu: float = 0.0
) -> Array:
    """Return the g-factor of SENSE for regular or irregular lines and simultaneous slices.

    Parameters
    ----------
    maps, lines, caipi
        See `encoding`; maps are 0 outside the object, and sum |C|^2 = 1 inside.
    mu
        Tikhonov regularisation, with which g may fall below 1.

    Returns
    -------
    ndarray
        (bands, y, x), 0 outside the object.

    """
    bands, _, rows, columns = maps.shape
    inside = (np.abs(maps) ** 2).sum(1) > 0.5
    found = np.zeros((bands, rows, columns))
    for x, matrix in enumerate(encoding(maps, lines, caipi)):
        at = np.flatnonzero(inside[..., x])
        if not at.size:
            continue
        gram = matrix[:, at].conj().T @ matrix[:, at]
        inverse = np.linalg.inv(gram + (mu + FLOOR) * np.eye(at.size))
        column = np.zeros(bands * rows)
        column[at] = ((inverse @ gram) * inverse.T).sum(1).real
        found[..., x] = np.sqrt(column.reshape(bands, rows))
    return np.asarray(found * np.sqrt(np.size(lines) / rows))


def pseudo_replicas(
    reconstruct: Callable[[Complex], ArrayLike],
    y: Complex,
    mask: ArrayLike,
    *,
    sigma: float,
    replicas: int = 50,
    seed: int = 0,
) -> Array:
    """Return the noise of a reconstruction, as a multiple of sigma, by drawing noise again.

    Parameters
    ----------
    reconstruct
        From k-space (coils, ky, kx) to images (bands, y, x).
    y
        One measurement (coils, ky, kx), prewhitened.
    mask
        Which of it was acquired (ky, kx).
    sigma
        Standard deviation sqrt(E|n|^2) of the noise that is added.
    replicas
        Draws; the error of the result is about 1 / sqrt(4 replicas).
    seed
        Of the draws.

    Returns
    -------
    ndarray
        Standard deviation over sigma (bands, y, x). With sum |C|^2 = 1 the image of all lines has
        1, so that this is g sqrt(R).

    """
    rng = np.random.default_rng([151, seed])
    taken = np.asarray(mask, dtype=bool)
    mean: Complex | float = 0.0
    square: Array | float = 0.0
    for k in range(replicas):
        parts = rng.standard_normal((2, *y.shape)) * (sigma / np.sqrt(2))
        x = np.asarray(reconstruct(y + (parts[0] + 1j * parts[1]) * taken))
        step = x - mean
        mean = mean + step / (k + 1)
        square = square + (step * np.conj(x - mean)).real
    return np.sqrt(np.maximum(square, 0) / max(replicas - 1, 1)) / sigma
