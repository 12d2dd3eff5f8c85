"""Simulated sprites that are seen as lines: each summed along one direction, at any angle."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from bioreco.data.particles.samples import ParticleSamples
from bioreco.data.sprites import Sprites
from bioreco.errors import UserError


@dataclass(frozen=True)
class LineSamples(ParticleSamples):
    """Particles summed over their rows, on a scale on which noise keeps its deviation of 1."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.wants:
            raise UserError(f"this method learns from '{self.wants[0]}', which lines don't have")

    def __getitem__(self, draw: tuple[int, int]) -> Mapping[str, Any]:
        sample = super().__getitem__(draw)
        y = sample["y"]
        return {**sample, "y": y.sum(-2, keepdims=True) / np.float32(math.sqrt(y.shape[-2]))}


class ProjectedSprites(Sprites):
    """Sprites at all angles (see `Sprites`), of which lines (1, 1, x) are seen: sums over y.

    Attributes
    ----------
    patch
        As of the images that the lines are of.

    """

    def __init__(self, *, seed: int, particles: int, box: int, noise: float, shift: float) -> None:
        super().__init__(
            seed=seed, particles=particles, box=box, noise=noise, turn=180.0, shift=shift
        )

    def training(self, wants: Sequence[str] = ()) -> LineSamples:
        """Return what is learnt from.

        Raises
        ------
        UserError
            If the method wants more than y.

        """
        return LineSamples(self.particles, self.preparation, tuple(wants))
