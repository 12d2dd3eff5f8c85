"""Multi-mask SSDU: several splits of the same measurements in each update.

Eq. (17) of the review with the loss on Lambda_l, as in its source, Yaman et al., NMR Biomed. 2022:
the mean over l of L(y_Lambda_l, H_Lambda_l F(y_Theta_l; H_Theta_l)).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from torch import nn

from bioreco.errors import UserError
from bioreco.methods.gathering import gathered
from bioreco.methods.method import Batch, Losses
from bioreco.methods.splits import Split
from bioreco.methods.splitting import Splitting
from bioreco.operators.models import ForwardModel


class MultiMaskSSDU(Splitting):
    """Several splits of each problem in a step.

    Parameters
    ----------
    network
        Called as network(H, y, support), returns (b, S, y, x).
    forward_model
        Makes the operator of a batch.
    masks
        Splits in each step. A step takes as many times that of SSDU, and the same memory.
    split, loss, weighted, equivariance, response
        See `Splitting`.

    Raises
    ------
    UserError
        If an option is out of range.

    """

    def __init__(
        self,
        network: nn.Module,
        forward_model: ForwardModel,
        *,
        masks: int = 2,
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
        if masks < 1:
            raise UserError(f"method.masks={masks}: at least 1")
        self.masks = masks

    def step(self, batch: Batch) -> Iterator[tuple[str, Losses]]:
        """Minimise the mean over the splits, Eq. (17)."""
        each = (self.losses(batch, number) for number in range(self.masks))
        yield "network", gathered(each, list(self.network.parameters()))
