"""A network in the place of the forward model, where the physics isn't known."""

from __future__ import annotations

from torch import Tensor, nn

from bioreco.errors import UserError
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


class Switched(nn.Module):
    """H as the generator itself, switched to the other direction; it has no weights of its own."""

    def __init__(self) -> None:
        super().__init__()
        self._generator: list[nn.Module] = []

    def switch(self, generator: nn.Module) -> None:
        """Take the generator, whose weights stay its own.

        Raises
        ------
        UserError
            If it can't be switched.

        """
        if not hasattr(generator, "strength"):
            raise UserError(
                "forward=switched turns the generator around, which network=switchable alone can do"
            )
        self._generator = [generator]

    def operator(self) -> Switched:
        """Return H, which may be called."""
        return self

    def forward(self, x: Tensor) -> Tensor:
        """Map sharp to measured images (b, c, [z,] y, x); what it puts out is added."""
        found: Tensor = x + self._generator[0](x, 0.0)
        return found
