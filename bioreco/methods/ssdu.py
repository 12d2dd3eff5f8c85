"""SSDU: learn to reconstruct from undersampled k-space alone, by holding a part of it back.

Eq. (16) of the review; Yaman et al., Magn. Reson. Med. 2020.
"""

from __future__ import annotations

from collections.abc import Iterator

from bioreco.methods.method import Batch, Losses
from bioreco.methods.splitting import Splitting


class SSDU(Splitting):
    """One split of each problem in a step.

    Notes
    -----
    See `Splitting` for the options.

    """

    def step(self, batch: Batch) -> Iterator[tuple[str, Losses]]:
        """Predict what the network didn't see, Eq. (16)."""
        yield "network", self.losses(batch)
