"""A particle that moves: a chain of blobs whose second half turns about a hinge."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from bioreco.data.particles.blobs import Blobs
from bioreco.errors import UserError

Doubles = NDArray[np.float64]

MOST = 180.0  # degrees
_TRIED = 9  # conformations whose extent is looked at


@dataclass(frozen=True)
class Hinged:
    """A chain and its conformations, from 0 (opened by half the turn) to 1 (closed by as much).

    Attributes
    ----------
    blobs
        The conformation in the middle.
    turn
        Degrees between the first and the last.

    Raises
    ------
    UserError
        If that is out of range.

    Notes
    -----
    The hinge is the blob in the middle of the chain, and its axis stands on the plane of the two
    halves' centres, so that they open and close. The mean of all blobs stays at the origin.

    """

    blobs: Blobs
    turn: float

    def __post_init__(self) -> None:
        if not 0 < self.turn <= MOST:
            raise UserError(f"data.volume=hinge:{self.turn:g}: above 0, at most {MOST:g} degrees")

    @property
    def radius(self) -> float:
        """The distance from the origin that holds all conformations, in Angstrom."""
        return max(self.at(state).radius for state in np.linspace(0, 1, _TRIED))

    def at(self, state: float) -> Blobs:
        """Return one conformation."""
        return replace(self.blobs, centres=self.centres(np.array([state]))[0])

    def of(self, states: Doubles) -> Blobs:
        """Return one conformation for each image that is projected: centres (n, m, 3)."""
        return replace(self.blobs, centres=self.centres(states))

    def centres(self, states: Doubles) -> Doubles:
        """Return where the blobs are in conformations (n,): (n, m, 3)."""
        middle = len(self.blobs.centres) // 2
        still, moving = np.split(self.blobs.centres - self.blobs.centres[middle], [middle])
        axis = np.cross(still.mean(0), moving.mean(0))
        axis /= np.linalg.norm(axis)
        angle = np.deg2rad(self.turn) * (0.5 - states)[:, None, None]
        along = (moving @ axis)[:, None] * axis
        turned = along + np.cos(angle) * (moving - along) + np.sin(angle) * np.cross(axis, moving)
        whole = np.concatenate([np.broadcast_to(still, (len(states), *still.shape)), turned], 1)
        return np.asarray(whole - whole.mean(1, keepdims=True))
