"""The median filter: every pixel becomes the middle one of those around it, by value."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from bioreco.errors import UserError
from bioreco.methods.classical import Array, Classical
from bioreco.methods.setting import Setting


class Median(Classical):
    """A median filter over a disc, in stacks over an ellipsoid.

    Parameters
    ----------
    dims
        Spatial axes.
    radius
        Radius of the disc along y and x, in pixels; None: calibrated.
    flatness
        Radius along z as a share of it, in stacks.
    keep_mean
        Width in pixels of the Gaussian window over which the mean is kept; None: it is not.

    Raises
    ------
    UserError
        If an option is out of range.

    Notes
    -----
    The noise of counts is lopsided, so that their median is less than their mean: of counts with a
    mean of 0.5 the median is 0. Unless `keep_mean` is null, the local mean of what the filter took
    away is given back.

    """

    option = "radius"
    grid: ClassVar = (1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0)

    def __init__(
        self,
        dims: int,
        *,
        radius: float | None = None,
        flatness: float = 0.5,
        keep_mean: float | None = 4.0,
    ) -> None:
        super().__init__(dims, strength=radius, keep_mean=keep_mean)
        if radius is not None and not 1 <= radius <= 32:
            raise UserError(f"method.radius={radius:g}: 1 to 32 pixels, or null to calibrate it")
        if not 0 <= flatness <= 2:
            raise UserError(f"method.flatness={flatness:g}: 0 to 2")
        self.flatness = flatness

    def _radii(self, radius: float) -> tuple[float, ...]:
        return (*[radius * self.flatness] * (self.dims - 2), radius, radius)

    def window(self, radius: float) -> NDArray[np.bool_]:
        """Return the window as a mask ([z,] y, x) of odd sides."""
        radii = self._radii(radius)
        axes = np.ogrid[tuple(slice(-int(r), int(r) + 1) for r in radii)]
        distance = sum((a / max(r, 1e-9)) ** 2 for a, r in zip(axes, radii, strict=True))
        return np.asarray(distance <= 1 + 1e-9)

    def filtered(self, y: Array, strength: float) -> Array:
        """Take the median over the window; beyond the border the image is mirrored."""
        window = self.window(strength)[None]
        return np.asarray(ndimage.median_filter(y, footprint=window, mode="mirror"))

    def words(self, setting: Setting) -> str:
        """Give the radius in pixels."""
        pixels = np.count_nonzero(self.window(setting.strength))
        return f"Median filter, radius {setting.strength:.2g} pixels ({pixels} pixels)"

    def reach(self) -> tuple[int, ...]:
        """Return the radii."""
        return tuple(int(r) for r in self._radii(self.strongest))
