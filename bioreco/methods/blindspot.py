"""What blind-spot methods share: predict held-out pixels from the others.

The review's Eq. (15): the loss compares the network's output with the measurement on pixels that
the network did not see. Noise that is independent from pixel to pixel can't be predicted, the
signal can.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from torch import Tensor, nn

from bioreco.methods.masking import masked_mse
from bioreco.methods.method import Batch, Estimate, Losses, Method


class BlindSpot(Method):
    """One network, trained on pixels hidden from it.

    Subclasses give `blind_spots` and `fill`.

    Parameters
    ----------
    network
        Maps (b, c, [z,] y, x) to the same shape.

    Notes
    -----
    A batch holds the measurements `y`, one `seed` for each sample, and two masks: `target`, the
    pixels that may be trained on, and `held`, those kept for validation. Held pixels are never
    targets; they are validated hidden from the network like any other.

    """

    blends = True

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def blind_spots(self, batch: Batch) -> Tensor:
        """Return the mask of the pixels to hide in this step."""
        raise NotImplementedError

    def fill(self, batch: Batch, mask: Tensor) -> Tensor:
        """Return the measurements with the masked pixels replaced."""
        raise NotImplementedError

    def players(self) -> Mapping[str, Iterable[nn.Parameter]]:
        """Train the network."""
        return {"network": self.network.parameters()}

    def step(self, batch: Batch) -> Iterator[tuple[str, Losses]]:
        """Minimise the squared error on the hidden pixels, Eq. (15)."""
        mask = self.blind_spots(batch) & batch["target"]
        blind = self.fill(batch, mask)
        yield "network", {"mse": masked_mse(self.network(blind), batch["y"], mask)}

    def validate(self, batch: Batch) -> Losses:
        """Return the squared error on the pixels that are never trained on."""
        blind = self.fill(batch, batch["held"])
        return {"mse": masked_mse(self.network(blind), batch["y"], batch["held"])}

    def reconstruct(self, batch: Batch) -> Estimate:
        """Apply the network once to the unmasked measurements."""
        return Estimate(self.network(batch["y"]))

    @property
    def halo(self) -> tuple[int, ...] | None:
        """The network's halo."""
        return getattr(self.network, "halo", None)

    @property
    def stride(self) -> tuple[int, ...] | None:
        """The network's stride."""
        return getattr(self.network, "stride", None)
