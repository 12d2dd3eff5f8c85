"""Naive self-supervision: be consistent with the very points that the network saw.

Eq. (18) of the review. It is here to be compared with: a network that repeats its measurements
with their noise, and anything where there are none, has no loss. Its loss falls as its error rises.
"""

from __future__ import annotations

from collections.abc import Iterator

from torch import nn

from bioreco.methods.method import Batch, Losses
from bioreco.methods.splits import Split
from bioreco.methods.splitting import Splitting
from bioreco.operators.models import ForwardModel


class NaiveSSL(Splitting):
    """Theta = Lambda = Omega.

    Parameters
    ----------
    network
        Called as network(H, y, support), returns (b, S, y, x).
    forward_model
        Makes the operator of a batch.
    split
        How the points are drawn that it is validated on, which is where overfitting shows.
    loss
        "l1_l2", "l1" or "l2", normalised by what was measured.

    """

    def __init__(
        self,
        network: nn.Module,
        forward_model: ForwardModel,
        *,
        split: Split | None = None,
        loss: str = "l1_l2",
    ) -> None:
        super().__init__(network, forward_model, split=split, loss=loss, response="raw")

    def step(self, batch: Batch) -> Iterator[tuple[str, Losses]]:
        """Minimise L(y, H F(y; H)), Eq. (18)."""
        x = self.seeing(batch, batch["mask"])
        yield "network", {"consistency": self.distance(batch, x, batch["mask"])}
