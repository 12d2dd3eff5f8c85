"""A head drawn by rules: cortex, white matter, fluid, deep nuclei, cerebellum, skull and scalp.

Nothing is downloaded. The surface of the brain is a warped ellipsoid; sulci are the zero sets of a
random field, cut to a depth; grey matter is what lies within three millimetres of fluid. Another
seed is another person. It is made for simulations of a measurement, not for teaching anatomy.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bioreco.data.simulation.waves import Grid, Waves

Array = NDArray[np.float64]

BRAIN = (64.0, 80.0, 66.0)  # half axes of the cerebrum along x, y and z, in millimetres
CORTEX = 3.0  # thickness of the grey matter, in millimetres
RIM = 0.7  # half width of a border between two tissues, in millimetres
FLUID, SKULL, SCALP = 2.0, 7.0, 12.0  # how far each reaches outwards from the brain, millimetres
NUCLEI = (  # centre and half axes along x, y and z, in millimetres; each has its mirror image
    ((11.0, -14.0, 6.0), (7.5, 13.0, 8.0)),  # thalamus
    ((13.0, 16.0, 8.0), (5.0, 9.0, 8.0)),  # head of the caudate nucleus
    ((26.0, 4.0, 3.0), (5.0, 14.0, 9.0)),  # putamen
)
VENTRICLES = (
    ((6.5, 22.0, 13.0), (3.5, 11.0, 5.0)),
    ((8.0, -6.0, 19.0), (4.5, 24.0, 4.5)),
    ((20.0, -34.0, 11.0), (5.5, 11.0, 7.0)),
    ((0.0, -10.0, 2.0), (2.0, 10.0, 8.0)),
)
CEREBELLUM = ((0.0, -46.0, -42.0), (46.0, 30.0, 22.0))
STEM = ((0.0, -22.0, -44.0), (12.0, 12.0, 36.0))


@dataclass(frozen=True)
class Tissues:
    """How much of each voxel is what (z, y, x), between 0 and 1; the rest is air and bone.

    Attributes
    ----------
    grey, white, fluid, nuclei, scalp
        Cortex (and cerebellar cortex), white matter, cerebrospinal fluid, deep grey matter, and
        skin and fat.

    """

    grey: Array
    white: Array
    fluid: Array
    nuclei: Array
    scalp: Array

    @property
    def brain(self) -> Array:
        """Everything that the skull holds."""
        return self.grey + self.white + self.fluid + self.nuclei


def head(grid: Grid, seed: int) -> Tissues:
    """Draw the head of one person.

    Parameters
    ----------
    grid
        Where to look.
    seed
        Who it is.

    Returns
    -------
    Tissues
        Fractions, with soft borders.

    """
    rng = np.random.default_rng([101, seed])
    z, y, x = grid.open
    fold, reach, bend = (Waves.draw(rng, *band) for band in ((16, 30), (30, 60), (50, 90)))
    leaf, size = Waves.draw(rng, 8, 11), 1 + 0.025 * rng.standard_normal(3)
    warp = bend.on(grid)
    depth = _depth(x / size[0], y / size[1], (z - 2) / size[2]) + 1.5 * warp
    sulcus = np.abs(fold.on(grid)) / (fold.slope(grid) + 1e-3)
    sulcus = sulcus + np.maximum(0, depth - (20 + 5 * reach.on(grid)))
    midline = np.abs(x + warp) + np.maximum(0, depth - 27)
    small = _inside(x, y, z, CEREBELLUM) + 0.8 * warp
    leaves = np.abs(leaf.on(grid)) / (leaf.slope(grid) + 1e-3) + np.maximum(0, small - 8)
    stem = _inside(x, y, z, STEM)
    cerebrum = np.minimum(depth, -np.maximum(small, np.where(z < -14, stem, -60.0)) - 1.5)
    near = np.minimum(np.minimum(cerebrum, sulcus - 0.5), midline - 0.8)
    own = np.minimum(small, leaves - 0.2)
    return _compose(x, y, z, depth, near, own, stem)


def _compose(
    x: Array, y: Array, z: Array, depth: Array, near: Array, own: Array, stem: Array
) -> Tissues:
    """Turn distances from the borders, in millimetres, into fractions."""
    tissue, cortex = _step(near), _step(near) - _step(near - CORTEX)
    small, bark = _step(own), _step(own) - _step(own - 1.6)
    trunk = _step(stem) * (1 - small) * _step(-10 - z)
    within = _step(depth)
    whole = np.maximum(tissue, np.maximum(small, trunk)) * _step(depth + FLUID)
    hollow = _mirrored(x, y, z, VENTRICLES)
    deep = _mirrored(x, y, z, NUCLEI) * (1 - hollow) * whole
    kept = whole * (1 - hollow) - deep
    grey = np.minimum(kept, np.where(tissue >= small, cortex, bark) * (1 - trunk))
    head = np.maximum(within, _step(depth + FLUID))
    scalp = _step(depth + SCALP) - _step(depth + SKULL)
    return Tissues(grey, kept - grey, head - kept - deep, deep, scalp)


def _depth(x: Array, y: Array, z: Array) -> Array:
    """Return the distance below the surface of an egg, wider behind than in front."""
    wide = 1 - 0.12 * np.tanh(y / 60)
    scaled = np.sqrt(
        (x / (BRAIN[0] * wide)) ** 2 + (y / BRAIN[1]) ** 2 + (z / BRAIN[2]) ** 2 + 1e-6
    )
    radius = np.sqrt(x**2 + y**2 + z**2) / scaled
    return np.asarray(np.where(scaled < 0.2, BRAIN[0], radius) * (1 - scaled))


def _inside(
    x: Array, y: Array, z: Array, shape: tuple[tuple[float, ...], tuple[float, ...]]
) -> Array:
    """Return about the distance inwards from the surface of an ellipsoid, negative outside."""
    centre, axes = shape
    across, along, up = ((p - c) / a for p, c, a in zip((x, y, z), centre, axes, strict=True))
    return np.asarray((1 - np.sqrt(across**2 + along**2 + up**2)) * min(axes))


def _mirrored(
    x: Array, y: Array, z: Array, shapes: tuple[tuple[tuple[float, ...], tuple[float, ...]], ...]
) -> Array:
    """Return the fraction inside any of some ellipsoids or their mirror images."""
    parts = [_step(_inside(np.abs(x), y, z, shape)) for shape in shapes]
    return np.asarray(np.max(parts, axis=0))


def _step(distance: Array) -> Array:
    """Return 0 well outside, 1 well inside, and a line between."""
    return np.asarray(np.clip(distance / (2 * RIM) + 0.5, 0, 1))
