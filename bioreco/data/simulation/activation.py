"""Where the brain responds, by how much and when: regions, blocks and the haemodynamic response.

References
----------
.. [1] G. H. Glover, "Deconvolution of impulse response in event-related BOLD fMRI", NeuroImage 9,
   1999.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bioreco.data.simulation.anatomy import NUCLEI, Tissues
from bioreco.data.simulation.waves import Grid

Array = NDArray[np.float64]

BLOCK = 18.0  # seconds of rest, then of task
STEP = 0.1  # seconds between the points at which the response is worked out
APART = 22.0  # millimetres between the middles of two regions


def glover(times: Array) -> Array:
    """Return the haemodynamic response of Glover [1]_ at some times in seconds, with a peak of 1.

    Notes
    -----
    h(t) = (t / d1)^a1 exp(-(t - d1) / b1) - c (t / d2)^a2 exp(-(t - d2) / b2), d = a b, with
    a1 = 6, a2 = 12, b1 = b2 = 0.9 s and c = 0.35.

    """
    t = np.maximum(times, 0)

    def bump(a: float, b: float) -> Array:
        return np.asarray((t / (a * b)) ** a * np.exp(-(t - a * b) / b))

    response = bump(6, 0.9) - 0.35 * bump(12, 0.9)
    return np.asarray(response / response.max())


def block_regressor(frames: int, repetition_time: float) -> Array:
    """Return the response expected of blocks of rest and task (frames,), with a peak of 1."""
    fine = np.arange(round(frames * repetition_time / STEP) + 1) * STEP
    task = (fine % (2 * BLOCK) >= BLOCK).astype(float)
    response = np.convolve(task, glover(np.arange(0, 32, STEP)))[: len(fine)]
    seen = np.interp(np.arange(frames) * repetition_time, fine, response)
    peak = float(seen.max())
    return np.asarray(seen / (peak if peak > 0 else 1.0))


def regions(tissues: Tissues, grid: Grid, seed: int) -> Array:
    """Draw where the signal rises: blobs in cortex and in deep nuclei.

    Parameters
    ----------
    tissues
        Of the head.
    grid
        Where they are.
    seed
        Of the draw.

    Returns
    -------
    ndarray
        Change of the signal between 0 and about 1 (z, y, x): 4 to 6 regions of cortex and 2 or 3
        nuclei, each with an amplitude of its own.

    """
    rng = np.random.default_rng([109, seed])
    centres = _centres(tissues.grey, grid, rng, int(rng.integers(4, 7)))
    sides = rng.permutation(np.array([-1.0, 1.0, 1.0]))
    for k in rng.permutation(len(NUCLEI))[: int(rng.integers(2, 4))]:
        (right, front, up), _ = NUCLEI[k]
        centres.append(np.array([up, front, sides[k] * right]))
    z, y, x = grid.open
    change = np.zeros(grid.shape)
    for centre in centres:
        radius, height = rng.uniform(8.0, 11.0), rng.uniform(0.7, 1.0)
        square = (z - centre[0]) ** 2 + (y - centre[1]) ** 2 + (x - centre[2]) ** 2
        blob = np.clip(3 * np.exp(-0.5 * square / (0.6 * radius) ** 2), 0, 1)
        change = np.maximum(change, height * blob)
    return np.asarray(change * np.clip(2 * (tissues.grey + tissues.nuclei), 0, 1))


def _centres(grey: Array, grid: Grid, rng: np.random.Generator, count: int) -> list[Array]:
    """Choose voxels of grey matter that lie apart."""
    found: list[Array] = []
    candidates = np.argwhere(grey > 0.8)
    for at in rng.permutation(len(candidates)):
        k, i, j = candidates[at]
        here = np.array([grid.z[k], grid.y[i], grid.x[j]])
        edge = len(grid.z) > 2 and k in (0, len(grid.z) - 1)
        if not edge and all(np.linalg.norm(here - other) > APART for other in found):
            found.append(here)
        if len(found) == count:
            break
    return found
