"""Check the directions of a tomogram: one for each view, and none that is no direction.

Each view carries its own direction, so their order doesn't matter. Views in one direction count
as one measurement that was repeated: Fourier bins take means. Directions that are missing leave a
part of the spectrum unknown, which is said.
"""

from __future__ import annotations

import numpy as np

from bioreco.data.tomograms.values import Array
from bioreco.errors import UserError

SAME = np.radians(0.05)  # directions nearer than this are the same
GAP = 3.0  # times the usual step between neighbours is a gap


def check_angles(angles: Array, views: int, name: str) -> Array:
    """Return angles in radians (v,), one for each view.

    Raises
    ------
    UserError
        If there are more or fewer, some aren't numbers, or they look like degrees.

    """
    found = np.asarray(angles, dtype=np.float64).ravel()
    if len(found) != views:
        raise UserError(f"{name}: {len(found)} angles for {views} views; one of each is needed")
    bad = np.flatnonzero(~np.isfinite(found))
    if len(bad):
        raise UserError(f"{name}: the angle of view {bad[0]} is missing ({len(bad)} in all)")
    if views > 1 and np.ptp(found) > 6 * np.pi:
        raise UserError(
            f"{name}: angles from {found.min():g} to {found.max():g}: they have to be in radians,"
            " not in degrees"
        )
    return found


def check_illumination(directions: Array, views: int, name: str) -> Array:
    """Return unit vectors (v, 3), one for each view.

    Raises
    ------
    UserError
        If there are more or fewer, or one is no direction from behind the object.

    """
    found = np.asarray(directions, dtype=np.float64)
    if found.shape != (views, 3):
        raise UserError(
            f"{name}: directions of light {found.shape} for {views} views; (views, 3) are needed"
        )
    length = np.linalg.norm(found, axis=1)
    bad = np.flatnonzero(~(length > 0) | ~(found[:, 2] > 0))
    if len(bad):
        raise UserError(
            f"{name}: the direction of light of view {bad[0]} is missing, or doesn't come from"
            f" below ({len(bad)} in all)"
        )
    unit: Array = found / length[:, None]
    return unit


def tell(illumination: Array, rotations: Array) -> list[str]:
    """Say what is unusual: repeated views, views out of order, and gaps."""
    seen = np.einsum("vji,vj->vi", rotations, illumination)  # the light in the object's frame
    near = np.arccos(np.clip(seen @ seen.T, -1, 1)) < SAME
    repeated = int((np.triu(near, 1).any(axis=0)).sum())
    notes = []
    if repeated:
        notes.append(f"{repeated} of {len(seen)} views repeat a direction: the mean counts once")
    around = np.unwrap(_around(seen))
    steps = np.diff(around)
    if len(steps) > 1 and (steps > SAME).any() and (steps < -SAME).any():
        notes.append("the views aren't in the order of their angles, which doesn't matter")
    gap = _gap(around)
    if gap is not None:
        notes.append(f"no views over {gap:.0f} degrees: that part of the spectrum is unknown")
    return notes


def _around(seen: Array) -> Array:
    """Return the angle of each direction about the axis that they turn about."""
    about_y = bool(np.ptp(seen[:, 1]) < 1e-6)
    tilted = np.hypot(seen[:, 0], seen[:, 1]) > 1e-6
    y, x = (seen[:, 0], seen[:, 2]) if about_y else (seen[tilted, 1], seen[tilted, 0])
    found: Array = np.arctan2(y, x)
    return found


def _gap(around: Array) -> float | None:
    """Return the largest step between neighbours in degrees, if it is far from the usual one."""
    ordered = np.sort(np.mod(around, 2 * np.pi))
    if len(ordered) < 4:
        return None
    steps = np.diff(np.append(ordered, ordered[0] + 2 * np.pi))
    usual = float(np.median(steps[steps > SAME])) if (steps > SAME).any() else np.inf
    largest = float(steps.max())
    return float(np.degrees(largest)) if largest > GAP * usual else None
