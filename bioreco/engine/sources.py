"""What inference needs of images and of their scale, whoever provides it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]


class Frames(Protocol):
    """Frames (c, [z,] y, x) to read; beyond the border they are mirrored."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Pixels along the spatial axes."""
        ...

    @property
    def channels(self) -> int:
        """Channels of a frame."""
        ...

    def __len__(self) -> int: ...

    def read_mirrored(self, frame: int, start: Sequence[int], size: Sequence[int]) -> Array:
        """Read a region."""
        ...


class Scale(Protocol):
    """The scale that the network works on."""

    def apply(self, y: Array) -> Array:
        """Go to the network's scale."""
        ...

    def invert(self, x: Array) -> Array:
        """Come back to the units of the images."""
        ...

    def each(self, blocks: int, *, joint: bool) -> list[tuple[Array, Array]]:
        """Return the (shift, unit) of the channels of so many blocks."""
        ...
