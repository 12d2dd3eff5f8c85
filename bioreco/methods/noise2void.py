"""Noise2Void: learn to predict each pixel from its surroundings in the noisy image itself.

Eqs. (11) and (15) of the review; Krull, Buchholz and Jug, CVPR 2019. The noise must have zero mean
and be independent from pixel to pixel.
"""

from __future__ import annotations

from torch import Tensor, nn

from bioreco.errors import UserError, nearest
from bioreco.methods import masking
from bioreco.methods.blindspot import BlindSpot
from bioreco.methods.method import Batch

REPLACEMENTS = ("uniform", "mean", "median")


class Noise2Void(BlindSpot):
    """Random blind spots, one in each box, filled from their neighbourhood.

    Parameters
    ----------
    network
        Maps (b, c, [z,] y, x) to the same shape.
    density
        Fraction of the pixels hidden in each step.
    replacement
        What a hidden pixel shows: a neighbour drawn at random ("uniform"), the "mean" of its
        neighbours, the nearer ones weighing more, or their "median". The pixel itself is never
        among them.
    radius
        How far its neighbours reach, in pixels.
    joint
        Hide the same pixels in all channels of a multi-channel network.

    Raises
    ------
    UserError
        If an option is out of range.

    """

    def __init__(
        self,
        network: nn.Module,
        *,
        density: float = 0.06,
        replacement: str = "mean",
        radius: int = 1,
        joint: bool = False,
    ) -> None:
        super().__init__(network)
        if not 0 < density <= 0.5:
            raise UserError(f"method.density={density}: a fraction above 0, at most 0.5")
        if replacement not in REPLACEMENTS:
            raise UserError(
                f"method.replacement={replacement}: choose one of {', '.join(REPLACEMENTS)}."
                + nearest(replacement, REPLACEMENTS)
            )
        if radius < 1:
            raise UserError(f"method.radius={radius}: at least 1 pixel")
        self.density, self.replacement = density, replacement
        self.radius, self.joint = radius, joint

    def blind_spots(self, batch: Batch) -> Tensor:
        """Draw one pixel in each box."""
        return masking.stratified(batch["y"], self.density, batch["seed"], joint=self.joint)

    def fill(self, batch: Batch, mask: Tensor) -> Tensor:
        """Replace hidden pixels by what their neighbours say."""
        return masking.fill(
            batch["y"], mask, self.replacement, radius=self.radius, seeds=batch["seed"]
        )
