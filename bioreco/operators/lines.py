"""Projections of images to lines, in directions that nobody knows.

What tomography sees of a thin slice that turned between two looks: the case of two dimensions of
cryoGAN's, and the `pad-rotate-project` of Bora, Price and Dimakis (ICLR 2018).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import torch
from torch import Tensor

from bioreco.operators.linear import LinearOperator


@dataclass(frozen=True)
class Lines(LinearOperator):
    """y(t) = sum over pixels p of x(p) D(t - u.p) / sqrt(N), one direction u for each image.

    D is the trigonometric interpolation between N pixels, with periodic borders. White noise of
    the images stays as strong in the lines.

    Attributes
    ----------
    angles
        Of u from x to y, in radians (b,).
    size
        N, pixels along a side.

    """

    angles: Tensor
    size: int
    _waves: tuple[Tensor, Tensor] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        along = torch.arange(self.size).to(self.angles) - self.size // 2
        k = torch.arange(self.size // 2 + 1).to(self.angles)
        turn = 2 * math.pi / self.size * k[:, None] * along
        directions = (self.angles.cos(), self.angles.sin())
        phases = (turn * part[:, None, None] for part in directions)
        waves = [torch.polar(torch.ones_like(phase), phase) for phase in phases]
        object.__setattr__(self, "_waves", tuple(waves))

    def forward(self, x: Tensor) -> Tensor:
        """Return the lines (b, 1, 1, t) of images (b, 1, y, x)."""
        along_x, along_y = (wave.conj() for wave in self._waves)
        spectrum = torch.einsum("bky,byx,bkx->bk", along_y, x[:, 0].to(along_y), along_x)
        line: Tensor = torch.fft.irfft(spectrum * self._centre(-1), n=self.size)
        return line[:, None, None] / math.sqrt(self.size)

    def adjoint(self, y: Tensor) -> Tensor:
        """Return the lines smeared back over the images (b, 1, y, x)."""
        along_x, along_y = self._waves
        twice = torch.full((self.size // 2 + 1,), 2.0, device=y.device, dtype=y.dtype)
        twice[0] = 1.0
        if self.size % 2 == 0:
            twice[-1] = 1.0
        spectrum = torch.fft.rfft(y[:, 0, 0]) * self._centre(1) * twice
        image: Tensor = torch.einsum("bky,bk,bkx->byx", along_y, spectrum, along_x).real
        found: Tensor = image[:, None] / self.size**1.5
        return found

    def _centre(self, sign: int) -> Tensor:
        """Return what moves the middle of a line to the pixel N // 2, or back."""
        k = torch.arange(self.size // 2 + 1).to(self.angles)
        phase = sign * 2 * math.pi / self.size * (self.size // 2) * k
        return torch.polar(torch.ones_like(phase), phase)


def turned(images: Tensor, angles: Tensor) -> Tensor:
    """Return images (b, 1, y, x) turned from x to y about their pixel N // 2 (cubic interpolation).

    Parameters
    ----------
    images
        Squares. What is beyond their border is as it is there.
    angles
        In radians (b,).

    """
    size = images.shape[-1]
    along = torch.arange(size).to(images) - size // 2
    y, x = along[:, None], along[None]
    c, s = angles.cos()[:, None, None], angles.sin()[:, None, None]
    places = torch.stack([c * x + s * y, c * y - s * x], -1) + size // 2  # where it comes from
    grid = (2 * places + 1) / size - 1
    found: Tensor = torch.nn.functional.grid_sample(
        images, grid, mode="bicubic", padding_mode="border", align_corners=False
    )
    return found


class RandomLines:
    """A microscope that sees an image as a line, in a direction drawn at random.

    Attributes
    ----------
    symmetry
        Images may be turned any way.

    """

    symmetry = "turn"

    def draw(self, x: Tensor) -> Lines:
        """Return the operator of as many directions as there are images (b, 1, y, x)."""
        angles = 2 * math.pi * torch.rand(len(x), device=x.device, dtype=x.dtype)
        return Lines(angles, x.shape[-1])
