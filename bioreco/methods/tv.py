"""Total variation: the image nearest to the measured one among those with few, sharp edges."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from bioreco.errors import UserError
from bioreco.methods.classical import Array
from bioreco.methods.noiseaware import NoiseAware


class TotalVariation(NoiseAware):
    """Total variation denoising by Chambolle's projections, as in scikit-image.

    It minimises sum |gradient x| + sum (x - y)**2 / (2 strength), with noise of standard deviation
    1 (Rudin, Osher and Fatemi, Physica D 60, 1992; Chambolle, JMIV 20, 2004).

    Parameters
    ----------
    dims
        Spatial axes.
    strength
        Weight of the gradient, in standard deviations of the noise; None: calibrated.
    iterations
        Projections.
    sigma, stabilise, keep_mean
        See `NoiseAware`.

    Raises
    ------
    UserError
        If an option is out of range.

    """

    name = "Total variation"
    footprint = 150
    grid: ClassVar = (
        0.2,
        0.3,
        0.4,
        0.55,
        0.7,
        0.85,
        1.0,
        1.2,
        1.5,
        1.8,
        2.2,
        2.7,
        3.5,
        5.0,
        7.0,
        12.0,
        20.0,
    )

    def __init__(
        self,
        dims: int,
        *,
        iterations: int = 50,
        strength: float | None = None,
        sigma: float | None = None,
        stabilise: bool | str = "auto",
        keep_mean: float | None = 4.0,
    ) -> None:
        super().__init__(
            dims, strength=strength, sigma=sigma, stabilise=stabilise, keep_mean=keep_mean
        )
        if iterations < 1:
            raise UserError(f"method.iterations={iterations}: at least 1")
        self.iterations = iterations

    def filtered(self, y: Array, strength: float) -> Array:
        """Minimise, channel by channel."""
        from skimage.restoration import denoise_tv_chambolle

        found = [
            denoise_tv_chambolle(c, weight=strength, eps=0, max_num_iter=self.iterations) for c in y
        ]
        return np.stack(found)
