"""What is scored of large images: a few crops, spread evenly over them."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from bioreco.data.frames import Frames, mirror
from bioreco.metrics.heldout import objection
from bioreco.metrics.noise import Noise

Array = NDArray[np.float32]

SIZE = {2: (256, 256), 3: (16, 96, 96)}


@dataclass(frozen=True)
class Crop:
    """A region of a frame, with what is known of it.

    Attributes
    ----------
    y
        The measurement (c, [z,] y, x), in grey levels.
    noise
        That of each channel.
    beside
        What the method sees beside it.
    seed
        Decides how it is split.

    """

    y: Array
    noise: Sequence[Noise]
    beside: Mapping[str, Array] = field(default_factory=dict)
    seed: int = 0


@dataclass(frozen=True)
class Copies:
    """Arrays (k, c, [z,] y, x) as frames to read."""

    values: Array

    @property
    def shape(self) -> tuple[int, ...]:
        """Pixels along the spatial axes."""
        return tuple(self.values.shape[2:])

    @property
    def channels(self) -> int:
        """Channels of a frame."""
        return int(self.values.shape[1])

    def __len__(self) -> int:
        return len(self.values)

    def read_mirrored(self, frame: int, start: Sequence[int], size: Sequence[int]) -> Array:
        """Read a region; beyond the border it is mirrored."""
        values: Array = self.values[frame]
        for axis, (a, n) in enumerate(zip(start, size, strict=True)):
            index = mirror(np.arange(a, a + n), self.shape[axis])
            values = values.take(index, axis=axis + 1)
        return values


def crops(
    images: Sequence[Frames],
    noise: Sequence[Sequence[Noise]],
    *,
    beside: Mapping[str, Sequence[Frames]] | None = None,
    pixels: int,
) -> list[Crop]:
    """Choose what is scored: crops spread evenly over all images whose noise allows it.

    Parameters
    ----------
    images
        The measurements.
    noise
        Of each of them, channel by channel.
    beside
        What else the method sees of each of them, by name.
    pixels
        How many are scored at most; one crop is, however large.

    """
    places = [
        (k, frame, corner)
        for k, frames in enumerate(images)
        if any(objection(channel) is None for channel in noise[k])
        for frame in range(len(frames))
        for corner in _corners(frames.shape)
    ]
    found: list[Crop] = []
    spent = 0
    for number in _spread(len(places)):
        k, frame, corner = places[number]
        size = _size(images[k].shape)
        spent += math.prod(size)
        if found and spent > pixels:
            break
        region = [slice(a, a + n) for a, n in zip(corner, size, strict=True)]
        others = {name: each[k].read(frame, region) for name, each in (beside or {}).items()}
        found.append(Crop(images[k].read(frame, region), noise[k], others, seed=number))
    return found


def _size(shape: Sequence[int]) -> tuple[int, ...]:
    return tuple(min(n, m) for n, m in zip(shape, SIZE[len(shape)], strict=True))


def _corners(shape: Sequence[int]) -> list[tuple[int, ...]]:
    """Return the corners of crops that cover a frame, overlapping as little as they can."""
    size = _size(shape)
    starts = [
        np.linspace(0, n - m, math.ceil(n / m)).astype(int).tolist()
        for n, m in zip(shape, size, strict=True)
    ]
    return list(itertools.product(*starts))


def _spread(count: int) -> Iterator[int]:
    """Yield the numbers below a count, each far from those before it (bits in reverse order)."""
    bits = max(count - 1, 0).bit_length()
    for k in range(1 << bits):
        place = int(f"{k:0{bits}b}"[::-1], 2) if bits else 0
        if place < count:
            yield place
