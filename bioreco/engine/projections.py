"""Projections to learn from: blurred ones, and unpaired with them clean ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from bioreco.methods.projectiongan import Projected

Array = NDArray[Any]

VALIDATED = 16


class Projections:
    """Samples of `ProjectionGAN`.

    A sample is a blurred projection `y` (1, y, x) with the frequencies that were measured of it,
    `seen` (y, x); and drawn at random, from any tomogram, a clean one `x` (1, y, x), mirrored or
    not, with `lost` (y, x), what some blurred projection has measured.
    """

    def __init__(self, projected: Sequence[Projected]) -> None:
        self.blurred = torch.cat([one.blurred for one in projected]).cpu()
        self.seen = torch.cat([one.seen for one in projected]).cpu()
        self.clean = [one.clean.cpu() for one in projected]
        self._clean = torch.cat(self.clean)

    def __len__(self) -> int:
        return len(self.blurred)

    def __getitem__(self, draw: tuple[int, int]) -> dict[str, Array]:
        index, seed = draw
        rng = np.random.default_rng([71, seed])
        x = self._clean[rng.integers(len(self._clean))]
        x = x.flip(-1) if rng.random() < 0.5 else x
        return {
            "y": self.blurred[index][None].numpy(),
            "seen": self.seen[index].float().numpy(),
            "x": x[None].numpy(),
            "lost": self.seen[rng.integers(len(self.seen))].float().numpy(),
            "seed": np.array(seed, dtype=np.int64),
        }

    def validation(self) -> Sequence[dict[str, Array]]:
        """Return one batch, spread over all."""
        chosen = np.unique(np.linspace(0, len(self) - 1, VALIDATED).round().astype(int))
        samples = [self[int(k), int(k)] for k in chosen]
        return [{key: np.stack([one[key] for one in samples]) for key in samples[0]}]
