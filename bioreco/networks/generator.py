"""A generator: numbers in, an image or a volume out."""

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
    dims
        2: images (b, 1, y, x); 3: volumes (b, 1, z, y, x).
    channels
        Features of the last block; doubled in each one before.
    blocks
        How often the grid is doubled.

    Raises
    ------
    UserError
        If an option is out of range.

    """

    def __init__(
        self, latent: int, size: int, *, dims: int = 2, channels: int = 16, blocks: int = 2
    ) -> None:
        super().__init__()
        if min(latent, channels) < 1 or not 1 <= blocks <= 6 or size < 2**blocks:
            raise UserError(
                f"method.latent={latent} method.generator.channels={channels} blocks={blocks}: at"
                f" least 1, and no more blocks than {size} pixels can be halved"
            )
        width = [channels * 2**k for k in reversed(range(blocks + 1))]
        self.size, self.dims, self.first = size, dims, math.ceil(size / 2**blocks)
        convolution = nn.Conv2d if dims == 2 else nn.Conv3d
        self.dense = nn.Linear(latent, width[0] * self.first**dims)
        self.convolutions = nn.ModuleList(
            convolution(a, b, 3, padding=1) for a, b in itertools.pairwise(width)
        )
        self.out = convolution(width[-1], 1, 3, padding=1)

    def forward(self, z: Tensor) -> Tensor:
        """Map numbers (b, latent) to images (b, 1, [z,] y, x)."""
        x = functional.leaky_relu(self.dense(z), _LEAK)
        x = x.view(len(z), -1, *[self.first] * self.dims)
        for convolution in self.convolutions:
            for axis in range(2, 2 + self.dims):
                x = x.repeat_interleave(2, axis)
            x = functional.leaky_relu(_scaled(convolution(x)), _LEAK)
        for axis in range(2, 2 + self.dims):
            x = x.narrow(axis, 0, self.size)
        made: Tensor = self.out(x)
        return made


def _scaled(x: Tensor) -> Tensor:
    """Divide the features of each pixel by their root mean square (Karras et al., ICLR 2018)."""
    return x * torch.rsqrt(x.square().mean(1, keepdim=True) + 1e-8)
