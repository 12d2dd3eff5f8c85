"""An image file as a row of frames, each (c, [z,] y, x): what networks see and writers take back.

Time points and independent images are frames of their own; so are the slices of a stack that is
treated in 2D. Channels and the samples of RGB pixels travel together. Regions are read on demand,
beyond the border too, where the image is mirrored.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from bioreco.data.image import Image
from bioreco.errors import UserError

Array = NDArray[np.float32]

VOLUME = 8  # slices from which a stack is treated as a volume


class Target(Protocol):
    """Where regions of a result go: a writer, or a part of one."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type that values are written in."""
        ...

    def write(self, index: Sequence[slice], values: NDArray[Any]) -> None:
        """Store one region."""
        ...


@dataclass(frozen=True)
class Frames:
    """The frames of one image.

    Attributes
    ----------
    image
        The image file.
    dims
        2: slices of a stack are frames of their own; 3: a stack is one frame.

    """

    image: Image
    dims: int

    @property
    def spatial(self) -> str:
        """The spatial axes, "YX" or "ZYX"."""
        return "ZYX"[3 - self.dims :]

    @property
    def shape(self) -> tuple[int, ...]:
        """Pixels of a frame along its spatial axes."""
        return tuple(self.image.size(axis) for axis in self.spatial)

    @property
    def channels(self) -> int:
        """Channels of a frame, the samples of RGB pixels included."""
        return self.image.size("C") * self.image.size("S")

    def __len__(self) -> int:
        return math.prod(n for _, n in self._frame_axes())

    def _frame_axes(self) -> list[tuple[str, int]]:
        apart = set(self.spatial) | {"C", "S"}
        return [
            (axis, size)
            for axis, size in zip(self.image.axes, self.image.shape, strict=True)
            if axis not in apart
        ]

    def _index(self, frame: int, region: Sequence[slice]) -> tuple[slice, ...]:
        axes = self._frame_axes()
        at = np.unravel_index(frame, [n for _, n in axes]) if axes else ()
        places = {axis: slice(int(i), int(i) + 1) for (axis, _), i in zip(axes, at, strict=True)}
        places |= dict(zip(self.spatial, region, strict=True))
        return tuple(places.get(axis, slice(0, size)) for axis, size in self._sized())

    def _sized(self) -> list[tuple[str, int]]:
        return list(zip(self.image.axes, self.image.shape, strict=True))

    def _order(self) -> list[int]:
        """Return the file's axes in the order frame axes, C, S, [Z,] Y, X."""
        last = [axis for axis in "CS" + self.spatial if axis in self.image.axes]
        first = [axis for axis in self.image.axes if axis not in last]
        return [self.image.axes.index(axis) for axis in first + last]

    def read(self, frame: int, region: Sequence[slice] | None = None) -> Array:
        """Read a region of a frame, inside the image.

        Returns
        -------
        ndarray
            (c, [z,] y, x), float32.

        """
        if region is None:
            region = [slice(0, n) for n in self.shape]
        values = self.image.read(self._index(frame, region)).transpose(self._order())
        size = [part.stop - part.start for part in region]
        return np.ascontiguousarray(values.reshape(self.channels, *size), dtype=np.float32)

    def read_mirrored(self, frame: int, start: Sequence[int], size: Sequence[int]) -> Array:
        """Read a region that may reach beyond the border, where the image is mirrored.

        The pixel at the border isn't repeated, since its noise would be its own neighbour.
        """
        along = [
            mirror(np.arange(a, a + n), pixels)
            for a, n, pixels in zip(start, size, self.shape, strict=True)
        ]
        inside = [slice(int(i.min()), int(i.max()) + 1) for i in along]
        values = self.read(frame, inside)
        for axis, (i, part) in enumerate(zip(along, inside, strict=True)):
            if not np.array_equal(i, np.arange(part.start, part.stop)):
                values = values.take(i - part.start, axis=axis + 1)
        return values

    def write(self, target: Target, frame: int, region: Sequence[slice], values: Array) -> None:
        """Write a region of a frame (c, [z,] y, x) in the target's type.

        Whole numbers are rounded and clipped to what the type can hold.
        """
        index = self._index(frame, region)
        order = self._order()
        size = [part.stop - part.start for part in index]
        ordered = as_type(values, target.dtype).reshape([size[axis] for axis in order])
        target.write(index, ordered.transpose(np.argsort(order)))


def mirror(index: NDArray[np.int64], size: int) -> NDArray[np.int64]:
    """Map positions on an endless axis to the pixels 0 to size - 1, mirrored at both ends."""
    if size == 1:
        return np.zeros_like(index)
    index = np.abs(index) % (2 * size - 2)
    return np.minimum(index, 2 * size - 2 - index)


def as_type(values: NDArray[Any], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Convert to a type; to whole numbers by rounding and clipping, NaN becoming 0."""
    if dtype.kind == "f":
        return values.astype(dtype)
    limits = np.iinfo(dtype)
    whole = np.rint(np.nan_to_num(values.astype(np.float64), posinf=np.inf, neginf=-np.inf))
    low, high = float(limits.min), float(limits.max)
    clipped = np.clip(whole, low, np.nextafter(high, 0) if high > 2**53 else high)
    return clipped.astype(dtype)


def choose_dims(image: Image, dims: str) -> int:
    """Settle how many spatial axes the network sees.

    Parameters
    ----------
    image
        The image file.
    dims
        "2", "3", or "auto": 3 for stacks of at least 8 slices.

    Raises
    ------
    UserError
        If it is another word, or 3 for an image without a Z axis.

    """
    if dims not in {"auto", "2", "3"}:
        raise UserError(f"data.dims={dims}: choose auto, 2 or 3")
    if dims == "3" and "Z" not in image.axes:
        raise UserError(
            f"data.dims=3: {image.name} has axes {image.axes} and no Z."
            " Say data.axes= if the file is wrong about that."
        )
    if dims == "auto":
        return 3 if image.size("Z") >= VOLUME else 2
    return int(dims)
