"""What methods that reconstruct from k-space share: one network that is told the forward model.

The network is called with H and y and returns the image. Training may let it see a part of the
measurements; a reconstruction always uses all of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from torch import Tensor, nn

from bioreco.methods.method import Batch, Estimate, Method
from bioreco.operators.linear import LinearOperator
from bioreco.operators.models import ForwardModel


class Reconstruction(Method):
    """One network that maps k-space and its forward model to an image.

    Parameters
    ----------
    network
        Called as network(H, y, support), returns (b, S, y, x).
    forward_model
        Makes the operator of a batch.

    Notes
    -----
    A batch holds `y` (b, C, ky, kx) complex, `mask` (b, 1, ky, kx) bool, `maps` (b, S, C, y, x)
    and `caipi` (b, S); `item` (b,), the number of a problem, the same in each draw, and `seed`.

    """

    averaged = False
    restores = False  # whether the changes of a series are scaled to come back in full

    def __init__(self, network: nn.Module, forward_model: ForwardModel) -> None:
        super().__init__()
        self.network, self.forward_model = network, forward_model

    def players(self) -> Mapping[str, Iterable[nn.Parameter]]:
        """Train the network."""
        return {"network": self.network.parameters()}

    def operator(self, batch: Batch) -> LinearOperator:
        """Return H_Omega."""
        return self.forward_model.operator(batch)

    def reconstruct(self, batch: Batch) -> Estimate:
        """Apply the network to all measurements."""
        return Estimate(self.apply_to(batch, self.operator(batch), batch["y"]))

    def apply_to(self, batch: Batch, H: LinearOperator, y: Tensor) -> Tensor:
        """Return what the network makes of measurements y of H, 0 where no coil sees anything."""
        support = (batch["maps"] != 0).any(2)
        x: Tensor = self.network(H, y, support)
        return x

    def look(self, batch: Batch) -> Tensor:
        """Return |H^H y|, the zero-filled image (b, S, y, x)."""
        return self.operator(batch).adjoint(batch["y"]).abs()

    @property
    def augment(self) -> str:
        """Coil maps and masks have a direction: nothing is turned."""
        return "none"
