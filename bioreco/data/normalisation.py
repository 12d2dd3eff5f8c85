"""The scale that networks work on: zero mean and unit variance, per channel."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]


@dataclass(frozen=True)
class Normalisation:
    """y -> (y - mean) / std for each channel, and back.

    Attributes
    ----------
    mean, std
        One number for each channel, in the units of the images.

    """

    mean: tuple[float, ...]
    std: tuple[float, ...]

    @classmethod
    def of(cls, blocks: Iterable[Array]) -> Normalisation:
        """Measure blocks (c, [z,] y, x); pixels that are not finite don't count."""
        total: Any = 0.0
        squares: Any = 0.0
        count: Any = 0.0
        shift: Any = None
        for block in blocks:
            flat = block.reshape(len(block), -1).astype(np.float64)
            finite = np.isfinite(flat)
            if shift is None:
                shift = np.array(
                    [np.median(c[f]) if f.any() else 0.0 for c, f in zip(flat, finite, strict=True)]
                )
            flat = np.where(finite, flat - shift[:, None], 0.0)
            total, squares = total + flat.sum(1), squares + (flat**2).sum(1)
            count = count + finite.sum(1)
        count = np.maximum(count, 1)
        mean = total / count
        std = np.sqrt(np.maximum(squares / count - mean**2, 0))
        std = np.where(std > 1e-7 * np.maximum(np.abs(mean + shift), 1e-30), std, 1.0)
        return cls(tuple((mean + shift).tolist()), tuple(std.tolist()))

    def apply(self, y: Array) -> Array:
        """Return y (c, [z,] y, x) on the network's scale."""
        mean, std = self._like(y)
        return (y - mean) / std

    def invert(self, x: Array) -> Array:
        """Return x (c, [z,] y, x) in the units of the images."""
        mean, std = self._like(x)
        return x * std + mean

    def _like(self, y: Array) -> tuple[Array, Array]:
        shape = (len(self.mean), *[1] * (y.ndim - 1))
        mean, std = (np.array(v, dtype=np.float32).reshape(shape) for v in (self.mean, self.std))
        return mean, std

    def each(self, blocks: int, *, joint: bool) -> list[tuple[Array, Array]]:
        """Return (shift, unit) of each block's channels; apart, channels are blocks in turn."""
        mean, std = (np.array(v, dtype=np.float32) for v in (self.mean, self.std))
        if joint:
            return [(mean, std)] * blocks
        return [(mean[k % len(mean), None], std[k % len(mean), None]) for k in range(blocks)]

    def state(self) -> dict[str, list[float]]:
        """Return plain lists, for a checkpoint."""
        return {"mean": list(self.mean), "std": list(self.std)}

    @classmethod
    def from_state(cls, state: Mapping[str, list[float]]) -> Normalisation:
        """Return what `state` stored."""
        return cls(tuple(state["mean"]), tuple(state["std"]))
