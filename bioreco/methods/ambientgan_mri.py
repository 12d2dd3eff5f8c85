"""Conditional AmbientGAN: reconstruct k-space so that, measured again, it looks as if measured.

Eqs. (37) to (40) of the review with an aliased image in the place of random numbers, as the review
tells of MRI. The network makes an image x = G(y) of the measurements; it is measured again with
points of k-space drawn at random, phi, and a critic compares zero-filled images:

    min_G max_D  E D(H^* y) - E D(H_phi^* H_phi G(y)) + lambda E ||H G(y) - y|| / ||y||.

An image that was left aliased is aliased twice over behind other points, which the critic sees.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

import torch
from torch import Tensor, nn

from bioreco.errors import UserError
from bioreco.methods import fidelity
from bioreco.methods.adversarial import Adversarial
from bioreco.methods.kspace import Reconstruction
from bioreco.methods.method import Batch, Losses
from bioreco.operators.linear import LinearOperator
from bioreco.operators.models import ForwardModel

Critic = Callable[..., nn.Module]


class AmbientMRI(Reconstruction):
    """A reconstruction whose measurements a critic can't tell from real ones.

    Parameters
    ----------
    network
        Called as network(H, y, support), returns (b, S, y, x) complex.
    forward_model
        Makes the operator of a batch.
    critic, inputs
        What makes a critic of `inputs` real channels, of which an image has two for each slice.
    consistency
        lambda, the weight of the measurements themselves.
    adversarial
        The loss of the critic.

    Raises
    ------
    UserError
        If an option is out of range, or all slices were measured at the same points.

    Notes
    -----
    The points that an image is measured at again are those of another slice of the batch, so that
    they follow the law of the data whatever it is. They must differ from slice to slice.

    """

    def __init__(
        self,
        network: nn.Module,
        forward_model: ForwardModel,
        critic: Critic,
        inputs: int,
        *,
        consistency: float = 1.0,
        adversarial: Adversarial | None = None,
    ) -> None:
        super().__init__(network, forward_model)
        if consistency < 0:
            raise UserError(f"method.consistency={consistency:g}: not negative")
        self.critic = critic(inputs=2 * inputs)
        self.consistency, self.adversarial = consistency, adversarial or Adversarial()

    def players(self) -> Mapping[str, Iterable[nn.Parameter]]:
        """Train the critic and the network."""
        return {"critic": self.critic.parameters(), "network": self.network.parameters()}

    def step(self, batch: Batch) -> Iterator[tuple[str, Losses]]:
        """Update the critic, then the network."""
        H, other = self.operator(batch), self._others(batch)
        seen = _channels(H.adjoint(batch["y"]))
        scale = seen.flatten(1).std(1).clamp(min=1e-12)[:, None, None, None]
        with torch.no_grad():
            again = _channels(other.normal(self.apply_to(batch, H, batch["y"])))
        losses = self.adversarial.critic_losses(self.critic, seen / scale, again / scale)
        self.adversarial.check(losses)
        yield "critic", losses
        x = self.apply_to(batch, H, batch["y"])
        losses = self.adversarial.generator_losses(self.critic, _channels(other.normal(x)) / scale)
        if self.consistency:
            apart = fidelity.distance(H(x), batch["y"], loss="l2")
            losses["consistency"] = self.consistency * apart
        yield "network", losses

    def validate(self, batch: Batch) -> Losses:
        """Return how far the reconstruction is from what was measured."""
        H = self.operator(batch)
        x = self.apply_to(batch, H, batch["y"])
        return {"consistency": fidelity.distance(H(x), batch["y"], loss="l2")}

    def _others(self, batch: Batch) -> LinearOperator:
        """Return H_phi: each slice with the points of the one after it in the batch."""
        mask = batch["mask"]
        moved = mask.roll(1, 0)
        if bool((moved == mask).all()):
            raise UserError(
                "all slices of a batch were measured at the same points of k-space, and AmbientGAN"
                " learns from their differences: say data.jitter=true, data.pattern=uniform, and"
                " trainer.batch_size=2 or more"
            )
        return self.operator({**batch, "mask": moved})


def _channels(x: Tensor) -> Tensor:
    """Return complex images (b, S, y, x) as real channels (b, 2 S, y, x)."""
    return torch.cat([x.real, x.imag], 1)
