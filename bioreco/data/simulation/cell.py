"""A cell that light passes through: membrane, cytoplasm, nucleus, nucleoli, lipid droplets.

Refractive indices are those of living cells (Liu et al., J. Biophotonics 9, 2016; lipid droplets:
Kim et al., Sci. Rep. 6, 2016). Each voxel is the mean over 2 x 2 x 2 finer ones, so that borders
are as soft as the voxels allow.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bioreco.data.tomograms.values import Array, Truth

PARTS = ("medium", "membrane", "cytoplasm", "nucleus", "nucleolus", "droplet")
INDEX = (0.0, 1.365, 1.352, 1.362, 1.385, 1.415)  # the medium's own comes first
FINER = 2
LEAST = 24  # voxels along a side
SHELL = 1.6 / 64  # thickness of the membrane, and sizes of what is in the cell, of the box
NUCLEOLUS = (1.8 / 64, 3.0 / 64)
DROPLET = (1.2 / 64, 2.6 / 64)


@dataclass(frozen=True)
class Ellipsoid:
    """The points within an ellipsoid.

    Attributes
    ----------
    centre, axes
        (z, y, x) and the three radii, in voxels.
    turned
        (3, 3): rows are the directions of the axes.

    """

    centre: Array
    axes: Array
    turned: Array

    def paint(self, volume: Array, value: float) -> None:
        """Set the voxels inside; a voxel's centre counts."""
        reach = float(self.axes.max()) + 1
        side = len(volume)
        low = np.clip(np.floor(self.centre - reach).astype(int), 0, side)
        high = np.clip(np.ceil(self.centre + reach).astype(int) + 1, 0, side)
        box = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
        grids = np.meshgrid(
            *(np.arange(a, b) for a, b in zip(low, high, strict=True)), indexing="ij"
        )
        away = np.stack(grids, -1) - self.centre
        inside = (((away @ self.turned.T) / self.axes) ** 2).sum(-1) < 1
        volume[box][inside] = value

    def holds(self, point: Array, margin: float = 0.0) -> bool:
        """Tell whether a point is inside the ellipsoid made wider by a margin."""
        away = (self.turned @ (point - self.centre)) / (self.axes + margin)
        return bool((away**2).sum() < 1)


def cell(seed: int, number: int, side: int, medium: float) -> Truth:
    """Return the `number`-th cell of a seed in a box of `side` voxels."""
    draw = np.random.default_rng([61, seed, number])
    fine = FINER * side
    middle = (fine - 1) / 2 + FINER * (side // 2 - (side - 1) / 2)  # where the voxel n // 2 lies
    labels = np.zeros((fine,) * 3, dtype=np.uint8)
    axes = draw.uniform(0.27, 0.34, 3) * fine
    body = Ellipsoid(middle + draw.normal(0, 1 / 64, 3) * fine, axes, _turn(draw))
    body.paint(labels, 1)
    inner = Ellipsoid(body.centre, axes - SHELL * fine, body.turned)
    inner.paint(labels, 2)
    nucleus = _nucleus(draw, inner)
    nucleus.paint(labels, 3)
    for _ in range(draw.integers(2, 5)):
        away = _direction(draw) * draw.uniform(0, 0.6) * nucleus.axes.min()
        _ball(nucleus.centre + away, draw.uniform(*NUCLEOLUS) * fine).paint(labels, 4)
    _droplets(draw, labels, inner, nucleus, fine)
    values = np.array([medium, *INDEX[1:]], dtype=np.float32)
    blocks = values[labels].reshape([n for _ in range(3) for n in (side, FINER)])
    index = blocks.mean(axis=(1, 3, 5)).astype(np.float32)
    return Truth(index, labels[1::FINER, 1::FINER, 1::FINER].copy(), PARTS)


def _droplets(
    draw: np.random.Generator, labels: Array, inner: Ellipsoid, nucleus: Ellipsoid, fine: int
) -> None:
    """Put lipid droplets into the cytoplasm."""
    for _ in range(draw.integers(10, 16)):
        radius = draw.uniform(*DROPLET) * fine
        away = _direction(draw) * draw.uniform(0.2, 0.85) ** (1 / 3)
        place = inner.centre + inner.turned.T @ (away * (inner.axes - radius))
        if not nucleus.holds(place, radius):
            _ball(place, radius).paint(labels, 5)


def _nucleus(draw: np.random.Generator, inner: Ellipsoid) -> Ellipsoid:
    """Return a nucleus that lies within the cell."""
    least = inner.axes.min()
    axes = draw.uniform(0.42, 0.52, 3) * least
    away = _direction(draw) * draw.uniform(0, 0.9) * max(least - axes.max(), 0.0)
    return Ellipsoid(inner.centre + away, axes, _turn(draw))


def _ball(centre: Array, radius: float) -> Ellipsoid:
    return Ellipsoid(centre, np.full(3, radius), np.eye(3))


def _direction(draw: np.random.Generator) -> Array:
    found = draw.normal(size=3)
    return np.asarray(found / np.linalg.norm(found))


def _turn(draw: np.random.Generator) -> Array:
    """Return a rotation or reflection at random."""
    return np.asarray(np.linalg.qr(draw.normal(size=(3, 3)))[0])
