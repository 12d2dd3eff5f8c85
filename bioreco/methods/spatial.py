"""The spatial constraint: a further network has to find the measurement in what was made of it.

    L = || y - S(G(y)) ||,

which both S and the generator minimise (Lee et al., ISBI 2019, who call it SpCycleGAN). A cycle
may move structure in one direction and move it back in the other. S is no part of the cycle, is
small, and learns from all images alike, so that structure has to stay where it was measured.
"""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn

from bioreco.errors import UserError
from bioreco.methods.distance import distance

Make = Callable[..., nn.Module]


class Spatial(nn.Module):
    """S and its loss.

    Parameters
    ----------
    network
        Makes S for `inputs` channels and `dims` axes.
    inputs, dims
        Of the images.
    weight
        0 leaves it out; there is no S then.

    Raises
    ------
    UserError
        If the weight is negative.

    """

    def __init__(self, network: Make, inputs: int, dims: int, *, weight: float = 0.0) -> None:
        super().__init__()
        if weight < 0:
            raise UserError(f"method.spatial.weight={weight:g}: not negative")
        self.weight = weight
        self.network = network(inputs=inputs, dims=dims) if weight else nn.Identity()

    def loss(self, y: Tensor, made: Tensor) -> Tensor:
        """Return the weighted loss of measurements and what was made of them."""
        return self.weight * distance(self.network(made), y)
