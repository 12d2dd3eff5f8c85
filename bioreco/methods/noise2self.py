"""Noise2Self: a function that can't see the pixel it predicts learns the signal, not the noise.

Eqs. (12) to (15) of the review; Batson and Royer, ICML 2019. The image is partitioned into grids;
in each step one of them is hidden and predicted. f is J-invariant if f(y) on J does not depend on
y on J; averaging over the partition makes it so exactly.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from bioreco.errors import UserError, nearest
from bioreco.methods import draws, masking
from bioreco.methods.blindspot import BlindSpot
from bioreco.methods.method import Batch, Estimate

INFERENCES = ("full", "partition")


class Noise2Self(BlindSpot):
    """Grids of blind spots, filled by the weighted mean of their neighbours.

    Parameters
    ----------
    network
        Maps (b, c, [z,] y, x) to the same shape.
    grid
        Period of the grids in pixels; the partition has grid**2 of them.
    inference
        "full": one pass over the unmasked image, which is fast and scores better, though not
        J-invariant. "partition": hide each grid of the partition in turn and keep its prediction,
        which is J-invariant and takes grid**2 passes.

    Raises
    ------
    UserError
        If an option is out of range.

    """

    def __init__(self, network: nn.Module, *, grid: int = 4, inference: str = "full") -> None:
        super().__init__(network)
        if not 2 <= grid <= 16:
            raise UserError(f"method.grid={grid}: 2 to 16 pixels")
        if getattr(network, "dims", 2) == 3 and grid < 4:
            raise UserError(f"method.grid={grid}: stacks need a grid of at least 4 pixels")
        if inference not in INFERENCES:
            raise UserError(
                f"method.inference={inference}: choose one of {', '.join(INFERENCES)}."
                + nearest(inference, INFERENCES)
            )
        self.grid, self.inference = grid, inference

    def blind_spots(self, batch: Batch) -> Tensor:
        """Draw one set of the partition for each sample."""
        phase = (draws.uniform(batch["seed"], 1)[:, 0] * self.grid**2).long()
        return masking.grid(batch["y"], self.grid, phase)

    def fill(self, batch: Batch, mask: Tensor) -> Tensor:
        """Replace hidden pixels by the weighted mean of their neighbours."""
        return masking.interpolate(batch["y"], mask)

    def reconstruct(self, batch: Batch) -> Estimate:
        """Apply the network to the whole image, or to each masked copy of the partition."""
        if self.inference == "full":
            return super().reconstruct(batch)
        y = batch["y"]
        x = torch.zeros_like(y)
        for k in range(self.grid**2):
            mask = masking.grid(y, self.grid, torch.full((len(y),), k, device=y.device))
            x = torch.where(mask, self.network(self.fill(batch, mask)).to(x.dtype), x)
        return Estimate(x)

    @property
    def halo(self) -> tuple[int, ...] | None:
        """The network's halo, and a pixel more where hidden pixels are filled from neighbours."""
        halo = super().halo
        if halo is None or self.inference == "full":
            return halo
        return tuple(n + 1 for n in halo)

    @property
    def stride(self) -> tuple[int, ...] | None:
        """The network's stride; the partition must repeat with it."""
        stride = super().stride
        if stride is None or self.inference == "full":
            return stride
        period = (2, self.grid, self.grid)[-len(stride) :]
        return tuple(math.lcm(a, b) for a, b in zip(stride, period, strict=True))
