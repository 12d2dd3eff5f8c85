"""Non-local means: every pixel becomes a mean of those nearby whose surroundings look alike."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from bioreco.errors import UserError
from bioreco.methods.classical import Array
from bioreco.methods.noiseaware import NoiseAware


class NonLocalMeans(NoiseAware):
    """Non-local means (Buades, Coll and Morel, CVPR 2005), as in scikit-image.

    Channels that are filtered together are compared together.

    Parameters
    ----------
    dims
        Spatial axes.
    patch
        Pixels along a side of what is compared; in stacks about half, at least 3.
    distance
        Pixels to either side within which is compared; in stacks half.
    strength
        How unlike patches may be, in standard deviations of the noise; None: calibrated.
    sigma, stabilise, keep_mean
        See `NoiseAware`.

    Raises
    ------
    UserError
        If an option is out of range.

    """

    name = "Non-local means"
    grid: ClassVar = (
        0.2,
        0.3,
        0.4,
        0.5,
        0.6,
        0.7,
        0.8,
        0.9,
        1.0,
        1.2,
        1.4,
        1.7,
        2.0,
        2.5,
        4.0,
        8.0,
    )

    def __init__(
        self,
        dims: int,
        *,
        patch: int = 5,
        distance: int = 6,
        strength: float | None = None,
        sigma: float | None = None,
        stabilise: bool | str = "auto",
        keep_mean: float | None = 4.0,
    ) -> None:
        super().__init__(
            dims, strength=strength, sigma=sigma, stabilise=stabilise, keep_mean=keep_mean
        )
        if not (3 <= patch <= 15 and patch % 2):
            raise UserError(f"method.patch={patch}: an odd number of pixels, 3 to 15")
        if not 2 <= distance <= 32:
            raise UserError(f"method.distance={distance}: 2 to 32 pixels")
        self.patch = patch if dims == 2 else max(3, patch // 2 | 1)
        self.distance = distance if dims == 2 else distance // 2

    def filtered(self, y: Array, strength: float) -> Array:
        """Average over what looks alike."""
        from skimage.restoration import denoise_nl_means

        x = denoise_nl_means(
            np.moveaxis(y, 0, -1),
            patch_size=self.patch,
            patch_distance=self.distance,
            h=strength,
            sigma=1.0,
            fast_mode=True,
            channel_axis=-1,
        )
        return np.moveaxis(x.reshape(*y.shape[1:], len(y)), -1, 0)  # it drops axes of length 1

    def reach(self) -> tuple[int, ...]:
        """Return how far a patch at the greatest distance reaches."""
        return (self.distance + self.patch // 2,) * self.dims
