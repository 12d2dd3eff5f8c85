"""What a generator may be held to beyond the cycle, each by a loss of its own."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn

from bioreco.methods.method import Facts, Losses
from bioreco.methods.saliency import Saliency
from bioreco.methods.spatial import Spatial


class Constraints(nn.Module):
    """Constraints on what is made of a measurement; those of weight 0 are left out.

    Parameters
    ----------
    inputs, dims
        Channels and spatial axes.
    saliency
        What stands out stays; see `Saliency`.
    spatial
        Makes what holds structure in its place, for `inputs` and `dims`; see `Spatial`.

    """

    def __init__(
        self,
        inputs: int,
        dims: int,
        *,
        saliency: Saliency | None = None,
        spatial: Callable[..., Spatial] | None = None,
    ) -> None:
        super().__init__()
        self.saliency = saliency or Saliency()
        self.spatial = spatial(inputs=inputs, dims=dims) if spatial else None

    def prepare(self, facts: Facts) -> None:
        """Find what stands out in both domains."""
        if self.saliency.weight:
            self.saliency.prepare(facts.images, facts.sharp)

    def losses(self, y: Tensor, made: Tensor, progress: float) -> Losses:
        """Return the losses of measurements and what was made of them.

        `progress` is the share of the training done.
        """
        found: Losses = {}
        if self.saliency.weight:
            found["saliency"] = self.saliency.loss(y, made, progress)
        if self.spatial and self.spatial.weight:
            found["spatial"] = self.spatial.loss(y, made)
        return found
