"""A network in the place of the forward model, where the physics isn't known."""

from __future__ import annotations

from torch import Tensor, nn

from bioreco.networks.unet import UNet


class ForwardNetwork(nn.Module):
    """H as a U-Net: the second generator of a general cycleGAN (Zhu et al., ICCV 2017).

    Parameters
    ----------
    inputs, dims
        Channels and spatial axes.
    channels, depth
        See `UNet`.

    """

    def __init__(self, inputs: int, dims: int, *, channels: int = 8, depth: int = 1) -> None:
        super().__init__()
        self.network = UNet(inputs, inputs, dims, channels=channels, depth=depth)

    def operator(self) -> ForwardNetwork:
        """Return H, which may be called."""
        return self

    def forward(self, x: Tensor) -> Tensor:
        """Map sharp to measured images (b, c, [z,] y, x); what it puts out is added."""
        found: Tensor = x + self.network(x)
        return found
