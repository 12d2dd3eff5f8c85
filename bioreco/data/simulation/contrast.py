"""What an image of a head looks like: tissue contrast, texture, signal loss and phase."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bioreco.data.simulation.anatomy import Tissues
from bioreco.data.simulation.waves import Grid, Waves

Array = NDArray[np.float64]

# Brightness of grey matter, white matter, fluid, deep nuclei and scalp, relative to the brightest.
CONTRASTS = {
    "epi": (0.78, 0.62, 1.00, 0.58, 0.20),  # gradient-echo EPI, T2*-weighted, fat suppressed
    "t1": (0.68, 1.00, 0.25, 0.78, 0.80),
    "t2": (0.58, 0.42, 1.00, 0.42, 0.50),
    "pd": (0.88, 0.72, 1.00, 0.78, 0.60),
    "flair": (0.95, 0.72, 0.12, 0.70, 0.55),
}
TEXTURE = 0.03  # standard deviation of the fine structure, relative to the signal
SHADE = 0.06  # of the slow changes across the head
CAVITIES = (  # centre along x, y and z and reach, in millimetres, of air that eats signal
    ((0.0, 52.0, -38.0), 20.0),  # above the nose
    ((46.0, -8.0, -40.0), 13.0),  # ears
    ((-46.0, -8.0, -40.0), 13.0),
)
LOSS = 0.8  # of the signal at the middle of a cavity


def magnitude(tissues: Tissues, grid: Grid, contrast: str, seed: int) -> Array:
    """Return the brightness of each voxel (z, y, x), at most about 1."""
    rng = np.random.default_rng([103, seed])
    fine, slow = Waves.draw(rng, 6, 14), Waves.draw(rng, 90, 180)
    parts = (tissues.grey, tissues.white, tissues.fluid, tissues.nuclei, tissues.scalp)
    x = sum(level * part for level, part in zip(CONTRASTS[contrast], parts, strict=True))
    x = x * (1 + TEXTURE * fine.on(grid) + SHADE * slow.on(grid))
    if contrast == "epi":
        x = x * (1 - LOSS * np.clip(_cavities(grid), 0, 1))
    return np.asarray(np.maximum(x, 0))


def phase(grid: Grid, seed: int, *, air: bool) -> Array:
    """Return the phase of each voxel (z, y, x), in radians.

    Parameters
    ----------
    grid
        Where to look.
    seed
        Of the field.
    air
        Whether the phase bends around cavities, as at the long echo time of EPI.

    Notes
    -----
    A smooth field (B0 and the phase of the transmit field), and an offset and a slope of its own
    in each slice, as the slices of a scan have that were excited by one pulse.

    """
    rng = np.random.default_rng([107, seed])
    smooth = 1.2 * Waves.draw(rng, 110, 260, 24).on(grid)
    if air:
        smooth = smooth + 2.5 * _cavities(grid)
    offset = rng.uniform(-np.pi, np.pi, len(grid.z))
    slope = rng.normal(0, 0.006, (2, len(grid.z)))
    _, y, x = grid.open
    steps = [slope[axis][:, None, None] * points for axis, points in enumerate((y, x))]
    return np.asarray(smooth + offset[:, None, None] + steps[0] + steps[1])


def _cavities(grid: Grid) -> Array:
    """Return how near air is: 1 at the middle of a cavity, 0 far off."""
    z, y, x = grid.open
    near = np.zeros(grid.shape)
    for (right, front, up), reach in CAVITIES:
        square = (x - right) ** 2 + (y - front) ** 2 + (z - up) ** 2
        near = near + np.exp(-0.5 * square / reach**2)
    return near
