"""Distances between two distributions that a critic can estimate from samples of both.

Eqs. (29) to (34) of the review: for a convex f with f(1) = 0 and its conjugate f*,

    D_f(mu, nu) >= E_mu[g(V)] - E_nu[f*(g(V))],

where V is the critic and g takes any number into the domain of f* (Nowozin, Cseke and Tomioka,
NeurIPS 2016). The Wasserstein distance of Eq. (36) fits the same form with g(V) = f*(V) = V and a
critic of slope 1.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid, softplus

Map = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Divergence:
    """A member of the family.

    Attributes
    ----------
    f
        The convex function of the ratio of the densities, u > 0.
    conjugate
        f*(t), the largest u t - f(u) over u > 0.
    domain
        The open interval of t that conjugate is finite on; for `pearson` the part of it that is
        reached by some u > 0.
    g
        The last layer of the critic: any number into the domain.
    paid
        f*(g(v)), written so that it doesn't overflow before its value does.

    """

    f: Map
    conjugate: Map
    domain: tuple[float, float]
    g: Map
    paid: Map


def _same(v: Tensor) -> Tensor:
    return v


GAN = Divergence(
    f=lambda u: u * torch.log(u) - (u + 1) * torch.log(u + 1),
    conjugate=lambda t: -torch.log(-torch.expm1(t)),
    domain=(-math.inf, 0.0),
    g=logsigmoid,
    paid=softplus,
)
JENSEN_SHANNON = Divergence(
    f=lambda u: u * torch.log(u) - (u + 1) * torch.log((u + 1) / 2),
    conjugate=lambda t: -torch.log(2 - torch.exp(t)),
    domain=(-math.inf, math.log(2)),
    g=lambda v: math.log(2) + logsigmoid(v),
    paid=lambda v: softplus(v) - math.log(2),
)
KL = Divergence(
    f=lambda u: u * torch.log(u),
    conjugate=lambda t: torch.exp(t - 1),
    domain=(-math.inf, math.inf),
    g=_same,
    paid=lambda v: torch.exp(v - 1),
)
REVERSE_KL = Divergence(
    f=lambda u: -torch.log(u),
    conjugate=lambda t: -1 - torch.log(-t),
    domain=(-math.inf, 0.0),
    g=lambda v: -torch.exp(-v),
    paid=lambda v: v - 1,
)
PEARSON = Divergence(
    f=lambda u: (u - 1) ** 2,
    conjugate=lambda t: t**2 / 4 + t,
    domain=(-2.0, math.inf),
    g=_same,
    paid=lambda v: v**2 / 4 + v,
)
HELLINGER = Divergence(
    f=lambda u: (torch.sqrt(u) - 1) ** 2,
    conjugate=lambda t: t / (1 - t),
    domain=(-math.inf, 1.0),
    g=lambda v: -torch.expm1(-v),
    paid=torch.expm1,
)
TOTAL_VARIATION = Divergence(
    f=lambda u: torch.abs(u - 1) / 2,
    conjugate=_same,
    domain=(-0.5, 0.5),
    g=lambda v: torch.tanh(v) / 2,
    paid=lambda v: torch.tanh(v) / 2,
)

DIVERGENCES = {
    "gan": GAN,
    "jensen_shannon": JENSEN_SHANNON,
    "kl": KL,
    "reverse_kl": REVERSE_KL,
    "pearson": PEARSON,
    "hellinger": HELLINGER,
    "total_variation": TOTAL_VARIATION,
}
