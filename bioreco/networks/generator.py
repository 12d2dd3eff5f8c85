"""A generator: numbers in, an image out."""

from __future__ import annotations

import itertools
import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from bioreco.errors import UserError

_LEAK = 0.1


class Generator(nn.Module):
    """A dense layer, then blocks that double the grid and convolve.

    Parameters
    ----------
    latent
        Numbers that an image is made of.
    size
        Pixels along each side of what is made.
    channels
        Features of the last block; doubled in each one before.
    blocks
        How often the grid is doubled.

    Raises
    ------
    UserError
        If an option is out of range.

    """

    def __init__(self, latent: int, size: int, *, channels: int = 16, blocks: int = 2) -> None:
        super().__init__()
        if min(latent, channels) < 1 or not 1 <= blocks <= 6 or size < 2**blocks:
            raise UserError(
                f"method.latent={latent} method.generator.channels={channels} blocks={blocks}: at"
                f" least 1, and no more blocks than {size} pixels can be halved"
            )
        width = [channels * 2**k for k in reversed(range(blocks + 1))]
        self.size, self.first = size, math.ceil(size / 2**blocks)
        self.dense = nn.Linear(latent, width[0] * self.first**2)
        self.convolutions = nn.ModuleList(
            nn.Conv2d(a, b, 3, padding=1) for a, b in itertools.pairwise(width)
        )
        self.out = nn.Conv2d(width[-1], 1, 3, padding=1)

    def forward(self, z: Tensor) -> Tensor:
        """Map numbers (b, latent) to images (b, 1, y, x)."""
        x = functional.leaky_relu(self.dense(z), _LEAK)
        x = x.view(len(z), -1, self.first, self.first)
        for convolution in self.convolutions:
            x = x.repeat_interleave(2, 2).repeat_interleave(2, 3)
            x = functional.leaky_relu(_scaled(convolution(x)), _LEAK)
        made: Tensor = self.out(x[..., : self.size, : self.size])
        return made


def _scaled(x: Tensor) -> Tensor:
    """Divide the features of each pixel by their root mean square (Karras et al., ICLR 2018)."""
    return x * torch.rsqrt(x.square().mean(1, keepdim=True) + 1e-8)
