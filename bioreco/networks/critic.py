"""A critic: a convolutional network that gives an image one number.

What adversarial methods learn with: the number is to be high for measured and low for simulated
images. There is no batch normalisation, since the penalty on the critic's gradient is defined for
each image alone (Gulrajani et al., NeurIPS 2017).
"""

from __future__ import annotations

import itertools
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils import parametrizations

from bioreco.errors import UserError, choose

POOLS = ("stride", "max")
HEADS = ("grid", "gap")
GRID = 4  # cells along each axis that the head tells apart

Wrap = Callable[[nn.Module], nn.Module]


class Critic(nn.Module):
    """Blocks that each halve the image, then a small dense network.

    Parameters
    ----------
    inputs
        Channels of an image.
    channels
        Features of the first block; doubled in each further one.
    blocks
        How often the image is halved.
    kernel
        Pixels that a convolution spans, odd.
    pool
        "stride" takes every second pixel of the convolution, "max" the largest of 2 x 2.
    leak
        Slope of the activations below 0.
    spectral
        Divide each weight by its largest singular value (Miyato et al., ICLR 2018), instead of a
        penalty on the gradient.
    head
        "grid": means over 4 x 4 cells, so that it matters where something is; "gap": the mean
        over the image. Either takes images of any size.
    hidden
        Units of the dense layer.

    Raises
    ------
    UserError
        If an option is out of range.

    """

    def __init__(
        self,
        *,
        inputs: int = 1,
        channels: int = 16,
        blocks: int = 3,
        kernel: int = 5,
        pool: str = "stride",
        leak: float = 0.1,
        spectral: bool = False,
        head: str = "grid",
        hidden: int = 64,
    ) -> None:
        super().__init__()
        choose("method.critic.pool", pool, POOLS)
        choose("method.critic.head", head, HEADS)
        if min(inputs, channels, hidden) < 1 or not 1 <= blocks <= 8:
            raise UserError(
                f"method.critic.channels={channels} blocks={blocks} hidden={hidden}: channels and"
                " hidden are at least 1, blocks 1 to 8"
            )
        if kernel < 3 or kernel % 2 == 0 or not 0 <= leak < 1:
            raise UserError(
                f"method.critic.kernel={kernel} leak={leak}: an odd number of pixels, at least 3,"
                " and a slope of at least 0, below 1"
            )
        wrap: Wrap = parametrizations.spectral_norm if spectral else _as_it_is
        stride = 2 if pool == "stride" else 1
        width = [inputs, *(channels * 2**block for block in range(blocks))]
        self.convolutions = nn.ModuleList(
            wrap(_kaiming(nn.Conv2d(a, b, kernel, stride, kernel // 2), leak))
            for a, b in itertools.pairwise(width)
        )
        cells = GRID**2 if head == "grid" else 1
        self.dense = wrap(_kaiming(nn.Linear(width[-1] * cells, hidden), leak))
        self.out = wrap(_kaiming(nn.Linear(hidden, 1), 1.0))
        self.pool, self.leak, self.cells = pool, leak, GRID if head == "grid" else 1
        self.least = 2**blocks if pool == "max" else 1  # pixels along an axis

    def look(self, images: Tensor) -> Tensor:
        """Return images as the critic takes them: as they are."""
        return images

    def forward(self, x: Tensor) -> Tensor:
        """Map images (b, inputs, y, x) to (b, 1).

        Raises
        ------
        UserError
            If the images are too small to be halved so often.

        """
        if min(x.shape[2:]) < self.least:
            raise UserError(
                f"images of {' x '.join(map(str, x.shape[2:]))} pixels can't be halved"
                f" {len(self.convolutions)} times: lower method.critic.blocks"
            )
        for convolution in self.convolutions:
            x = convolution(x)
            if self.pool == "max":
                x = functional.max_pool2d(x, 2)
            x = functional.leaky_relu(x, self.leak)
        x = functional.leaky_relu(self.dense(_means(x, self.cells)), self.leak)
        found: Tensor = self.out(x)
        return found


def _as_it_is(layer: nn.Module) -> nn.Module:
    return layer


def _means(x: Tensor, cells: int) -> Tensor:
    """Return the means over a grid of cells, (b, c * cells * cells).

    As two small products instead of adaptive pooling, which has no second derivative on every
    device that repeats bit for bit.
    """
    rows, columns = (_shares(n, cells, x) for n in x.shape[2:])
    return torch.einsum("bcyx,iy,jx->bcij", x, rows, columns).flatten(1)


def _shares(pixels: int, cells: int, like: Tensor) -> Tensor:
    """Return what each of `pixels` counts in each of the cells, (cells, pixels).

    Pixels on a border are shared, so that all cells are equally wide.
    """
    edges = torch.arange(cells + 1, dtype=torch.float64) * pixels / cells
    pixel = torch.arange(pixels, dtype=torch.float64)
    shared = torch.minimum(edges[1:, None], pixel + 1) - torch.maximum(edges[:-1, None], pixel)
    return (shared.clamp(min=0) * cells / pixels).to(like)


def _kaiming(layer: nn.Conv2d | nn.Linear, leak: float) -> nn.Module:
    """Start a layer so that it keeps the variance through the activation after it."""
    nn.init.kaiming_normal_(layer.weight, leak)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return layer
