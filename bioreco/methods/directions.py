"""The directions that a tomogram is projected along: clean ones, and those a missing cone blurs."""

from __future__ import annotations

import math
from dataclasses import dataclass

from torch import Tensor

from bioreco.errors import UserError, nearest
from bioreco.operators import parallel


@dataclass(frozen=True)
class Directions:
    """Parallel projections.

    Parameters
    ----------
    axes
        Axes about which directions turn, any of "x", "y", "z".
    views
        Directions in half a turn about each.
    clean
        Largest angle between a clean direction and the axis of light, degrees.

    Raises
    ------
    UserError
        If an option is out of range.

    """

    axes: tuple[str, ...] = parallel.AXES
    views: int = 60
    clean: float = 20.0

    def __post_init__(self) -> None:
        for axis in self.axes:
            if axis not in parallel.AXES:
                known = ", ".join(parallel.AXES)
                raise UserError(
                    f"method.directions.axes={list(self.axes)}: any of {known}."
                    + nearest(axis, parallel.AXES)
                )
        if not self.axes or self.views < 4 or not 0 < self.clean < 90:
            raise UserError(
                f"method.directions: axes={list(self.axes)}, views={self.views},"
                f" clean={self.clean:g}: at least one axis, at least 4 views, 0 to 90 degrees"
            )

    @property
    def every(self) -> Tensor:
        """Poses (n, 3, 3) of all that make up a volume."""
        return parallel.around(self.axes, self.views)

    @property
    def near(self) -> Tensor:
        """Poses (views, 3, 3) of clean directions, turned all ways."""
        return parallel.near_axis(self.views, math.radians(self.clean))

    def blurred(self, poses: Tensor) -> Tensor:
        """Tell which poses aren't clean (n,)."""
        return parallel.tilts(poses) > math.radians(self.clean)
