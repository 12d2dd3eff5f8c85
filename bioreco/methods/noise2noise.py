"""Noise2Noise: predict one measurement from another of the same; what can't be predicted is noise.

Eqs. (8) to (10) of the review; Lehtinen et al., ICML 2018. For images and tomograms made of even
and odd frames or tilts it is cryo-CARE (Buchholz et al., ISBI 2019). The noise of the two must be
independent of each other and have zero mean; within an image it may be correlated.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch

from bioreco.methods import draws
from bioreco.methods.method import Batch, Estimate, Losses
from bioreco.methods.paired import Paired


class Noise2Noise(Paired):
    """Two noisy measurements, either of which is predicted from the other.

    Parameters
    ----------
    network
        Maps (b, c, [z,] y, x) to the same shape.

    Notes
    -----
    A batch holds the second measurement as `pair`. Held pixels are targets in neither direction.
    With the squared error the minimum is the mean of what was measured, whatever the noise; other
    losses have other minima (the absolute error the median, which for few counts is too dark).

    """

    wants = ("pair",)

    def step(self, batch: Batch) -> Iterator[tuple[str, Losses]]:
        """Minimise ||f(y) - y'||^2, Eq. (10); each sample draws which of its two is y."""
        y, pair = batch["y"], batch["pair"]
        swapped = (draws.uniform(batch["seed"], 1) < 0.5).view(-1, *[1] * (y.dim() - 1))
        seen, wanted = torch.where(swapped, pair, y), torch.where(swapped, y, pair)
        yield "network", {"mse": self.error(seen, wanted, batch["target"])}

    def validate(self, batch: Batch) -> Losses:
        """Return the squared error on the pixels that are never targets, in both directions."""
        y, pair, held = batch["y"], batch["pair"], batch["held"]
        return {"mse": (self.error(y, pair, held) + self.error(pair, y, held)) / 2}

    def reconstruct(self, batch: Batch) -> Estimate:
        """Return (f(y) + f(y')) / 2, or f(y) where there is no second measurement."""
        first = self.network(batch["y"])
        if "pair" not in batch:
            return Estimate(first)
        return Estimate((first + self.network(batch["pair"])) / 2)
