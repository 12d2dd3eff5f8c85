"""Multi-cryoGAN: a protein that moves, from particle images, without poses or classes.

Gupta, Phan, Yoo and Unser, ECCV Workshops 2020; Eqs. (39) and (40) of the review, with volumes in
the place of images. As cryoGAN, but what is projected is a volume V(z) of a code z, drawn anew:

    y' = exp(s_1) H_phi V(z) + exp(s_2) n,    z ~ U[0, 1], phi: pose, CTF and shift.

The paper makes V(z) with a convolutional network. Here it is a polynomial in z whose coefficients
are volumes, see `Conformations`: what cryoGAN learns, with what changes beside it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor

from bioreco.methods.adversarial import Adversarial
from bioreco.methods.conformations import Conformations, Motion
from bioreco.methods.cryogan import CryoGAN
from bioreco.methods.density import Knowledge
from bioreco.methods.imaging import Imaging
from bioreco.methods.method import Batch, Losses
from bioreco.methods.view import View
from bioreco.networks.critic import Critic
from bioreco.networks.polar_critic import PolarCritic
from bioreco.operators.cryoem import CryoEM


class MultiCryoGAN(CryoGAN):
    """Volumes of a code whose projections a critic can't tell from particles.

    Parameters
    ----------
    forward_model, critic, box, pixel_size
        As of `CryoGAN`, as are the options that aren't told of.
    motion
        How the volume may move.

    Raises
    ------
    UserError
        If an option is out of range.

    Notes
    -----
    Beside what cryoGAN can't know, the direction of the code is arbitrary: z and 1 - z are alike.

    `diversity` is logged: the root mean square of what changes, over that of the mean volume. Where
    it goes to 0, the conformations have collapsed into one.

    """

    makes = "conformations"
    density: Conformations

    def __init__(
        self,
        forward_model: CryoEM,
        critic: Critic | PolarCritic,
        box: int,
        pixel_size: float,
        *,
        motion: Motion | None = None,
        critic_steps: int = 2,
        projections: int = 64,
        learn: tuple[str, ...] = ("signal",),
        adversarial: Adversarial | None = None,
        known: Knowledge | None = None,
        imaging: Imaging | None = None,
        view: View | None = None,
    ) -> None:
        super().__init__(
            forward_model, critic, box, pixel_size, critic_steps=critic_steps,
            projections=projections, learn=learn, adversarial=adversarial, known=known,
            imaging=imaging, view=view,
        )  # fmt: skip
        self.motion = motion or Motion()
        self.density = Conformations(box, self.density.known, self.motion.changes)

    def step(self, batch: Batch) -> Iterator[tuple[str, Losses]]:
        """Update the critic some times, then the volumes."""
        for player, losses in super().step(batch):
            told = {"diversity": self.density.diversity()} if player == "volume" else {}
            yield player, losses | told

    @torch.no_grad()
    def volumes_at(self, codes: Tensor) -> Tensor:
        """Return V(z) (v, z, y, x) of codes (v,) in 0 to 1."""
        volumes: Tensor = self._scaled()[0] * self.density.at(codes.to(self.scales))
        return volumes

    def _matter(self, images: int, progress: float) -> Tensor:
        """Return volumes (v, z, y, x) of codes drawn at random, which share the images evenly."""
        if progress < self.motion.still:
            return super()._matter(images, progress)
        share = math.gcd(self.motion.volumes, images)
        return self.density.at(drawn_codes(share).to(self.scales))


def drawn_codes(count: int) -> Tensor:
    """Draw codes (n,), one from each of n equal parts of 0 to 1: together they miss no motion."""
    return (torch.arange(count) + torch.rand(count)) / count
