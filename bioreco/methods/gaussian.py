"""The Gaussian filter: every pixel becomes a weighted mean of those around it."""

from __future__ import annotations

import math
from typing import ClassVar

import numpy as np
from scipy import ndimage

from bioreco.errors import UserError
from bioreco.methods.classical import Array, Classical
from bioreco.methods.setting import Setting

TRUNCATE = 4  # standard deviations at which the kernel ends


class Gaussian(Classical):
    """A Gaussian filter.

    Parameters
    ----------
    dims
        Spatial axes.
    sigma
        Standard deviation of the kernel along y and x, in pixels; None: calibrated.
    flatness
        Its standard deviation along z as a share of that, in stacks.

    Raises
    ------
    UserError
        If an option is out of range.

    """

    option = "sigma"
    grid: ClassVar = tuple(np.geomspace(0.3, 8, 20).round(3).tolist())

    def __init__(self, dims: int, *, sigma: float | None = None, flatness: float = 0.5) -> None:
        super().__init__(dims, strength=sigma, keep_mean=None)
        if not 0 <= flatness <= 4:
            raise UserError(f"method.flatness={flatness:g}: 0 to 4")
        self.flatness = flatness

    def _sigmas(self, sigma: float) -> tuple[float, ...]:
        return (*[sigma * self.flatness] * (self.dims - 2), sigma, sigma)

    def filtered(self, y: Array, strength: float) -> Array:
        """Convolve with the kernel; beyond the border the image is mirrored."""
        widths = (0, *self._sigmas(strength))
        return np.asarray(ndimage.gaussian_filter(y, widths, mode="mirror", truncate=TRUNCATE))

    def words(self, setting: Setting) -> str:
        """Give the width in pixels."""
        return f"Gaussian filter, sigma {setting.strength:.3g} pixels"

    def reach(self) -> tuple[int, ...]:
        """Return where the kernel ends."""
        return tuple(math.ceil(TRUNCATE * s + 0.5) for s in self._sigmas(self.strongest))
