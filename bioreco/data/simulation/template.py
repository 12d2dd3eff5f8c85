"""A head from a template image instead of a drawn one: `anatomy=PATH.nii.gz`.

The template is a T1-weighted brain without its skull, 0 outside. Its three tissues are told apart
by their grey levels: fluid is dark, grey matter between, white matter bright.
"""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from bioreco.data.simulation.anatomy import CORTEX, SCALP, SKULL, Tissues
from bioreco.data.simulation.waves import Grid
from bioreco.errors import UserError

Array = NDArray[np.float64]

ROUNDS = 20  # of the search for the three grey levels
MIDDLE = 28.0  # half axes of the ball around the centre whose grey matter is called nuclei, mm


def template(grid: Grid, path: str) -> Tissues:
    """Sample the tissues of a template, with the middle of its brain at the middle of the grid.

    Parameters
    ----------
    grid
        Where to look.
    path
        NIfTI file of a T1-weighted brain, 3D, 0 outside the brain.

    Returns
    -------
    Tissues
        Fractions, with the softness of the template, and a skull and a scalp around.

    Raises
    ------
    UserError
        If the file can't be read, isn't 3D, or has no empty background.

    """
    parts, middle, spacing = _parts(path)
    brain, solid, bright, away, deep = (_sample(part, grid, middle, spacing) for part in parts)
    scalp = ((away > SKULL - 2) & (away < SCALP - 2)).astype(float)
    z, y, x = grid.open
    central = (np.sqrt(x**2 + y**2 + z**2) < MIDDLE) & (deep > 4 * CORTEX)
    grey = np.clip(solid - bright, 0, 1)
    fluid = np.clip(brain - solid, 0, 1)
    return Tissues(grey * ~central, np.clip(bright, 0, 1), fluid, grey * central, scalp)


@functools.lru_cache(maxsize=1)
def _parts(path: str) -> tuple[tuple[NDArray[np.float32], ...], list[float], Array]:
    """Return what is sampled of a template, the voxel in the middle of its brain, its spacing.

    Sampled are the fractions of brain, of tissue and of white matter, and the distances in
    millimetres outwards and inwards from the surface.
    """
    values, spacing = _load(path)
    inside = ndimage.binary_fill_holes(values > 0.02 * values.max())
    if not 0.01 < inside.mean() < 0.9:
        raise UserError(
            f"data.anatomy={path}: {inside.mean():.0%} of it is brain. It takes a T1-weighted brain"
            " without its skull, 0 outside."
        )
    fluid, grey, white = _levels(values[inside])
    solid = np.interp(values, [fluid, grey], [0, 1]) * inside
    bright = np.interp(values, [grey, white], [0, 1]) * inside
    away = ndimage.distance_transform_edt(~inside, sampling=spacing)
    deep = ndimage.distance_transform_edt(inside, sampling=spacing)
    found = [np.flatnonzero(inside.any(axis=axes)) for axes in ((1, 2), (0, 2), (0, 1))]
    middle = [(float(at[0]) + float(at[-1])) / 2 for at in found]
    parts = (inside, solid, bright, away, deep)
    return tuple(part.astype(np.float32) for part in parts), middle, spacing


def _load(path: str) -> tuple[Array, Array]:
    """Return the volume along z, y and x, upwards, to the front, to the right, and its spacing."""
    import nibabel
    from nibabel.filebasedimages import ImageFileError

    try:
        image: Any = nibabel.as_closest_canonical(nibabel.load(Path(path).expanduser()))
        values = np.nan_to_num(np.asarray(image.dataobj, dtype=np.float64))
    except (OSError, ImageFileError) as error:
        raise UserError(f"data.anatomy={path} can't be read: {error}") from error
    if values.ndim != 3 or not values.any():
        raise UserError(f"data.anatomy={path}: expected a volume, got the shape {values.shape}.")
    return values.T, np.array(image.header.get_zooms()[2::-1], dtype=np.float64)


def _levels(values: Array) -> Array:
    """Return the three grey levels that the values gather around, in ascending order."""
    centres = np.percentile(values, [5, 45, 85])
    for _ in range(ROUNDS):
        nearest = np.abs(values[:, None] - centres).argmin(1)
        centres = np.array(
            [values[nearest == k].mean() if (nearest == k).any() else centres[k] for k in range(3)]
        )
    return np.sort(centres)


def _sample(values: NDArray[np.float32], grid: Grid, middle: list[float], spacing: Array) -> Array:
    """Interpolate a volume at the points of the grid; what lies outside is as at its border."""
    at = [
        m + points / step
        for m, points, step in zip(middle, (grid.z, grid.y, grid.x), spacing, strict=True)
    ]
    where = np.meshgrid(*at, indexing="ij")
    return np.asarray(ndimage.map_coordinates(values, where, order=1, mode="nearest"))
