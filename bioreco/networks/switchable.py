"""One generator for both directions of a cycle, switched by adaptive instance normalisation.

Gu and Ye, IEEE Trans. Comput. Imaging 7, 2021, after Huang and Belongie, ICCV 2017: each feature is
normalised to mean 0 and deviation 1 over the image, then given the mean and the deviation that
belong to a direction. These alone differ between sharpening and blurring, so that the network has
half the weights of two; between both directions the strength of the result can be chosen.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from bioreco.errors import UserError

_TINY = 1e-5
_CONVOLUTION = {2: nn.Conv2d, 3: nn.Conv3d}
_WINDOW = {2: (2, 2), 3: (1, 2, 2)}


class Switchable(nn.Module):
    """A U-Net with adaptive instance normalisation.

    Parameters
    ----------
    inputs, outputs, dims
        Channels that go in and come out, spatial axes.
    channels
        Features at full resolution, doubled at each level.
    depth
        Poolings by two along y and x.
    strength
        Of sharpening: 1; less lies between blurring (0) and sharpening.

    Attributes
    ----------
    halo
        None: the normalisation looks at the whole image, so it isn't cut into tiles.
    stride
        As of `UNet`.

    Raises
    ------
    UserError
        If an option is out of range.

    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        dims: int,
        *,
        channels: int = 16,
        depth: int = 2,
        strength: float = 1.0,
    ) -> None:
        super().__init__()
        if channels < 1 or not 0 <= depth <= 6 or not 0 <= strength <= 1:
            raise UserError(
                f"network.channels={channels} network.depth={depth} network.strength={strength:g}:"
                " at least 1, 0 to 6, and 0 to 1"
            )
        self.dims, self.strength = dims, strength
        width = [channels * 2**level for level in range(depth + 1)]
        self.encoder = nn.ModuleList(
            _Block(before, after, dims)
            for before, after in zip([inputs, *width[:-1]], width, strict=True)
        )
        self.decoder = nn.ModuleList(
            _Block(width[level + 1] + width[level], width[level], dims)
            for level in reversed(range(depth))
        )
        self.head = _CONVOLUTION[dims](channels, outputs, 1)
        self.halo = None
        self.stride = (*[1] * (dims - 2), 2**depth, 2**depth)

    def forward(self, x: Tensor, code: float | None = None) -> Tensor:
        """Map (b, inputs, [z,] y, x) to (b, outputs, [z,] y, x).

        `code` is the direction, 1 to sharpen and 0 to blur; None: `strength`.
        """
        code = self.strength if code is None else code
        window = _WINDOW[self.dims]
        pool = functional.max_pool2d if self.dims == 2 else functional.max_pool3d
        skips: list[Tensor] = []
        for level, block in enumerate(self.encoder):
            x = block(pool(x, window) if level else x, code)
            skips.append(x)
        skips.pop()
        for block in self.decoder:
            x = functional.interpolate(x, scale_factor=tuple(map(float, window)))
            x = block(torch.cat([x, skips.pop()], 1), code)
        out: Tensor = self.head(x)
        return out


class _Block(nn.Module):
    """Two convolutions, each followed by a normalisation that has two settings, and a ReLU."""

    def __init__(self, before: int, after: int, dims: int) -> None:
        super().__init__()
        convolutions = [_CONVOLUTION[dims](n, after, 3, padding=1) for n in (before, after)]
        self.convolutions = nn.ModuleList(convolutions)
        for convolution in convolutions:
            nn.init.kaiming_normal_(convolution.weight, nonlinearity="relu")
            nn.init.zeros_(convolution.bias)  # type: ignore[arg-type]
        shape = (2, 2, after, *[1] * dims)  # direction, convolution, features
        self.mean = nn.Parameter(torch.zeros(shape))
        self.size = nn.Parameter(torch.ones(shape))

    def forward(self, x: Tensor, code: float) -> Tensor:
        for k, convolution in enumerate(self.convolutions):
            x = convolution(x)
            axes = tuple(range(2, x.dim()))
            x = x - x.mean(axes, keepdim=True)
            x = x / (x.square().mean(axes, keepdim=True) + _TINY).sqrt()
            mean, size = (code * p[1, k] + (1 - code) * p[0, k] for p in (self.mean, self.size))
            x = functional.relu(x * size + mean)
        return x
