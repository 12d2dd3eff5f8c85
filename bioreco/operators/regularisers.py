"""What is known of an image before it is measured: R(x) of Eq. (2) of the review.

Each gives a proximal operator, argmin_x 1/2 ||x - z||^2 + step R(x), and a gradient. Images are
(b, S, y, x), each slice apart, and about 1 in the object, so that weights mean the same for any
data.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from bioreco.operators import variation, wavelets

Denoiser = Callable[[Tensor], Tensor]

CORNER = 1e-3  # magnitude below which a gradient of |x| is rounded off


class Regulariser(Protocol):
    """R(x)."""

    def proximal(self, z: Tensor, step: float) -> Tensor:
        """Return argmin_x 1/2 ||x - z||^2 + step R(x)."""

    def gradient(self, x: Tensor) -> Tensor:
        """Return the gradient of R, rounded off where it has a corner."""


@dataclass(frozen=True)
class Nothing:
    """R(x) = 0: least squares."""

    def proximal(self, z: Tensor, step: float) -> Tensor:  # noqa: ARG002
        """Return z."""
        return z

    def gradient(self, x: Tensor) -> Tensor:
        """Return 0."""
        return torch.zeros_like(x)


@dataclass(frozen=True)
class Tikhonov:
    """R(x) = weight / 2 ||x||^2."""

    weight: float

    def proximal(self, z: Tensor, step: float) -> Tensor:
        """Return z / (1 + step weight)."""
        return z / (1 + step * self.weight)

    def gradient(self, x: Tensor) -> Tensor:
        """Return weight x."""
        return self.weight * x


@dataclass(frozen=True)
class TotalVariation:
    """R(x) = weight TV(x)."""

    weight: float

    def proximal(self, z: Tensor, step: float) -> Tensor:
        """Return the image of least variation near z."""
        return variation.smooth(z, step * self.weight)

    def gradient(self, x: Tensor) -> Tensor:
        """Return -weight div(grad x / |grad x|)."""
        p = variation.gradient(x)
        size = (p.abs().square().sum(0) + CORNER**2).sqrt()
        return -self.weight * variation.divergence(p / size)


@dataclass(frozen=True)
class Wavelet:
    """R(x) = weight ||W x||_1, over all shifts of an orthonormal transform W."""

    weight: float
    family: str = "db4"
    levels: int = 3

    def proximal(self, z: Tensor, step: float) -> Tensor:
        """Shrink the details (averaged over shifts, which is proximal up to that average)."""
        return wavelets.shrink(z, step * self.weight, family=self.family, levels=self.levels)

    def gradient(self, x: Tensor) -> Tensor:
        """Return weight W^H (W x / |W x|), of the details."""
        c = wavelets.decompose(x, family=self.family, levels=self.levels)
        c = c / (c.abs().square() + CORNER**2).sqrt()
        details = torch.cat([torch.zeros_like(c[:1]), c[1:]])
        return self.weight * wavelets.compose(details, x, family=self.family, levels=self.levels)


@dataclass(frozen=True)
class PlugAndPlay:
    """A denoiser in the place of a proximal operator (Venkatakrishnan et al., GlobalSIP 2013).

    Attributes
    ----------
    denoiser
        D, images to images.
    weight
        Share of the way from z to D(z), above 0 and at most 1.

    """

    denoiser: Denoiser
    weight: float = 1.0

    def proximal(self, z: Tensor, step: float) -> Tensor:  # noqa: ARG002
        """Return z + weight (D(z) - z)."""
        return z + self.weight * (self.denoiser(z) - z)

    def gradient(self, x: Tensor) -> Tensor:
        """Return weight (x - D(x))."""
        return self.weight * (x - self.denoiser(x))


@dataclass(frozen=True)
class RED:
    """Regularisation by denoising, gradient weight (x - D(x)) (Romano et al., SIAM JIS 10, 2017).

    Attributes
    ----------
    denoiser
        D, images to images.
    weight
        tau, >= 0.
    steps
        Of the fixed point by which its proximal operator is found.

    """

    denoiser: Denoiser
    weight: float = 1.0
    steps: int = 2

    def proximal(self, z: Tensor, step: float) -> Tensor:
        """Solve x = (z + step weight D(x)) / (1 + step weight) by a fixed point from z."""
        x, share = z, step * self.weight
        for _ in range(self.steps):
            x = (z + share * self.denoiser(x)) / (1 + share)
        return x

    def gradient(self, x: Tensor) -> Tensor:
        """Return weight (x - D(x))."""
        return self.weight * (x - self.denoiser(x))


@dataclass(frozen=True, eq=False)
class Within:
    """A regulariser of an object that is known to be 0 outside of a region.

    Outside, where no coil sees anything, the measurements don't say so: a smooth R alone would
    let the object run out over its border.

    Attributes
    ----------
    R
        Of the image.
    inside
        Where the object may be, (b, S, y, x) bool.

    """

    R: Regulariser
    inside: Tensor

    def proximal(self, z: Tensor, step: float) -> Tensor:
        """Return the proximal step inside, 0 outside."""
        return self.R.proximal(z * self.inside, step) * self.inside

    def gradient(self, x: Tensor) -> Tensor:
        """Return the gradient inside."""
        return self.R.gradient(x * self.inside) * self.inside
