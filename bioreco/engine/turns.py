"""Quarter turns and mirrorings that a reconstruction is averaged over."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from bioreco.engine.tiles import Tile

Turn = tuple[bool, tuple[int, ...]]  # transposed, mirrored axes


def turn_there(values: Tensor, turn: Turn) -> Tensor:
    """Transpose the plane, then mirror it."""
    transposed, mirrored = turn
    turned = values.transpose(-1, -2) if transposed else values
    return turned.flip(mirrored) if mirrored else turned.contiguous()


def turn_back(values: Tensor, turn: Turn) -> Tensor:
    """Undo `turn_there`."""
    transposed, mirrored = turn
    values = values.flip(mirrored) if mirrored else values
    return values.transpose(-1, -2) if transposed else values


def where(tile: Tile, turn: Turn, seeds: Sequence[int]) -> dict[str, Tensor]:
    """Return `start`, where a turned tile begins in the turned frame, and a seed for each sample.

    Tiles of one frame get the same seeds, so that what is drawn by position has no seams.
    """
    transposed, mirrored = turn
    start, size = list(tile.start), list(tile.size)
    if transposed:
        start[-2:], size[-2:] = start[:-3:-1], size[:-3:-1]
    for axis in mirrored:
        start[axis] = -(start[axis] + size[axis])
    return {
        "start": torch.tensor([start] * len(seeds), dtype=torch.int64),
        "seed": torch.tensor([seed >> 1 for seed in seeds], dtype=torch.int64),
    }
