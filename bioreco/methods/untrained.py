"""Reconstructions that learn nothing: the bar that learning has to clear."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from torch import Tensor, nn

from bioreco.methods.method import Batch, Estimate, Method


class Untrained(Method):
    """A reconstruction from k-space that learns nothing. Subclasses give `image`."""

    averaged = False

    def image(self, batch: Batch) -> Tensor:
        """Return x (b, S, y, x) of the measurements batch["y"] (b, C, ky, kx)."""
        raise NotImplementedError

    def players(self) -> Mapping[str, Iterable[nn.Parameter]]:
        """Train nothing."""
        return {}

    def reconstruct(self, batch: Batch) -> Estimate:
        """Return the reconstruction (b, S, y, x), complex."""
        return Estimate(self.image(batch))

    @property
    def augment(self) -> str:
        """Nothing is learnt, and k-space isn't turned."""
        return "none"
