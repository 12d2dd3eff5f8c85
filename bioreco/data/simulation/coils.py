"""Receive coils as small loops around the head.

Each loop is a magnetic dipole that points inwards; what it receives is the transverse part of its
field, B_x - i B_y, by reciprocity:

    B(r) = (3 d (d.n) - (|d|^2 - 2 a^2) n) / (|d|^2 + a^2)^(5/2),   d = r - p,

with a loop at p of radius a and axis n: exact on its axis and far away. Rings of loops are
staggered and sit on an elliptical helmet; four rings carry the encoding along z that simultaneous
slices need.

References
----------
.. [1] D. I. Hoult, "The principle of reciprocity in signal strength calculations", Concepts in
   Magnetic Resonance 12, 2000.
.. [2] K. Setsompop et al., "Blipped-controlled aliasing in parallel imaging for simultaneous
   multislice echo planar imaging", Magnetic Resonance in Medicine 67, 2012 (the g-factors that a
   real array has).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bioreco.data.simulation.waves import Grid

FORMER = (91.0, 105.0)  # half axes of the former along x and y, in millimetres
LOOP = 18.0  # radius of a loop, in millimetres
DOME = 85.0  # the former closes this far above the middle, in millimetres
REACH = 62.0  # the outer rings are this far from the middle along z, in millimetres


def loops(coils: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Place loops around the head, in rings of four; up to three loops are one ring.

    Returns
    -------
    tuple of ndarray
        Position and axis of each (coils, 3), along x, y and z.

    """
    rings = max(1, coils // 4)
    heights = np.linspace(-REACH, REACH, rings) if rings > 1 else np.zeros(1)
    places, axes = [], []
    for ring, share in enumerate(np.array_split(np.arange(coils), rings)):
        narrow = np.sqrt(1 - (max(heights[ring], 0.0) / DOME) ** 2)
        angle = 2 * np.pi * (np.arange(len(share)) + 0.5 * (ring % 2)) / len(share)
        for cos, sin in zip(np.cos(angle), np.sin(angle), strict=True):
            place = np.array([narrow * FORMER[0] * cos, narrow * FORMER[1] * sin, heights[ring]])
            inward = -place / np.array([FORMER[0], FORMER[1], DOME]) ** 2
            inward[2] = min(inward[2], 0.0)
            places.append(place)
            axes.append(inward / np.linalg.norm(inward))
    return np.array(places), np.array(axes)


def sensitivities(grid: Grid, coils: int) -> NDArray[np.complex64]:
    """Return what each coil receives from each voxel, with sum |C|^2 = 1 everywhere.

    Parameters
    ----------
    grid
        Where to look.
    coils
        Number of loops.

    Returns
    -------
    ndarray
        (z, coils, y, x), complex64.

    """
    z, y, x = grid.open
    found = np.empty((grid.shape[0], coils, *grid.shape[1:]), dtype=np.complex64)
    for k, (place, axis) in enumerate(zip(*loops(coils), strict=True)):
        along = [x - place[0], y - place[1], z - place[2]]
        square = sum(part**2 for part in along)
        projected = 3 * sum(d * n for d, n in zip(along, axis, strict=True))
        straight = square - 2 * LOOP**2
        field = (along[0] * projected - axis[0] * straight) - 1j * (
            along[1] * projected - axis[1] * straight
        )
        found[:, k] = LOOP**3 * field / (square + LOOP**2) ** 2.5
    total = np.sqrt((np.abs(found) ** 2).sum(1, keepdims=True))
    return np.asarray(found / total, dtype=np.complex64)
