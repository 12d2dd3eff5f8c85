"""What a method is: what it trains, what each update minimises, how it reconstructs.

`step` is a generator. The method says what is minimised and for whom; the engine alone knows
optimisers, precision, ranks and checkpoints. Two rules: no context manager stays open over a
`yield`, and a graph isn't used again after yielding the player it belongs to.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from torch import Tensor, nn

Batch = Mapping[str, Tensor]
Losses = dict[str, Tensor]


@dataclass(frozen=True)
class Estimate:
    """What a method makes of a measurement: the image, and where it has one its uncertainty.

    Attributes
    ----------
    mean
        The reconstruction (b, c, [z,] y, x).
    std
        Standard deviation per pixel, of the same shape, or None.

    """

    mean: Tensor
    std: Tensor | None = None


class Method(nn.Module):
    """A way to learn a reconstruction from measurements alone."""

    def players(self) -> Mapping[str, Iterable[nn.Parameter]]:
        """Return what is trained, by name; each has an optimiser of its own."""
        raise NotImplementedError

    def step(self, batch: Batch) -> Iterator[tuple[str, Losses]]:
        """Yield (player, losses) once for each update; their sum is minimised over that player."""
        raise NotImplementedError

    def reconstruct(self, batch: Batch) -> Estimate:
        """Return the reconstruction of the measurements batch["y"]."""
        raise NotImplementedError

    def validate(self, batch: Batch) -> Losses:
        """Return losses that are not trained on; the default is those of a step."""
        return {
            f"{who}/{key}": loss for who, all_ in self.step(batch) for key, loss in all_.items()
        }

    @property
    def halo(self) -> tuple[int, ...] | None:
        """Pixels around an output pixel that can change it, per spatial axis; None: all can."""
        return None

    @property
    def stride(self) -> tuple[int, ...] | None:
        """Shifts by a multiple of this shift the reconstruction by as much; None: by nothing."""
        return None
