"""Supervised reconstruction from k-space: the column to compare with, for simulations.

Eq. (6) of the review: the network sees all that was measured, and the true image is known.
"""

from __future__ import annotations

from collections.abc import Iterator

from torch import nn

from bioreco.methods import fidelity
from bioreco.methods.kspace import Reconstruction
from bioreco.methods.method import Batch, Losses
from bioreco.operators.models import ForwardModel


class SupervisedMRI(Reconstruction):
    """True images, predicted from undersampled k-space.

    Parameters
    ----------
    network
        Called as network(H, y, support), returns (b, S, y, x).
    forward_model
        Makes the operator of a batch.
    loss
        "l1_l2", "l1" or "l2" of the complex image, normalised by the true one.

    Raises
    ------
    UserError
        If the loss isn't known.

    Notes
    -----
    A batch holds the true image as `x` (b, S, y, x).

    """

    wants = ("x",)

    def __init__(
        self, network: nn.Module, forward_model: ForwardModel, *, loss: str = "l1_l2"
    ) -> None:
        super().__init__(network, forward_model)
        fidelity.check(loss)
        self.loss = loss

    def step(self, batch: Batch) -> Iterator[tuple[str, Losses]]:
        """Minimise L(x, F(y; H)), Eq. (6)."""
        yield "network", self._losses(batch)

    def validate(self, batch: Batch) -> Losses:
        """Return the loss of the true image."""
        return self._losses(batch)

    def _losses(self, batch: Batch) -> Losses:
        x = self.reconstruct(batch).mean
        return {"error": fidelity.distance(x, batch["x"], loss=self.loss)}
