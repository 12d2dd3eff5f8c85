"""Where the slices of an ISMRMRD file lie in the patient."""

from __future__ import annotations

from typing import Any

import numpy as np

from bioreco.data.acquisition import Geometry
from bioreco.data.kspace.header import Space
from bioreco.data.kspace.readouts import Places, Table
from bioreco.data.kspace.scans import plain_geometry

_TO_RAS = np.array([-1.0, -1.0, 1.0])  # from left, posterior, superior to right, anterior, superior


def geometry_of(
    table: Table, rows: Any, space: Space, places: Places, seconds: float | None, lines: Any
) -> tuple[Geometry, list[str]]:
    """Return the geometry that the headers of the readouts give, and what should be said of it.

    Parameters
    ----------
    table, rows
        All readouts, and those of the image.
    space
        The encoding of the image.
    places
        Its slices.
    seconds
        The repetition time.
    lines
        Single-band readouts, whose slices are those of all bands; or None.

    """
    spacing = space.spacing or (1.0, 1.0, 1.0)
    seconds = seconds if len(places.frames) > 1 else None
    plain = plain_geometry(len(places.slices), space.bands, spacing, places.size)
    plain = Geometry(plain.affine, seconds, plain.slices)
    directions = table.directions[rows[0]].astype(np.float64)
    if not np.allclose(directions @ directions.T, np.eye(3), atol=1e-2):
        return plain, ["the file doesn't say where the slices lie: the affine holds sizes only"]
    from_where = lines.readouts.places if space.bands > 1 and lines is not None else places
    if space.bands > 1 and lines is None:
        return plain, ["the place of the bands isn't known: the affine holds sizes only"]
    positions = np.array([_position(table, from_where, n) for n in from_where.slices])
    along = positions @ directions[2]
    order = np.argsort(np.argsort(along, kind="stable"), kind="stable")
    gap = (np.ptp(along) / (len(along) - 1)) if len(along) > 1 else 0.0
    steps = np.array([*spacing[:2], gap or spacing[2]])
    affine = np.eye(4)
    affine[:3, :3] = (directions * steps[:, None]).T
    lowest = positions[int(np.argmin(along))]
    middle = np.array([places.size[1] // 2, places.size[0] // 2, 0.0])
    affine[:3, 3] = lowest - affine[:3, :3] @ middle
    affine[:3] *= _TO_RAS[:, None]
    slices = order.reshape(space.bands, len(places.slices)).T
    return Geometry(affine, seconds, np.ascontiguousarray(slices, dtype=np.int64)), []


def _position(table: Table, places: Places, number: int) -> Any:
    """Return the centre of a slice, in millimetres."""
    rows = places.rows[table.slice[places.rows] == number]
    return table.position[rows[0]].astype(np.float64)
