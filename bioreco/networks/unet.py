"""A U-Net for 2D images and 3D stacks that knows how far it looks.

The network of Eq. (6)'s F_theta for all denoisers. There is no residual path from the input to the
output: a blind-spot method would see its own replaced pixel through it. Stacks are pooled along
y and x only, since microscopes sample z coarsely and stacks are thin.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from bioreco.errors import UserError, nearest
from bioreco.networks.blurpool import BlurPool

NORMS = ("none", "batch", "instance")
POOLS = ("max", "blur")
_CONVOLUTION = {2: nn.Conv2d, 3: nn.Conv3d}
_BATCH_NORM = {2: nn.BatchNorm2d, 3: nn.BatchNorm3d}
_INSTANCE_NORM = {2: nn.InstanceNorm2d, 3: nn.InstanceNorm3d}
_MAX_POOL = {2: nn.MaxPool2d, 3: nn.MaxPool3d}
_SCALE = {2: (2.0, 2.0), 3: (1.0, 2.0, 2.0)}
_WINDOW = {2: (2, 2), 3: (1, 2, 2)}

Drop = Callable[[Tensor, int], Tensor]


class UNet(nn.Module):
    """Encoder and decoder with skips (Ronneberger et al., MICCAI 2015).

    Parameters
    ----------
    inputs, outputs
        Channels that go in and come out.
    dims
        2 for (b, c, y, x), 3 for (b, c, z, y, x).
    channels
        Features at full resolution; doubled at each level.
    depth
        Number of poolings by two; y and x must be multiples of 2**depth.
    norm
        "none", "batch", or "instance". Instance normalisation looks at the whole image, so it
        can't be tiled.
    pool
        "max": maximum of each cell of 2 x 2 pixels; "blur": maximum at every position, then a
        binomial blur, then every second pixel, which aliases less.
    top_skip
        Whether the features at full resolution skip the poolings too. Without them noise in the
        input has no short way to the output.

    Attributes
    ----------
    halo
        Pixels around an output pixel, per spatial axis, that can change it; None if all can.
    stride
        Shifts by a multiple of this, per spatial axis, shift the output by as much.

    Raises
    ------
    UserError
        If `dims`, `channels`, `depth`, `norm` or `pool` is out of range.

    Notes
    -----
    ``pool=blur, top_skip=false`` is the network of N2V2 (Hoeck et al., ECCV Workshops 2022).

    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        dims: int,
        *,
        channels: int = 16,
        depth: int = 2,
        norm: str = "none",
        pool: str = "max",
        top_skip: bool = True,
    ) -> None:
        super().__init__()
        if dims not in _CONVOLUTION:
            raise UserError(f"network.dims={dims}: images have 2 or 3 spatial axes")
        if channels < 1 or not 0 <= depth <= 6:
            raise UserError(
                f"network.channels={channels} network.depth={depth}: "
                "channels is at least 1, depth is 0 to 6"
            )
        if norm not in NORMS:
            raise UserError(f"network.norm={norm}: choose one of {', '.join(NORMS)}")
        if pool not in POOLS:
            raise UserError(
                f"network.pool={pool}: choose one of {', '.join(POOLS)}." + nearest(pool, POOLS)
            )
        self.dims, self.top_skip = dims, top_skip
        self.pool = BlurPool(dims) if pool == "blur" else _MAX_POOL[dims](_WINDOW[dims])
        width = [channels * 2**level for level in range(depth + 1)]
        self.encoder = nn.ModuleList(
            _block(before, after, dims, norm)
            for before, after in zip([inputs, *width[:-1]], width, strict=True)
        )
        skips = [bool(level) or top_skip for level in reversed(range(depth))]
        self.decoder = nn.ModuleList(
            _block(width[level + 1] + skipped * width[level], width[level], dims, norm)
            for level, skipped in zip(reversed(range(depth)), skips, strict=True)
        )
        self.head = _CONVOLUTION[dims](channels, outputs, 1)
        in_plane = _reach(depth, around=int(pool == "blur"))
        self.halo: tuple[int, ...] | None = (in_plane, in_plane)
        self.stride: tuple[int, ...] = (2**depth, 2**depth)
        if dims == 3:
            self.halo, self.stride = (2 * (2 * depth + 1), *self.halo), (1, *self.stride)
        if norm == "instance":
            self.halo = None

    def forward(self, x: Tensor, drop: Drop | None = None) -> Tensor:
        """Map (b, inputs, [z,] y, x) to (b, outputs, [z,] y, x).

        `drop` is applied to what each level of the decoder hands on, with the level's number, 0
        at full resolution.
        """
        skips: list[Tensor] = []
        for level, block in enumerate(self.encoder):
            x = block(self.pool(x) if level else x)
            skips.append(x)
        skips.pop()
        for block in self.decoder:
            x = x if drop is None else drop(x, len(skips))
            x = functional.interpolate(x, scale_factor=_SCALE[self.dims])
            skip = skips.pop()
            x = block(torch.cat([x, skip], 1) if skips or self.top_skip else x)
        x = x if drop is None else drop(x, 0)
        out: Tensor = self.head(x)
        return out


def _block(before: int, after: int, dims: int, norm: str) -> nn.Sequential:
    """Two 3-wide convolutions, each followed by its normalisation and a ReLU."""
    layers: list[nn.Module] = []
    for inputs in (before, after):
        convolution = _CONVOLUTION[dims](inputs, after, 3, padding=1)
        nn.init.kaiming_normal_(convolution.weight, nonlinearity="relu")
        nn.init.zeros_(convolution.bias)  # type: ignore[arg-type]
        layers.append(convolution)
        if norm == "batch":
            layers.append(_BATCH_NORM[dims](after))
        elif norm == "instance":
            layers.append(_INSTANCE_NORM[dims](after, affine=True))
        layers.append(nn.ReLU(inplace=True))
    return nn.Sequential(*layers)


def _reach(depth: int, *, around: int) -> int:
    """Return how far from an output pixel the input can be that changes it, along y or x.

    Walks back from the output: each block reaches 2 pixels further at its own resolution, nearest
    up-sampling reads pixel p // 2, pooling reads pixels 2p and 2p + 1 and on both sides as many
    more as `around` says. The position of the pixel within the coarsest cell matters, so the worst
    one counts.
    """
    reach = 0
    for position in range(2**depth):
        low = high = position
        for _ in range(depth):
            low, high = (low - 2) // 2, (high + 2) // 2
        low, high = low - 2, high + 2
        for _ in range(depth):
            low, high = 2 * low - around - 2, 2 * high + 1 + around + 2
        reach = max(reach, position - low, high - position)
    return reach
