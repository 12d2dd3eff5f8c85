"""Where the numbers of an image end: saturated, cut off at the bottom, missing.

A limit is recognised by the pixels that pile up there: many more than at the next value.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Array = NDArray[Any]

FEWEST = 10  # pixels at one value that may be called a pile


@dataclass(frozen=True)
class Limits:
    """The range of an image and what lies at its ends."""

    lowest: float
    highest: float
    mean: float
    variance: float
    saturated: float
    floored: float
    missing: float

    @property
    def constant(self) -> bool:
        """Return whether there are no two different pixels."""
        return self.highest == self.lowest

    def bad(self, part: Array) -> Array:
        """Return a mask of pixels that say nothing about noise, and of their neighbours."""
        lost = ~np.isfinite(part)
        if self.saturated > 0:
            lost |= part >= self.highest
        if not lost.any():
            return lost
        return np.asarray(ndimage.binary_dilation(lost, np.ones((1, 3, 3), dtype=bool)))

    def low(self, part: Array) -> Array:
        """Return a mask of pixels at the lowest value, where they pile up."""
        return np.asarray(part <= self.lowest) if self.floored > 0 else np.zeros(part.shape, bool)

    def fill(self, part: Array) -> Array:
        """Return the values with their neighbours' mean where they are not finite."""
        finite = np.isfinite(part)
        if finite.all():
            return part
        size = (1, 5, 5)
        share = ndimage.uniform_filter(finite.astype(np.float64), size)
        around = ndimage.uniform_filter(np.where(finite, part - self.mean, 0.0), size)
        return np.where(finite, part, self.mean + around / np.maximum(share, 1e-6))


def limits(parts: Sequence[Array]) -> Limits:
    """Find the ends of an image given as one or more arrays."""
    values = np.concatenate([part.reshape(-1) for part in parts])
    finite = values[np.isfinite(values)]
    missing = 1 - finite.size / values.size if values.size else 1.0
    if not finite.size:
        return Limits(math.nan, math.nan, math.nan, math.nan, 0.0, 0.0, missing)
    return Limits(
        lowest=float(finite.min()),
        highest=float(finite.max()),
        mean=float(finite.mean()),
        variance=float(finite.var()),
        saturated=_pile(finite),
        floored=_pile(-finite),
        missing=missing,
    )


def _pile(values: Array) -> float:
    """Return the share of pixels at the highest value if more are there than chance puts there."""
    top = values.max()
    at_top = int(np.count_nonzero(values == top))
    below = values[values < top]
    if at_top < FEWEST or not below.size:
        return 0.0
    at_next = int(np.count_nonzero(below == below.max()))
    return at_top / values.size if at_top > 2 * at_next else 0.0
