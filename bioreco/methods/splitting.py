"""What methods that hold acquired points back share: the split, the loss, what is added to it."""

from __future__ import annotations

from functools import partial
from typing import Literal

from torch import Tensor, nn

from bioreco.errors import UserError, nearest
from bioreco.methods import equivariance, fidelity
from bioreco.methods.kspace import Reconstruction
from bioreco.methods.method import Batch, Losses
from bioreco.methods.splits import Split
from bioreco.methods.weighting import weights
from bioreco.operators.models import ForwardModel

RESPONSES = ("restored", "raw")
VALIDATION = -1  # the number of the split that is validated on, unlike any that is trained on


class Splitting(Reconstruction):
    """Points of k-space that the network didn't see, predicted from those that it saw.

    Parameters
    ----------
    network
        Called as network(H, y, support), returns (b, S, y, x).
    forward_model
        Makes the operator of a batch.
    split
        How the points are drawn; None: as `Split` does by default.
    loss
        "l1_l2", "l1" or "l2", normalised by what was measured.
    weighted
        Whether points count by how seldom they are in the loss (Millard and Chiew, 2023).
    equivariance
        Weight of the term that asks the same of a turned image; 0: off.
    response
        Of a series: "restored", what changes between its frames is scaled by what comes back of
        small changes that are added to a few of them; or "raw", left as the network gives it.

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
        split: Split | None = None,
        loss: str = "l1_l2",
        weighted: bool = True,
        equivariance: float = 0.0,
        response: Literal["restored", "raw"] = "restored",
    ) -> None:
        super().__init__(network, forward_model)
        fidelity.check(loss)
        if equivariance < 0:
            raise UserError(f"method.equivariance={equivariance}: at least 0")
        if response not in RESPONSES:
            raise UserError(
                f"method.response={response}: choose one of {', '.join(RESPONSES)}."
                + nearest(response, RESPONSES)
            )
        self.split, self.loss, self.weighted = split or Split(), loss, weighted
        self.equivariance, self.restores = equivariance, response == "restored"

    def losses(self, batch: Batch, number: int = 0) -> Losses:
        """Return the losses of the split of this number, Eq. (16) of the review.

        L(y_Lambda, H_Lambda F(y_Theta; H_Theta)), Lambda = Omega minus Theta.
        """
        mask = batch["mask"]
        held = self.split.loss_set(mask, self.split.seeds(batch["item"], batch["seed"]), number)
        weight = weights(mask, self.split.probability(mask)) if self.weighted else None
        theta = mask & ~held
        x = self.seeing(batch, theta)
        found = {"split": self.distance(batch, x, held, weight)}
        network = partial(self.apply_to, batch)
        if self.equivariance:
            found["equivariance"] = self.equivariance * equivariance.disagreement(
                network, self.operator(batch), x, batch["seed"], loss=self.loss
            )
        return found

    def seeing(self, batch: Batch, theta: Tensor) -> Tensor:
        """Return the image that the network makes of the points of Theta alone."""
        H = self.operator(batch).restrict(theta)
        return self.apply_to(batch, H, batch["y"] * theta)

    def distance(
        self, batch: Batch, x: Tensor, held: Tensor, weight: Tensor | None = None
    ) -> Tensor:
        """Return how far an image is from the measurements of Lambda."""
        predicted = self.operator(batch).restrict(held)(x)
        return fidelity.distance(predicted, batch["y"] * held, loss=self.loss, weight=weight)

    def validate(self, batch: Batch) -> Losses:
        """Return the loss of a split that never changes, and is not one of those trained on."""
        held = self.split.loss_set(batch["mask"], batch["item"], VALIDATION)
        return {"split": self.distance(batch, self.seeing(batch, batch["mask"] & ~held), held)}
