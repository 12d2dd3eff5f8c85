"""The loss of every adversarial method: how a critic tells measured from simulated images.

Eqs. (27) to (36) of the review. The critic maximises an estimate of the distance between the two
distributions, what simulates minimises it. The slope of the critic is held near what is asked for
by a penalty on its gradient between measured and simulated images (Gulrajani et al., NeurIPS 2017),

    penalty * E[(||grad V(u)||_2 - slope)^2],    u = e y + (1 - e) y_simulated,

with one e for each sample, and the norm over all pixels of a sample. The Wasserstein distance wants
a slope of 1. The others are estimated by critics as flat as the two are alike, and want 0
(Thanh-Tung, Tran and Venkatesh, ICLR 2019): images full of noise differ so little in what they show
that a slope of 1 is made of noise.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from bioreco.errors import UserError, choose
from bioreco.methods.divergences import DIVERGENCES
from bioreco.methods.method import Losses

KINDS = ("wasserstein", *DIVERGENCES, "least_squares")
NORMS = ("sample", "pixel")
_EXPLODED = 1e2  # times as steep as it is to be: a critic that is lost

Critic = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Adversarial:
    """The losses of a critic and of what it judges.

    Attributes
    ----------
    distance
        "wasserstein", a member of `DIVERGENCES` or "least_squares".
    penalty
        Weight of the penalty on the gradient; 0 leaves it out, for a critic whose weights are
        normalised (`spectral of the critic`).
    norm
        Of the gradient: "sample", over all pixels of a sample, or "pixel", each pixel on its own.
        The second is what published cryoGAN code computes: the slope may then grow with the
        square root of the number of pixels, and the estimated distance with it.
    slope
        That the penalty asks for.
    share
        Share of the samples that the penalty is computed on: fewer are faster.

    Raises
    ------
    UserError
        If an option is out of range.

    Notes
    -----
    The simulation follows E[g(V)] upwards instead of E[f*(g(V))], which has the same fixed point
    but doesn't fade while the critic wins (Nowozin et al., section 3.2).

    Least squares (Mao et al., ICCV 2017) asks for V = 1 on measurements and 0 on simulations.

    """

    distance: str = "wasserstein"
    penalty: float = 10.0
    norm: str = "sample"
    slope: float = 1.0
    share: float = 0.5

    def __post_init__(self) -> None:
        choose("method.adversarial.distance", self.distance, KINDS)
        choose("method.adversarial.norm", self.norm, NORMS)
        if self.penalty < 0:
            raise UserError(f"method.adversarial.penalty={self.penalty}: at least 0")
        if self.slope < 0:
            raise UserError(f"method.adversarial.slope={self.slope}: at least 0")
        if not 0 < self.share <= 1:
            raise UserError(f"method.adversarial.share={self.share}: above 0, at most 1")

    def critic_losses(self, critic: Critic, real: Tensor, fake: Tensor) -> Losses:
        """Return what the critic minimises.

        Parameters
        ----------
        critic
            Maps (b, c, y, x) to one number for each sample, (b, 1).
        real, fake
            Measured and simulated images (b, c, y, x), as many of each where there is a penalty.

        Returns
        -------
        dict of Tensor
            `critic`, the negative of the distance it estimates, and `penalty`. Beside them, to be
            logged only, without gradient: `distance` (W1 of the Wasserstein distance; none of
            least squares) and `gradient`, the mean norm over the samples.

        """
        real, fake = real.detach(), fake.detach()
        judged = critic(torch.cat([real, fake]))
        on_real, on_fake = judged[: len(real)], judged[len(real) :]
        losses: Losses = {}
        if self.distance == "least_squares":
            losses["critic"] = ((on_real - 1) ** 2).mean() + (on_fake**2).mean()
        else:
            distance = self._gained(on_real).mean() - self._paid(on_fake).mean()
            losses |= {"critic": -distance, "distance": distance.detach()}
        if self.penalty:
            some = math.ceil(self.share * len(real))
            losses |= self._penalty(critic, real[:some], fake[:some])
        return losses

    def generator_losses(self, critic: Critic, fake: Tensor) -> Losses:
        """Return what the simulation minimises, on images (b, c, y, x) that it made."""
        judged = critic(fake)
        if self.distance == "least_squares":
            return {"adversarial": ((judged - 1) ** 2).mean()}
        return {"adversarial": -self._gained(judged).mean()}

    def check(self, losses: Losses) -> None:
        """Stop where the critic runs away, before it takes what simulates with it.

        With the norm of published code there is no slope that is asked for.

        Raises
        ------
        UserError
            If it does.

        """
        slope = float(losses.get("gradient", losses["critic"]).detach())
        most = math.inf if self.norm == "pixel" else _EXPLODED
        if not abs(slope) < most:
            raise UserError(
                f"training diverged: the critic's slope is {slope:.3g} where {self.slope:g} was"
                " asked for. Lower method.optim.critic.lr or raise method.adversarial.penalty, and"
                " `resume` from the last checkpoint."
            )

    def _gained(self, v: Tensor) -> Tensor:
        """Return g(V)."""
        return v if self.distance == "wasserstein" else DIVERGENCES[self.distance].g(v)

    def _paid(self, v: Tensor) -> Tensor:
        """Return f*(g(V))."""
        return v if self.distance == "wasserstein" else DIVERGENCES[self.distance].paid(v)

    def _penalty(self, critic: Critic, real: Tensor, fake: Tensor) -> Losses:
        """Return the penalty on the gradient between measured and simulated images."""
        exact = torch.promote_types(real.dtype, torch.float32)
        real, fake = real.to(exact), fake.to(exact)
        with torch.enable_grad(), torch.autocast(real.device.type, enabled=False):
            share = torch.rand(len(real), *[1] * (real.dim() - 1)).to(real)
            between = (fake + share * (real - fake)).requires_grad_()
            (slope,) = torch.autograd.grad(critic(between).sum(), between, create_graph=True)
            norms = slope.flatten(1).norm(dim=1)
            away = (norms if self.norm == "sample" else slope.abs()) - self.slope
            return {
                "penalty": self.penalty * (away**2).mean(),
                "gradient": norms.detach().mean(),
            }


@dataclass(frozen=True)
class LikelihoodRatio(Adversarial):
    """The losses of a flat critic that estimates how much likelier an image is measured."""

    distance: str = "gan"
    penalty: float = 0.1
    slope: float = 0.0
