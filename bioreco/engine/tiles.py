"""Cut a frame into tiles with just enough surroundings that the seams can't be seen.

A tile is read with a halo as wide as the network looks, on a raster the network is equivariant to.
Beyond the border the frame is mirrored. So every pixel gets the same surroundings whatever the
tiles are, and results differ by rounding only.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

from bioreco.errors import UserError


@dataclass(frozen=True)
class Tile:
    """One tile of a frame.

    Attributes
    ----------
    core
        The pixels it is responsible for, inside the frame.
    start, size
        What is read for it; may reach beyond the frame.

    """

    core: tuple[slice, ...]
    start: tuple[int, ...]
    size: tuple[int, ...]

    @property
    def inside(self) -> tuple[slice, ...]:
        """Where the core lies in what was read."""
        return tuple(
            slice(c.start - s, c.stop - s) for c, s in zip(self.core, self.start, strict=True)
        )


def plan(
    shape: Sequence[int],
    tile: Sequence[int],
    halo: Sequence[int] | None,
    stride: Sequence[int] | None,
) -> list[Tile]:
    """Cover a frame with tiles of about one size.

    Parameters
    ----------
    shape
        Pixels of the frame, ([z,] y, x).
    tile
        Pixels to read at most along each axis, halo included.
    halo
        Pixels around an output pixel that can change it; None: the frame is not cut.
    stride
        Tiles start at multiples of it.

    Raises
    ------
    UserError
        If the tile is no larger than its halo.

    """
    step = tuple(stride) if stride is not None else (1,) * len(shape)
    if halo is None:
        size = tuple(math.ceil(n / s) * s for n, s in zip(shape, step, strict=True))
        return [Tile(tuple(slice(0, n) for n in shape), (0,) * len(shape), size)]
    rims = [math.ceil(h / s) * s for h, s in zip(halo, step, strict=True)]
    axes = [_cut(n, t, rim, s) for n, t, rim, s in zip(shape, tile, rims, step, strict=True)]
    return [
        Tile(
            tuple(slice(a, min(a + core, n)) for (a, core), n in zip(corner, shape, strict=True)),
            tuple(a - rim for (a, _), rim in zip(corner, rims, strict=True)),
            tuple(core + 2 * rim for (_, core), rim in zip(corner, rims, strict=True)),
        )
        for corner in itertools.product(*axes)
    ]


def _cut(pixels: int, tile: int, rim: int, step: int) -> list[tuple[int, int]]:
    """Return (start, core) of the tiles along one axis, all of one length."""
    most = (tile - 2 * rim) // step * step
    if most < step:
        raise UserError(
            f"inference.tile={tile}: {rim} pixels to either side are needed beyond a tile, so it"
            f" takes at least {2 * rim + step} pixels"
        )
    count = math.ceil(pixels / most)
    core = math.ceil(pixels / count / step) * step
    return [(start, core) for start in range(0, pixels, core)]
