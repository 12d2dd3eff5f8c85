"""Receive coils as small loops around the head.

Each loop is a magnetic dipole that points inwards; what it receives is the transverse part of its
field, B_x - i B_y, by reciprocity:

    B(r) = (3 d (d.n) / (|d|^2 + a^2) - n) / (|d|^2 + a^2)^(3/2),   d = r - p,

with a loop at p of radius a and axis n. Rings of loops are staggered and sit on an elliptical
former; four rings carry the encoding along z that simultaneous slices need.

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

FORMER = (90.0, 104.0)  # half axes of the former along x and y, in millimetres
LOOP = 24.0  # radius of a loop, in millimetres
REACH = 54.0  # the outer rings are this far from the middle along z, in millimetres


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
        angle = 2 * np.pi * (np.arange(len(share)) + 0.5 * (ring % 2)) / len(share)
        for cos, sin in zip(np.cos(angle), np.sin(angle), strict=True):
            places.append((FORMER[0] * cos, FORMER[1] * sin, heights[ring]))
            inward = -np.array([cos / FORMER[0], sin / FORMER[1], 0.0])
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
        square = sum(part**2 for part in along) + LOOP**2
        projected = 3 * sum(d * n for d, n in zip(along, axis, strict=True)) / square
        field = (along[0] * projected - axis[0]) - 1j * (along[1] * projected - axis[1])
        found[:, k] = LOOP**3 * field / square**1.5
    total = np.sqrt((np.abs(found) ** 2).sum(1, keepdims=True))
    return np.asarray(found / total, dtype=np.complex64)
