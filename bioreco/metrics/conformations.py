"""How well the conformations of a particle were found: all are laid on the truth at once.

A set of volumes points anywhere and has either hand, as one volume does; its mean is laid on the
mean of the truth, and all follow. What moves is then told from what stands still by differences.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from bioreco.metrics.alignment import align, resample
from bioreco.metrics.fsc import TRUTH, fsc
from bioreco.operators.resample import mirror
from bioreco.operators.rotations import random_rotations

Array = NDArray[Any]

TURNS = 20  # of the change that was found, which tell what chance gives


@dataclass(frozen=True)
class Conformations:
    """Volumes along a path, laid on the truth.

    Attributes
    ----------
    volumes
        (v, z, y, x).
    crossings
        Where the correlation of each volume with each true one falls below 0.5, as a fraction of
        Nyquist: (v, truths).
    motion
        Correlation of what changes from the first volume to the last with what does in truth,
        without its sign: the path has no direction.
    chance
        The same of that change when it is turned at random: its mean, and the largest of 20.
    reach
        How far the volumes go along the true change: 1 as far, 0 nowhere.

    """

    volumes: Array
    crossings: Array
    motion: float
    chance: tuple[float, float]
    reach: float


def compare(volumes: Array, truths: Sequence[Array], mask: Array, seed: int = 0) -> Conformations:
    """Lay volumes (v, z, y, x) on true ones, both along a path, and compare them in a mask."""
    wanted = np.stack([np.asarray(truth, dtype=np.float64) for truth in truths])
    laid = align(volumes.mean(0), wanted.mean(0))
    moved = np.stack(
        [_laid(volume, laid.mirrored, laid.rotation, laid.shift) for volume in volumes]
    )
    crossings = np.array(
        [[fsc(v, truth, mask=mask).crossing(TRUTH) for truth in wanted] for v in moved]
    )
    true = mask * (wanted[-1] - wanted[0])
    found = mask * (moved[-1] - moved[0])
    mean = mask * wanted.mean(0)
    scale = float((mask * moved.mean(0) * mean).sum() / (mean**2).sum())
    generator = torch.Generator().manual_seed(seed)
    chance = [
        abs(_cosine(_laid(found, 0, turn.numpy(), np.zeros(3)), true))
        for turn in random_rotations(TURNS, generator).double()
    ]
    return Conformations(
        moved,
        crossings,
        abs(_cosine(found, true)),
        (float(np.mean(chance)), float(np.max(chance))),
        abs(float((found * true).sum() / (true**2).sum())) / scale,
    )


def rigid(truths: Sequence[Array], mask: Array) -> float:
    """Return the mean crossing of the mean of true volumes with each: the best that one can do."""
    mean = np.mean(truths, axis=0)
    return float(np.mean([fsc(mean, truth, mask=mask).crossing(TRUTH) for truth in truths]))


def _laid(volume: Array, mirrored: int, rotation: Array, shift: Array) -> Array:
    values = torch.from_numpy(np.array(volume, dtype=np.float32))
    return resample(mirror(values) if mirrored else values, rotation, shift)


def _cosine(one: Array, other: Array) -> float:
    length = float(np.linalg.norm(one) * np.linalg.norm(other))
    return float((one * other).sum()) / length if length else 0.0
