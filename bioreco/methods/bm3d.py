"""BM3D: similar patches are stacked and thresholded together; in stacks BM4D.

The algorithm's only good code, the package `bm3d` of its authors, is licensed for non-commercial
use alone. So it is no part of bioreco: it is used where the user has installed it, and says so.
"""

from __future__ import annotations

import importlib.util
import logging
from typing import ClassVar

import numpy as np

from bioreco.errors import UserError
from bioreco.methods.classical import Array
from bioreco.methods.noiseaware import NoiseAware

log = logging.getLogger("bioreco")

SMALLEST = 16  # pixels along each axis of what is filtered in the plane
LICENCE = "The package bm3d (Tampere University) is licensed for non-commercial use only."


class BlockMatching(NoiseAware):
    """BM3D (Dabov et al., IEEE TIP 16, 2007; Makinen et al., IEEE TIP 29, 2020).

    Channels are filtered one by one.

    Parameters
    ----------
    dims
        Spatial axes.
    strength
        What it takes the noise to be, in standard deviations of it; None: calibrated.
    sigma, stabilise, keep_mean
        See `NoiseAware`.

    Raises
    ------
    UserError
        If an option is out of range, or the package isn't installed.

    """

    name = "BM3D"
    footprint = 640
    grid: ClassVar = (0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.1, 1.25, 1.4, 1.6, 1.8)
    budget = 2**15

    def __init__(
        self,
        dims: int,
        *,
        strength: float | None = None,
        sigma: float | None = None,
        stabilise: bool | str = "auto",
        keep_mean: float | None = 4.0,
    ) -> None:
        super().__init__(
            dims, strength=strength, sigma=sigma, stabilise=stabilise, keep_mean=keep_mean
        )
        self._said = False
        if importlib.util.find_spec("bm3d") is None:
            raise UserError(
                "method=bm3d needs a package that is no part of bioreco: pip install bm3d\n"
                + LICENCE
            )

    def filtered(self, y: Array, strength: float) -> Array:
        """Filter channel by channel; images too small for blocks are mirrored beyond the border."""
        if not self._said:
            log.warning("%s", LICENCE)
            self._said = True
        rim = [(0, 0) if n >= SMALLEST else (0, SMALLEST - n) for n in y.shape[-2:]]
        pad = [(0, 0)] * (y.ndim - 3) + rim
        inside = tuple(slice(0, n) for n in y.shape[1:])
        return np.stack([_filtered(np.pad(c, pad, mode="reflect"), strength)[inside] for c in y])


def _filtered(y: Array, sigma: float) -> Array:
    if y.ndim == 2:
        from bm3d import bm3d

        return np.asarray(bm3d(y, sigma), dtype=np.float64).reshape(y.shape)
    from bm4d import bm4d

    return np.asarray(bm4d(y, sigma), dtype=np.float64).reshape(y.shape)
