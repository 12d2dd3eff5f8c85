"""Unrolled variable splitting: a network that prefers images, and equations that keep to the data.

Eqs. (5a) and (5b) of the review, repeated a fixed number of times and trained as one:
z = R_theta(x), x = (H^H H + mu I)^-1 (H^H y + mu z); Aggarwal et al., IEEE Trans. Med. Imaging
2019; Yaman et al., Magn. Reson. Med. 2020.
"""

from __future__ import annotations

import math
from functools import partial
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint as recomputed

from bioreco.errors import UserError, nearest
from bioreco.networks.resnet import ResNet
from bioreco.operators.conjugate_gradient import conjugate_gradient, solve
from bioreco.operators.linear import LinearOperator

GRADIENTS = ("exact", "implicit")
SLICES = ("batch", "joint")
GAIN = 10.0  # how much faster log mu learns than a weight, whose steps are too small for it


class Unrolled(nn.Module):
    """Maps measurements and their forward model to an image, complex or real.

    Parameters
    ----------
    inputs, outputs
        Slices S of an image; as many.
    dims
        Spatial axes of a slice.
    unrolls
        Times that both steps are taken, with the same weights and the same mu.
    blocks, channels
        Size of the network R_theta: residual blocks, of which each uses one convolution twice, and
        features.
    cg_iterations
        Conjugate gradient steps of each solution of Eq. (5b). More of them keep closer to the
        measurements, with their noise where the coils hardly tell slices apart; fewer keep what
        the network puts there, which varies less from frame to frame than it should.
    start
        Conjugate gradient steps of the least-squares image that unrolling starts from. With few of
        them it is smooth, dim and aliased; what the network doesn't mend of that stays.
    mu
        What mu is before training; it stays above 0.
    gradient
        Through Eq. (5b): "exact", through every conjugate gradient step, or "implicit", that of
        the converged solution, which needs no memory of the steps but about 20 of them to be right
        within 1e-3: after 6 it is off by a third.
    checkpoint
        Whether the features of each unroll are computed again for the gradient rather than kept,
        which takes a fraction of the memory and a third more time.
    slices
        "batch": each slice goes through R_theta by itself; "joint": all together, as channels.

    Raises
    ------
    UserError
        If an option is out of range.

    Notes
    -----
    x starts as least squares, stopped early, and (5b) is solved for what z lacks, x = z +
    (H^H H + mu I)^-1 H^H (y - H z): conjugate gradients that are stopped early from 0 would dim
    what the coils hardly tell apart. R_theta is the identity at first, so that the untrained
    network is a least-squares reconstruction. It has no biases, and so F(c y) = c F(y) for c > 0:
    any unit of y will do. Complex images are two channels within R_theta and nowhere else.

    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        dims: int,
        *,
        unrolls: int = 3,
        blocks: int = 5,
        channels: int = 32,
        cg_iterations: int = 6,
        start: int = 24,
        mu: float = 0.05,
        gradient: Literal["exact", "implicit"] = "exact",
        checkpoint: bool = False,
        slices: Literal["batch", "joint"] = "batch",
    ) -> None:
        super().__init__()
        for name, count in (
            ("unrolls", unrolls), ("cg_iterations", cg_iterations), ("start", start)
        ):  # fmt: skip
            if count < 1:
                raise UserError(f"network.{name}={count}: at least 1")
        if not mu > 0:
            raise UserError(f"network.mu={mu}: above 0")
        _check("gradient", gradient, GRADIENTS)
        _check("slices", slices, SLICES)
        if inputs != outputs:
            raise UserError(f"network.outputs={outputs}: as many slices as go in, {inputs}")
        width = 2 * inputs if slices == "joint" else 2
        self.prior = ResNet(
            width, width, dims, blocks=blocks, channels=channels, share_block_conv=True
        )
        self.raw_mu = nn.Parameter(torch.tensor(math.log(math.expm1(mu)) / GAIN))
        self.unrolls, self.start = unrolls, start
        self.joint, self.checkpoint = slices == "joint", checkpoint
        self.solve = partial(solve, iterations=cg_iterations, gradient=gradient)
        self.dims = dims
        self.halo = None

    @property
    def mu(self) -> Tensor:
        """The weight of the network's image in Eq. (5b)."""
        return functional.softplus(GAIN * self.raw_mu)

    def forward(self, H: LinearOperator, y: Tensor, support: Tensor | None = None) -> Tensor:
        """Reconstruct.

        Parameters
        ----------
        H
            The forward model; gradients don't reach what it is made of.
        y
            Measurements, of the shape that H gives, 0 where there are none.
        support
            Where H sees the object (b, S, [z,] y, x), bool; elsewhere nothing that the network
            says would ever be checked, so that the image is 0 there. None: everywhere.

        Returns
        -------
        Tensor
            The image (b, S, [z,] y, x), complex if y is.

        """
        seen = H.adjoint(y)
        x = self._start(H, seen)
        unroll = partial(self._unroll, H, seen, support)
        saves = self.checkpoint and torch.is_grad_enabled()
        for _ in range(self.unrolls):
            x = (
                recomputed(unroll, x, use_reentrant=False, preserve_rng_state=False)
                if saves
                else unroll(x)
            )
        return x

    @torch.no_grad()
    def _start(self, H: LinearOperator, seen: Tensor) -> Tensor:
        """Return the image that unrolling starts from: least squares, stopped early."""
        return conjugate_gradient(H.normal, seen, iterations=self.start)

    def _unroll(self, H: LinearOperator, seen: Tensor, support: Tensor | None, x: Tensor) -> Tensor:
        """Return the next image, Eqs. (5a) and (5b)."""
        mu, z = self.mu, self.improve(x)
        z = z if support is None else z * support
        return z + self.solve(H, seen - H.normal(z), mu)

    def improve(self, x: Tensor) -> Tensor:
        """Return z = R_theta(x), Eq. (5a).

        Parameters
        ----------
        x
            (b, S, [z,] y, x), complex or real (whose imaginary part is 0).

        """
        parts = torch.view_as_real(x if x.is_complex() else torch.complex(x, torch.zeros_like(x)))
        last = parts.movedim(1, -2).flatten(-2) if self.joint else parts.flatten(0, 1)
        # the channels come last in memory: channels_last, without a copy
        found = self.prior(last.movedim(-1, 1)).movedim(1, -1).to(parts.dtype)
        if self.joint:
            found = found.unflatten(-1, (x.shape[1], 2)).movedim(-2, 1)
        else:
            found = found.unflatten(0, x.shape[:2])
        image = torch.view_as_complex(found.contiguous())
        return image if x.is_complex() else image.real


def _check(key: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise UserError(
            f"network.{key}={value}: choose one of {', '.join(allowed)}." + nearest(value, allowed)
        )
