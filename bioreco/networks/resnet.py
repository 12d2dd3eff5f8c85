"""A residual network for images, that changes little at first: the prior of an unrolled network.

Convolution, blocks of convolution, ReLU and convolution that are scaled by 0.1, a skip around all
of them (Timofte et al., CVPR Workshops 2017; Yaman et al., Magn. Reson. Med. 2020), and a last
convolution whose output is added to the input.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

from bioreco.errors import UserError

SCALE = 0.1  # of what a block adds
_CONVOLUTION = {2: nn.Conv2d, 3: nn.Conv3d}


class ResNet(nn.Module):
    """Maps images to images of the same size.

    Parameters
    ----------
    inputs, outputs
        Channels that go in and come out; as many.
    dims
        2 for (b, c, y, x), 3 for (b, c, z, y, x).
    blocks
        Residual blocks.
    channels
        Features of each.
    share_block_conv
        Whether both convolutions of a block are the same one, which halves its weights.

    Raises
    ------
    UserError
        If an option is out of range.

    Notes
    -----
    The last convolution starts at zero, so that the network starts as the identity. It has no
    biases: for c > 0, f(c x) = c f(x), so that the units of the measurements don't matter.

    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        dims: int = 2,
        *,
        blocks: int = 5,
        channels: int = 32,
        share_block_conv: bool = True,
    ) -> None:
        super().__init__()
        if dims not in _CONVOLUTION:
            raise UserError(f"network.dims={dims}: images have 2 or 3 spatial axes")
        if blocks < 0 or channels < 1:
            raise UserError(
                f"network.blocks={blocks} network.channels={channels}: at least 0 blocks and 1"
                " channel"
            )
        if inputs != outputs:
            raise UserError(f"network.outputs={outputs}: as many as inputs, {inputs}")
        self.first = _convolution(dims, inputs, channels)
        self.blocks = nn.ModuleList(
            _Block(dims, channels, share=share_block_conv) for _ in range(blocks)
        )
        self.middle = _convolution(dims, channels, channels)
        self.last = _convolution(dims, channels, outputs)
        nn.init.zeros_(next(self.last.parameters()))

    def forward(self, x: Tensor) -> Tensor:
        """Map (b, inputs, [z,] y, x) to the same shape."""
        first = self.first(x)
        features = first
        for block in self.blocks:
            features = block(features)
        out: Tensor = x + self.last(first + self.middle(features))
        return out


class _Block(nn.Module):
    """x + 0.1 conv(ReLU(conv(x)))."""

    def __init__(self, dims: int, channels: int, *, share: bool) -> None:
        super().__init__()
        self.before = _convolution(dims, channels, channels)
        self.after = self.before if share else _convolution(dims, channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = x + SCALE * self.after(functional.relu(self.before(x)))
        return out


def _convolution(dims: int, before: int, after: int) -> nn.Module:
    """Return a 3-wide convolution without biases."""
    convolution = _CONVOLUTION[dims](before, after, 3, padding=1, bias=False)
    nn.init.kaiming_normal_(convolution.weight, nonlinearity="relu")
    return convolution
