"""What methods that learn from a second image share: one network and the squared error.

The second image is another measurement of the same, or the clean image. Nothing has to be hidden
from the network, since what it is compared with is not what it saw.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from torch import Tensor, nn

from bioreco.methods.masking import masked_mse
from bioreco.methods.method import Batch, Estimate, Method


class Paired(Method):
    """One network, compared with a second image of what it saw.

    Parameters
    ----------
    network
        Maps (b, c, [z,] y, x) to the same shape.

    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def players(self) -> Mapping[str, Iterable[nn.Parameter]]:
        """Train the network."""
        return {"network": self.network.parameters()}

    def error(self, seen: Tensor, wanted: Tensor, mask: Tensor) -> Tensor:
        """Return the mean squared error over the masked pixels."""
        return masked_mse(self.network(seen), wanted, mask)

    def reconstruct(self, batch: Batch) -> Estimate:
        """Apply the network once."""
        return Estimate(self.network(batch["y"]))

    @property
    def halo(self) -> tuple[int, ...] | None:
        """The network's halo."""
        return getattr(self.network, "halo", None)

    @property
    def stride(self) -> tuple[int, ...] | None:
        """The network's stride."""
        return getattr(self.network, "stride", None)
