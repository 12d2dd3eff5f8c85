"""Zero-shot self-supervision: learn from one scan alone, and stop before it is overfitted.

Yaman et al., ICLR 2022. The acquired points are split in three: Gamma is kept from training and
tells when to stop, Theta and Lambda are drawn anew from the rest. The network is validated with
Omega minus Gamma in data consistency and Gamma in the loss; it reconstructs with all of Omega.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Literal

from torch import Tensor, nn

from bioreco.errors import UserError
from bioreco.methods.method import Batch, Losses
from bioreco.methods.splits import Split
from bioreco.methods.splitting import VALIDATION, Splitting
from bioreco.operators.models import ForwardModel


class ZeroShotSSL(Splitting):
    """SSDU on what Gamma leaves, to be stopped by the loss on Gamma.

    Parameters
    ----------
    network
        Called as network(H, y, support), returns (b, S, y, x).
    forward_model
        Makes the operator of a batch.
    rho_validation
        Share of the points that go to Gamma, once and for all; drawn as Lambda is.
    split
        How Lambda is drawn from the rest; see `Splitting`.
    loss, weighted, equivariance, response
        See `Splitting`.

    Raises
    ------
    UserError
        If an option is out of range.

    Notes
    -----
    Made for trainer.select=validation with trainer.patience.

    """

    def __init__(
        self,
        network: nn.Module,
        forward_model: ForwardModel,
        *,
        rho_validation: float = 0.2,
        split: Split | None = None,
        loss: str = "l1_l2",
        weighted: bool = True,
        equivariance: float = 0.0,
        response: Literal["restored", "raw"] = "restored",
    ) -> None:
        super().__init__(
            network,
            forward_model,
            split=split,
            loss=loss,
            weighted=weighted,
            equivariance=equivariance,
            response=response,
        )
        if not 0 < rho_validation < 1:
            raise UserError(f"method.rho_validation={rho_validation}: above 0, below 1")
        self.kept = replace(self.split, rho=rho_validation)

    def gamma(self, batch: Batch) -> Tensor:
        """Return Gamma (b, 1, ky, kx), bool, the same for a problem whenever it comes up."""
        return self.kept.loss_set(batch["mask"], batch["item"], VALIDATION)

    def step(self, batch: Batch) -> Iterator[tuple[str, Losses]]:
        """Split what Gamma leaves, and predict one part from the other."""
        rest = batch["mask"] & ~self.gamma(batch)
        yield "network", self.losses({**batch, "mask": rest, "y": batch["y"] * rest})

    def validate(self, batch: Batch) -> Losses:
        """Return the loss on Gamma of what the network makes of the rest."""
        gamma = self.gamma(batch)
        x = self.seeing(batch, batch["mask"] & ~gamma)
        return {"split": self.distance(batch, x, gamma)}
