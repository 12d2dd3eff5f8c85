"""Smooth random fields that don't depend on the grid they are seen on.

A field is a sum of plane waves whose directions and phases are drawn once, so that a finer grid or
another slice shows the same field. On a grid of lines its values are products of matrices.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Grid:
    """Where voxels lie: millimetres along each axis, from the middle of the head.

    Attributes
    ----------
    z, y, x
        Upwards, to the front, to the right; one value for each plane, row and column.

    """

    z: Array
    y: Array
    x: Array

    @property
    def shape(self) -> tuple[int, int, int]:
        """Number of planes, rows and columns."""
        return len(self.z), len(self.y), len(self.x)

    @property
    def open(self) -> tuple[Array, Array, Array]:
        """The coordinates, ready to be broadcast: (z, 1, 1), (1, y, 1), (1, 1, x)."""
        return self.z[:, None, None], self.y[None, :, None], self.x[None, None, :]


@dataclass(frozen=True)
class Waves:
    """A random field: the sum of plane waves, with a variance of 1.

    Attributes
    ----------
    vectors
        Radians per millimetre along z, y and x (n, 3).
    phases
        Of each wave, in radians (n,).

    """

    vectors: Array
    phases: Array

    @classmethod
    def draw(
        cls, rng: np.random.Generator, shortest: float, longest: float, count: int = 64
    ) -> Waves:
        """Draw a field whose waves are between `shortest` and `longest` millimetres long."""
        direction = rng.standard_normal((count, 3))
        direction /= np.linalg.norm(direction, axis=1, keepdims=True)
        frequency = 2 * np.pi / rng.uniform(shortest, longest, (count, 1))
        return cls(direction * frequency, rng.uniform(0, 2 * np.pi, count))

    def on(self, grid: Grid) -> Array:
        """Return the field on a grid (z, y, x)."""
        return self._sum(grid, np.ones(len(self.phases), dtype=complex))

    def slope(self, grid: Grid) -> Array:
        """Return the length of the field's gradient on a grid (z, y, x), per millimetre."""
        weights = (1j * self.vectors).astype(np.complex128)
        parts = np.stack([self._sum(grid, weights[:, axis]) for axis in range(3)])
        return np.asarray(np.sqrt((parts**2).sum(0)))

    def _sum(self, grid: Grid, weights: NDArray[np.complex128]) -> Array:
        z, y, x = (
            np.exp(1j * np.outer(points, self.vectors[:, axis]))
            for axis, points in enumerate((grid.z, grid.y, grid.x))
        )
        drawn = weights * np.exp(1j * self.phases) * np.sqrt(2 / len(self.phases))
        return np.stack([((y * (drawn * plane)) @ x.T).real for plane in z])
