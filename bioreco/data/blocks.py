"""Load what training needs of the images: all if it fits, else parts chosen for their signal."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from bioreco.data.frames import Frames

Array = NDArray[np.float32]

BUDGET = 2**25  # values held in memory
SIDE = {2: (512, 512), 3: (32, 128, 128)}


def load(images: Sequence[Frames], *, seed: int, budget: int = BUDGET) -> list[Array]:
    """Return blocks (c, [z,] y, x) of the images, as many as fit the budget.

    Where not all fits, twice as many parts as needed are read; half of those kept vary most, the
    others are left to chance.
    """
    total = sum(len(image) * image.channels * math.prod(image.shape) for image in images)
    if total <= budget:
        return [image.read(k) for image in images for k in range(len(image))]
    rng = np.random.default_rng([13, seed])
    share = np.array([len(image) * math.prod(image.shape) for image in images], dtype=np.float64)
    parts = _draw(images, rng.choice(len(images), size=2**16, p=share / share.sum()), rng)
    kept: list[Array] = []
    used = 0
    for first, second in zip(parts, parts, strict=False):
        if rng.random() < 0.5 and _variation(second) > _variation(first):
            first = second
        kept.append(first)
        used += first.size
        if used >= budget:
            break
    return kept


def _draw(
    images: Sequence[Frames], order: NDArray[np.int64], rng: np.random.Generator
) -> Iterator[Array]:
    for k in order:
        image = images[int(k)]
        side = [min(s, n) for s, n in zip(SIDE[image.dims], image.shape, strict=True)]
        start = [int(rng.integers(n - s + 1)) for s, n in zip(side, image.shape, strict=True)]
        region = [slice(a, a + s) for a, s in zip(start, side, strict=True)]
        yield image.read(int(rng.integers(len(image))), region)


def _variation(block: Array) -> float:
    coarse = block[..., : block.shape[-2] // 4 * 4, : block.shape[-1] // 4 * 4]
    split = coarse.reshape(*coarse.shape[:-2], coarse.shape[-2] // 4, 4, coarse.shape[-1] // 4, 4)
    return float(np.nanstd(split.mean((-3, -1))))
