"""Supervised learning: the column to compare with, for which clean images must be known.

Eq. (6) of the review with the squared error. What it reaches is about what a network of this size
can do; scored on the images that it was trained on, it is better than on new ones.
"""

from __future__ import annotations

from collections.abc import Iterator

from bioreco.methods.method import Batch, Losses
from bioreco.methods.paired import Paired


class Supervised(Paired):
    """Clean images, predicted from their noisy measurements.

    Parameters
    ----------
    network
        Maps (b, c, [z,] y, x) to the same shape.

    Notes
    -----
    A batch holds the clean image as `x`. Its loss has no part that is noise.

    """

    wants = ("x",)

    def step(self, batch: Batch) -> Iterator[tuple[str, Losses]]:
        """Minimise ||f(y) - x||^2, Eq. (6)."""
        yield "network", {"error": self.error(batch["y"], batch["x"], batch["target"])}

    def validate(self, batch: Batch) -> Losses:
        """Return the squared error on the pixels that are never trained on."""
        return {"error": self.error(batch["y"], batch["x"], batch["held"])}
